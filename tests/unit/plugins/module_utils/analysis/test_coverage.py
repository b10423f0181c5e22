# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What rules still decide behind those before them, against trying every packet."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.axis import side_holds
from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.coverage import Coverage
from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.pairs import (
    CORRELATION,
    GENERALISATION,
    REDUNDANCY,
    SHADOWING,
    Pairs,
)
from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.units import Units
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.analysis.small_universe import Packets, policies


class Tried:
    """A policy with every packet tried."""

    def __init__(self, policy):
        self.policy = policy
        self.units = Units(policy)
        terms = [sides for unit in self.units.units for sides in unit.terms]
        self.packets = Packets(terms, self.units.index.tops)
        self.sets = [self.packets.within(unit.terms) for unit in self.units.units]

    def default(self, point):
        action = self.policy.defaults[("in", "out", "forward")[point[0]]]
        return (action, None)

    def before(self, unit):
        """The units that can take packets from this one."""
        return [one for one in self.units.units[: unit.number] if one.label != unit.label and not one.limited]

    def taker(self, unit, point):
        """The first rule before a unit that takes a packet of it."""
        assert holds(unit, point)
        return next((one for one in self.before(unit) if holds(one, point)), None)


def holds(unit, point):
    return any(all(side_holds(side, number) for side, number in zip(sides, point)) for sides in unit.terms)


def corners(region):
    return [tuple(side[0][0] for side in region), tuple(side[-1][1] for side in region)]


def alike_and_sure(one, unit):
    return one.verdict == unit.verdict and not one.limited


@pytest.mark.parametrize("plain", [False, True], ids=["all conditions", "few conditions"])
def test_pairs_are_those_that_trying_every_packet_finds(plain):
    @settings(max_examples=120)
    @given(policies(plain))
    def check(policy):
        tried = Tried(policy)
        pairs = Pairs(tried.units)
        found = {kind: {(one.number, other.number) for one, other in which} for kind, which in pairs.found.items()}
        wanted = {kind: set() for kind in found}
        units, sets = tried.units.units, tried.sets
        for later in units:
            for earlier in units[: later.number]:
                if earlier.label == later.label:
                    continue
                mine, theirs = sets[earlier.number], sets[later.number]
                pair, same = (earlier.number, later.number), earlier.action == later.action
                if not mine & theirs:
                    continue
                if mine >= theirs and not earlier.limited:
                    wanted[REDUNDANCY if same else SHADOWING].add(pair)
                elif theirs >= mine and not later.limited:
                    if not same and theirs > mine:
                        wanted[GENERALISATION].add(pair)
                    between = units[earlier.number + 1 : later.number]
                    calm = all(alike_and_sure(one, earlier) for one in between if sets[one.number] & mine)
                    if earlier.verdict == later.verdict and calm:
                        wanted[REDUNDANCY].add(pair)
                if not same and not mine >= theirs and not theirs >= mine:
                    wanted[CORRELATION].add(pair)
        assert found == wanted
        assert pairs.counts == {kind: len(which) for kind, which in wanted.items()}

    check()


@pytest.mark.parametrize("plain", [False, True], ids=["all conditions", "few conditions"])
def test_fates_are_those_that_trying_every_packet_finds(plain):
    @settings(max_examples=150)
    @given(policies(plain))
    def check(policy):
        tried = Tried(policy)
        coverage = Coverage(tried.units, policy)
        assert coverage.undecided == []
        fates = {fate.unit.number: fate for fate in coverage.fates}
        units, sets = tried.units.units, tried.sets
        gone = set()
        dead = {}
        for unit in units:
            firsts = {}
            for packet in sets[unit.number]:
                firsts[packet] = next((one for one in tried.before(unit) if packet in sets[one.number]), None)
            dead[unit.number] = all(firsts.values())
            lost = any(one is not None and one.action != unit.action for one in firsts.values())
            fate = fates.get(unit.number)
            if dead[unit.number]:
                assert fate is not None and fate.left is None
                assert fate.kind == ("fully_shadowed" if lost else "redundant")
                gone.add(unit.number)
            elif fate is not None and fate.kind != "redundant":
                assert lost and fate.left is not None
            else:
                assert not lost or fate is not None
            if fate is not None and fate.lost is not None:
                assert all(tried.taker(unit, point).action != unit.action for point in corners(fate.lost))
            if fate is not None and fate.left is not None:
                assert all(tried.taker(unit, point) is None for point in corners(fate.left))
        for unit in units:
            if dead[unit.number]:
                continue
            needless = changes_nothing(tried, unit, gone)
            assert needless == (unit.number in fates and fates[unit.number].redundant), unit.label
            if needless:
                gone.add(unit.number)

    check()


def changes_nothing(tried, unit, gone):
    """Whether every packet that the unit decides meets the same without it, limits and siblings counting as something else."""
    for packet in tried.sets[unit.number]:
        rest = [one for one in tried.units.units if one.number not in gone and packet in tried.sets[one.number] and one is not unit]
        if any(one.number < unit.number and not one.limited and one.label != unit.label for one in rest):
            continue
        after = next((one for one in rest if one.number > unit.number), None)
        if after is None:
            if tried.default(packet) != unit.verdict:
                return False
        elif after.label == unit.label or not alike_and_sure(after, unit):
            return False
    return True


@settings(max_examples=100)
@given(policies(plain=True))
def test_all_redundant_rules_can_go_at_once(policy):
    tried = Tried(policy)
    gone = {fate.unit.number for fate in Coverage(tried.units, policy).fates if fate.redundant or fate.left is None}
    units = tried.units.units

    def way(kept, point):
        met = []
        for unit in kept:
            if point in tried.sets[unit.number]:
                met.append(unit)
                if not unit.limited:
                    break
        sure = met[-1].verdict if met and not met[-1].limited else tried.default(point)
        return [one.verdict for one in met if one.limited and one.verdict != sure], sure

    kept = [unit for unit in units if unit.number not in gone]
    for point in tried.packets.all():
        assert way(units, point) == way(kept, point)
