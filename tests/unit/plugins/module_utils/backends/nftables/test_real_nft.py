# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real nft lists what was planned, and reads back as the rules that were put in."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.nftables.backend import Nftables
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ruleset import Edit
from ansible_collections.holdfast.firewall.tests.unit.policy_strategies import policy_rules
from ansible_collections.holdfast.firewall.tests.unit.rule_strategies import rules

SOME_RULES = st.lists(
    st.one_of(
        rules(), policy_rules(), policy_rules(), policy_rules(stateful=False).map(lambda rule: replace(rule, established=True)),
        rules(limits=False).map(lambda rule: rule.reply_rule()),
    ),
    min_size=25, max_size=25,
)  # fmt: skip
#: Without shrinking: each try takes programs.
BATCHES = settings(max_examples=6, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture])


def without_namespaces(backend):
    """The same backend on a host that refuses to make namespaces, so that the prediction is its own."""
    bare = Nftables(backend.host)
    which = bare.host.which
    bare.host.which = lambda program: None if program == "unshare" else which(program)
    return bare


def put_all(backend, rules_, table=None):
    """Put rules into their home chains, or into chains of another table."""
    ruleset = backend.read()
    edits = []
    for rule in rules_:
        chain = backend.home(ruleset, rule.direction, rule.family or 4)
        if table is not None:
            chain = ruleset.chain("%s %s" % (table, {"in": "input", "out": "output", "forward": "forward"}[rule.direction]))
        edits.append(Edit(chain, rule=rule))
    transaction = backend.plan(ruleset, edits)
    backend.validate(transaction)
    backend.apply(transaction)
    return transaction


def supported(backend, drawn):
    return list(dict.fromkeys(rule for rule in drawn if not backend.unsupported(rule)))


def differences(got, wanted):
    """Return the rules that are not the same, shortly."""
    return [(one, other) for one, other in itertools.zip_longest(got, wanted) if one != other][:3]


def in_chains(drawn):
    """Return the rules in the order of the chains of a ruleset."""
    return [rule for direction in ("in", "out", "forward") for rule in drawn if rule.direction == direction]


def read_rules(ruleset):
    found = {}
    for chain in ruleset.chains:
        for entry in chain.entries:
            found.setdefault(next(iter(chain.directions)), []).append(entry.rule)
    return [rule for direction in ("in", "out", "forward") for rule in found.get(direction, [])]


@BATCHES
@given(drawn=SOME_RULES)
def test_the_kernel_gives_back_every_rule(space, backend, drawn):
    space.nft("flush ruleset")
    wanted = supported(backend, drawn)
    transaction = put_all(backend, wanted)
    after = backend.read()
    assert not differences(read_rules(after), in_chains(wanted))
    assert transaction.after == after.listing == space.listed()
    for text in (space.checked(["nft", "-j", "list", "ruleset"]), space.listed()):
        assert not differences(read_rules(backend.parse(text)), in_chains(wanted))


@BATCHES
@given(drawn=SOME_RULES)
def test_the_listing_is_predicted_without_asking_nft(space, backend, drawn):
    space.nft("flush ruleset")
    # Names of other protocols come from the host's protocols file.
    wanted = [rule for rule in supported(backend, drawn) if rule.protocol not in (2, 89)]
    assert put_all(without_namespaces(backend), wanted).after == space.listed()


@BATCHES
@given(drawn=SOME_RULES, family=st.sampled_from([4, 6]))
def test_tables_of_one_family_give_back_every_rule_too(space, backend, drawn, family):
    name = "ip filter" if family == 4 else "ip6 filter"
    hooks = "\n".join("chain %s {\ntype filter hook %s priority 0;\n}" % (one, one) for one in ("input", "output", "forward"))
    space.nft("flush ruleset\ntable %s {\n%s\n}" % (name, hooks))
    narrowed = [replace(rule, family=family) for rule in supported(backend, drawn) if rule.family in (None, family)]
    wanted = list(dict.fromkeys(rule for rule in narrowed if rule.protocol not in (2, 89)))
    transaction = put_all(without_namespaces(backend), wanted, table=name)
    assert transaction.after == space.listed()
    assert not differences(read_rules(backend.read()), in_chains(wanted))


@BATCHES
@given(drawn=SOME_RULES)
def test_a_listing_loaded_again_is_the_same_program_for_the_kernel(space, backend, drawn):
    # nft leaves some conditions out of listings; none that our rules need may be among them.
    space.nft("flush ruleset")
    put_all(backend, supported(backend, drawn))

    def program():
        text = re.sub(r"__set\d+", "", space.checked(["nft", "--debug=netlink", "list", "ruleset"]))
        return [line for line in text.splitlines() if line.startswith("  [") or not line]

    before = program()
    space.nft("flush ruleset\n" + space.listed())
    assert program() == before


def test_many_rules_are_read_quickly_enough(space, backend):
    lines = ["tcp dport %d ip saddr 192.0.2.%d accept" % (1 + n, n % 250) for n in range(3000)]
    space.nft("table inet big {\nchain input {\ntype filter hook input priority 0;\n%s\n}\n}" % "\n".join(lines))
    ruleset = backend.read()
    assert len(ruleset.chain("inet big input").entries) == 3000


def test_without_root_the_message_says_what_to_do(space, backend):
    space.is_root = lambda: False
    with pytest.raises(Exception, match="become: true"):
        backend.read()
