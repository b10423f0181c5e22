# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets: read from words, shown, as points, and drawn by chance."""

from __future__ import annotations

import ipaddress
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.boxes import Interfaces, whole_box
from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.packets import Packet, likely_point, random_packet
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.addresses import make_addresses
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import PolicyError
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.ports import PortRange
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rule import Rule
from ansible_collections.holdfast.firewall.tests.unit.small_policies import matches, packets, rules

TABLE = Interfaces(("eth0", "eth1"))


def test_what_is_not_said_takes_a_default_that_is_told():
    packet = Packet.parse({"port": 22})
    assert packet.describe() == "in tcp 203.0.113.10:40000 -> 198.51.100.10:22 (new)"
    assert packet.assumed == ("direction", "protocol", "source", "destination", "interface", "state", "source_port")
    packet = Packet.parse(
        {"direction": "forward", "source": "2001:db8::7", "protocol": "icmpv6", "interface": "eth0", "out_interface": "eth1"}
    )
    assert packet.describe() == "forward icmpv6 2001:db8::7 -> 2001:db8:2::10 type 128 on eth0 to eth1 (new)"
    assert packet.assumed == ("destination", "state", "icmp_type")
    packet = Packet.parse({"direction": "out", "protocol": "udp", "destination": "2001:db8::1", "port": "53", "interface": "eth0"})
    assert packet.describe() == "out udp [2001:db8:1::10]:40000 -> [2001:db8::1]:53 by eth0 (new)"
    assert Packet.parse({"protocol": "icmp", "icmp_type": "echo-reply", "state": "established-reply"}).icmp_type == 0
    assert Packet.parse({"protocol": "gre", "family": "ipv6"}).describe() == "in gre 2001:db8:1::10 -> 2001:db8:2::10 (new)"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({}, "packet.port: found (nothing)"),
        ({"port": 0}, "packet.port: found 0"),
        ({"port": "http"}, "service names are not looked up"),
        ({"prot": "tcp"}, "did you mean protocol?"),
        ({"protocol": "any"}, "a packet has exactly one"),
        ({"protocol": "esp", "port": 22}, "no port with protocol esp"),
        ({"protocol": "icmp", "source_port": 22}, "no port with protocol icmp"),
        ({"port": 22, "icmp_type": 8}, "no ICMP type with protocol tcp"),
        ({"protocol": "icmp", "icmp_type": 256}, "packet.icmp_type: found 256"),
        ({"port": 22, "source": "192.0.2.0/24"}, "A packet has one address"),
        ({"port": 22, "source": "www.example.org"}, "Host names are not looked up"),
        ({"port": 22, "source": "fe80::1%eth0"}, "packet.source: found 'fe80::1%eth0'"),
        ({"port": 22, "source": 7}, "packet.source: found 7"),
        ({"port": 22, "source": "192.0.2.1", "destination": "2001:db8::1"}, "packet.destination: found '2001:db8::1'"),
        ({"port": 22, "source": "192.0.2.1", "family": "ipv6"}, "packet.family: found 'ipv6'"),
        ({"protocol": "icmpv6", "source": "192.0.2.1"}, "packet.protocol: found 'icmpv6'"),
        ({"port": 22, "out_interface": "eth0"}, "packet.out_interface"),
        ({"port": 22, "state": "old"}, "packet.state: found 'old'"),
        ({"port": 22, "direction": "up"}, "packet.direction"),
        ("in tcp", "packet: found 'in tcp'"),
    ],
)
def test_what_is_no_packet_is_refused_in_words(words, message):
    with pytest.raises(PolicyError) as caught:
        Packet.parse(words)
    assert message.lower() in str(caught.value).lower()


def test_every_packet_survives_words_and_numbers():
    for packet in packets(("in", "out", "forward"), ("new", "invalid"))[::29]:
        assert Packet.parse(packet.as_dict()) == packet
        assert Packet.at_point(packet.point(TABLE), TABLE) == packet


@settings(max_examples=50)
@given(st.lists(rules(), max_size=4), st.integers(0, 2**32))
def test_packets_drawn_by_chance_are_valid(some, seed):
    generator = random.Random(seed)
    table = Interfaces.of(some)
    for _time in range(20):
        packet = random_packet(generator, some, table)
        words = packet.as_dict()
        strange = 0 in (packet.port, packet.source_port) or {1: 6, 58: 4}.get(packet.protocol) == packet.family
        assert strange or Packet.parse(words) == packet


@pytest.mark.parametrize(
    "rule",
    [
        Rule("allow", family=4, source=make_addresses([ipaddress.ip_network("198.51.100.7/32")])),
        Rule("allow", "out", protocol=17, ports=(PortRange(53, 53),)),
        Rule("deny", family=4, protocol=1, icmp_types=(8,)),
        Rule("reject", "forward", interface="eth0", out_interface="eth1"),
    ],
)
def test_packets_drawn_by_chance_often_lie_in_the_rules_and_often_beside_them(rule):
    generator = random.Random(5)
    hits = [matches(rule, random_packet(generator, [rule], Interfaces.of([rule]))) for _time in range(300)]
    assert 10 < sum(hits) < 290


def test_likely_packets_are_ordinary_ones():
    whole = [(side,) for side in whole_box(TABLE)]
    assert Packet.at_point(likely_point(whole), TABLE).describe() == "in tcp 203.0.113.10:40000 -> 198.51.100.10:443 (new)"
    private = [*whole[:4], ((1, 1),), ((0x0A000000, 0x0AFFFFFF),), *whole[6:]]
    assert Packet.at_point(likely_point(private), TABLE).describe() == "in icmp 10.1.1.10 -> 198.51.100.10 type 8 (new)"
    sixth = [*whole[:5], ((2**64, 2**65),), *whole[6:]]
    assert Packet.at_point(likely_point(sixth), TABLE).family == 6
