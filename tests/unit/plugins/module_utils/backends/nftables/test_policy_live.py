# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole policies on the real nft: what is planned is what is listed, twice is once, and what belongs to others stays."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.nftables.backend import Nftables
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.nftables.listing import parse_listing
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.nftables.policy_build import draft_program
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.placement import place_present
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.policy import NativeLines, Policy
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.ports import PortRange
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rates import Limit, Rate
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rule import DIRECTIONS, Log, Rule
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.nftables.test_policy_text import sameness
from ansible_collections.holdfast.firewall.tests.unit.policy_strategies import policies, standard_guard

#: Without shrinking: each try takes programs.
BATCHES = settings(max_examples=8, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture])
LAYOUTS = ("rules", "compiled")

FOREIGN = """
table ip docker-bridges {
    map published {
        type inet_service : verdict
        elements = { 8080 : accept }
    }
    chain filter-FORWARD {
        type filter hook forward priority filter; policy accept;
        tcp dport vmap @published
    }
}
table inet f2b-table {
    set addr-set-sshd {
        type ipv4_addr
        elements = { 192.0.2.66 }
    }
    chain f2b-chain {
        type filter hook input priority filter - 1; policy accept;
        tcp dport 22 ip saddr @addr-set-sshd reject
    }
}
"""
SITE = """
table inet filter {
    set office {
        type ipv4_addr
        elements = { 192.0.2.1 }
    }
    chain DOCKER-USER {
        ip saddr 203.0.113.9 drop
    }
    chain services {
        tcp dport 25 accept
    }
    chain input {
        type filter hook input priority filter; policy drop;
        tcp dport 22 ip saddr @office accept
        jump services
    }
    chain forward {
        type filter hook forward priority filter; policy accept;
        jump DOCKER-USER
        tcp dport 23 drop
    }
}
"""


def drawn_policy(backend, drawn):
    """Return the part of a random policy that this backend carries."""
    refused = {one.field.split(".")[0] for one in backend.policy_unsupported(drawn)}
    kept = tuple(rule for number, rule in enumerate(drawn.rules) if "rules[%d]" % number not in refused)
    guard = tuple(rule for rule in drawn.guard if drawn.defaults[rule.direction] != "unmanaged")
    return replace(drawn, rules=kept, guard=guard)


def web(*ports, **words):
    """A policy that lets these ports in."""
    rules = tuple(Rule("allow", ports=(PortRange(port, port),), comment="port %d" % port) for port in ports)
    defaults = {"in": "deny", "out": "allow", "forward": "unmanaged", **words.pop("defaults", {})}
    return Policy(rules=rules + words.pop("rules", ()), defaults=defaults, guard=standard_guard(), **words)


def enforce(backend, policy, layout="auto", alone=False):
    """Plan, check and apply a policy; returns the transaction."""
    transaction = backend.plan_policy(backend.read(), policy, layout, alone)
    backend.validate(transaction)
    backend.apply(transaction)
    return transaction


def undo(backend, ruleset, transaction):
    """Run the restore script of a change."""
    snapshot = backend.snapshot(ruleset, transaction)
    for name, text in snapshot.files.items():
        backend.host.write("/restore/" + name, text)
    backend.host.checked(["sh", "-c", "DIR=%s/restore\n%s" % (backend.host.folder, snapshot.script)])


def without_namespaces(backend):
    """The same backend on a host that refuses to make namespaces, so that the prediction is its own."""
    bare = Nftables(backend.host)
    which = bare.host.which
    bare.host.which = lambda program: None if program == "unshare" else which(program)
    return bare


