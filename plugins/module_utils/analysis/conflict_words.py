# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Conflicts of pairs and of coverage put into words, each with an example packet and what to do about it.

Pure: touches nothing. Only what is listed is put into words, so this may search a little more for each conflict.
"""

from __future__ import annotations

import itertools
import typing as t

from ..policy.policy import Policy
from ..policy.rule import DIRECTIONS
from . import coverage, pairs
from .boxes import DIRECTION, Box, Point, Sides, TooComplex
from .conflict_report import ERROR, NOTE, WARNING, Conflict, Example
from .cover import Effort, Search, find_gap, parts_found, search, sides_common
from .coverage import Coverage, Fate
from .first_match import default_of, past
from .packets import Packet, likely_point
from .regions import region_words, regions_of
from .units import Unit, Units

#: So many rules, and regions that are left of a rule, are named.
_NAMED, _PARTS = 8, 6
#: So many boxes of what is left of a rule are looked at.
_BOXES = 200
#: Steps for the words of one conflict.
_STEPS = 300
_MINIMAL = 40


class Teller:
    """Puts the conflicts of one policy into words."""

    def __init__(self, policy: Policy, units: Units) -> None:
        self._policy = policy
        self._units = units

    def example(self, region: Sides) -> Example:
        """Return an ordinary packet of a region and what decides it."""
        packet = Packet.at_point(likely_point(region), self._units.interfaces)
        point = packet.point(self._units.interfaces)
        unit = self.decider(point)
        if unit is not None:
            decided, action, before = unit.label, unit.action, (1 << unit.first) - 1
        else:
            decided, action = "the default (%s)" % packet.direction, default_of(self._policy, packet.direction)[0]
            before = self._units.index.everyone
        limited = self._units.matching(point) & before & ~self._units.unlimited
        labels = tuple(one.label for one in self._units.each(limited))
        return Example(packet.as_dict(), packet.describe(), decided, past(action), labels)

    def decider(self, point: Point) -> t.Optional[Unit]:
        """Return the first rule without a limit that matches a packet, or None when the default decides."""
        found = self._units.index.matching(point) & self._units.unlimited
        return self._units.first(found) if found else None

    def fate(self, fate: Fate, found: Coverage) -> Conflict:
        """Tell what became of a rule."""
        if fate.kind == coverage.PARTIALLY_SHADOWED:
            return self._partial(fate, found)
        if fate.left is not None:
            return self._needless(fate, found)
        unit = fate.unit
        takers = self._takers(unit, found.blockers(unit))
        words = "%s never decides a packet: %s %s all of them" % (
            unit.label, named([one.label for one in takers]), verb(takers, "takes", "take"))  # fmt: skip
        if fate.lost is None:
            words += ", and %s alike." % verb(takers, "acts", "act")
            return self.conflict(
                coverage.REDUNDANT, WARNING, [unit, *takers], words, "Remove %s: nothing changes." % unit.label, unit.terms[0]
            )
        others = [one for one in takers if one.action != unit.action]
        if not others:
            others = [self.decider(likely_point(fate.lost)) or takers[0]]
            takers = [*takers, *others]
        if len(takers) == 1:
            words += ", and acts otherwise."
        else:
            words += "; %s %s otherwise." % (named([one.label for one in others]), verb(others, "acts", "act"))
        advice = "Move it before %s if it is meant as an exception, else remove it." % others[0].label
        return self.conflict(coverage.FULLY_SHADOWED, ERROR, [unit, *takers], words, advice, fate.lost)

    def pair(self, kind: str, earlier: Unit, later: Unit) -> Conflict:
        """Tell a conflict of two rules."""
        a, b = earlier.label, later.label
        if kind == pairs.SHADOWING:
            words = "%s matches all packets of %s and acts otherwise, so %s never acts." % (a, b, b)
            advice = "Move %s before %s if it is meant as an exception, else remove it." % (b, a)
            return self._pair(kind, ERROR, later, earlier, words, advice)
        if kind == pairs.GENERALISATION:
            words = "%s matches all packets of %s and more, and acts otherwise: %s is an exception of it." % (b, a, a)
            return self._pair(kind, NOTE, earlier, later, words, "Keep the order if that is meant.")
        if kind == pairs.CORRELATION:
            words = "%s and %s have packets in common, of which %s decides; each also matches others, and they act otherwise." % (a, b, a)
            return self._pair(kind, WARNING, earlier, later, words, "Make sure that %s is meant to come first." % a)
        if not earlier.limited and earlier.last in self._holders(later):
            words = "%s matches all packets of %s and acts alike, so %s never acts." % (a, b, b)
            return self._pair(kind, WARNING, later, earlier, words, "Remove %s: nothing changes." % b)
        words = "%s matches all packets of %s and does the same with them, so nothing changes without %s." % (b, a, a)
        return self._pair(kind, WARNING, earlier, later, words, "Remove %s: nothing changes." % a)

    def nothing(self, unit: Unit) -> Conflict:
        """Tell that no packet can match a rule."""
        words = "%s matches no packet at all: its conditions exclude each other." % unit.label
        return Conflict(coverage.REDUNDANT, ERROR, (unit.label,), (unit.text(),), words, "Remove it, or correct its conditions.")

    def _partial(self, fate: Fate, found: Coverage) -> Conflict:
        unit = fate.unit
        blockers = found.blockers(unit)
        takers = self._deciding_against(unit, blockers)
        left = self._left(unit, blockers)
        words = "%s %s some packets of %s and %s otherwise." % (
            named([one.label for one in takers]), verb(takers, "takes", "take"), unit.label, verb(takers, "acts", "act"))  # fmt: skip
        advice = "Keep the order if these are its exceptions."
        conflict = self.conflict(coverage.PARTIALLY_SHADOWED, NOTE, [unit, *takers], words, advice, fate.lost or unit.terms[0])
        left_region = fate.left or unit.terms[0]
        return Conflict(**{**conflict.__dict__, "counterexample": self.example(left_region), "left": left})

    def _needless(self, fate: Fate, found: Coverage) -> Conflict:
        unit = fate.unit
        after = self._units.after(unit) & self._units.same_verdict(unit.verdict) & self._units.unlimited & ~found.dead
        meets = 0
        for term in unit.terms:
            meets |= self._units.index.meeting(term)
        alike = list(self._units.each(after & meets))
        holders = self._holders(unit)
        holder = next((one for one in alike if one.last in holders), None)
        if holder is not None:
            alike = [holder]
        direction = DIRECTIONS[unit.terms[0][DIRECTION][0][0]]
        names = [one.label for one in alike]
        if holder is None and default_of(self._policy, direction) == unit.verdict:
            names.append("the default (%s)" % direction)
        words = "Nothing changes without %s: %s %s the same with all that it decides." % (
            unit.label, named(names), "does" if len(names) == 1 else "do")  # fmt: skip
        return self.conflict(
            coverage.REDUNDANT, NOTE, [unit, *alike[:_NAMED]], words, "Remove it, or keep it for its reader.", fate.left or unit.terms[0]
        )

    def _takers(self, unit: Unit, blockers: int) -> t.List[Unit]:
        """Return rules that together match all packets of a rule, as few as are easily found."""
        holders = self._units.holding(unit) & blockers
        if holders:
            return [self._units.first(holders)]
        index, effort = self._units.index, Effort(100 * _STEPS, 10 * _STEPS)
        used: t.Set[int] = set()
        try:
            for term in unit.terms:
                search(index, term, Search(blockers & index.meeting(term)), effort, used)
        except TooComplex:
            return []
        takers = [self._units.units[number] for number in sorted({self._units.of_bit[bit] for bit in used})]
        if len(takers) > _MINIMAL:
            return takers
        for one in list(reversed(takers)):
            rest = self._units.some(other for other in takers if other is not one)
            try:
                if all(find_gap(index, term, rest, Effort(_STEPS)) is None for term in unit.terms):
                    takers.remove(one)
            except TooComplex:
                continue
        return takers

    def _deciding_against(self, unit: Unit, blockers: int) -> t.List[Unit]:
        """Return the first rules that decide packets of a later one otherwise."""
        found: t.List[Unit] = []
        index = self._units.index
        meets = 0
        for term in unit.terms:
            meets |= index.meeting(term)
        effort = Effort(_STEPS)
        for other in self._units.each(meets & blockers & ~self._units.same_action(unit)):
            earlier = ((1 << other.first) - 1) & self._units.unlimited
            common = [part for mine in unit.terms for theirs in other.terms for part in [sides_common(mine, theirs)] if part is not None]
            try:
                if any(find_gap(index, part, earlier, effort) is not None for part in common):
                    found.append(other)
            except TooComplex:
                break
            if len(found) > _NAMED:
                break
        return found

    def _left(self, unit: Unit, blockers: int) -> t.Tuple[str, ...]:
        """Return in words what is left of a rule; the first regions where they are many."""
        boxes: t.List[Box] = []
        complete = True
        try:
            for term in unit.terms:
                wanted = Search(blockers & self._units.index.meeting(term))
                for part in parts_found(self._units.index, term, wanted, Effort(_STEPS), None, False):
                    boxes.extend(itertools.islice(itertools.product(*part), _BOXES))
                    if len(boxes) >= _BOXES:
                        raise TooComplex("too many parts")
        except TooComplex:
            complete = False
        regions = regions_of(boxes[:_BOXES])
        words = [region_words(region, self._units.interfaces) for region in regions[:_PARTS]]
        return (*words, "and more") if len(regions) > _PARTS or not complete else tuple(words)

    def _holders(self, unit: Unit) -> t.Set[int]:
        return {one.last for one in self._units.each(self._units.holding(unit))}

    def _pair(self, kind: str, severity: str, first: Unit, second: Unit, words: str, suggestion: str) -> Conflict:
        common = (sides_common(mine, theirs) for mine in first.terms for theirs in second.terms)
        region = next(part for part in common if part is not None)
        earlier = min(first, second, key=lambda unit: unit.number)
        try:
            # A packet that the earlier one decides tells most.
            region = find_gap(self._units.index, region, ((1 << earlier.first) - 1) & self._units.unlimited, Effort(_STEPS)) or region
        except TooComplex:
            pass
        return self.conflict(kind, severity, [first, second], words, suggestion, region)

    def conflict(self, kind: str, severity: str, units: t.Sequence[Unit], words: str, suggestion: str, region: Sides) -> Conflict:
        """Return a conflict with an example from a region; the first unit is the one that it is about."""
        shown = units[: _NAMED + 1]
        return Conflict(
            kind, severity, tuple(one.label for one in shown), tuple(one.text() for one in shown), words, suggestion, self.example(region)
        )


def named(labels: t.Sequence[str]) -> str:
    """Return labels as a person lists them."""
    if not labels:
        return "earlier rules"
    shown = list(labels[:_NAMED])
    if len(labels) > _NAMED:
        return "%s and %d more" % (", ".join(shown), len(labels) - _NAMED)
    return shown[0] if len(shown) == 1 else "%s and %s" % (", ".join(shown[:-1]), shown[-1])


def verb(units: t.Sequence[Unit], one: str, several: str) -> str:
    """Return the form of a verb for one or several rules."""
    return one if len(units) == 1 else several
