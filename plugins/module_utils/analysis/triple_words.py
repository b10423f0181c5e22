# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Conflicts of port rules put into words, each with an example packet and what to do about it.

Pure: touches nothing. Only the rules that can match the example packets are looked at, so a long list costs little.
"""

from __future__ import annotations

import bisect
import typing as t
from dataclasses import replace

from ..policy.policy import Policy
from ..policy.rule import Rule
from .axis import Side, side_union
from .boxes import PORT, PORT_TOP, Sides, TooComplex
from .conflict_report import ERROR, NOTE, WARNING, Conflict
from .conflict_words import Teller, named, verb
from .cover import Effort, find_gap, sides_common
from .triples import ALLOW_AND_DENY, OPEN_AND_RESTRICTED, Triple
from .units import Unit, Units

_STEPS = 300


class TripleTeller:
    """Puts conflicts of one policy into words."""

    def __init__(self, policy: Policy, triples: t.Sequence[Triple]) -> None:
        numbers = _concerned(policy, triples)
        part = replace(
            policy,
            rules=tuple(policy.rules[number] for number in numbers),
            labels=tuple(policy.label(number) for number in numbers),
        )
        self._units = Units(part)
        self._teller = Teller(part, self._units)
        self._unit_of_rule: t.Dict[int, Unit] = {}
        places = iter(numbers)
        for unit in sorted(self._units.units + self._units.nothing, key=lambda one: one.place):
            if not unit.guard:
                for _rule, number in zip(unit.rules, places):
                    self._unit_of_rule[number] = unit

    def tell(self, found: Triple) -> Conflict:
        """Put one conflict into words."""
        first, second = self._units_of(found.first), self._units_of(found.second)
        one, other = named([unit.label for unit in first]), named([unit.label for unit in second])
        if found.kind == OPEN_AND_RESTRICTED:
            words = "%s %s %s from anywhere, so the sources of %s restrict nothing." % (
                one, verb(first, "allows", "allow"), found.words(), other)  # fmt: skip
            advice = "Remove %s, or name its sources." % one
            return self._teller.conflict(found.kind, ERROR, [*first, *second], words, advice, self._open(found, first, second))
        if found.kind == ALLOW_AND_DENY:
            words = "%s: %s %s, %s %s." % (found.words(), one, verb(first, "allows", "allow"), other, verb(second, "denies", "deny"))
            advice = "Keep the one that is meant, or give them sources that differ."
            region = self._common(found, first[0], second[0]) or self._region(found, first[0])
            return self._teller.conflict(found.kind, WARNING, [*first, *second], words, advice, region)
        words = "%s: %s each name other sources." % (found.words(), one)
        advice = "Put all sources into one rule, if that is meant."
        return self._teller.conflict(found.kind, NOTE, first, words, advice, self._region(found, first[-1]))

    def _units_of(self, numbers: t.Sequence[int]) -> t.List[Unit]:
        found = {self._unit_of_rule[number].place: self._unit_of_rule[number] for number in numbers}
        return [found[place] for place in sorted(found)]

    def _open(self, found: Triple, opened: t.Sequence[Unit], restricted: t.Sequence[Unit]) -> Sides:
        """Return packets that an open rule lets in and no restricted one does, where there are some."""
        region = self._region(found, opened[0])
        try:
            gap = find_gap(self._units.index, region, self._units.some(restricted), Effort(_STEPS))
        except TooComplex:
            gap = None
        return gap or region

    def _common(self, found: Triple, one: Unit, other: Unit) -> t.Optional[Sides]:
        for mine in one.terms:
            for theirs in other.terms:
                common = sides_common(_at(mine, found), theirs)
                if common is not None:
                    return common
        return None

    def _region(self, found: Triple, unit: Unit) -> Sides:
        regions = [_at(sides, found) for sides in unit.terms]
        return next((one for one in regions if sides_common(one, one) is not None), unit.terms[0])


def _at(sides: Sides, found: Triple) -> Sides:
    """Return the packets with the port of a triple."""
    if found.port is None:
        return sides
    return sides[:PORT] + (((found.port.first, found.port.last),),) + sides[PORT + 1 :]


def _concerned(policy: Policy, triples: t.Sequence[Triple]) -> t.List[int]:
    """Return the rules that can match a packet of one of the triples."""
    ports: t.Dict[str, t.List[Side]] = {}
    for one in triples:
        side = ((one.port.first, one.port.last),) if one.port is not None else ((0, PORT_TOP),)
        ports.setdefault(one.direction, []).append(side)
    joined = {direction: side_union(found) for direction, found in ports.items()}
    return [number for number, rule in enumerate(policy.rules) if rule.direction in joined and _meets(rule, joined[rule.direction])]


def _meets(rule: Rule, ports: Side) -> bool:
    if not rule.ports:
        return True
    for one in rule.ports:
        place = bisect.bisect_right(ports, (one.last, PORT_TOP + 1)) - 1
        if place >= 0 and ports[place][1] >= one.first:
            return True
    return False
