# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a reload would drop is given back, or the change is refused."""

from __future__ import annotations

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.firewalld.differences import runtime_only
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError

BAN = 'rule family="ipv4" source address="203.0.113.9" reject'


def state(live=None, saved=None, **more):
    """What firewalld says, with one zone."""
    told = {
        "direct": [[], [], []], "saved direct": [[], [], []], "policies": {}, "saved policies": {}, "ipsets": {}, "saved ipsets": {},
        "zones": {"public": live or {}}, "saved zones": {"public": saved or {}}, "active": {}, "default zone": "public",
    }  # fmt: skip
    return {**told, **more}


def given_back(**more):
    return [" ".join(one) for one in runtime_only(state(**more))]


def test_nothing_is_given_back_where_all_is_on_disk():
    settings = {"services": ["ssh"], "ports": [["80", "tcp"]], "rules_str": [BAN]}
    assert given_back(live=settings, saved=settings) == []


def zones(**settings):
    return {"zones": {**{name: {} for name in ("public", "home", "drop")}, **settings}}


@pytest.mark.parametrize(
    ("live", "saved", "words"),
    [
        ({"home": {"interfaces": ["eth0"]}}, {}, ["--zone=home --change-interface=eth0"]),
        ({"home": {"interfaces": ["eth0"]}}, {"home": {"interfaces": ["eth0"]}}, []),
        ({"home": {"interfaces": ["eth0"]}}, {"drop": {"interfaces": ["eth0"]}}, ["--zone=home --change-interface=eth0"]),
        ({"public": {"interfaces": ["eth0"]}}, {"drop": {"interfaces": ["eth0"]}}, ["--zone=public --change-interface=eth0"]),
        ({"public": {"interfaces": ["eth0", "eth1"]}}, {}, ["--zone=public --change-interface=eth0 --change-interface=eth1"]),
        ({}, {"drop": {"interfaces": ["eth0"]}}, ["--zone=drop --remove-interface=eth0"]),
    ],
    ids=["not on disk", "the same", "another zone on disk", "not on disk any more", "in the default zone", "on disk only"],
)
def test_interfaces_stay_in_their_zones(live, saved, words):
    told = {**zones(**live), "saved zones": zones(**saved)["zones"], "default zone": "public"}
    assert given_back(**told) == ["firewall-cmd --quiet " + one for one in words]


def test_direct_rules_are_given_back_in_their_order_and_those_on_disk_only_stay_out():
    live = [[], [["ipv4", "filter", "INPUT", 0, ["-p", "tcp", "-j", "ONE"]], ["ipv4", "filter", "INPUT", 0, ["-j", "TWO"]]], []]
    saved = [[], [["ipv4", "filter", "INPUT", 1, ["-j", "OLD"]]], []]
    assert given_back(direct=live, **{"saved direct": saved}) == [
        "firewall-cmd --quiet --direct --remove-rule ipv4 filter INPUT 1 -j OLD",
        "firewall-cmd --quiet --direct --add-rule ipv4 filter INPUT 0 -p tcp -j ONE",
        "firewall-cmd --quiet --direct --add-rule ipv4 filter INPUT 0 -j TWO",
    ]


def test_what_differs_in_a_zone_without_packets_does_not_matter_but_its_bindings():
    live, saved = zones(drop={"target": "DROP"}), zones(drop={"target": "ACCEPT", "sources": ["192.0.2.0/24"]}, new={"target": "DROP"})
    told = {**live, "saved zones": saved["zones"], "default zone": "public"}
    assert given_back(**told) == ["firewall-cmd --quiet --zone=drop --remove-source=192.0.2.0/24"]


@pytest.mark.parametrize(
    ("live", "saved", "words"),
    [
        ({"rules_str": [BAN]}, {}, "--add-rich-rule=" + BAN),
        ({}, {"services": ["ssh"]}, "--remove-service=ssh"),
        ({"ports": [["80", "tcp"], ["9", "udp"]]}, {"ports": [["80", "tcp"]]}, "--add-port=9/udp"),
        ({"source_ports": [["53", "udp"]]}, {}, "--add-source-port=53/udp"),
        ({"sources": ["10.0.0.0/8"]}, {}, "--add-source=10.0.0.0/8"),
        ({"masquerade": True}, {"masquerade": False}, "--add-masquerade"),
        ({"forward": False}, {"forward": True}, "--remove-forward"),
        ({"forward_ports": [["80", "tcp", "8080", ""]]}, {}, "--add-forward-port=port=80:proto=tcp:toport=8080:toaddr="),
    ],
    ids=lambda one: one if isinstance(one, str) else None,
)
def test_each_difference_is_given_back(live, saved, words):
    assert given_back(live=live, saved=saved) == ["firewall-cmd --quiet --zone=public " + words]


def test_many_bans_take_few_commands():
    bans = ['rule family="ipv4" source address="10.0.%d.%d" drop' % (number >> 8, number & 255) for number in range(1000)]
    assert len(given_back(live={"rules_str": bans})) == 5


def test_each_command_has_one_option_only_since_firewall_cmd_takes_no_others_beside_it():
    found = given_back(live={"services": ["http", "ftp"], "ports": [["80", "tcp"]]}, saved={"services": ["ssh"]})
    words = ["--add-port=80/tcp", "--remove-service=ssh", "--add-service=http --add-service=ftp"]
    assert [one.partition("=public ")[2] for one in found] == words


def test_entries_of_a_set_are_given_back():
    live, saved = (["", "", "", "hash:ip", {}, entries] for entries in (["192.0.2.1", "192.0.2.2"], ["192.0.2.1"]))
    assert given_back(ipsets={"bans": live}, **{"saved ipsets": {"bans": saved}}) == [
        "firewall-cmd --quiet --ipset=bans --add-entry=192.0.2.2"
    ]


FORWARDING = {"target": "DROP", "ingress_zones": ["ANY"], "egress_zones": ["HOST"]}


@pytest.mark.parametrize(
    "more",
    [
        {"zones": {"public": {}, "mine": {}}},
        {"live": {"ingress_priority": 5}},
        {"live": {"target": "default"}, "saved": {"target": "DROP"}},
        {"saved default zone": "drop"},
        {"saved policies": {"mine": FORWARDING}},
        {"services": {"ssh": {"ports": [["22", "tcp"]]}}, "saved services": {"ssh": {"ports": [["2222", "tcp"]]}}},
    ],
    ids=["a zone", "an unknown setting", "a target", "the default zone", "a policy", "a service"],
)
def test_what_cannot_be_given_back_is_refused(more):
    with pytest.raises(HoldfastError, match=r"reload would (drop it|bring)"):
        given_back(**more)


@pytest.mark.parametrize("policy", [{**FORWARDING, "disable": True}, {**FORWARDING, "ingress_zones": []}], ids=["disabled", "no way"])
def test_a_policy_on_disk_that_decides_nothing_hinders_nobody(policy):
    assert given_back(**{"saved policies": {"mine": policy}}) == []


def test_our_own_policies_and_sets_are_not_given_back():
    assert given_back(policies={"holdfast-in": {}}, ipsets={"holdfast-v4-1": []}) == []
