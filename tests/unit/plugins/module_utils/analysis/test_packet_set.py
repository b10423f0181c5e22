# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sets of packets and the partition of a policy, against trying every packet that matters."""

from __future__ import annotations

import ipaddress
import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.boxes import Interfaces, TooComplex
from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.diagram import Space
from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.equivalence import differ
from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.packet_set import PacketSet
from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.rule_list import partition
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.addresses import make_addresses
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.policy import DEFAULTS, Policy
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.ports import PortRange
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rates import Limit, Rate
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rule import Rule
from ansible_collections.holdfast.firewall.tests.unit.small_policies import fate, matches, packets, policies, rules

PACKETS = packets(("in",), ("new", "related-reply"))[::7] + packets(("out", "forward"), ("new",))[::31]
TABLE = Interfaces(("eth0", "eth1"))


@settings(max_examples=40)
@given(st.lists(rules(), max_size=3), st.lists(rules(), max_size=3))
def test_sets_are_combined_packet_by_packet(some, others):
    space = Space(TABLE)
    one, other = PacketSet.of_rules(some, space), PacketSet.of_rules(others, space)
    both, either, less, outside = one & other, one | other, one - other, ~one
    for packet in PACKETS:
        here, there = any(matches(rule, packet) for rule in some), any(matches(rule, packet) for rule in others)
        assert (packet in one, packet in other) == (here, there)
        assert (packet in both, packet in either, packet in less, packet in outside) == (
            here and there, here or there, here and not there, not here
        )  # fmt: skip
    for made in (one, both, either, less, outside):
        assert made.is_empty == (made.example() is None)
        assert made.is_empty or made.example() in made


@settings(max_examples=40)
@given(st.lists(rules(), max_size=3), st.lists(rules(), max_size=3), st.lists(rules(), max_size=2))
def test_sets_obey_the_laws_of_sets(some, others, more):
    space = Space(TABLE)
    a, b, c = (PacketSet.of_rules(one, space) for one in (some, others, more))
    everything, nothing = PacketSet.everything(space), PacketSet.nothing(space)
    assert ~~a == a and a | ~a == everything and (a & ~a).is_empty and a - a == nothing
    assert ~(a | b) == ~a & ~b and a & (b | c) == (a & b) | (a & c) and (a - b) | (a & b) == a
    assert a <= a | b and a & b <= a and (a <= b) == ((a | b) == b)
    assert a | b == PacketSet.of_rules([*others, *some], space) and hash(a | b) == hash(b | a)
    parts = [PacketSet.of_sides(space, sides) for sides in a.regions()]
    whole = nothing
    for part in parts:
        assert (whole & part).is_empty
        whole = whole | part
    assert whole == a


@settings(max_examples=40)
@given(policies(("in", "forward")), st.booleans())
def test_every_packet_is_in_the_set_of_its_outcome_and_in_no_other(policy, logs):
    found = partition(policy, logs=logs)
    for packet in PACKETS:
        outcome = found.outcome(packet)
        met, action, log = fate(policy, packet, logs)
        assert [(one.limit, one.action, one.log) for one in outcome.limited] == list(met)
        assert (outcome.final.action, outcome.final.log) == (action, log)
        assert [packet in one for one in found.outcomes.values()].count(True) == 1 and packet in found.outcomes[outcome]
        assert (packet in found.always("allow")) == (action == "allow" and all(one[1] == "allow" for one in met))
    whole = PacketSet.nothing(found.space)
    for part in found.outcomes.values():
        assert not part.is_empty and (whole & part).is_empty
        whole = whole | part
    assert whole == PacketSet.everything(found.space)


@settings(max_examples=60)
@given(policies(most=4), policies(most=4), st.booleans())
def test_two_policies_have_the_same_partition_exactly_when_they_do_not_differ(left, right, logs):
    space = Space(Interfaces.of(left.guard + left.rules + right.guard + right.rules))
    same = partition(left, space, logs).outcomes == partition(right, space, logs).outcomes
    assert same == (differ(left, right, logs=logs) is None)


def net(text):
    return make_addresses([ipaddress.ip_network(text)])


def test_examples_are_packets_that_can_be():
    def example(*some):
        return PacketSet.of_rules(some).example().describe()

    assert example(Rule("allow", family=4, protocol=1)) == "in icmp 203.0.113.10 -> 198.51.100.10 type 8 (new)"
    assert example(Rule("allow", family=6, protocol=58, icmp_types=(134,))) == "in icmpv6 2001:db8:1::10 -> 2001:db8:2::10 type 134 (new)"
    assert example(Rule("allow", protocol=50)) == "in esp 203.0.113.10 -> 198.51.100.10 (new)"
    assert example(Rule("allow", "out", 4, 17, source=net("10.0.0.0/30"), ports=(PortRange(53, 53),))) == (
        "out udp 10.0.0.1:40000 -> 198.51.100.10:53 (new)"
    )
    assert example(Rule("allow", protocol=None, established=True)).endswith("(established, original)")
    inside = PacketSet.of_rules([Rule("allow", "forward", interface="eth0", out_interface="eth1")])
    assert "on eth0 to eth1" in inside.example().describe() and (~inside).example() not in inside


def test_sets_are_shown_in_lines():
    some = PacketSet.of_rules([Rule("allow", family=4, source=net("192.0.2.0/24"), ports=(PortRange(22, 22),))])
    assert some.describe() == ["in tcp 192.0.2.0/24 -> any port 22"]
    assert PacketSet.of_rules([Rule("allow", ports=(PortRange(1, 1),)), Rule("deny", "out", protocol=17)]).describe(1)[1:] == ["..."]


def test_sets_of_different_spaces_are_not_mixed():
    one, other = PacketSet.of_rules([Rule("allow")]), PacketSet.of_rules([Rule("allow")])
    assert one != other
    with pytest.raises(ValueError, match="different spaces"):
        assert one & other


def test_a_direction_left_alone_and_a_limited_rule_have_their_outcomes():
    policy = Policy((Rule("allow", limit=Limit(Rate(1, 1))),), {**DEFAULTS, "out": "unmanaged"})
    described = sorted(outcome.describe() for outcome in partition(policy).outcomes)
    assert described == ["allowed", "allowed up to 1/second, else denied", "denied"]


def crossing(count):
    some = random.Random(2)
    found = []
    for number in range(count):
        side = {("source", "destination")[number % 2]: net("10.%d.%d.0/24" % divmod(number, 200))}
        found.append(Rule(some.choice(["allow", "deny"]), family=4, **side))
    return found


def test_bounds_on_time_and_memory_hold():
    policy = Policy(tuple(crossing(600)))
    assert len(partition(policy).outcomes) == 2
    interfaces = Interfaces.of(policy.rules)
    with pytest.raises(TooComplex, match="too many ways"):
        partition(policy, Space(interfaces, max_steps=10000))
    with pytest.raises(TooComplex, match="more than 5000"):
        partition(policy, Space(interfaces, max_edges=5000))
    started = time.process_time()
    with pytest.raises(TooComplex):
        partition(Policy(tuple(crossing(3000))), Space(interfaces, max_steps=2000000))
    assert time.process_time() - started < 15
    space = Space(interfaces)
    sources = PacketSet.of_rules([rule for rule in crossing(2000) if rule.source.networks], space)
    targets = PacketSet.of_rules([rule for rule in crossing(2000) if rule.destination.networks], space)
    space.max_steps = 5000
    with pytest.raises(TooComplex, match="combining sets"):
        assert (sources | targets) - (sources & targets)
