# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A compiled policy decides like its list, is short for packets, and comes back as single rules with their comments."""

from __future__ import annotations

import random
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.equivalence import differ
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.compile.axes import SOURCE
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.compile.steps import Cell, Line, Split
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.iptables import policy_layout
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.iptables.backend import Iptables
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.iptables.render import unsupported
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.iptables.tree_write import write_steps
from ansible_collections.holdfast.firewall.plugins.module_utils.change.management import Management
from ansible_collections.holdfast.firewall.plugins.module_utils.change.policy_guard import with_guard
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.document import parse_policy
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.iptables.namespace import (
    VARIANTS,
    NamespaceHost,
    PaperHost,
    paper,
    refuse_reason,
)
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.iptables.policy_strategies import any_rules
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.iptables.workbench import carry_out, restore

BACKEND = paper()


def guarded(rules, **words):
    return with_guard(parse_policy({"rules": rules, **words}), Management(ssh_ports=(22,)))


def pairs(count, action="allow"):
    """Rules of one shape: a source and a port each."""
    return [
        {"action": action, "source": "198.51.%d.%d" % divmod(number, 256), "port": 1000 + number, "comment": "pair %d" % number}
        for number in range(count)
    ]


def mixed(count, seed=1):
    """Rules of many shapes with both verdicts, in an order that matters."""
    rng = random.Random(seed)
    found = []
    for number in range(count):
        words = {"action": rng.choice(["allow", "deny", "reject"]), "comment": "rule %d" % number}
        kind = number % 6
        if kind in (0, 1):
            words.update(source="10.%d.%d.0/24" % (rng.randrange(4), rng.randrange(64)), port=rng.choice([22, 80, 443]))
        elif kind == 2:
            words.update(source="10.%d.%d.%d" % (rng.randrange(4), rng.randrange(64), rng.randrange(256)), protocol="udp", port=53)
        elif kind == 3:
            words.update(source="2001:db8:%x::/48" % rng.randrange(64), port=rng.randrange(1, 100))
        elif kind == 4:
            words.update(port=rng.randrange(1, 200), interface=rng.choice(["eth0", "eth1"]))
        else:
            words.update(
                source="10.%d.0.0/16" % rng.randrange(4), limit="5/second", protocol="icmp", icmp_type=[0, 8][: rng.randrange(1, 3)]
            )
        if "limit" in words and len(words["icmp_type"]) > 1:
            del words["limit"]
        found.append(words)
    return found


def chains(text, name="holdfast-input"):
    return [line for line in text.splitlines() if line.startswith("-A %s " % name)]


def is_compiled(text):
    return "--match-set hfb-" in text or "-A holdfast-input-1 " in text


@settings(max_examples=6)
@given(st.lists(any_rules(forward=False), min_size=30, max_size=60), st.booleans())
def test_a_compiled_list_means_what_it_did(rules, sets):
    backend = paper("ipset") if sets else Iptables(PaperHost())
    rules = [replace(one, direction="in", established=False) for one in rules]
    policy = guarded([], defaults={"in": "reject"})
    policy = replace(policy, rules=tuple(one for one in rules if not unsupported(one, backend.tools.abilities(), True)))
    found = backend.parse_policy(backend.render_policy(policy, "compiled"))
    assert differ(policy, found) is None
    assert found.guard == policy.guard


@pytest.mark.parametrize("layout", ["compiled", "auto"])
@pytest.mark.parametrize("rules", [pairs(300), mixed(300), pairs(100) + pairs(100, "deny") + mixed(100)], ids=["pairs", "mixed", "both"])
def test_large_lists_are_compiled_and_come_back_rule_for_rule(rules, layout):
    policy = guarded(rules)
    text = BACKEND.render_policy(policy, layout)
    assert is_compiled(text)
    found = BACKEND.parse_policy(text)
    assert differ(policy, found) is None
    reachable = {
        policy.rules[number].comment for number in range(len(policy.rules)) if any(one == policy.rules[number] for one in found.rules)
    }
    assert {one.comment for one in found.rules} == reachable  # each is read whole; only what nothing reaches is left out


