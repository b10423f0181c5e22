# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Coverage and overlap of two rules, against brute force over small universes of packets."""

from __future__ import annotations

import ipaddress
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.boxes import STATE, Interfaces, sides_of
from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.relation import covers, overlaps
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.addresses import ANY, make_addresses
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.ports import PortRange, merge_ports
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rates import Limit, Rate
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rule import Rule
from ansible_collections.holdfast.firewall.tests.unit import small_policies as small

BASE = int(ipaddress.ip_address("198.51.100.0"))
HOSTS = [ipaddress.ip_address(BASE + n) for n in (0, 1, 2, 3, 200)]


def small_addresses():
    net = st.tuples(st.integers(0, 3), st.sampled_from([30, 31, 32])).map(
        lambda pair: ipaddress.ip_network((BASE + (pair[0] >> (32 - pair[1]) << (32 - pair[1])), pair[1]))
    )
    return st.one_of(st.just(ANY), st.builds(make_addresses, st.lists(net, min_size=1, max_size=3), st.booleans()))


@st.composite
def small_rules(draw):
    source, destination = draw(small_addresses()), draw(small_addresses())
    family = 4 if not (source.any and destination.any) else draw(st.sampled_from([None, 4, 6]))
    ports = draw(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4)), max_size=2))
    protocol = draw(st.sampled_from([None, 6, 17]))
    return Rule(
        "allow", draw(st.sampled_from(["in", "out"])), family, protocol, source, destination,
        merge_ports(PortRange(min(p), max(p)) for p in ports) if protocol else (), draw(st.sampled_from([None, "a", "b"])),
    )  # fmt: skip


def packets():
    for direction in ("in", "out"):
        for protocol in (6, 17, 1):
            for interface in ("a", "b"):
                for port in (1, 2, 3, 4, 9):
                    for source in [*HOSTS, None]:
                        for destination in HOSTS if source is not None else [None]:
                            yield direction, protocol, interface, port, source, destination


PACKETS = list(packets())


def matches(rule, packet):
    direction, protocol, interface, port, source, destination = packet
    family = 6 if source is None else 4

    def inside(addresses, address):
        return addresses.any or (address is not None and any(address in n for n in addresses.networks) != addresses.negated)

    return (
        rule.direction == direction
        and rule.family in (None, family)
        and rule.protocol in (None, protocol)
        and rule.interface in (None, interface)
        and (not rule.ports or any(r.first <= port <= r.last for r in rule.ports))
        and inside(rule.source, source)
        and inside(rule.destination, destination)
    )


@given(small_rules(), small_rules())
def test_covers_and_overlaps_agree_with_brute_force(one, other):
    first = {p for p in PACKETS if matches(one, p)}
    second = {p for p in PACKETS if matches(other, p)}
    if covers(one, other):
        assert second <= first
    if first & second:
        assert overlaps(one, other)
    if not overlaps(one, other):
        assert not first & second


@given(small_rules())
def test_a_rule_covers_itself_unless_it_is_limited(rule):
    assert covers(rule, rule)
    limited = Rule(**dict(rule.__dict__, limit=Limit(Rate(6, 60))))
    assert not covers(limited, rule)


def test_a_negation_covers_what_lies_outside_of_it():
    outside = Rule("deny", family=4, source=make_addresses([ipaddress.ip_network("10.0.0.0/8")], negated=True))
    assert covers(outside, Rule("allow", family=4, source=make_addresses([ipaddress.ip_network("192.0.2.0/24")])))
    assert not covers(outside, Rule("allow", family=4, source=make_addresses([ipaddress.ip_network("10.1.0.0/16")])))
    assert not covers(outside, Rule("allow", family=4))


def test_source_ports_icmp_types_and_the_leaving_interface_narrow_a_rule():
    dns, web = (PortRange(53, 53),), (PortRange(80, 80),)
    for plain, narrow, other in (
        (Rule("allow"), Rule("allow", source_ports=dns), Rule("allow", source_ports=web)),
        (Rule("allow", protocol=1), Rule("allow", protocol=1, icmp_types=(8,)), Rule("allow", protocol=1, icmp_types=(3,))),
        (Rule("allow", "forward"), Rule("allow", "forward", out_interface="a"), Rule("allow", "forward", out_interface="b")),
    ):
        assert covers(plain, narrow) and not covers(narrow, plain) and not covers(narrow, other)
        assert overlaps(plain, narrow) and overlaps(narrow, narrow) and not overlaps(narrow, other)


def test_a_rule_for_known_connections_decides_no_first_packet():
    known = Rule("allow", protocol=None, established=True)
    assert not covers(known, Rule("deny", protocol=6))
    assert not overlaps(known, Rule("deny", protocol=6))
    assert not overlaps(Rule("deny", protocol=6), known)


@settings(max_examples=300)
@given(small.rules(limits=False), small.rules(limits=False), st.booleans())
def test_covers_and_overlaps_are_exact_but_for_states(one, other, reply):
    one, other = (replace(rule, established=False, reply=reply and rule.direction == "out") for rule in (one, other))
    table = Interfaces(("eth0", "eth1"))
    left, right = (sides_of(rule, table)[:STATE] for rule in (one, other))
    assert overlaps(one, other) == all(sides_meet(mine, theirs) for mine, theirs in zip(left, right))
    if not one.reply:
        within = all(all(any(a <= c and d <= b for a, b in mine) for c, d in theirs) for mine, theirs in zip(left, right))
        assert covers(one, other) == within


def sides_meet(one, other):
    return any(a <= d and c <= b for a, b in one for c, d in other)


def test_the_ports_of_a_reply_rule_are_source_ports():
    reply = Rule("allow", ports=(PortRange(22, 22),)).reply_rule()
    assert overlaps(reply, Rule("deny", "out", ports=(PortRange(1024, 65535),)))
    assert not overlaps(reply, Rule("deny", "out", source_ports=(PortRange(80, 80),)))
    assert covers(Rule("deny", "out", source_ports=(PortRange(22, 23),)), reply)
    assert not covers(Rule("deny", "out", ports=(PortRange(22, 22),)), reply)
