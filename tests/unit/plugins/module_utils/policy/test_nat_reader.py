# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Translations of a document: what each type takes, and how one becomes several."""

from __future__ import annotations

from hypothesis import given

from ansible_collections.holdfast.firewall.plugins.module_utils.policy.document import parse_policy
from ansible_collections.holdfast.firewall.tests.unit.policy_strategies import nat_rules

ZONES = {"lan": {"interfaces": ["eth1", "eth2"], "networks": ["10.0.0.0/8"]}, "wan": {"interfaces": ["eth0"]}}


def flat(**words):
    found = parse_policy({"nat": [words], "zones": ZONES, "port_sets": {"web": [80, 443]}}).nat
    return [(one.describe(), one.family) for one in found]


@given(nat_rules())
def test_a_translation_survives_its_own_words(entry):
    assert parse_policy({"nat": [entry.as_dict()]}).nat == (entry,)


def test_masquerade_is_one_translation_for_both_families():
    assert flat(type="masquerade", interface="eth0") == [("masquerade any from any to any on eth0", None)]


def test_masquerade_of_networks_is_for_their_families():
    assert flat(type="masquerade", interface="eth0", source=["10.0.0.0/8", "fd00::/8"]) == [
        ("masquerade any from 10.0.0.0/8 to any on eth0", 4),
        ("masquerade any from fd00::/8 to any on eth0", 6),
    ]


def test_the_zone_of_a_source_translation_is_where_packets_go():
    assert flat(type="masquerade", zone="wan", source="10.0.0.0/8") == [("masquerade any from 10.0.0.0/8 to any on eth0", 4)]
    assert flat(type="snat", zone="lan", to="192.0.2.1") == [
        ("snat any from any to 10.0.0.0/8 on eth1 -> 192.0.2.1", 4),
        ("snat any from any to 10.0.0.0/8 on eth2 -> 192.0.2.1", 4),
    ]


def test_the_zone_of_a_destination_translation_is_where_packets_come_from():
    assert flat(type="dnat", zone="lan", port="@web", to="192.0.2.1") == [
        ("dnat tcp from 10.0.0.0/8 to any port 80,443 on eth1 -> 192.0.2.1", 4),
        ("dnat tcp from 10.0.0.0/8 to any port 80,443 on eth2 -> 192.0.2.1", 4),
    ]


def test_a_port_without_a_protocol_is_of_tcp_as_in_a_rule():
    assert flat(type="redirect", port=80, to_port=8080) == [("redirect tcp from any to any port 80 -> this host:8080", None)]
    assert flat(type="redirect", to_port=8080, protocol="both") == [
        ("redirect tcp from any to any -> this host:8080", None),
        ("redirect udp from any to any -> this host:8080", None),
    ]


def test_an_address_of_each_family_makes_a_translation_for_each():
    assert flat(type="dnat", port="8000-8010", to=["192.0.2.1", "2001:db8::1"], to_port=80) == [
        ("dnat tcp from any to any port 8000-8010 -> 192.0.2.1:80", 4),
        ("dnat tcp from any to any port 8000-8010 -> 2001:db8::1:80", 6),
    ]


def test_a_translation_is_only_for_the_families_that_all_of_it_has():
    assert flat(type="dnat", to="192.0.2.1", source=["10.0.0.0/8", "fd00::/8"]) == [("dnat any from 10.0.0.0/8 to any -> 192.0.2.1", 4)]


def test_the_name_is_the_comment_and_in_the_label():
    policy = parse_policy({"nat": [{"type": "masquerade", "interface": ["eth0", "eth1"], "name": "out"}]})
    assert [one.comment for one in policy.nat] == ["out", "out"]
    assert policy.nat_labels == ("nat[0] (out)", "nat[0] (out)")


def test_a_rule_and_a_translation_may_have_the_same_name():
    parse_policy({"rules": [{"action": "allow", "name": "web"}], "nat": [{"type": "masquerade", "interface": "eth0", "name": "web"}]})