@pytest.mark.parametrize("layout", LAYOUTS)
@BATCHES
@given(drawn=st.lists(policies(guard=True, native=True), min_size=3, max_size=3))
def test_policies_follow_each_other_as_planned(space, backend, layout, drawn):
    space.nft("flush ruleset\n" + FOREIGN)
    foreign = space.listed()
    for policy in [drawn_policy(backend, one) for one in drawn]:
        before = backend.read()
        transaction = enforce(backend, policy, layout)
        after = backend.read()
        assert transaction.after == after.listing
        assert not backend.plan_policy(after, policy, layout).commands
        read = backend.read_policy(after)
        if layout == "rules" and read is not None:
            # nft lists some native lines in other words.
            wanted = sameness(replace(policy, native={}))
            assert sameness(replace(read, native={})) == wanted
            assert sameness(replace(backend.parse_policy(space.listed()), native={})) == wanted
        if transaction.commands:
            undo(backend, before, transaction)
            assert backend.read().listing == before.listing
            enforce(backend, policy, layout)
    assert space.listed().startswith(foreign)


@BATCHES
@given(drawn=policies(guard=True, native=True))
def test_the_rendered_text_loads_and_is_what_the_plan_makes(space, backend, drawn):
    policy = drawn_policy(backend, drawn)
    for layout in LAYOUTS:
        text = backend.render_policy(policy, layout)
        space.nft("flush ruleset")
        space.checked(["nft", "-c", "-f", "-"], text)
        space.nft(text)
        loaded = space.listed()
        space.nft(text)
        assert space.listed() == loaded
        assert not backend.plan_policy(backend.read(), policy, layout).commands


@BATCHES
@given(drawn=policies(guard=True))
def test_the_listing_of_plain_rules_is_predicted_without_asking_nft(space, backend, drawn):
    # Names of other protocols come from the host's protocols file.
    policy = drawn_policy(backend, drawn)
    policy = replace(policy, rules=tuple(rule for rule in policy.rules if rule.protocol not in (2, 89)))
    space.nft("flush ruleset")
    bare = without_namespaces(backend)
    assert enforce(bare, policy, "rules").after == backend.read().listing
    assert not bare.plan_policy(backend.read(), policy, "rules").commands


@BATCHES
@given(drawn=policies(guard=True))
def test_without_namespaces_twice_is_once_too(space, backend, drawn):
    # Only where the lines of a set break, and which names the host has for protocols, is not known then.
    policy = drawn_policy(backend, drawn)
    space.nft("flush ruleset")
    bare = without_namespaces(backend)
    for layout in LAYOUTS:
        enforce(bare, policy, layout)
        assert not bare.plan_policy(backend.read(), policy, layout).commands


def handles(space):
    """Return the handle of each base chain."""
    text = space.checked(["nft", "-a", "list", "table", "inet", "holdfast"])
    return dict(re.findall(r"chain (input|output) \{ # handle (\d+)", text))


def test_a_swap_keeps_the_base_chains_and_leaves_nothing_behind(space, backend):
    space.nft(FOREIGN)
    foreign = space.listed()
    enforce(backend, web(80))
    first = handles(space)
    transaction = enforce(backend, web(80, 443))
    assert handles(space) == first
    assert backend.read().listing.startswith(foreign)
    assert len(re.findall(r"chain hf_input_", space.listed())) == 1
    prepare, switch, clear = (command.stdin for command in transaction.commands)
    assert "hook" not in prepare
    assert re.sub("_[0-9a-f]{8}", "", switch).splitlines() == [
        "add chain inet holdfast input { type filter hook input priority filter; policy drop; }",
        "flush chain inet holdfast input",
        "add rule inet holdfast input jump hf_input",
        'add rule inet holdfast input drop comment "holdfast: default"',
    ]
    assert "delete chain inet holdfast hf_input_" in clear


def test_at_the_switch_only_base_chains_change(space, backend):
    # The kernel fills new interval sets some microseconds after it switches the rules.
    policy = web(rules=(Rule("deny", ports=(PortRange(1, 9), PortRange(20, 30))),), log_denied=Log("x "))
    for one in (policy, replace(policy, rules=policy.rules[:0]), policy):
        commands = enforce(backend, one).commands
        switches = [command.stdin for command in commands if "add rule" in command.stdin]
        assert len(switches) == 1
        assert "{ 1-9" not in switches[0]


