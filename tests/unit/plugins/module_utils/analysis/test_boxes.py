# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules as boxes of packets, against the conditions of the rule checked one by one."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given, settings

from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.boxes import (
    ADDRESS_TOP,
    DESTINATION,
    IPV4_TOP,
    PORT,
    PORT_TOP,
    PROTOCOL,
    SOURCE,
    SOURCE_PORT,
    STATE,
    Interfaces,
    TooComplex,
    box_holds,
    boxes_of,
    common_box,
    complement_of,
    sides_of,
    whole_box,
)
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.addresses import make_addresses
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.nat import NatRule
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.ports import PortRange
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rule import Rule
from ansible_collections.holdfast.firewall.tests.unit.small_policies import matches, packets, rules

PACKETS = packets(("in", "out"))[::5] + packets(("forward",), ("new", "related-reply"))[::5]
TABLE = Interfaces(("eth0", "eth1"))


@settings(max_examples=40)
@given(rules())
def test_a_packet_lies_in_exactly_one_box_of_a_rule_that_matches_it_and_in_none_otherwise(rule):
    found = boxes_of(rule, TABLE)
    for packet in PACKETS:
        point = packet.point(TABLE)
        assert sum(box_holds(box, point) for box in found) == int(matches(rule, packet)), packet.describe()


def net(text):
    return make_addresses([ipaddress.ip_network(text)])


def test_any_is_the_same_interval_in_both_families():
    assert boxes_of(Rule("allow", family=4), TABLE)[0][SOURCE] == (0, ADDRESS_TOP)
    edge = Rule("allow", family=4, source=net("255.255.255.0/24"), destination=make_addresses([ipaddress.ip_network("0.0.0.0/1")], True))
    box = boxes_of(edge, TABLE)[0]
    assert box[SOURCE] == (IPV4_TOP - 255, ADDRESS_TOP) and box[DESTINATION] == (2**31, ADDRESS_TOP)
    sixth = boxes_of(Rule("allow", family=6, source=net("2001:db8::/32")), TABLE)[0]
    assert sixth[SOURCE] == (0x20010DB8 << 96, (0x20010DB9 << 96) - 1)
    types = Rule("allow", family=4, protocol=1, icmp_types=(254, 255))
    assert boxes_of(types, TABLE)[0][PORT] == (254, PORT_TOP)


def test_reply_rules_have_their_ports_turned_round():
    box = boxes_of(Rule("allow", "out", ports=(PortRange(22, 22),), reply=True), TABLE)[0]
    assert box[SOURCE_PORT] == (22, 22) and box[PORT] == (0, PORT_TOP) and box[STATE] == (2, 2)


@pytest.mark.parametrize(
    "rule",
    [
        Rule("allow", out_interface="eth0"),
        Rule("allow", family=6, source=net("192.0.2.0/24")),
        Rule("allow", source=net("192.0.2.0/24"), destination=net("2001:db8::/32")),
        Rule("allow", protocol=50, ports=(PortRange(22, 22),)),
        Rule("allow", protocol=6, icmp_types=(8,)),
    ],
)
def test_conditions_that_no_packet_fulfils_have_no_box(rule):
    assert sides_of(rule, TABLE) is None and boxes_of(rule, TABLE) == ()


def test_ports_without_a_protocol_belong_to_the_protocols_that_have_ports():
    sides = sides_of(Rule("allow", protocol=None, ports=(PortRange(22, 22),)), TABLE)
    assert sides[PROTOCOL] == ((6, 6), (17, 17), (33, 33), (132, 132), (136, 136))


def test_interfaces_are_numbered_by_name_and_others_are_none_of_them():
    table = Interfaces.of(
        [Rule("allow", interface="b"), Rule("allow", "forward", out_interface="c")], [NatRule("masquerade", interface="a")]
    )
    assert table.names == ("a", "b", "c") and [table.number(name) for name in ("a", "c", "x", None)] == [1, 3, 0, 0]
    assert table.name(2) == "b" and table.name(0) is None and whole_box(table)[1] == (0, 3)
    with pytest.raises(ValueError):
        boxes_of(Rule("allow", interface="x"), table)


def test_a_rule_with_too_many_combinations_is_refused():
    many = make_addresses([ipaddress.ip_network("10.0.%d.%d/32" % (high, low)) for high in range(4) for low in range(0, 256, 2)])
    with pytest.raises(TooComplex, match="262144 combinations"):
        boxes_of(Rule("allow", family=4, source=many, destination=many), TABLE)
    assert len(sides_of(Rule("allow", family=4, source=many, destination=many), TABLE)[SOURCE]) == 512


def test_intervals_and_boxes_are_combined():
    assert complement_of([(0, 3), (5, 9)], 10) == ((4, 4), (10, 10)) and complement_of([(0, 10)], 10) == ()
    one = whole_box(TABLE)
    other = (*one[:4], (6, 6), *one[5:])
    assert common_box(one, other) == other and common_box(other, (*one[:4], (7, 9), *one[5:])) is None
