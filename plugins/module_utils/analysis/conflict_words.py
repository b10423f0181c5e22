# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Conflicts of pairs and of coverage put into words, each with an example packet and what to do about it.

Pure: touches nothing. Only what is listed is put into words, so this may search a little more for each conflict.
"""

from __future__ import annotations

import typing as t

from ..policy.policy import Policy
from ..policy.rule import DIRECTIONS
from . import coverage, pairs
from .boxes import DIRECTION, Point, Sides, TooComplex
from .conflict_report import ERROR, NOTE, WARNING, Conflict, Example
from .cover import Effort, Search, find_gap, parts_found, search, sides_common
from .coverage import Coverage, Fate
from .first_match import default_of, past
from .packets import Packet, likely_point
from .region_words import region_words
from .units import Unit, Units

#: So many rules, and parts of what is left of a rule, are named.
_NAMED, _PARTS = 8, 6
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
        unit = self.decider(packet.point(self._units.interfaces))
        if unit is not None:
            return Example(packet.as_dict(), packet.describe(), unit.label, past(unit.action))
        return Example(
            packet.as_dict(), packet.describe(), "the default (%s)" % packet.direction, past(default_of(self._policy, packet.direction)[0])
        )

    def decider(self, point: Point) -> t.Optional[Unit]:
        """Return the first rule without a limit that matches a packet, or None when the default decides."""
        found = self._units.index.matching(point) & self._units.unlimited
        return self._units.first(found) if found else None

    def fate(self, fate: Fate, found: Coverage) -> Conflict:
        """Tell what became of a rule."""
        if fate.kind == coverage.PARTIALLY_SHADOWED:
            return self._partial(fate, found)
        if fate.left is not None:
            return self._needless(fate)
        unit = fate.unit
        takers = self._takers(unit, found.blockers(unit))
        words = "%s never decides a packet: %s %s all of them" % (
            unit.label, named([one.label for one in takers]), verb(takers, "takes", "take"))  # fmt: skip
        if fate.kind == coverage.REDUNDANT:
            return self.conflict(
                coverage.REDUNDANT, WARNING, [unit, *takers], "%s, and %s alike." % (words, verb(takers, "acts", "act")),
                "Remove %s: nothing changes." % unit.label, unit.terms[0],
            )  # fmt: skip
        others = [one for one in takers if one.action != unit.action]
        move = "Move it before %s" % others[0].label if others else "Move it up"
        return self.conflict(
            coverage.FULLY_SHADOWED, ERROR, [unit, *takers],
            "%s, and %s otherwise%s." % (words, verb(others, "acts", "act"), "" if len(others) == len(takers) else " in part"),
            "%s if it is meant as an exception, else remove it." % move, fate.lost or unit.terms[0],
        )  # fmt: skip

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
        if earlier.last in self._holders(later):
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

    def _needless(self, fate: Fate) -> Conflict:
        unit = fate.unit
        after = self._units.after(unit) & self._units.same_verdict(unit.verdict) & self._units.unlimited
        meets = 0
        for term in unit.terms:
            meets |= self._units.index.meeting(term)
        alike = list(self._units.each(after & meets))
        holder = next((one for one in alike if one.last in self._holders(unit)), None)
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
        holders = self._holders(unit)
        for one in self._units.each(blockers & _number(holders)):
            return [one]
        index, effort = self._units.index, Effort(100 * _STEPS, 10 * _STEPS)
        used: t.Set[int] = set()
        try:
            for term in unit.terms:
                search(index, term, Search(blockers & index.meeting(term)), effort, used)
        except TooComplex:
            return list(self._units.each(blockers & _number({unit.last for unit in self._units.each(_number(used))})))[:_NAMED]
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
        """Return in words what is left of a rule; the first parts where they are many."""
        words: t.List[str] = []
        try:
            for term in unit.terms:
                wanted = Search(blockers & self._units.index.meeting(term))
                for part in parts_found(self._units.index, term, wanted, Effort(_STEPS), None, False):
                    if len(words) == _PARTS:
                        return (*words, "and more")
                    words.append(region_words(part, self._units.interfaces))
        except TooComplex:
            return (*words, "and more" if words else "more parts than can be listed")
        return tuple(words)

    def _holders(self, unit: Unit) -> t.Set[int]:
        return {one.last for one in self._units.each(self._units.holding(unit))}

    def _pair(self, kind: str, severity: str, first: Unit, second: Unit, words: str, suggestion: str) -> Conflict:
        common = (sides_common(mine, theirs) for mine in first.terms for theirs in second.terms)
        return self.conflict(kind, severity, [first, second], words, suggestion, next(part for part in common if part is not None))

    def conflict(self, kind: str, severity: str, units: t.Sequence[Unit], words: str, suggestion: str, region: Sides) -> Conflict:
        """Return a conflict with an example from a region; the first unit is the one that it is about."""
        shown = units[: _NAMED + 1]
        return Conflict(
            kind, severity, tuple(one.label for one in shown), tuple(one.text() for one in shown), words, suggestion, self.example(region)
        )


def _number(bits: t.Iterable[int]) -> int:
    found = 0
    for bit in bits:
        found |= 1 << bit
    return found


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
