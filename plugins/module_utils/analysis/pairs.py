# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Conflicts between any two rules of a list of which the first match decides.

Pure: touches nothing. The kinds are those of Al-Shaer and Hamed ("Discovery of Policy Anomalies in Distributed Firewalls", INFOCOM 2004),
on sets of packets in the place of fields. ``a`` stands before ``b``:

- shadowing: ``a`` covers ``b`` and acts otherwise, so ``b`` never acts.
- redundancy: ``a`` covers ``b`` and acts alike, so ``b`` never acts; or ``b`` covers ``a``, acts and logs alike, and no rule between them
  that meets ``a`` does anything else, so ``a`` makes no difference.
- generalisation: ``b`` covers ``a``, matches more, and acts otherwise: ``a`` is an exception of ``b``.
- correlation: each matches packets that the other does not, they have packets in common, and they act otherwise: their order decides.

A rule with a limit covers nothing, since packets above its rate pass it by.
"""

from __future__ import annotations

import typing as t

from .cover import count_bits
from .units import Unit, Units

SHADOWING, REDUNDANCY, GENERALISATION, CORRELATION = "shadowing", "redundancy", "generalisation", "correlation"
KINDS = (SHADOWING, REDUNDANCY, GENERALISATION, CORRELATION)


class Pairs:
    """All conflicting pairs of a policy.

    :ivar counts: how many there are of each kind.
    :ivar found: for each kind the first pairs (earlier, later), by the later and then the earlier one, as many as were asked for.
    """

    def __init__(self, units: Units, kinds: t.Collection[str] = KINDS, limit: int = 100) -> None:
        self.counts: t.Dict[str, int] = {kind: 0 for kind in KINDS if kind in kinds}
        self.found: t.Dict[str, t.List[t.Tuple[Unit, Unit]]] = {kind: [] for kind in self.counts}
        self._units = units
        self._limit = limit
        self._last: t.Dict[str, int] = {}
        for unit in units.units:
            if not unit.guard:
                self._look_at(unit)
        for kind in self.found:
            self._shorten(kind)

    def _look_at(self, unit: Unit) -> None:
        """Find the pairs in which ``unit`` is covered, and those in which it is the later one of a correlation."""
        units = self._units
        meets = units.meeting(unit) & ~(1 << unit.last)
        if not meets:
            return
        before, after = units.before(unit) & units.rules, units.after(unit)
        same = units.same_action(unit)
        holds = units.holding(unit) & meets
        covered = holds & units.unlimited
        self._take(SHADOWING, covered & before & ~same, unit, True)
        self._take(REDUNDANCY, covered & before & same, unit, True)
        later = covered & after
        if later:
            self._look_after(unit, meets, later)
        crossing = meets & before & ~same & ~holds
        if crossing and CORRELATION in self.counts:
            self._take(CORRELATION, crossing & ~units.within(unit, crossing), unit, True)

    def _look_after(self, unit: Unit, meets: int, later: int) -> None:
        """Find the later rules that cover ``unit``."""
        units = self._units
        other = later & ~units.same_action(unit)
        if other and GENERALISATION in self.counts:
            self._take(GENERALISATION, other & ~units.within(unit, other), unit, False)
        alike = later & units.same_verdict(unit.verdict)
        if not alike or REDUNDANCY not in self.counts:
            return
        differing = meets & ~(units.same_verdict(unit.verdict) & units.unlimited) & ~((1 << unit.last) - 1)
        if differing:
            alike &= (differing & -differing) - 1
        if alike and not unit.limited:
            # Of two equal rules the later one is redundant already.
            alike &= ~units.within(unit, alike)
        self._take(REDUNDANCY, alike, unit, False)

    def _take(self, kind: str, others: int, unit: Unit, unit_is_later: bool) -> None:
        if not others or kind not in self.counts:
            return
        self.counts[kind] += count_bits(others)
        found = self.found[kind]
        last = self._last.get(kind)
        if last is not None:
            if not unit_is_later:
                others &= (2 << last) - 1
            elif unit.last > last:
                return
        for taken, other in enumerate(self._units.each(others)):
            if taken == self._limit:
                break
            found.append((other, unit) if unit_is_later else (unit, other))
        if len(found) > 2 * self._limit:
            self._shorten(kind)

    def _shorten(self, kind: str) -> None:
        """Keep the first pairs, and note the later rule of the last one: what comes after it is not listed."""
        found = self.found[kind]
        found.sort(key=lambda pair: (pair[1].number, pair[0].number))
        del found[self._limit :]
        if len(found) == self._limit and found:
            self._last[kind] = found[-1][1].last
