# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told about conflicts: the right rules, true examples, all counted, the same every time."""

from __future__ import annotations

import ipaddress
import json
import random
import time

import pytest
from hypothesis import given, settings

from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.conflicts import KINDS, find_conflicts, parse_kinds
from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.coverage import Coverage
from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.diagram import Space
from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.packet_set import PacketSet
from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.packets import Packet
from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.semantic_diff import semantic_diff
from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.trace import trace
from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.units import Units
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.addresses import make_addresses
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.document import parse_policy
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import PolicyError
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.policy import Policy
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.ports import PortRange
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.protocols import parse_protocol
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rates import Limit, Rate
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rule import Rule
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.analysis.small_universe import policies
from ansible_collections.holdfast.firewall.tests.unit.policy_generator import random_policy, standard_guard
from ansible_collections.holdfast.firewall.tests.unit.policy_strategies import policies as whole_policies


def policy_of(*rules, **more):
    return parse_policy(dict({"rules": list(rules)}, **more))


def allow(port, **words):
    return {"action": "allow", "port": port, **words}


def deny(port, **words):
    return {"action": "deny", "port": port, **words}


def told(report):
    return [(one.kind, one.rules) for one in report.entries]


EVERYTHING = {"action": "deny", "protocol": "any"}


def test_a_rule_behind_a_wider_one_is_shadowed():
    policy = policy_of(deny(22, source="192.0.2.0/24"), allow(22, source="192.0.2.7"))
    report = find_conflicts(policy, ["pairs", "fully_shadowed"])
    assert told(report) == [("shadowing", ("rules[1]", "rules[0]")), ("fully_shadowed", ("rules[1]", "rules[0]"))]
    entry = report.entries[1]
    assert entry.explanation == "rules[1] never decides a packet: rules[0] takes all of them, and acts otherwise."
    assert entry.suggestion == "Move it before rules[0] if it is meant as an exception, else remove it."
    assert entry.texts[0] == "allow in tcp ipv4 from 192.0.2.7 to any port 22"
    assert entry.example.text == "in tcp 192.0.2.7:40000 -> 198.51.100.10:22 (new)"
    assert (entry.example.decided_by, entry.example.action) == ("rules[0]", "denied")


def test_rules_that_cover_another_one_together_are_named():
    report = find_conflicts(
        policy_of(
            deny(80, source="192.0.2.0/25"), deny([443, 8443]), deny(443, source="192.0.2.0/24"), deny(80, source="192.0.2.128/25"),
            allow([80, 443], source="192.0.2.0/24"),
        ),
        ["coverage"],
    )  # fmt: skip
    shadowed = next(one for one in report.entries if one.kind == "fully_shadowed")
    assert shadowed.rules == ("rules[4]", "rules[0]", "rules[1]", "rules[3]")
    assert "rules[0], rules[1] and rules[3] take all of them" in shadowed.explanation


def test_what_is_left_of_a_partially_shadowed_rule_is_told():
    report = find_conflicts(policy_of(deny(80, source="192.0.2.0/24"), allow([80, 443])), ["partially_shadowed"])
    [entry] = report.entries
    assert entry.rules == ("rules[1]", "rules[0]")
    assert (entry.example.decided_by, entry.counterexample.decided_by) == ("rules[0]", "rules[1]")
    assert set(entry.left) == {
        "in tcp 192.0.2.0/24 -> any port 443", "in tcp !192.0.2.0/24 -> any port 80,443", "in tcp ipv6 any -> any port 80,443",
    }  # fmt: skip


def test_a_rule_that_loses_packets_only_to_its_own_action_is_not_shadowed():
    report = find_conflicts(policy_of(allow(80, source="192.0.2.0/24"), allow([80, 443])), ["fully_shadowed", "partially_shadowed"])
    assert told(report) == []


