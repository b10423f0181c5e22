# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policies as files of firewalld and back."""

from __future__ import annotations

import re
from dataclasses import replace

from hypothesis import HealthCheck, assume, given, settings

from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.equivalence import differ
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.firewalld.backend import Firewalld
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.firewalld.policy_text import as_kept
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rule import DIRECTIONS
from ansible_collections.holdfast.firewall.tests.unit.paper_host import PaperHost
from ansible_collections.holdfast.firewall.tests.unit.policy_strategies import policies, policy_rules, standard_guard

BACKEND = Firewalld(PaperHost())
NATIVE = {"firewalld": {"in": ['rule family="ipv4" source address="192.0.2.9" drop'], "out": ['rule protocol value="gre" accept']}}


def guarded(policy):
    """The policy with the guard of its managed directions, less what this firewall refuses."""
    guard = tuple(rule for rule in standard_guard() if policy.defaults[rule.direction] != "unmanaged")
    return replace(policy, guard=guard, nat=(), native={name: one for name, one in policy.native.items() if name == "firewalld"})


def carried(policy):
    """The policy with the rules that can be carried."""
    refused = {int(one.field[6 : one.field.index("]")]) for one in BACKEND.policy_unsupported(policy) if one.field.startswith("rules[")}
    rules = tuple(rule for number, rule in enumerate(policy.rules) if number not in refused)
    return replace(policy, rules=rules, labels=())


@given(policy=policies(interfaces=(), native=NATIVE, max_nat=0))
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_a_policy_is_read_back_as_it_was_or_refused(policy):
    assume(set(policy.defaults.values()) != {"unmanaged"})
    policy = carried(guarded(policy))
    left = [one for one in BACKEND.policy_unsupported(policy) if not one.field.startswith("logging")]
    assert not left, left
    if BACKEND.policy_unsupported(policy):
        return
    found, wanted = BACKEND.parse_policy(BACKEND.render_policy(policy)), as_kept(policy)
    for direction in DIRECTIONS:
        assert found.list_for(direction) == wanted.list_for(direction)
    assert (found.defaults, found.log_denied, found.native) == (wanted.defaults, wanted.log_denied, wanted.native)
    assert differ(found, wanted) is None
    assert BACKEND.render_policy(found) == BACKEND.render_policy(policy)


@given(policy=policies(interfaces=(), max_nat=0))
@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_without_its_notes_a_policy_means_the_same_packets(policy):
    assume(set(policy.defaults.values()) != {"unmanaged"})
    policy = replace(carried(guarded(policy)), log_denied=None)
    text = re.sub(r"<description>.*</description>", "<description/>", BACKEND.render_policy(policy))
    found, wanted = BACKEND.parse_policy(text), as_kept(policy)
    assert (
        differ(replace(found, rules=found.guard + found.rules, guard=()), replace(wanted, rules=wanted.guard + wanted.rules, guard=()))
        is None
    )


@given(rule=policy_rules(interfaces=()))
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much], deadline=None)
def test_a_single_rule_is_read_back_from_its_commands(rule):
    assume(not BACKEND.unsupported(rule))
    ruleset = BACKEND.parse("\n".join(BACKEND.render(rule)))
    entries = [entry.rule for chain in ruleset.chains for entry in chain.entries]
    kept = replace(BACKEND.normalise(rule), comment=None)
    # A reset is answered in each family by a rule of its own.
    bare = {"ports": (), "source_ports": (), "icmp_types": (), "family": None}
    assert {replace(one, **bare) for one in entries} == {replace(kept, **bare)}
    assert {family for one in entries for family in one.families()} == kept.families()
    for field in ("ports", "source_ports", "icmp_types"):
        assert list(dict.fromkeys(found for one in entries for found in getattr(one, field))) == list(getattr(kept, field))
