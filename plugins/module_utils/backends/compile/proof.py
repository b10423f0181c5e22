# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proof that a list that was read back decides like the list that was compiled.

Pure: touches nothing. Each rule stands in its place, whole or less only packets that rules before it decide; a rule may be missing when
rules before it decide all of its packets.
"""

from __future__ import annotations

import itertools
import typing as t
from bisect import bisect_left

from ...analysis.boxes import ADDRESS_TOP, DESTINATION, SOURCE, Box, Interfaces, Sides, TooComplex, sides_of, whole_box
from ...analysis.cover import Effort, find_gap
from ...analysis.index import Index
from ...policy.rule import Rule
from .axes import covers
from .effects import decides

#: The number of a rule, and the parts of it that were found.
_Open = t.Tuple[int, t.List[Sides]]
#: The same with all that the rule matches.
_Region = t.Tuple[int, Sides, t.List[Sides]]
_ANY = ((0, ADDRESS_TOP),)
FEW_BOXES = 16
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
    open_ones: t.List[_Open] = []
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


def _uncovered(open_ones: t.Sequence[_Open], wanted: t.Sequence[Rule], interfaces: Interfaces) -> t.Optional[str]:
    """Return a message about a rule that lost packets which no rule before it decides."""
    if not open_ones:
        return None
    rows = [sides_of(rule, interfaces) for rule in wanted]
    left = [(number, t.cast(Sides, rows[number - 1]), known) for number, known in open_ones]
    deciding = [number for number, (rule, one) in enumerate(zip(wanted, rows), 1) if one is not None and decides(rule)]
    left = _without_repeats(left, deciding, rows)
    effort = Effort(STEPS)
    # What rules of any source cover is found among the few of them, in most cases.
    wide = [number for number in deciding if _any_address(t.cast(Sides, rows[number - 1]))]
    if len(wide) < len(deciding) // 2:
        left = _still_open(left, wide, rows, interfaces, effort)
    left = _still_open(left, deciding, rows, interfaces, effort)
    if not left:
        return None
    number = left[0][0]
    return "rule %d is not known to have kept all packets that no rule before it decides: %s" % (number, wanted[number - 1].describe())


def _without_repeats(left: t.List[_Region], numbers: t.Sequence[int], rows: t.Sequence[t.Optional[Sides]]) -> t.List[_Region]:
    """Leave out the rules that lost only what single rules before them say in the same words: a port of a list, an address."""
    lost: t.List[t.Optional[t.List[Box]]] = []
    earliest: t.Dict[Box, int] = {}
    for _number, whole, known in left:
        kept = {box for part in known for box in _few_boxes(part) or ()}
        boxes = _few_boxes(whole)
        lost.append(None if boxes is None else [box for box in boxes if box not in kept])
        earliest.update((box, len(rows) + 1) for box in lost[-1] or ())
    for number in numbers:
        for box in _few_boxes(t.cast(Sides, rows[number - 1])) or ():
            if box in earliest and number < earliest[box]:
                earliest[box] = number
    return [one for one, boxes in zip(left, lost) if boxes is None or any(earliest[box] >= one[0] for box in boxes)]


def _few_boxes(sides: Sides) -> t.Optional[t.List[Box]]:
    count = 1
    for side in sides:
        count *= len(side)
    return list(itertools.product(*sides)) if count <= FEW_BOXES else None


def _still_open(
    left: t.List[_Region], numbers: t.Sequence[int], rows: t.Sequence[t.Optional[Sides]],
    interfaces: Interfaces, effort: Effort,
) -> t.List[_Region]:  # fmt: skip
    """Return those rules whose packets are not all in their parts or in those of these rules that stand before them."""
    if not left:
        return []
    members = [t.cast(Sides, rows[number - 1]) for number in numbers]
    parts: t.List[Sides] = [one for _number, _whole, known in left for one in known]
    index = Index(members + parts, [high for _low, high in whole_box(interfaces)])
    at = len(members)
    found = []
    for one in left:
        number, whole, known = one
        usable = (1 << bisect_left(numbers, number)) - 1 | ((1 << len(known)) - 1) << at
        at += len(known)
        try:
            effort.begin()
            if find_gap(index, whole, usable, effort) is not None:
                found.append(one)
        except TooComplex:
            found.append(one)
    return found


def _any_address(sides: Sides) -> bool:
    return sides[SOURCE] == _ANY and sides[DESTINATION] == _ANY


def _act(rule: Rule) -> t.Tuple[t.Any, ...]:
    return rule.action, rule.action == "reject" and rule.protocol == 6, rule.limit, rule.log, rule.comment