def test_rules_of_one_shape_are_one_line_and_one_set_with_a_comment_for_each():
    text = BACKEND.render_policy(guarded(pairs(300)), "auto")
    (line,) = [line for line in chains(text) if "match-set" in line]
    assert line.startswith("-A holdfast-input -p tcp -m set --match-set hfb-") and line.endswith(" src,dst -j ACCEPT")
    assert '198.51.0.7,6:1007 comment "8: pair 7"' in text


def test_no_packet_meets_many_lines():
    rules = mixed(2000)
    text = BACKEND.render_policy(guarded(rules), "auto")
    longest = max(len(chains(text, line.split(" ")[0][1:])) for line in text.splitlines() if line.startswith(":"))
    assert longest < 150


def test_few_rules_stay_one_line_each():
    assert not is_compiled(BACKEND.render_policy(guarded(pairs(20)), "auto"))


def test_without_ipset_there_are_no_sets():
    text = Iptables(PaperHost()).render_policy(guarded(mixed(300)), "auto")
    assert "match-set" not in text
    assert is_compiled(text)


def test_rules_that_a_set_cannot_hold_stay_lines():
    rules = [{**one, "comment": 'a "quoted" one'} for one in pairs(80)]
    text = BACKEND.render_policy(guarded(rules), "compiled")
    assert "match-set" not in text
    assert {one.comment for one in BACKEND.parse_policy(text).rules} == {'a "quoted" one'}


def written(steps, *rules):
    """Return the layout of steps, as they might come from the planner."""
    found = [replace(one, family=4) for one in parse_policy({"rules": list(rules)}).rules]
    return write_steps(tuple(steps), found, 4, BACKEND.tools.abilities(), "holdfast-input", ())


def test_packets_above_a_limit_are_counted_in_one_place_wherever_the_rule_stands():
    slow = {"action": "deny", "protocol": "icmp", "icmp_type": [0, 8], "limit": "5/second", "comment": "slow"}
    laid = written([Split(SOURCE, (Cell(0, 255, (Line(0),)), Cell(512, 767, (Line(0),)))), Line(0)], slow)
    lines = [line for found in (laid.lines, *laid.chains.values()) for line in found]
    leading = [line.rpartition(" -j ")[2] for line in lines if '--comment "1: slow" -j' in line]
    assert len(leading) == 6 and len(set(leading)) == 1
    assert laid.chains[leading[0]] == ["-A %s -m limit --limit 5/sec -j DROP" % leading[0]]


def test_a_reset_is_asked_for_with_the_protocol_that_has_one():
    guard = Line(0, (Line(1),))
    laid = written([guard], {"action": "reject", "port": 80}, {"action": "deny", "protocol": "any", "source": "192.0.2.1"})
    assert laid.lines == ["-A holdfast-input -p tcp -m tcp --dport 80 -m comment --comment 1 -j holdfast-input-1"]
    assert laid.chains["holdfast-input-1"] == [
        "-A holdfast-input-1 -s 192.0.2.1/32 -m comment --comment 2 -j DROP",
        "-A holdfast-input-1 -p tcp -j REJECT --reject-with tcp-reset",
    ]


def test_many_cells_are_reached_in_two_steps_and_the_rest_from_both():
    cells = tuple(Cell(256 * number, 256 * number + 127, (Line(0),)) for number in range(100))
    laid = written([Split(SOURCE, cells, (Line(1),))], {"action": "allow", "port": 80}, {"action": "deny", "port": 81})
    main = laid.chains["holdfast-input-1"]
    assert laid.lines == ["-A holdfast-input -j holdfast-input-1"] and len(main) == 11
    groups = [laid.chains[line.rpartition(" -g ")[2]] for line in main[:-1]]
    assert {len(group) for group in groups} == {11}
    assert {line.rpartition(" ")[2] for line in (main[-1], *(group[-1] for group in groups))} == {main[-1].rpartition(" ")[2]}


def test_a_cell_that_is_no_network_is_a_range():
    cells = (Cell(256, 511, (Line(0),)), Cell(515, 600, (Line(0),)))
    laid = written([Split(SOURCE, cells)], {"action": "allow", "port": 80})
    start = "-A holdfast-input-1 "
    assert [line[len(start) :].partition(" -g ")[0] for line in laid.chains["holdfast-input-1"]] == [
        "-s 0.0.1.0/24", "-m iprange --src-range 0.0.2.3-0.0.2.88",
    ]  # fmt: skip


