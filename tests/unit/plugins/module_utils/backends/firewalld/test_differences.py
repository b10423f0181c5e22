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
        "zones": {"public": live or {}}, "saved zones": {"public": saved or {}},
    }  # fmt: skip
    return {**told, **more}


def given_back(**more):
    return [" ".join(one) for one in runtime_only(state(**more))]


def test_nothing_is_given_back_where_all_is_on_disk():
    settings = {"services": ["ssh"], "ports": [["80", "tcp"]], "rules_str": [BAN]}
    assert given_back(live=settings, saved=settings) == []


def test_bindings_of_interfaces_are_kept_by_firewalld_itself():
    assert given_back(live={"interfaces": ["eth0"], "short": "Public"}) == []


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


def test_entries_of_a_set_are_given_back():
    live, saved = (["", "", "", "hash:ip", {}, entries] for entries in (["192.0.2.1", "192.0.2.2"], ["192.0.2.1"]))
    assert given_back(ipsets={"bans": live}, **{"saved ipsets": {"bans": saved}}) == [
        "firewall-cmd --quiet --ipset=bans --add-entry=192.0.2.2"
    ]


@pytest.mark.parametrize(
    "more",
    [
        {"direct": [[], [["ipv4", "filter", "INPUT", 0, ["-j", "DROP"]]], []]},
        {"zones": {"public": {}, "mine": {}}},
        {"live": {"ingress_priority": 5}},
    ],
    ids=["direct rules", "a zone", "an unknown setting"],
)
def test_what_cannot_be_given_back_is_refused(more):
    with pytest.raises(HoldfastError, match=r"reload would drop (it|them)"):
        given_back(**more)


def test_our_own_policies_and_sets_are_not_given_back():
    assert given_back(policies={"holdfast-in": {}}, ipsets={"holdfast-v4-1": []}) == []
