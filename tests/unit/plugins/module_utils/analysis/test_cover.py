# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The search for a packet that gets past rules, against trying every packet."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.holdfast.firewall.plugins.module_utils.analysis import cover
from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.boxes import DIMENSIONS, TooComplex
from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.cover import Effort, Search, find_first, find_gap, search
from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.index import Index
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.analysis.small_universe import Packets

#: Three dimensions matter, the others are whole.
TOPS = (0, 0, 0, 0, 0, 4, 3, 0, 5, 0)
FREE = [dimension for dimension in range(DIMENSIONS) if TOPS[dimension]]


def side(top):
    return st.sets(st.integers(0, top), min_size=1).map(lambda found: cover.side_union(((one, one),) for one in found))


def products():
    free = {dimension: st.one_of(st.just(((0, TOPS[dimension]),)), side(TOPS[dimension])) for dimension in FREE}
    return st.tuples(*[free.get(dimension, st.just(((0, 0),))) for dimension in range(DIMENSIONS)])


def wanted_packets(packets, terms, region, wanted):
    """The packets that are looked for, one by one."""
    found = set()
    for packet in packets.within([region]):
        matching = [number for number, sides in enumerate(terms) if packet in packets.within([sides])]
        if any(wanted.stops >> number & 1 for number in matching):
            continue
        first = next((number for number in matching if (wanted.ordered | wanted.goals) >> number & 1), None)
        if wanted.default if first is None else wanted.goals >> first & 1:
            found.add(packet)
    return found


def sets_of(roles):
    return [sum(1 << number for number, role in enumerate(roles) if role == one) for one in ("stop", "ordered", "goal")]


@pytest.fixture(name="crowded", params=[False, True], ids=["few rules", "a crowd of rules"], scope="module")
def _crowded(request):
    """Run the search as with few rules, and as with very many."""
    before = cover._CROWD, cover._TOGETHER
    if request.param:
        cover._CROWD, cover._TOGETHER = 0, 1
    yield
    cover._CROWD, cover._TOGETHER = before


@pytest.mark.usefixtures("crowded")
@given(
    terms=st.lists(products(), min_size=1, max_size=7),
    region=products(),
    roles=st.lists(st.sampled_from(["stop", "ordered", "goal", "none"]), min_size=7, max_size=7),
    default=st.booleans(),
)
@settings(max_examples=200)
def test_a_packet_is_found_where_there_is_one(terms, region, roles, default):
    index = Index(terms, TOPS)
    packets = Packets([*terms, region], TOPS)
    wanted = Search(*sets_of(roles[: len(terms)]), default)
    expected = wanted_packets(packets, terms, region, wanted)
    for look in (search, find_first):
        found = look(index, region, wanted, Effort(10000))
        assert (found is not None) == bool(expected), look.__name__
        assert found is None or packets.within([found]) <= expected, look.__name__


def product(first=(0, 4), second=(0, 3)):
    """A product of two intervals; the other dimensions are whole."""
    return tuple((first,) if n == 5 else (second,) if n == 6 else ((0, top),) for n, top in enumerate(TOPS))


@pytest.mark.usefixtures("crowded")
def test_a_goal_that_is_reached_before_what_would_stop_its_packets_counts():
    terms = [product(first=(0, 2)), product(first=(0, 3)), product(first=(4, 4)), product()]
    index = Index(terms, TOPS)
    wanted = Search(stops=0b0100, ordered=0b0010, goals=0b1001)
    for look in (search, find_first):
        found = look(index, product(), wanted, Effort(1000))
        assert found is not None
        assert found[5][-1][1] <= 2


@pytest.mark.usefixtures("crowded")
def test_many_rules_that_each_take_a_slice_are_all_taken_off():
    terms = [product(first=(number, number)) for number in range(4)]
    index = Index(terms, TOPS)
    assert search(index, product(), Search(index.everyone), Effort(1000)) == product(first=(4, 4))
    assert search(index, product(first=(0, 3)), Search(index.everyone), Effort(1000)) is None


@pytest.mark.usefixtures("crowded")
@given(st.lists(products(), min_size=1, max_size=8), products())
@settings(max_examples=150)
def test_what_covers_a_region_is_told(terms, region):
    index = Index(terms, TOPS)
    packets = Packets([*terms, region], TOPS)
    left = packets.within([region]) - packets.within(terms)
    gap = find_gap(index, region, index.everyone, Effort(10000))
    assert (gap is not None) == bool(left)
    assert gap is None or packets.within([gap]) <= left
    used = set()
    assert (search(index, region, Search(index.everyone), Effort(10000), used) is None) == (not left)
    if not left:
        assert packets.within([region]) <= packets.within([terms[number] for number in used])


def test_a_search_beyond_its_effort_is_given_up():
    terms = [tuple(((one, one),) if n == 5 else ((other, other),) if n == 6 else ((0, top),) for n, top in enumerate(TOPS))
             for one in range(5) for other in range(4)]  # fmt: skip
    index = Index(terms, TOPS)
    region = tuple(((0, top),) for top in TOPS)
    assert find_gap(index, region, index.everyone, Effort(1000)) is None
    effort = Effort(1000, each=3)
    with pytest.raises(TooComplex, match="more than 3 steps"):
        find_gap(index, region, index.everyone, effort)
    assert effort.total < 1000


def test_bits_are_counted():
    assert [cover.count_bits(number) for number in (0, 1, 0b1011, (1 << 5000) - 1)] == [0, 1, 3, 5000]