def test_a_form_that_is_not_proved_is_not_used(monkeypatch):
    monkeypatch.setattr(policy_layout, "difference", lambda *given: "no")
    assert not is_compiled(BACKEND.render_policy(guarded(mixed(200)), "compiled"))


def test_a_form_that_leads_on_too_far_is_not_used(monkeypatch):
    def too_deep(*given):
        raise policy_layout.TooDeep

    monkeypatch.setattr(policy_layout, "write_steps", too_deep)
    assert not is_compiled(BACKEND.render_policy(guarded(mixed(200)), "compiled"))


@pytest.mark.parametrize(
    ("pattern", "new"),
    [
        (r" (-g holdfast-input-\d+)\n", r" -m time --timestart 08:00 \1\n"),
        (r" -g holdfast-input-\d+\n", r" -g holdfast-output\n"),
        (r" src,dst -j ", " src,dst -m limit --limit 5/sec -j "),
        (r"(add hfb-\S+ \S+:\d+)", r"\1-65535"),
        (r"add hfb-(\S+) \S+,", r"add hfb-\1 "),
    ],
)
def test_an_edit_by_hand_that_has_no_words_is_an_error(pattern, new):
    texts = [BACKEND.render_policy(guarded(rules), "compiled") for rules in (pairs(300), mixed(1000))]
    text = next(one for one in texts if re.search(pattern, one))
    with pytest.raises(Exception, match=r"by a policy|by hand"):
        BACKEND.parse_policy(re.sub(pattern, new, text, count=1))


def test_an_edit_by_hand_that_has_words_changes_what_is_read():
    policy = guarded(mixed(300))
    text = BACKEND.render_policy(policy, "compiled")
    line = next(line for line in chains(text) if line.endswith("ACCEPT") and "holdfast: " not in line)
    edited = text.replace(line, line.replace("ACCEPT", "DROP"), 1)
    try:
        assert differ(policy, BACKEND.parse_policy(edited)) is not None
    except Exception as exc:
        assert "by hand" in str(exc)


@pytest.mark.skipif(refuse_reason() is not None, reason=str(refuse_reason()))
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("rules", [pairs(150), mixed(250)], ids=["pairs", "mixed"])
def test_a_compiled_policy_is_in_force_once_and_undone_to_the_byte(variant, rules):
    host = NamespaceHost(variant)
    try:
        backend = Iptables(host)
        policy = guarded(rules)
        ruleset = backend.read()
        snapshot, before = carry_out(backend, ruleset, backend.plan_policy(ruleset, policy, "compiled"))
        live = backend.read()
        assert is_compiled(live.listing)
        assert backend.plan_policy(live, policy, "compiled").commands == ()
        found = backend.read_policy(live)
        assert differ(policy, found) is None
        assert backend.plan_policy(live, found, "compiled").commands == ()
        fewer = guarded(rules[:-3])
        second, middle = carry_out(backend, live, backend.plan_policy(live, fewer, "compiled"))
        assert restore(host, second).ok
        assert backend.read().listing == middle.listing
        assert restore(host, snapshot).ok
        assert backend.read().listing == before.listing
        assert host.shell("ipset list -n") == ""
    finally:
        host.close()


def test_a_set_whose_members_somebody_changed_is_seen_and_made_anew(backend, host):
    policy = guarded(pairs(150))
    ruleset = backend.read()
    carry_out(backend, ruleset, backend.plan_policy(ruleset, policy, "compiled"))
    listed = backend.live_text()
    name = host.shell("ipset list -n").split()[0]
    host.shell("ipset add %s 203.0.113.5,tcp:22" % name)
    assert backend.live_text() != listed
    ruleset = backend.read()
    transaction = backend.plan_policy(ruleset, policy, "compiled")
    assert transaction.commands
    carry_out(backend, ruleset, transaction)
    assert backend.plan_policy(backend.read(), policy, "compiled").commands == ()
    assert "203.0.113.5" not in backend.read().listing
