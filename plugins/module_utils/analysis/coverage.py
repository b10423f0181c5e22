# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each rule still decides behind all the rules before it together, and what would change without it.

Pure: touches nothing. Exact; what could not be told within the effort is in ``undecided`` with the reason.

- A rule never decides when earlier rules together match all its packets.
- It is shadowed when some of its packets meet another action: fully when it never decides, else partially.
- It is redundant when every packet meets the same without it, also with all other redundant rules gone: it never decides and all its
  packets meet its own action, or later rules or the default do and log the same with what it decides.

A rule with a limit covers nothing. Rules of one label do not conflict with each other.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ..policy.policy import ANY_DIRECTION, Policy
from ..policy.rule import DIRECTIONS
from .boxes import DIRECTION, Sides, TooComplex
from .cover import Effort, Search, find_first, find_gap
from .first_match import default_of
from .packets import likely_point
from .units import Unit, Units, Verdict

FULLY_SHADOWED, PARTIALLY_SHADOWED, REDUNDANT = "fully_shadowed", "partially_shadowed", "redundant"
KINDS = (FULLY_SHADOWED, PARTIALLY_SHADOWED, REDUNDANT)

#: Steps for all rules together, and for one question about one rule.
TOTAL_STEPS, STEPS = 30000, 2000


@dataclass
class Fate:
    """What became of one rule.

    :ivar left: packets that it decides (a product of sides), or None when it never decides.
    :ivar lost: packets of it that an earlier rule with another action decides, or None when there are none.
    :ivar redundant: whether nothing changes without it.
    :ivar replaceable: whether a later rule or the default does the same with some packet of it.
    """

    unit: Unit
    left: t.Optional[Sides] = None
    lost: t.Optional[Sides] = None
    redundant: bool = False
    replaceable: bool = False

    @property
    def kind(self) -> t.Optional[str]:
        """The kind of conflict, or None."""
        if self.redundant:
            return REDUNDANT
        if self.lost is None:
            return None
        return FULLY_SHADOWED if self.left is None else PARTIALLY_SHADOWED


class Coverage:
    """The fates of all rules.

    :ivar fates: those with a conflict, in the order of the rules.
    :ivar dead: the rules that never decide, all bits.
    :ivar undecided: (rule, what could not be told, why).
    """

    def __init__(self, units: Units, policy: Policy, effort: t.Optional[Effort] = None) -> None:
        self.undecided: t.List[t.Tuple[Unit, str, str]] = []
        self._units = units
        self._index = units.index
        self._effort = effort or Effort(TOTAL_STEPS, STEPS)
        self._defaults = {number: _default_verdict(policy, direction) for number, direction in enumerate(DIRECTIONS)}
        self._gone = 0
        open_fates = []
        for unit in units.units:
            fate = None if unit.guard else self._behind(unit)
            if fate is None or not (fate.replaceable or fate.kind or fate.left is None):
                continue
            open_fates.append(fate)
            if fate.left is None:
                self._gone |= _bits(unit)
                fate.redundant = fate.lost is None
        self.dead = self._gone
        for fate in open_fates:
            if fate.left is not None and fate.replaceable and self._changes_nothing(fate):
                fate.redundant = True
                self._gone |= _bits(fate.unit)
        self.fates = [fate for fate in open_fates if fate.kind is not None]

    def blockers(self, unit: Unit) -> int:
        """Return the rules before one that take packets from it, all bits."""
        return self._units.before(unit) & self._units.unlimited

    def _behind(self, unit: Unit) -> t.Optional[Fate]:
        """Return what a rule decides behind those before it, or None when that could not be told."""
        meets = 0
        for term in unit.terms:
            meets |= self._index.meeting(term)
        replaceable = self._default_does_the_same(unit) or bool(meets & self._units.after(unit) & self._alike(unit))
        rules = meets & self.blockers(unit)
        if not rules:
            return Fate(unit, unit.terms[0], replaceable=replaceable)
        left = None
        try:
            for term in unit.terms:
                left = find_gap(self._index, term, rules, self._effort)
                if left is not None:
                    break
        except TooComplex as reason:
            self.undecided.append((unit, "whether it ever decides", reason.msg))
            return None
        fate = Fate(unit, left, replaceable=replaceable)
        others = rules & ~self._units.same_action(unit)
        if others:
            try:
                fate.lost = self._lost(unit, rules, others)
            except TooComplex as reason:
                self.undecided.append((unit, "whether rules with another action decide its packets", reason.msg))
        return fate

    def _alike(self, unit: Unit) -> int:
        return self._units.same_verdict(unit.verdict) & self._units.unlimited

    def _default_does_the_same(self, unit: Unit) -> bool:
        return self._defaults[unit.terms[0][DIRECTION][0][0]] == unit.verdict

    def _lost(self, unit: Unit, rules: int, others: int) -> t.Optional[Sides]:
        """Return packets of a rule that are decided by one of ``others``, which act otherwise."""
        wanted = Search(0, rules & self._units.same_action(unit), others, False)
        for term in unit.terms:
            found = find_first(self._index, term, wanted, self._effort)
            if found is not None:
                return found
        return None

    def _changes_nothing(self, fate: Fate) -> bool:
        """Return whether every packet that a rule decides meets the same without it."""
        unit = fate.unit
        after = self._units.after(unit) & ~self._gone
        same = self._alike(unit)
        default_same = self._default_does_the_same(unit)
        meets = 0
        for term in unit.terms:
            meets |= self._index.meeting(term)
        alike = meets & after & same
        if not default_same and not alike:
            return False
        differing = meets & ~((1 << (unit.last + 1)) - 1) & ~self._gone & ~(after & same)
        if fate.left is not None and (differing or not default_same):
            nexts = self._index.matching(likely_point(fate.left)) & (alike | differing)
            if (nexts & -nexts) & differing or (not nexts and not default_same):
                return False
        before = meets & self.blockers(unit) & ~self._gone
        wanted = Search(before, alike, differing, not default_same)
        try:
            return all(find_first(self._index, term, wanted, self._effort) is None for term in unit.terms)
        except TooComplex as reason:
            self.undecided.append((unit, "whether anything changes without it", reason.msg))
            return False


def _bits(unit: Unit) -> int:
    return (1 << (unit.last + 1)) - (1 << unit.first)


def _default_verdict(policy: Policy, direction: str) -> t.Optional[Verdict]:
    """Return what the default of a direction does, or None where native lines come before it."""
    for lines in policy.native.values():
        if lines.after.get(direction) or lines.after.get(ANY_DIRECTION):
            return None
    return default_of(policy, direction)