def test_an_exception_is_a_generalisation_and_a_crossing_a_correlation():
    report = find_conflicts(
        policy_of(deny(22, source="192.0.2.0/24"), allow(22), allow("80", source="192.0.2.7"), deny("80", destination="198.51.100.7")),
        ["pairs"],
    )
    assert told(report) == [("generalisation", ("rules[0]", "rules[1]")), ("correlation", ("rules[2]", "rules[3]"))]


def test_redundancy_works_both_ways_but_not_past_a_rule_between():
    covered, wide = allow(80, source="192.0.2.7"), allow(80)
    assert told(find_conflicts(policy_of(wide, covered), ["redundancy"])) == [("redundancy", ("rules[1]", "rules[0]"))]
    assert told(find_conflicts(policy_of(covered, wide), ["redundancy"])) == [("redundancy", ("rules[0]", "rules[1]"))]
    assert told(find_conflicts(policy_of(covered, deny(80, source="192.0.2.0/24"), wide), ["redundancy"])) == []
    assert told(find_conflicts(policy_of(covered, allow(80, log=True)), ["redundancy"])) == [], "the packets would be logged"


def test_a_rule_that_repeats_the_default_is_redundant():
    report = find_conflicts(policy_of(allow(80), EVERYTHING), ["redundant"])
    [entry] = report.entries
    assert entry.severity == "note"
    assert entry.explanation == "Nothing changes without rules[1]: the default (in) does the same with all that it decides."
    logged = {"denied": True}
    assert told(find_conflicts(policy_of(allow(80), EVERYTHING, logging=logged), ["redundant"])) == [], "the default logs"
    native = {"nftables": {"after": {"in": ["udp dport 9 accept"]}}}
    report = find_conflicts(policy_of(allow(80), EVERYTHING, native=native), ["redundant"])
    assert told(report) == [], "native lines stand before the default"
    assert report.notes == ("1 native line of nftables after the rules was not judged",)


def test_a_limited_rule_covers_nothing():
    limited = allow(22, limit="6/minute")
    report = find_conflicts(policy_of(limited, deny(22), allow(22, source="192.0.2.7")), ["pairs", "fully_shadowed"])
    assert ("shadowing", ("rules[2]", "rules[1]")) in told(report)
    assert not any("rules[0]" in rules and kind != "generalisation" for kind, rules in told(report))


def test_states_interfaces_families_and_types_count():
    apart = policy_of(
        deny(80, interface="eth0"), allow(80, interface="eth1"), {"action": "deny", "protocol": "icmp", "icmp_type": [8]},
        {"action": "allow", "protocol": "icmp", "icmp_type": [0]}, deny(22, family="ipv6"), allow(22, source="192.0.2.7"),
    )  # fmt: skip
    assert told(find_conflicts(apart, ["pairs", "fully_shadowed", "partially_shadowed"])) == []
    stateful = policy_of(deny(80, stateful=True), allow(80))
    [entry] = find_conflicts(stateful, ["coverage"]).entries
    assert entry.kind == "partially_shadowed"
    assert entry.counterexample.packet["state"] != "new"


def test_rules_of_one_document_rule_are_one_and_do_not_conflict_with_each_other():
    web = {"action": "allow", "port": 53, "protocol": ["tcp", "udp"], "source": ["192.0.2.0/24", "2001:db8::/32"]}
    policy = policy_of(web, dict(web, source=["192.0.2.7", "2001:db8::7"], action="deny"))
    assert len(policy.rules) == 8
    report = find_conflicts(policy, ["pairs", "coverage"])
    assert told(report) == [("shadowing", ("rules[1]", "rules[0]")), ("fully_shadowed", ("rules[1]", "rules[0]"))]
    part = policy_of(web, dict(web, protocol=["udp", "sctp"], action="deny"))
    assert told(find_conflicts(part, ["pairs", "partially_shadowed"])) == [("correlation", ("rules[0]", "rules[1]"))]
    part = policy_of(web, dict(web, protocol=["udp", "sctp"], action="deny"), defaults={"in": "allow"})
    assert told(find_conflicts(part, ["coverage"]))[0] == ("partially_shadowed", ("rules[1]", "rules[0]"))


