# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner of compiled layouts: its steps decide every packet like the list they were made from."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.boxes import Interfaces
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.compile import planner
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.compile.planner import compile_rules
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.compile.steps import Line, Size, Split, Table, cost_of
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rates import Limit, Rate
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.compile.compiled_lists import (
    met_in_list,
    met_in_steps,
    mixed_rules,
    random_packets,
    small_bounds,
)
from ansible_collections.holdfast.firewall.tests.unit.policy_generator import random_policy
from ansible_collections.holdfast.firewall.tests.unit.policy_strategies import policy_rules


def compiled(rules):
    return compile_rules(rules, Interfaces.of(rules))


def in_direction(rules, direction="in"):
    return [rule for rule in rules if rule.direction == direction]


def assert_alike(rules, steps, seed, count):
    for packet in random_packets(random.Random(seed), rules, count):
        assert met_in_steps(steps, rules, packet) == met_in_list(rules, packet), packet


@given(
    st.lists(policy_rules(directions=("forward",)), min_size=2, max_size=14), st.sampled_from([1, 2, 4]), st.booleans(), st.integers(0, 99)
)
@settings(max_examples=60, deadline=None)
def test_compiled_steps_do_to_every_packet_what_the_list_does(rules, cell, tables, seed):
    with small_bounds(cell, tables):
        steps, _notes = compiled(rules)
    assert_alike(rules, steps, seed, 40)


@pytest.mark.parametrize("shape", ["exact", "blocklist", "services", "ranges", "mixed"])
def test_long_lists_do_to_packets_what_they_did_before(shape):
    rules = in_direction(random_policy(random.Random(shape), 500, shape).rules)
    steps, _notes = compiled(rules)
    assert_alike(rules, steps, 1, 150)


@pytest.mark.parametrize("seed", range(3))
def test_allow_and_deny_of_any_source_and_any_port_keep_their_order(seed):
    rules = mixed_rules(seed, 600)
    steps, _notes = compiled(rules)
    assert any(isinstance(one, Split) for one in steps)
    assert_alike(rules, steps, seed, 200)


def test_rules_of_one_shape_become_one_table():
    rules = [rule for rule in random_policy(random.Random(1), 900, "exact").rules if rule.family == 4 and rule.protocol == 6]
    steps, _notes = compiled(rules)
    assert [type(one) for one in steps] == [Table]
    assert steps[0].shape.fields == ("source", "port")
    assert steps[0].shape.exact


def test_what_a_packet_pays_does_not_grow_with_the_list():
    prices = [cost_of(compiled(mixed_rules(7, count))[0]) for count in (500, 4000)]
    assert prices[1] < 1.5 * prices[0]
    assert prices[1] < planner.LINE * 4000 / 20


def test_the_compiled_form_stays_in_proportion_to_the_list():
    steps, _notes = compiled(mixed_rules(3, 3000))
    size = Size().add(steps)
    assert size.lines + size.elements < 5 * 3000


def test_a_rule_that_counts_packets_keeps_its_place_among_rules_that_overlap_it():
    rules = mixed_rules(5, 300)
    for number in (20, 150, 280):
        rules[number] = replace(rules[number], limit=Limit(Rate(5, 60)))
    steps, _notes = compiled(rules)
    assert_alike(rules, steps, 2, 300)


def test_a_list_that_would_grow_too_large_stays_lines_and_a_note_says_so(monkeypatch):
    monkeypatch.setattr(planner, "GROWTH", 0)
    monkeypatch.setattr(planner.Planner, "_spent", _too_large)
    rules = mixed_rules(1, 200)
    steps, notes = compiled(rules)
    assert all(isinstance(one, Line) for one in steps)
    assert [one.number for one in steps] == list(range(200))
    assert "stay one line each" in notes[0]


def test_a_rule_that_no_packet_can_match_is_left_out():
    rules = mixed_rules(1, 100)
    rules[50] = replace(rules[50], family=6) if rules[50].source.networks else replace(rules[50], icmp_types=(8,))
    steps, _notes = compiled(rules)
    assert_alike(rules, steps, 3, 100)


def _too_large(self, steps):
    raise planner.TooLarge
