# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One rule of the language: canonical forms, negation, sets, and the round trip through its own words."""

from __future__ import annotations

import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.holdfast.firewall.plugins.module_utils.policy.address_words import parse_addresses
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.addresses import make_addresses
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.parse import parse_rule
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.ports import PortRange, merge_ports
from ansible_collections.holdfast.firewall.tests.unit.policy_strategies import policy_rules
from ansible_collections.holdfast.firewall.tests.unit.rule_strategies import networks, rules


@given(rules())
def test_a_rule_survives_its_own_words(rule):
    assert parse_rule(rule.as_dict()) == rule


@given(policy_rules())
def test_a_rule_of_a_policy_survives_its_own_words(rule):
    assert parse_rule(rule.as_dict()) == rule


@given(rules())
def test_words_are_text_that_ad_hoc_can_carry(rule):
    words = {key: ",".join(str(one) for one in value) if isinstance(value, list) else str(value) for key, value in rule.as_dict().items()}
    words.pop("comment", None)  # a comment may hold anything
    assert parse_rule(words).identity() == rule.identity()


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), max_size=8))
def test_merging_ports_keeps_the_ports(pairs):
    ranges = [PortRange(min(pair), max(pair)) for pair in pairs]
    merged = merge_ports(ranges)
    assert {p for r in merged for p in range(r.first, r.last + 1)} == {p for r in ranges for p in range(r.first, r.last + 1)}
    assert merge_ports(merged) == merged
    assert all(a.last + 1 < b.first for a, b in zip(merged, merged[1:]))


def small_words():
    return st.lists(st.tuples(st.booleans(), st.integers(0, 15), st.sampled_from([28, 29, 30, 31, 32])), min_size=1, max_size=6)


@given(small_words())
def test_words_with_a_bang_are_taken_out_exactly(items):
    base = int(ipaddress.ip_address("198.51.100.0"))
    nets = [(neg, ipaddress.ip_network((base + (off >> (32 - length) << (32 - length)), length))) for neg, off, length in items]
    universe = {ipaddress.ip_address(base + n) for n in range(16)}
    included = [net for neg, net in nets if not neg]
    excluded = [net for neg, net in nets if neg]
    wanted = {a for a in universe if (not included or any(a in n for n in included)) and not any(a in n for n in excluded)}
    words = [("!" if neg else "") + str(net) for neg, net in nets]
    try:
        found, family = parse_addresses(words, "rule.source", {})
    except Exception:
        assert not wanted
        return
    assert family == 4
    inside = {a for a in universe if any(a in n for n in found.networks) != found.negated}
    assert inside == wanted


@given(st.lists(networks(6), min_size=1, max_size=5))
def test_canonical_addresses_stay_canonical(nets):
    once = make_addresses(nets)
    assert make_addresses(once.networks) == once


def test_sets_may_name_sets():
    sets = {"all": ["@office", "198.51.100.7"], "office": ["192.0.2.0/25", "192.0.2.128/25"]}
    rule = parse_rule({"action": "allow", "source": "@all"}, sets=sets)
    assert rule.source.words() == ["192.0.2.0/24", "198.51.100.7"]


def test_all_of_one_family_is_any_address_of_that_family():
    rule = parse_rule({"action": "allow", "source": "0.0.0.0/0"})
    assert rule.source.any
    assert rule.family == 4


def test_a_range_of_addresses_becomes_networks():
    assert parse_rule({"action": "allow", "source": "192.0.2.0-192.0.2.9"}).source.words() == ["192.0.2.0/29", "192.0.2.8/31"]


def test_a_reply_rule_turns_the_rule_round():
    rule = parse_rule({"action": "allow", "port": 80, "source": "192.0.2.1", "stateful": True, "interface": "eth0"})
    reply = rule.reply_rule()
    assert (reply.direction, reply.destination, reply.ports, reply.interface, reply.reply) == ("out", rule.source, rule.ports, "eth0", True)