def test_the_parts_of_a_document_rule_cover_together():
    office = make_addresses([ipaddress.ip_network("192.0.2.0/24")])
    parts = (Rule("allow", ports=(PortRange(1, 2),)), Rule("allow", family=4, source=office, ports=(PortRange(3, 3),)))
    other = Rule("deny", family=4, source=office, ports=(PortRange(2, 3),))
    behind = Policy((*parts, other), labels=("rules[0]", "rules[0]", "rules[1]"))
    assert len(Units(behind).units[0].terms) == 2
    assert told(find_conflicts(behind, ["pairs", "fully_shadowed"])) == [
        ("shadowing", ("rules[1]", "rules[0]")), ("fully_shadowed", ("rules[1]", "rules[0]")),
    ]  # fmt: skip
    before = Policy((other, *parts), labels=("rules[0]", "rules[1]", "rules[1]"))
    assert told(find_conflicts(before, ["pairs"])) == [("generalisation", ("rules[0]", "rules[1]"))]


def test_parts_that_act_differently_are_no_unit():
    limited = Limit(Rate(6, 60))
    rules = (
        Rule("allow", protocol=6, limit=limited),
        Rule("allow", protocol=17),
        Rule("deny", protocol=6),
        Rule("allow", "out", protocol=6),
    )
    units = Units(Policy(rules, labels=("rules[0]",) * 4)).units
    assert [len(unit.rules) for unit in units] == [1, 1, 1, 1]


def test_a_limited_rule_before_the_same_one_without_a_limit_makes_no_difference():
    [entry] = find_conflicts(policy_of(allow(80, limit="6/minute"), allow(80)), ["redundancy"]).entries
    assert entry.rules == ("rules[0]", "rules[1]")
    assert entry.explanation == "rules[1] matches all packets of rules[0] and does the same with them, so nothing changes without rules[0]."


def test_the_guard_takes_packets_but_is_no_part_of_a_pair():
    policy = policy_of({"action": "deny", "port": 22}, {"action": "deny", "port": [22, 80]}).guarded(standard_guard())
    report = find_conflicts(policy)
    assert not any(
        "guard" in label for one in report.entries for label in one.rules if one.kind not in ("fully_shadowed", "partially_shadowed")
    )
    assert next(one for one in report.entries if one.kind == "fully_shadowed").rules == ("rules[0]", "guard (holdfast: management)")


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        pytest.param([allow(22), allow(22, source="192.0.2.0/24")], ["open_and_restricted"], id="open-first"),
        pytest.param([allow(22, source="192.0.2.0/24"), allow(22)], ["open_and_restricted"], id="open-last"),
        pytest.param([allow(22), deny(22)], ["allow_and_deny"], id="allow-and-deny"),
        pytest.param([allow(22), {"action": "reject", "port": 22}], ["allow_and_deny"], id="allow-and-reject"),
        pytest.param([allow(22, source="192.0.2.0/24"), allow(22, source="198.51.100.0/24")], ["several_sources"], id="sources"),
        pytest.param([allow([22, 80]), deny([80, 443])], ["allow_and_deny"], id="one-port-of-lists"),
        pytest.param([allow(None, port_range="80-90"), deny(None, port_range="80-90")], ["allow_and_deny"], id="range"),
        pytest.param([allow(22), allow(22)], [], id="identical"),
        pytest.param([allow(22, comment="a"), allow(22, comment="b", log=True)], [], id="identical-but-for-words"),
        pytest.param([allow(22), deny(22, protocol="udp")], [], id="protocols"),
        pytest.param([allow(22), deny(22, direction="out")], [], id="directions"),
        pytest.param([allow(22), deny(23)], [], id="ports"),
        pytest.param([allow(22, source="192.0.2.0/24"), allow(22, source="2001:db8::/32")], [], id="one-source-in-each-family"),
        pytest.param([allow(22, interface="eth0"), deny(22, interface="eth1")], [], id="not-plain"),
        pytest.param([allow(None, protocol="gre"), deny(None, protocol="gre")], ["allow_and_deny"], id="no-port"),
    ],
)  # fmt: skip
def test_port_rules_conflict_by_port_protocol_and_direction(rules, expected):
    report = find_conflicts(policy_of(*rules), ["port_rules"])
    assert [one.kind for one in report.entries] == expected
    assert report.counts == {kind: expected.count(kind) for kind in KINDS[:3]}
    for one in report.entries:
        assert one.rules == ("rules[0]", "rules[1]") or one.rules == ("rules[1]", "rules[0]")