def test_a_direction_that_is_not_managed_any_more_loses_its_chain(space, backend):
    enforce(backend, web(80, defaults={"forward": "deny"}))
    assert "hook forward" in space.listed()
    before = backend.read()
    transaction = enforce(backend, web(80))
    assert "forward" not in space.listed()
    assert transaction.after == backend.read().listing
    undo(backend, before, transaction)
    assert backend.read().listing == before.listing


def test_removing_the_policy_leaves_the_rest(space, backend):
    space.nft(FOREIGN)
    foreign = space.listed()
    enforce(backend, web(80))
    before = backend.read()
    transaction = enforce(backend, None)
    assert space.listed() == foreign == transaction.after
    undo(backend, before, transaction)
    assert backend.read().listing == before.listing
    enforce(backend, None)
    assert not enforce(backend, None).commands
    assert backend.read_policy(backend.read()) is None


def test_removing_a_policy_that_others_came_behind_is_undone_exactly(space, backend):
    enforce(backend, web(80))
    space.nft(FOREIGN)
    before = backend.read()
    transaction = enforce(backend, None)
    assert "chain input" not in space.listed()
    assert backend.read_policy(backend.read()) is None
    assert not enforce(backend, None).commands
    undo(backend, before, transaction)
    assert backend.read().listing == before.listing


