# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The packets for which two first-match lists have different outcomes, as disjoint boxes.

lists are equal in it, or each has one outcome for all of it. Lists that are equal but for a few rules are only cut around them.
lists are equal in it, or each has one outcome for all of it. Lists that are equal but for a few rules are only cut around those.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .alignment import suspects
from .boxes import DIMENSIONS, Box, Interval, Work
from .first_match import Entry, Item, Outcome, Tokens, clip, trim
from .pieces import fitted

#: How many entries are looked at, over all cells, before a question is given up; and how many more for each rule.
_STEPS, _STEPS_EACH = 300000, 60
#: So many suspects have their common hull cut out at once.
_HULL = 64
#: In lists of so few entries the next best cut is good enough.
_SMALL = 10
#: From so many entries the best cut is guessed.
_SAMPLE = 32

_Cut = t.Tuple[int, int]


@dataclass(frozen=True)
class Leaf:
    """A box in which each list has one outcome, and not the same.

    :ivar left: the rules that its packets meet in the left list: limited ones, then the one that decides.
    """

    box: Box
    left: t.Tuple[int, ...]
    right: t.Tuple[int, ...]
    left_outcome: Outcome
    right_outcome: Outcome


def comparing(*lists: t.Sequence[t.Any]) -> Work:
    """Return the work that may be done to compare lists."""
    return Work(_STEPS + _STEPS_EACH * sum(len(one) for one in lists), "comparing %d rules" % sum(len(one) for one in lists))


def differing_boxes(
    left: t.Sequence[Item],
    right: t.Sequence[Item],
    cell: Box,
    tokens: Tokens,
    work: t.Optional[Work] = None,
    settled: t.AbstractSet[t.Tuple[int, int]] = frozenset(),
) -> t.Iterator[Leaf]:
    """Yield the boxes in a cell in which two lists of that cell differ.

    ``settled`` are pairs of rules (left, right) of which enough boxes have been seen: cells in which no other pair can decide differently
    are left out. The caller may add to it on the way.

    :raises TooComplex: when the work is used up; what was yielded until then is true, but not all.
    """
    work = work or comparing(left, right)
    stack: t.List[t.Tuple[Box, t.List[Item], t.List[Item]]] = [(cell, *fitted(list(left), list(right), cell))]
    limited = tokens.limited
    while stack:
        box, mine, theirs = stack.pop()
        trim(mine, tokens)
        trim(theirs, tokens)
        if _decided_alike(mine, theirs, box) or _decided_alike(theirs, mine, box):
            continue
        found = suspects(mine, theirs, limited, work)
        if not found:
            continue
        if settled and _only_settled(mine, theirs, found, limited, settled):
            continue
        if len(found) <= _HULL:
            hull = _hull(found, box)
            if hull != box:
                stack.append(_clipped(box, hull, mine, theirs, limited))
                continue
        cut = _best_cut(found, box, mine, theirs)
        if cut is None:
            leaf = _leaf(box, mine, theirs, tokens)
            if leaf is not None:
                yield leaf
            continue
        dimension, last = cut
        low, high = box[dimension]
        for start, end in ((last + 1, high), (low, last)):
            part = (*box[:dimension], (start, end), *box[dimension + 1 :])
            stack.append((part, clip(mine, dimension, start, end, limited), clip(theirs, dimension, start, end, limited)))


def _decided_alike(whole: t.Sequence[Item], parts: t.Sequence[Item], box: Box) -> bool:
    """Return whether one list does the same everywhere, and the first entries of the other one do that too and cover the cell.

    Only entries that are narrow in one dimension are seen to do so, all of them in the same one: the parts of a rule that was taken apart.
    """
    if len(whole) > 1:
        return False
    token = whole[0][0][0]
    narrow: t.Dict[int, t.List[Interval]] = {}
    for item in parts:
        entry = item[0]
        if entry[0] != token:
            break
        if entry.count(None) == DIMENSIONS - 1:
            place = next(place for place in range(1, DIMENSIONS + 1) if entry[place] is not None)
            narrow.setdefault(place, []).extend(entry[place])
    for place, intervals in narrow.items():
        low, high = box[place - 1]
        for first, last in sorted(intervals):
            if first > low:
                break
            low = max(low, last + 1)
        if low > high:
            return True
    return False


def _only_settled(
    left: t.Sequence[Item],
    right: t.Sequence[Item],
    found: t.Sequence[Entry],
    limited: t.AbstractSet[int],
    settled: t.AbstractSet[t.Tuple[int, int]],
) -> bool:
    """Return whether packets for which two lists differ can only be decided by a settled pair of rules."""
    if any(item[0][0] in limited for items in (left, right) for item in items):
        return False
    if len(left) == 1:
        return all((left[0][1], item[1]) in settled for item in right if item[0][0] != left[0][0][0])
    if len(right) == 1:
        return all((item[1], right[0][1]) in settled for item in left if item[0][0] != right[0][0][0])
    # When only the last entries are not alike, a packet for which the lists differ met both of them.
    return (left[-1][1], right[-1][1]) in settled and all(entry in (left[-1][0], right[-1][0]) for entry in found)


