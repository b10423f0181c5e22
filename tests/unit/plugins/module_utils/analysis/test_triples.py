# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Conflicts of port rules, against comparing every two rules."""

from __future__ import annotations

import ipaddress

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.triples import find_triples
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.addresses import ANY, make_addresses
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.policy import Policy
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.ports import PortRange, merge_ports
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rule import Rule

SOURCES = [None, "192.0.2.0/24", "192.0.2.7", "2001:db8::/32"]


@st.composite
def port_rules(draw):
    source = draw(st.sampled_from(SOURCES))
    network = ipaddress.ip_network(source) if source else None
    ports = draw(st.lists(st.sampled_from([(22, 22), (80, 80), (80, 90)]), max_size=2, unique=True))
    return Rule(
        action=draw(st.sampled_from(["allow", "allow", "deny", "reject"])),
        direction=draw(st.sampled_from(["in", "in", "in", "out"])),
        family=network.version if network else draw(st.sampled_from([None, None, 4, 6])),
        protocol=draw(st.sampled_from([6, 6, 17])),
        source=make_addresses([network]) if network else ANY,
        ports=merge_ports(PortRange(*one) for one in ports),
        interface=draw(st.sampled_from([None] * 5 + ["eth0"])),
    )


def two_disagree(one, other):
    """The kinds of conflict between two rules on what both name, with what they name."""
    if one.interface or other.interface or not one.families() & other.families():
        return
    if (one.direction, one.protocol) != (other.direction, other.protocol):
        return
    for port in set(one.ports or [None]) & set(other.ports or [None]):
        triple = (one.direction, one.protocol, port)
        if (one.action == "allow") != (other.action == "allow"):
            yield ("allow_and_deny", *triple)
        elif one.action == "allow" and one.source.any != other.source.any:
            yield ("open_and_restricted", *triple)
        if not one.source.any and not other.source.any and one.source != other.source:
            yield ("several_sources", *triple)


@settings(max_examples=300)
@given(st.lists(port_rules(), max_size=8))
def test_port_rules_conflict_where_two_of_them_do(rules):
    policy = Policy(tuple(rules))
    found = {(one.kind, one.direction, one.protocol, one.port) for one in find_triples(policy)}
    assert found == {conflict for one in rules for other in rules for conflict in two_disagree(one, other)}
    for one in find_triples(policy):
        assert len(one.rules()) > 1
        assert all(one.port in (rules[number].ports or (None,)) for number in one.rules())


@settings(max_examples=100)
@given(st.lists(port_rules(), max_size=8))
def test_rules_of_one_label_do_not_conflict(rules):
    assert find_triples(Policy(tuple(rules), labels=("rules[0]",) * len(rules))) == []


@settings(max_examples=100)
@given(st.lists(port_rules(), max_size=6))
def test_a_rule_listed_twice_makes_no_conflict_of_its_own(rules):
    once = [(one.kind, one.direction, one.protocol, one.port) for one in find_triples(Policy(tuple(rules)))]
    twice = [(one.kind, one.direction, one.protocol, one.port) for one in find_triples(Policy(tuple(rules + rules)))]
    assert sorted(once, key=str) == sorted(twice, key=str)