EDITS = {
    "a rule added": "add rule inet holdfast input tcp dport 9 accept",
    "a rule in front": "insert rule inet holdfast input tcp dport 9 accept",
    "a rule in the bundle": "add rule inet holdfast {bundle} tcp dport 9 accept",
    "the bundle emptied": "flush chain inet holdfast {bundle}",
    "the base chain emptied": "flush chain inet holdfast input",
    "the policy of a chain": "add chain inet holdfast input {{ policy accept; }}",
    "a chain": "add chain inet holdfast extra",
    "a set": "add set inet holdfast extra {{ type ipv4_addr; }}",
    "a counter": "add counter inet holdfast seen",
    "a base chain": "add chain inet holdfast pre {{ type filter hook prerouting priority 0; policy accept; }}",
    "the priority": "flush chain inet holdfast input\ndelete chain inet holdfast input\n"
    "add chain inet holdfast input {{ type filter hook input priority 5; policy accept; }}",
    "the set of a limit": "flush table inet holdfast\ndelete set inet holdfast {limit}\n"
    "add set inet holdfast {limit} {{ type ipv4_addr; size 9; flags dynamic; }}",
    "the table switched off": "add table inet holdfast {{ flags dormant; }}",
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_edit_by_hand_is_undone(space, backend, edit, layout):
    policy = web(80, rules=(Rule("deny", limit=Limit(Rate(1, 60), per_source=True), family=4),))
    enforce(backend, policy, layout)
    wanted = space.listed()
    own = backend.own_listing(backend.read())
    (bundle,) = re.findall(r"jump (hf_input\S+)", wanted)
    (limit,) = re.findall(r"set (hf_limit\S+)", wanted)
    space.nft(edit.format(bundle=bundle, limit=limit) + "\n")
    assert backend.own_listing(backend.read()) != own
    before = backend.read()
    transaction = enforce(backend, policy, layout)
    assert transaction.commands
    assert transaction.after == backend.read().listing
    assert plain(space.listed()) == plain(wanted)
    assert not backend.plan_policy(backend.read(), policy, layout).commands
    undo(backend, before, transaction)
    assert backend.read().listing == before.listing


def plain(listing):
    """Return the blocks of our table without digests, in any order."""
    table = parse_listing(re.sub("_[0-9a-f]{8}", "", listing)).table(("inet", "holdfast"))
    return sorted(block.lines() for block in table.blocks), table.preamble


def test_a_bundle_that_was_changed_twice_is_made_anew(space, backend):
    policy = web(80)
    enforce(backend, policy)
    for _turn in range(3):
        (bundle,) = re.findall(r"jump (hf_input\S+)", space.listed())
        space.nft("add rule inet holdfast %s tcp dport 9 accept" % bundle)
        assert enforce(backend, policy).after == backend.read().listing
        assert "dport 9" not in space.listed()


def test_when_names_of_a_bundle_are_taken_it_gets_another(space, backend):
    policy = web(80)
    space.nft("table inet holdfast {\nchain input {\ntype filter hook input priority 0;\n}\n}")
    draft = draft_program(policy)[0]
    for name in {draft.name(turn) for turn in range(3)}:
        space.nft("add chain inet holdfast %s\nadd rule inet holdfast %s tcp dport 9 accept" % (name, name))
    transaction = enforce(backend, policy)
    assert transaction.after == backend.read().listing
    assert "dport 9" not in space.listed()
    assert not backend.plan_policy(backend.read(), policy).commands


def test_an_interrupted_change_is_taken_up_again(space, backend):
    enforce(backend, web(80))
    for steps in (1, 2):
        transaction = backend.plan_policy(backend.read(), web(80, 443 + steps))
        for command in transaction.commands[:steps]:
            space.checked(command.argv, command.stdin)
        assert enforce(backend, web(80, 443 + steps)).after == backend.read().listing
        assert len(re.findall(r"chain hf_input_", space.listed())) == 1


def test_an_interrupted_change_is_undone(space, backend):
    enforce(backend, web(80))
    before = backend.read()
    transaction = backend.plan_policy(before, web(443))
    assert len(transaction.commands) == 3
    for steps in range(4):
        for command in transaction.commands[:steps]:
            space.checked(command.argv, command.stdin)
        undo(backend, before, transaction)
        assert backend.read().listing == before.listing


def test_rules_of_single_tasks_are_read_as_rules_of_the_policy(space, backend):
    own = Rule("allow", ports=(PortRange(8080, 8080),), comment="by hand")
    for policy in (None, web(80)):
        space.nft("flush ruleset")
        if policy is not None:
            enforce(backend, policy)
        ruleset = backend.read()
        backend.apply(backend.plan(ruleset, place_present(backend, ruleset, own).edits))
        read = backend.read_policy(backend.read())
        assert own in read.rules
        assert read.defaults["in"] == ("allow" if policy is None else "deny")
        # and they are gone, or stay, as the next policy says
        enforce(backend, replace(web(80), rules=read.rules))
        assert own in backend.read_policy(backend.read()).rules
        enforce(backend, web(80))
        assert own not in backend.read_policy(backend.read()).rules


def test_a_deny_of_a_single_task_decides_before_the_policy(space, backend):
    enforce(backend, web(80))
    stop = Rule("deny", ports=(PortRange(80, 80),), source=standard_guard()[0].source, family=None)
    ruleset = backend.read()
    backend.apply(backend.plan(ruleset, place_present(backend, ruleset, stop).edits))
    read = backend.read_policy(backend.read())
    numbers = [number for number, rule in enumerate(read.rules) if rule.ports == stop.ports]
    assert read.rules[numbers[0]].action == "deny"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_native_lines_stand_around_the_rules_and_come_back(space, backend, layout):
    lines = NativeLines(
        {"in": ("ct   state invalid drop", "meta mark 1 return")}, {"in": ("udp dport 9 counter accept",), "out": ("accept",)}
    )
    policy = web(80, native={"nftables": lines})
    assert enforce(backend, policy, layout).after == backend.read().listing
    read = backend.read_policy(backend.read())
    assert read.native["nftables"].before == {"in": ("ct state invalid drop", "meta mark 0x00000001 return")}
    assert read.native["nftables"].after == {"in": ("udp dport 9 counter accept",), "out": ("accept",)}
    assert not backend.plan_policy(backend.read(), policy, layout).commands


def test_a_native_line_that_nft_refuses_changes_nothing(space, backend):
    transaction = backend.plan_policy(backend.read(), web(80, native={"nftables": NativeLines({"in": ("tcp dprt 5 accept",)})}))
    with pytest.raises(HoldfastError, match="dprt"):
        backend.validate(transaction)
    assert space.listed() == ""


def test_alone_empties_what_administrators_wrote_and_nothing_else(space, backend):
    space.nft(FOREIGN + SITE)
    before = backend.read()
    foreign = [str(table) for table in before.tables.tables if table.name != "filter"]
    transaction = enforce(backend, web(80, defaults={"forward": "deny"}), alone=True)
    assert transaction.after == backend.read().listing
    read = backend.read()
    assert [str(table) for table in read.tables.tables if table.name not in ("filter", "holdfast")] == foreign
    site = read.tables.table(("inet", "filter"))
    assert "policy drop" not in "\n".join(site.lines())
    assert [rule.text for chain in site.chains() for rule in chain.rules] == ["ip saddr 203.0.113.9 drop", "jump DOCKER-USER"]
    assert not backend.plan_policy(read, web(80, defaults={"forward": "deny"}), alone=True).commands
    undo(backend, before, transaction)
    assert backend.read().listing == before.listing


def test_alone_leaves_the_chains_of_a_direction_that_the_policy_leaves_alone(space, backend):
    space.nft(
        "table inet filter {\n chain helper { ip saddr 192.0.2.9 drop; }\n"
        " chain input { type filter hook input priority 0; policy drop; tcp dport 9 accept; }\n"
        " chain forward { type filter hook forward priority 0; policy drop; jump helper; }\n}\n"
    )
    before = backend.read()
    enforce(backend, replace(web(80), defaults={"in": "deny", "out": "allow", "forward": "unmanaged"}), alone=True)
    site = backend.read().tables.table(("inet", "filter"))
    rules = {chain.name: [rule.text for rule in chain.rules] for chain in site.chains()}
    assert rules == {"helper": ["ip saddr 192.0.2.9 drop"], "input": [], "forward": ["jump helper"]}
    listed = "\n".join(site.lines())
    assert "hook forward priority filter; policy drop;" in listed
    assert "hook input priority filter; policy accept;" in listed
    assert before.tables.table(("inet", "filter")) is not None


def test_without_alone_the_rules_of_administrators_stay(space, backend):
    space.nft(SITE)
    site = space.listed()
    enforce(backend, web(80))
    assert space.listed().startswith(site)


def test_the_live_text_tells_an_edit_and_does_not_change_by_itself(space, backend):
    assert backend.live_text() == backend.own_listing(backend.read()) == ""
    policy = web(80, rules=(Rule("deny", limit=Limit(Rate(1, 60), per_source=True), family=4),))
    enforce(backend, policy)
    text = backend.live_text()
    assert text == backend.own_listing(backend.read())
    (limit,) = re.findall(r"set (hf_limit\S+)", text)
    space.nft("add element inet holdfast %s { 192.0.2.1 }" % limit)
    assert backend.live_text() == text
    space.nft(FOREIGN)
    assert backend.live_text() == text
    assert backend.live_text(whole=True) == backend.read().listing != text
    space.nft("flush ruleset")
    assert backend.live_text() == ""


@pytest.mark.parametrize("default", ["allow", "deny", "reject"])
def test_every_default_is_said_by_a_last_line(space, backend, default):
    policy = web(defaults=dict.fromkeys(DIRECTIONS, default))
    enforce(backend, policy)
    word = {"allow": "accept", "deny": "drop", "reject": "reject"}[default]
    assert space.listed().count('\t\t%s comment "holdfast: default"\n\t}' % word) == 3
    assert space.listed().count("policy drop") == (0 if default == "allow" else 3)
    assert backend.read_policy(backend.read()).defaults == policy.defaults
