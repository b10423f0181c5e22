# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of a policy as a person wrote them, numbered, with an index over their packets.

Pure: touches nothing. One rule of a document can become several rules of the language (two protocols, addresses of both families). They
stand side by side, bear the same label and act alike, so here they are one unit again: what they match together is what was written.

Sets of units are whole numbers like the answers of ``index``. A unit that takes several products of sides has as many bits, side by side.
Sets to choose from (``before``, ``same_action``) have all bits of their units and can be joined with answers of the index. Answers about
units (``meeting``, ``holding``) have the highest bit of each unit only, so that their bits can be counted.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ..policy.policy import Policy
from ..policy.rule import Log, Rule
from .axis import side_union, side_within
from .boxes import DIMENSIONS, Interfaces, Sides, TooComplex, sides_of, whole_box
from .cover import Effort, count_bits, find_gap
from .index import Index

#: What decides a packet: the action, and how it is logged.
Verdict = t.Tuple[str, t.Optional[Log]]
PAIR_STEPS = 2000
#: Up to so many units are compared one by one.
_FEW = 8


@dataclass(frozen=True)
class Unit:
    """Rules that were one rule of the document.

    :ivar number: its number among those that match something.
    :ivar place: its number among all.
    :ivar label: where it stands (``rules[3] (web)``).
    :ivar first: its first bit.
    :ivar last: its last bit, which stands for it where bits are counted.
    :ivar guard: whether it is one of the rules that keep the host reachable, which no document writes.
    """

    number: int
    place: int
    label: str
    rules: t.Tuple[Rule, ...]
    terms: t.Tuple[Sides, ...]
    first: int
    last: int
    guard: bool

    @property
    def action(self) -> str:
        """What it does with a packet."""
        return self.rules[0].action

    @property
    def verdict(self) -> Verdict:
        """What it does with a packet, and what is logged."""
        return (self.rules[0].action, self.rules[0].log)

    @property
    def limited(self) -> bool:
        """Whether packets above a rate fall through it, so that it covers nothing."""
        return self.rules[0].condition is not None

    def text(self) -> str:
        """Return its rules in one line."""
        return "; ".join(rule.describe() for rule in self.rules)