def _leaf(box: Box, left: t.Sequence[Item], right: t.Sequence[Item], tokens: Tokens) -> t.Optional[Leaf]:
    mine, theirs = tokens.outcome(left), tokens.outcome(right)
    if mine == theirs:
        return None
    return Leaf(box, _deciding(left, tokens), _deciding(right, tokens), mine, theirs)


def _deciding(items: t.Sequence[Item], tokens: Tokens) -> t.Tuple[int, ...]:
    met: t.List[int] = []
    for entry, rule in items:
        met.append(rule)
        if entry[0] not in tokens.limited:
            break
    return tuple(met)


def _hull(found: t.Sequence[Entry], box: Box) -> Box:
    """Return the smallest box around some entries of a cell."""
    sides: t.List[Interval] = []
    for place in range(1, DIMENSIONS + 1):
        low = high = None
        for entry in found:
            side = entry[place]
            if side is None:
                low, high = box[place - 1]
                break
            low = side[0][0] if low is None or side[0][0] < low else low
            high = side[-1][1] if high is None or side[-1][1] > high else high
        sides.append(box[place - 1] if low is None or high is None else (low, high))
    return tuple(sides)


def _clipped(
    box: Box, hull: Box, left: t.List[Item], right: t.List[Item], limited: t.AbstractSet[int]
) -> t.Tuple[Box, t.List[Item], t.List[Item]]:  # fmt: skip
    for dimension, (whole, part) in enumerate(zip(box, hull)):
        if whole != part:
            left = clip(left, dimension, part[0], part[1], limited)
            right = clip(right, dimension, part[0], part[1], limited)
    return hull, left, right


def _best_cut(found: t.Sequence[Entry], box: Box, left: t.Sequence[Item], right: t.Sequence[Item]) -> t.Optional[_Cut]:
    """Return a dimension and the last number before the cut, or None when no entry has an end inside the cell.

    The cut is at an end of a suspect, where there is one; of the middle ends of each dimension the one that leaves least on both sides.
    """
    if len(left) + len(right) <= _SMALL:
        cut = _first_end(found, box)
        if cut is not None:
            return cut
    everywhere = any(entry.count(None) == DIMENSIONS for entry in found)
    sample = _sampled([item[0] for item in (*left, *right)] if everywhere else found)
    around = [item[0] for item in (*_sampled(left), *_sampled(right))]
    for these in (sample, around):
        cuts = _middle_ends(these, box)
        if cuts:
            everything = sample + around
            return min(cuts, key=lambda cut: _weight(everything, cut)) if len(cuts) > 1 else cuts[0]
    return _first_end(found, box) or _first_end([item[0] for item in (*left, *right)], box)


def _first_end(entries: t.Sequence[Entry], box: Box) -> t.Optional[_Cut]:
    """Return the first place where an entry begins or ends inside the cell."""
    for entry in entries:
        for dimension in range(DIMENSIONS):
            side = entry[dimension + 1]
            if side is not None:
                first, last = side[0]
                return (dimension, first - 1) if first > box[dimension][0] else (dimension, last)
    return None


def _sampled(found: t.Sequence[t.Any]) -> t.List[t.Any]:
    if len(found) <= _SAMPLE:
        return list(found)
    step = len(found) / _SAMPLE
    return [found[int(number * step)] for number in range(_SAMPLE)]


def _middle_ends(entries: t.Sequence[Entry], box: Box) -> t.List[_Cut]:
    """Return for each dimension the middle one of the places where an entry begins or ends."""
    cuts: t.List[_Cut] = []
    for dimension in range(DIMENSIONS):
        low, high = box[dimension]
        ends: t.List[int] = []
        for entry in entries:
            side = entry[dimension + 1]
            if side is not None:
                for first, last in (side[0], side[-1], side[len(side) // 2]) if len(side) > 1 else side:
                    if first > low:
                        ends.append(first - 1)
                    if last < high:
                        ends.append(last)
        if ends:
            ends.sort()
            cuts.append((dimension, ends[len(ends) // 2]))
    return cuts


def _weight(entries: t.Sequence[Entry], cut: _Cut) -> int:
    """Return how much work is left after a cut: the entries on both sides, the fuller side counted twice."""
    place, last = cut[0] + 1, cut[1]
    below = above = 0
    for entry in entries:
        side = entry[place]
        if side is None:
            below += 1
            above += 1
        else:
            if side[0][0] <= last:
                below += 1
            if side[-1][1] > last:
                above += 1
    return below + above + max(below, above)
