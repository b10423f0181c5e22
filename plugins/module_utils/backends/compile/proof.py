# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proof that a list that was read back decides like the list that was compiled.

Pure: touches nothing. Each rule stands in its place, whole or less only packets that rules before it decide; a rule may be missing when
rules before it decide all of its packets.
"""

from __future__ import annotations

import typing as t

from ...analysis.boxes import Interfaces, Sides, TooComplex, sides_of, whole_box
from ...analysis.cover import Effort, find_gap
from ...analysis.index import Index
from ...policy.rule import Rule
from .axes import covers
from .bitsets import bits
from .effects import decides

#: How much searching is allowed (see ``Effort``).
STEPS = 100000


def difference(found: t.Sequence[t.Tuple[Rule, int]], wanted: t.Sequence[Rule], interfaces: Interfaces) -> t.Optional[str]:
    """Return why a list is not proved to decide like another, for people; None when it is proved.

    :param found: rules with the number (from 1) of the wanted rule that each is, or is a part of.
    """
    pieces: t.Dict[int, t.List[Rule]] = {}
    last = 0
    for rule, number in found:
        if number < last or not 1 <= number <= len(wanted):
            return "rule %d stands in another place: %s" % (number, rule.describe())
        last = number
        pieces.setdefault(number, []).append(rule)
    open_ones: t.List[t.Tuple[int, t.List[Sides]]] = []
    for number, rule in enumerate(wanted, 1):
        parts = pieces.get(number, [])
        if len(parts) == 1 and parts[0] == rule:
            continue
        whole = sides_of(rule, interfaces)
        if whole is None:
            if parts:
                return "rule %d matches nothing, yet something stands for it" % number
            continue
        known = []
        for part in parts:
            sides = sides_of(part, interfaces)
            if sides is None or not covers(whole, sides) or _act(part) != _act(rule):
                return "rule %d became %s" % (number, part.describe())
            known.append(sides)
        if known != [whole]:
            open_ones.append((number, known))
    return _uncovered(open_ones, wanted, interfaces)


def _uncovered(open_ones: t.Sequence[t.Tuple[int, t.List[Sides]]], wanted: t.Sequence[Rule], interfaces: Interfaces) -> t.Optional[str]:
    """Return a message about a rule that lost packets which no rule before it decides."""
    if not open_ones:
        return None
    sides = [sides_of(rule, interfaces) for rule in wanted]
    rows: t.List[Sides] = [one for one in sides if one is not None]
    place = {}
    for number, one in enumerate(sides, 1):
        if one is not None:
            place[number] = len(place)
    able = bits((place[number] for number, rule in enumerate(wanted, 1) if number in place and decides(rule)), len(rows))
    extra = []
    for number, known in open_ones:
        extra.append((number, len(rows), len(known)))
        rows += known
    index = Index(rows, [high for _low, high in whole_box(interfaces)])
    effort = Effort(STEPS)
    for number, start, count in extra:
        usable = able & ((1 << place[number]) - 1) | ((1 << count) - 1) << start
        try:
            effort.begin()
            if find_gap(index, rows[place[number]], usable, effort) is not None:
                return "rule %d lost packets: %s" % (number, wanted[number - 1].describe())
        except TooComplex:
            return "it could not be told in time whether rule %d lost packets" % number
    return None


def _act(rule: Rule) -> t.Tuple[t.Any, ...]:
    return rule.action, rule.action == "reject" and rule.protocol == 6, rule.limit, rule.log, rule.comment