def test_an_open_rule_is_told_with_a_packet_that_the_restriction_would_have_stopped():
    [entry] = find_conflicts(policy_of(allow(22, source="192.0.2.0/24"), allow(22)), ["port_rules"]).entries
    assert entry.severity == "error"
    assert entry.explanation == "rules[1] allows in tcp port 22 from anywhere, so the sources of rules[0] restrict nothing."
    assert entry.example.packet["source"] == "203.0.113.10"
    assert entry.example.decided_by == "rules[1]"


def test_a_hundred_thousand_port_rules_take_seconds():
    generator = random.Random(1)
    sources = [make_addresses([ipaddress.ip_network("10.0.%d.0/24" % number)]) for number in range(256)]
    ports = [(PortRange(number, number),) for number in range(1, 30000)]
    policy = Policy(tuple(Rule("allow", family=4, source=generator.choice(sources), ports=generator.choice(ports)) for _n in range(100000)))
    started = time.process_time()
    report = find_conflicts(policy, ["port_rules"])
    assert time.process_time() - started < 10, "about 1 second on a quiet machine"
    assert report.counts["several_sources"] > 10000
    assert len(report.entries) == 100


def test_ten_thousand_rules_and_a_last_one_for_everything_take_seconds():
    policy = random_policy(random.Random(1), 10000, "mixed")
    policy = Policy((*policy.rules, Rule("deny", protocol=None)), policy.defaults, (*policy.labels, "rules[10000]"))
    started = time.process_time()
    report = find_conflicts(policy)
    assert time.process_time() - started < 20, "about 4 seconds on a quiet machine"
    assert report.undecided == ()


@settings(max_examples=120)
@given(policies())
def test_examples_are_true(policy):
    report = find_conflicts(policy)
    assert report.counts == {kind: sum(1 for one in report.entries if one.kind == kind) for kind in KINDS}
    for one in report.entries:
        for example in (one.example, one.counterexample):
            if example is None:
                continue
            found = trace(policy, packet_of(example.packet))
            label = found.decided.label
            assert example.decided_by == ("the " + label if label.startswith("default") else label)
            assert sorted(set(example.limited)) == sorted({step.label for step in found.passed})
        if one.kind in ("shadowing", "fully_shadowed"):
            assert one.example.decided_by != one.rules[0]
        if one.counterexample is not None:
            assert one.rules[0] in (one.counterexample.decided_by, *one.counterexample.limited)
    json.dumps(report.as_dict())
    assert report.describe().startswith(report.summary())


def packet_of(words):
    """The packet of an example; one that no rule of the language can name (port 0, the ICMP of the other family) too."""
    protocol = parse_protocol(words["protocol"], "protocol")
    interface = {"leaving" if words["direction"] == "out" else "arriving": words.get("interface")}
    return Packet(
        words["direction"], protocol, ipaddress.ip_address(words["source"]), ipaddress.ip_address(words["destination"]),
        words.get("source_port"), words.get("port"), words.get("icmp_type"), state=words["state"], **interface,
    )  # fmt: skip


