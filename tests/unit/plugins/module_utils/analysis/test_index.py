# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The index answers about all rules at once what looking at each of them answers."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.holdfast.firewall.plugins.module_utils.analysis import axis as axis_module
from ansible_collections.holdfast.firewall.plugins.module_utils.analysis import index as index_module
from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.axis import (
    Axis,
    side_common,
    side_holds,
    side_less,
    side_union,
    side_within,
    sides_meet,
)
from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.boxes import Interfaces, sides_of, whole_box
from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.index import Index
from ansible_collections.holdfast.firewall.tests.unit.policy_generator import random_policy

TOP = 40


def numbers(side):
    return {number for low, high in side for number in range(low, high + 1)}


def side_of(found):
    return side_union(((one, one),) for one in found)


SINGLE = st.one_of(
    st.just(((0, TOP),)),
    st.tuples(st.integers(0, TOP), st.integers(0, TOP)).map(lambda pair: ((min(pair), max(pair)),)),
)
SIDES = st.one_of(
    SINGLE,
    st.sets(st.integers(0, TOP), min_size=1, max_size=12).map(side_of),
)


@given(SIDES, SIDES)
def test_sides_are_sets_of_numbers(one, other):
    mine, theirs = numbers(one), numbers(other)
    assert sides_meet(one, other) == bool(mine & theirs)
    assert side_within(one, other) == (mine <= theirs)
    assert numbers(side_common(one, other)) == mine & theirs
    assert numbers(side_less(one, other)) == mine - theirs
    assert numbers(side_union([one, other])) == mine | theirs
    for result in (side_common(one, other), side_less(one, other), side_union([one, other])):
        assert result == side_of(numbers(result)), "sorted, disjoint, not touching"
    assert all(side_holds(one, number) == (number in mine) for number in range(-1, TOP + 2))


@pytest.mark.parametrize("few", [24, 0], ids=["each looked at", "sorted"])
@given(members=st.one_of(st.lists(SIDES, min_size=1, max_size=80), st.lists(SINGLE, min_size=1, max_size=80)), asked=SIDES)
def test_an_axis_knows_who_matches_meets_holds_and_lies_within(few, members, asked):
    before, axis_module._FEW = axis_module._FEW, few
    try:
        axis = Axis(members, TOP, [1 << number for number in range(len(members))])
    finally:
        axis_module._FEW = before
    sets, wanted = [numbers(side) for side in members], numbers(asked)

    def who(condition):
        return sum(1 << number for number, one in enumerate(sets) if condition(one))

    assert axis.meeting(asked) == who(lambda one: one & wanted)
    assert axis.holding(asked) == who(lambda one: one >= wanted)
    assert axis.within(asked) == who(lambda one: one <= wanted)
    for number in range(TOP + 1):
        assert axis.matching(number) == who(lambda one, number=number: number in one)
    trials = axis.trials(asked)
    assert set(trials) <= wanted
    assert {asked[0][0], asked[-1][1]} <= set(trials)


@pytest.mark.parametrize("chunk", [index_module.CHUNK, 64], ids=["one chunk", "several chunks"])
@pytest.mark.parametrize("shape", ["mixed", "ranges", "forward"])
def test_an_index_knows_who_meets_holds_and_lies_within_a_rule(shape, chunk, monkeypatch):
    monkeypatch.setattr(index_module, "CHUNK", chunk)
    policy = random_policy(random.Random(5), 250, shape)
    interfaces = Interfaces.of(policy.rules)
    terms = [sides_of(rule, interfaces) for rule in policy.rules]
    index = Index(terms, [high for _low, high in whole_box(interfaces)])
    for sides in terms[:100]:
        meets = holds = lies = 0
        for number, other in enumerate(terms):
            pairs = list(zip(sides, other))
            meets |= all(sides_meet(mine, theirs) for mine, theirs in pairs) << number
            holds |= all(side_within(mine, theirs) for mine, theirs in pairs) << number
            lies |= all(side_within(theirs, mine) for mine, theirs in pairs) << number
        assert (index.meeting(sides), index.holding(sides), index.within(sides)) == (meets, holds, lies)
        point = tuple(side[-1][1] for side in sides)
        assert index.matching(point) == sum(
            all(side_holds(side, value) for side, value in zip(other, point)) << number for number, other in enumerate(terms)
        )
