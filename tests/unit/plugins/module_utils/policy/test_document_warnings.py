# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Warnings about documents that are valid: what never decides, what is not used, what leads nowhere."""

from __future__ import annotations

import random
import time

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.policy.document import parse_policy_document
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.document_warnings import warnings_of
from ansible_collections.holdfast.firewall.tests.unit.policy_strategies import random_policy

ALL = {"action": "deny", "protocol": "any"}
WEB = {"action": "allow", "port": 443}
PORT = {"type": "dnat", "interface": "eth0", "port": 443, "to": "10.0.0.5", "to_port": 8443}


def warned(**document):
    return parse_policy_document(document)[1]


def test_rules_behind_one_that_takes_everything_never_decide():
    (warning,) = warned(rules=[WEB, dict(ALL, name="stop"), WEB, {"action": "deny", "port": 23, "name": "telnet"}])
    assert warning == (
        "policy.rules[1] (stop) takes every packet of direction in, so what follows never decides: rules[2], rules[3] (telnet)."
    )


def test_each_family_has_its_own():
    assert warned(rules=[dict(ALL, family="ipv4"), WEB]) == []
    assert warned(rules=[dict(ALL, family="ipv4"), dict(WEB, family="ipv6")]) == []
    assert len(warned(rules=[dict(ALL, family="ipv4"), dict(WEB, family="ipv4")])) == 1
    assert len(warned(rules=[dict(ALL, family="ipv4"), dict(ALL, family="ipv6"), WEB])) == 1


@pytest.mark.parametrize(
    "words",
    [{"protocol": "tcp"}, {"interface": "eth0"}, {"source": "10.0.0.0/8"}, {"limit": "6/minute"}, {"stateful": True}, {"direction": "out"}],
    ids=str,
)
def test_a_rule_that_leaves_packets_is_none_that_takes_everything(words):
    assert warned(rules=[dict(ALL, **words), WEB]) == []


def test_many_rules_that_never_decide_are_one_warning():
    (warning,) = warned(rules=[ALL] + [WEB] * 5000)
    assert warning.endswith("and 4990 more.")
    assert len(warning) < 400


def test_names_that_nothing_uses():
    document = {
        "address_sets": {"a": ["10.0.0.1"], "b": ["@c"], "c": ["10.0.0.2"]},
        "port_sets": {"web": [80], "old": [81]},
        "services": {"app": {"port": "@web"}, "gone": {"port": 1}},
        "zones": {"lan": {"interfaces": ["eth1"]}, "wan": {"interfaces": ["eth0"]}},
        "rules": [{"action": "allow", "service": "app", "zone": "lan", "source": "@b"}],
    }
    assert warned(**document) == [
        "policy.address_sets: not used: a.",
        "policy.port_sets: not used: old.",
        "policy.services: not used: gone.",
        "policy.zones: not used: wan.",
    ]


def test_sets_of_zones_translations_and_management_are_used():
    assert warned(
        address_sets={"a": ["10.0.0.1"], "b": ["10.0.0.2"], "c": ["10.0.0.3"]},
        port_sets={"web": [80]},
        zones={"lan": {"networks": ["@a"]}},
        nat=[{"type": "snat", "zone": "lan", "source": "@b", "port": "@web", "to": "192.0.2.1"}],
        management={"sources": ["@c"]},
    ) == []  # fmt: skip


def test_a_translation_whose_packets_no_rule_allows():
    (warning,) = warned(nat=[dict(PORT, name="shop")], rules=[dict(WEB, direction="forward")])
    assert warning.startswith("policy.nat[0] (shop): no rule of direction forward allows any packet that it translates")
    assert "rules see the new destination" in warning


@pytest.mark.parametrize(
    "words",
    [
        {"port": 8443},
        {"protocol": "any"},
        {"port_range": "8000-9000", "destination": "10.0.0.0/8"},
        {"port": 8443, "destination": "!10.0.0.6"},
        {"port": 8443, "interface": "eth0", "out_interface": "eth1"},
    ],
    ids=str,
)
def test_a_translation_that_a_rule_lets_through(words):
    assert warned(nat=[PORT], rules=[{"action": "allow", "direction": "forward", **words}]) == []


@pytest.mark.parametrize(
    "words",
    [{"port": 443}, {"protocol": "udp"}, {"destination": "10.0.0.6"}, {"destination": "2001:db8::1"}, {"interface": "eth1"},
     {"action": "deny"}, {"direction": "in"}, {"destination": "!10.0.0.5"}],
    ids=str,
)  # fmt: skip
def test_a_translation_that_no_rule_lets_through(words):
    assert len(warned(nat=[PORT], rules=[{"action": "allow", "direction": "forward", **words}])) == 1


def test_a_translation_is_fine_where_the_default_allows_or_others_decide():
    for default in ("allow", "unmanaged"):
        assert warned(nat=[PORT], defaults={"forward": default}) == []
    assert warned(nat=[PORT], native={"nftables": {"before": {"forward": ["ct status dnat accept"]}}}) == []


def test_a_redirect_needs_a_rule_for_the_new_port_unless_it_is_one_of_management():
    redirect = {"type": "redirect", "port": 80, "to_port": 8080}
    assert len(warned(nat=[redirect], rules=[{"action": "allow", "port": 80}])) == 1
    assert warned(nat=[redirect], rules=[{"action": "allow", "port": 8080}]) == []
    assert warned(nat=[dict(redirect, to_port=22)]) == []


def test_a_limit_of_a_rule_that_becomes_several_counts_for_each():
    (warning,) = warned(rules=[{"action": "allow", "service": "dns", "limit": "6/minute"}])
    assert warning.startswith("policy.rules[0]: the limit counts for each")
    assert warning.endswith("so 2 times.")


def test_warnings_of_a_large_policy_take_little_time():
    policy = random_policy(random.Random(3), rules=20000, shape="mixed")
    started = time.process_time()
    warnings_of(policy, "policy")
    assert time.process_time() - started < 1


def test_conditions_without_a_value_are_told():
    rules = [WEB, {"action": "allow", "port": 22, "source": None, "comment": None}, {"action": "deny", "port": 23, "cidr": None}]
    (warning,) = warned(rules=rules)
    assert warning.startswith("policy.rules[1].source, policy.rules[2].cidr: without a value, so nothing is asked of packets there")
    assert parse_policy_document(rules[1:2])[1][0].startswith("policy[0].source: ")
    (warning,) = warned(rules=[], management={"sources": None})
    assert warning.startswith("policy.management.sources: ")
    assert warned(rules=[dict(WEB, comment=None, protocol=None, log=None)], management={"agent_ports": None}) == []