@settings(max_examples=100)
@given(policies())
def test_nothing_changes_for_packets_without_the_redundant_rules(policy):
    units = Units(policy)
    gone = {fate.unit.number for fate in Coverage(units, policy).fates if fate.redundant or fate.left is None}
    kept = [unit for unit in units.units if unit.number not in gone]
    less = Policy(tuple(rule for unit in kept for rule in unit.rules), policy.defaults)
    diff = semantic_diff(policy, less)
    assert diff.empty, diff.describe()


@settings(max_examples=60)
@given(whole_policies(guard=False))
def test_coverage_agrees_with_the_algebra_of_packet_sets(policy):
    policy = Policy(policy.rules[:8], policy.defaults, policy.labels[:8])
    units = Units(policy)
    fates = {fate.unit.number: fate for fate in Coverage(units, policy).fates}
    space = Space(units.interfaces)
    sets = [PacketSet.of_rules(unit.rules, space) for unit in units.units]
    for unit in units.units:
        left = sets[unit.number]
        for other in units.units[: unit.number]:
            if not other.limited and other.label != unit.label:
                left = left - sets[other.number]
        fate = fates.get(unit.number)
        assert left.is_empty == (fate is not None and fate.left is None), unit.label


@settings(max_examples=30)
@given(policies())
def test_the_same_policy_is_told_the_same(policy):
    assert find_conflicts(policy).as_dict() == find_conflicts(policy).as_dict()
    for kind in KINDS:
        only = find_conflicts(policy, [kind])
        assert list(only.counts) == [kind]
        assert only.entries == tuple(one for one in find_conflicts(policy).entries if one.kind == kind)


def test_what_is_beyond_the_effort_is_listed_as_undecided():
    sources = ["0.0.0.0/2", "64.0.0.0/2", "128.0.0.0/2", "192.0.0.0/2"]
    tiles = [deny(port, source=source) for port in (1, 2, 3) for source in sources]
    policy = policy_of(*tiles, allow([1, 2, 3], family="ipv4"), allow(9))
    report = find_conflicts(policy, ["fully_shadowed"], steps=2)
    assert told(report) == []
    [one] = report.undecided
    assert one.as_dict() == {
        "rules": ["rules[12]"], "question": "whether it ever decides", "reason": "it takes more than 2 steps to tell",
    }  # fmt: skip
    assert "1 questions undecided" in report.summary()
    assert told(find_conflicts(policy, ["fully_shadowed"]))[0][1][0] == "rules[12]"


def test_all_are_counted_and_the_first_are_listed():
    policy = policy_of(*[deny(80, source="192.0.2.%d" % number) for number in range(50)], allow(80))
    report = find_conflicts(policy, ["generalisation"], limit=3)
    assert report.counts == {"generalisation": 50}
    assert [one.rules[0] for one in report.entries] == ["rules[0]", "rules[1]", "rules[2]"]


def test_a_name_of_a_rule_is_told_with_its_place():
    report = find_conflicts(policy_of(deny(22), dict(allow(22), name="ssh")), ["shadowing"])
    assert report.entries[0].rules == ("rules[1] (ssh)", "rules[0]")


def test_kinds_are_names_of_kinds_or_groups():
    assert parse_kinds(None) == KINDS
    assert parse_kinds(["coverage", "shadowing"]) == ("shadowing", "fully_shadowed", "partially_shadowed", "redundant")
    assert parse_kinds("pairs, redundant") == ("shadowing", "redundancy", "generalisation", "correlation", "redundant")
    with pytest.raises(PolicyError, match=r"kinds\[0\]: found 'shadow'.*Did you mean shadowing"):
        parse_kinds(["shadow"])


def test_a_policy_without_rules_has_no_conflicts():
    report = find_conflicts(Policy())
    assert (report.entries, report.summary()) == ((), "0 rules, no conflicts")