class Units:
    """All units of a policy in the order in which they decide.

    :ivar nothing: the units that no packet can match.
    :ivar unsure: pairs (wide, narrow) of which it could not be told whether the first covers the second, and why.
    :ivar heads: the highest bit of each unit.
    :ivar unlimited: the units without a limit, all bits.
    :ivar rules: the units that are no guard, all bits.
    """

    def __init__(self, policy: Policy) -> None:
        rules = policy.guard + policy.rules
        self.interfaces = Interfaces.of(rules, policy.nat)
        self.units: t.List[Unit] = []
        self.nothing: t.List[Unit] = []
        self.unsure: t.Dict[t.Tuple[int, int], str] = {}
        terms: t.List[Sides] = []
        for place, (label, members, guard) in enumerate(_grouped(policy)):
            found = _joined([sides for sides in (sides_of(rule, self.interfaces) for rule in members) if sides is not None])
            first, last = len(terms), len(terms) + len(found) - 1
            unit = Unit(len(self.units), place, label, members, found, first, last, guard)
            if not found:
                self.nothing.append(unit)
                continue
            self.units.append(unit)
            terms.extend(found)
        self.index = Index(terms, [high for _low, high in whole_box(self.interfaces)])
        self.of_bit = [unit.number for unit in self.units for _term in unit.terms]
        self.heads = self.index.everyone
        self._several = self._tails = 0
        if len(terms) != len(self.units):
            self.heads = _number_of(len(terms), (unit.last for unit in self.units))
            self._several = _number_of(len(terms), (unit.last for unit in self.units if len(unit.terms) > 1))
            self._tails = self.index.everyone & ~self.heads
        self.unlimited = self.some(unit for unit in self.units if not unit.limited)
        self.rules = self.some(unit for unit in self.units if not unit.guard)
        self._by_action = self._sets(lambda unit: unit.action)
        self._by_verdict = self._sets(lambda unit: unit.verdict)
        self._by_label = self._sets(lambda unit: unit.label, 2)

    def some(self, units: t.Iterable[Unit]) -> int:
        """Return a set of units, all bits."""
        return _number_of(len(self.of_bit), (bit for unit in units for bit in range(unit.first, unit.last + 1)))

    def each(self, found: int) -> t.Iterator[Unit]:
        """Yield the units of a set in the order in which they decide."""
        found = self._any(found)
        while found:
            lowest = found & -found
            yield self.units[self.of_bit[lowest.bit_length() - 1]]
            found ^= lowest

    def first(self, found: int) -> Unit:
        """Return the first unit of a set that is not empty."""
        return self.units[self.of_bit[(found & -found).bit_length() - 1]]

    def before(self, unit: Unit) -> int:
        """Return the units that decide before one, those of the same label left out."""
        return ((1 << unit.first) - 1) & ~self._by_label.get(unit.label, 0)

    def after(self, unit: Unit) -> int:
        """Return the units that decide after one, those of the same label left out."""
        return self.index.everyone & ~((1 << (unit.last + 1)) - 1) & ~self._by_label.get(unit.label, 0)

    def same_label(self, unit: Unit) -> int:
        """Return the units with the label of this one."""
        return self._by_label.get(unit.label, 0)

    def same_action(self, unit: Unit) -> int:
        """Return the units with the action of this one."""
        return self._by_action[unit.action]

    def same_verdict(self, verdict: Verdict) -> int:
        """Return the units that do and log the same."""
        return self._by_verdict.get(verdict, 0)

    def meeting(self, unit: Unit) -> int:
        """Return the units that match a packet of this one."""
        found = 0
        for term in unit.terms:
            found |= self.index.meeting(term)
        return self._any(found)

    def holding(self, unit: Unit) -> int:
        """Return the units that match every packet of this one, whether they have a limit or not."""
        found = self.heads
        several = self._several
        for term in unit.terms:
            found &= self._any(self.index.holding(term))
            if several:
                several &= self._any(self.index.meeting(term))
        for other in self.each(several & ~found):
            if self._covers(other, unit):
                found |= 1 << other.last
        return found

    def within(self, unit: Unit, among: int) -> int:
        """Return the units of a set that match no packet but those of this one."""
        few = self._several == 0 and count_bits(among) <= _FEW
        if few:
            return self._within_one_by_one(unit.terms[0], among)
        found = 0
        for term in unit.terms:
            found |= self.index.within(term)
        inside = self._all(found)
        if len(unit.terms) > 1:
            meets = 0
            for term in unit.terms:
                meets |= self.index.meeting(term)
            for other in self.each(self._all(meets) & ~inside & among):
                if self._covers(unit, other):
                    inside |= 1 << other.last
        return inside & among

    def _within_one_by_one(self, term: Sides, among: int) -> int:
        inside = 0
        while among:
            lowest = among & -among
            among ^= lowest
            if all(side_within(mine, theirs) for mine, theirs in zip(self.index.rules[lowest.bit_length() - 1], term)):
                inside |= lowest
        return inside

    def matching(self, point: t.Tuple[int, ...]) -> int:
        """Return the units that match a packet."""
        return self._any(self.index.matching(point))

    def _covers(self, wide: Unit, narrow: Unit) -> bool:
        """Return whether the terms of one unit together hold all packets of another one."""
        index = Index(wide.terms, self.index.tops)
        try:
            return all(find_gap(index, sides, index.everyone, Effort(PAIR_STEPS)) is None for sides in narrow.terms)
        except TooComplex:
            self.unsure[(wide.number, narrow.number)] = "they have too many parts to be compared within %d steps" % PAIR_STEPS
            return False

    def _any(self, bits: int) -> int:
        """Return the units with at least one of the bits.

        Adding a unit's lower bits to what is set among them carries into its highest bit when one was set.
        """
        if not self._several or not bits:
            return bits
        return (((bits & self._tails) + self._tails) | bits) & self.heads

    def _all(self, bits: int) -> int:
        if not self._several:
            return bits
        return self.heads & ~self._any(self.index.everyone & ~bits)

    def _sets(self, key: t.Callable[[Unit], t.Any], least: int = 1) -> t.Dict[t.Any, int]:
        members: t.Dict[t.Any, t.List[Unit]] = {}
        for unit in self.units:
            members.setdefault(key(unit), []).append(unit)
        return {one: self.some(who) for one, who in members.items() if len(who) >= least}


def _grouped(policy: Policy) -> t.Iterator[t.Tuple[str, t.Tuple[Rule, ...], bool]]:
    """Yield (label, rules, whether they are the guard's): neighbours with one label and direction that act alike together."""
    for rule in policy.guard:
        yield "guard (%s)" % (rule.comment or rule.describe()), (rule,), True
    start = 0
    while start < len(policy.rules):
        label, rule = policy.label(start), policy.rules[start]
        end = start + 1
        while end < len(policy.rules) and policy.label(end) == label and _manner(policy.rules[end]) == _manner(rule):
            end += 1
        yield label, policy.rules[start:end], False
        start = end


def _manner(rule: Rule) -> t.Tuple[t.Any, ...]:
    return (rule.direction, rule.action, rule.log, rule.condition)


def _joined(terms: t.List[Sides]) -> t.Tuple[Sides, ...]:
    """Return the same packets as fewer products: those that differ in one dimension only become one."""
    changed = len(terms) > 1
    while changed:
        changed = False
        for dimension in range(DIMENSIONS):
            alike: t.Dict[t.Tuple[t.Any, ...], t.List[Sides]] = {}
            for sides in terms:
                alike.setdefault(sides[:dimension] + sides[dimension + 1 :], []).append(sides)
            if len(alike) < len(terms):
                changed = True
                terms = [_with(one[0], dimension, side_union(sides[dimension] for sides in one)) for one in alike.values()]
        if len(terms) < 2:
            break
    return tuple(terms)


def _with(sides: Sides, dimension: int, side: t.Tuple[t.Tuple[int, int], ...]) -> Sides:
    return sides[:dimension] + (side,) + sides[dimension + 1 :]


def _number_of(size: int, bits: t.Iterable[int]) -> int:
    marks = bytearray(size // 8 + 1)
    for bit in bits:
        marks[bit >> 3] |= 1 << (bit & 7)
    return int.from_bytes(marks, "little")
