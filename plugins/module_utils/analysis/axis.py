# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One dimension of an index: which of many rules match a number, meet some intervals, or hold them.

Pure: touches nothing. An answer is a whole number whose bit ``i`` stands for rule ``i``, so that the answers of several dimensions are
joined with ``&``. Exact for lists of intervals, not only for single ones.
"""

from __future__ import annotations

import bisect
import typing as t

from .boxes import Interval, complement_of

#: Sorted, disjoint intervals that do not touch.
Side = t.Tuple[Interval, ...]

#: Up to so many distinct sides each one is looked at; above, they are sorted.
_FEW = 24
_STRIDE = 8
_BLOCK = 16
_REMEMBERED = 1024


class Axis:
    """What rules match in one dimension.

    :param sides: what each rule matches, by its number.
    :param bits: the powers of two, at least as many as there are rules (shared between the axes of an index).
    """

    def __init__(self, sides: t.Sequence[Side], top: int, bits: t.Sequence[int]) -> None:
        self.top = top
        self.whole: Side = ((0, top),)
        self.everyone = (1 << len(sides)) - 1
        members: t.Dict[Side, int] = {}
        for number, side in enumerate(sides):
            members[side] = members.get(side, 0) | bits[number]
        self.members = members
        self.few = len(members) <= _FEW
        #: Whether each rule has one interval.
        self._plain = all(len(side) == 1 for side in members)
        self._events: t.List[int] = []
        self._by_breadth: t.Optional[t.List[int]] = None
        self._meeting: t.Dict[Side, int] = {}
        self._holding: t.Dict[Side, int] = {}
        self._within: t.Dict[Side, int] = {}
        if self.few:
            self._events = sorted({edge for side in members for low, high in side for edge in (low, high + 1)})
        else:
            self._sort()

    def matching(self, number: int) -> int:
        """Return the rules that match one number."""
        if self.few:
            found = 0
            for side, who in self.members.items():
                if side_holds(side, number):
                    found |= who
            return found
        place = bisect.bisect_right(self._events, number)
        block = place // _STRIDE
        found = self._sums[block]
        for delta in self._deltas[block * _STRIDE : place]:
            found ^= delta
        return found

    def meeting(self, side: Side) -> int:
        """Return the rules that match at least one number of ``side``."""
        if side == self.whole:
            return self.everyone
        found = self._meeting.get(side)
        if found is None:
            found = 0
            if self.few:
                for one, who in self.members.items():
                    if sides_meet(one, side):
                        found |= who
            else:
                for low, high in side:
                    if high == low:
                        found |= self.matching(low)
                    elif self._plain:
                        found |= self._starts.below(high + 1) & ~self._ends.below(low)
                    else:
                        found |= self.matching(low) | self._starts.between(low + 1, high)
            _remember(self._meeting, side, found)
        return found

    def holding(self, side: Side) -> int:
        """Return the rules that match every number of ``side``."""
        found = self._holding.get(side)
        if found is None:
            if self.few:
                found = 0
                for one, who in self.members.items():
                    if side_within(side, one):
                        found |= who
            else:
                found = self.everyone
                for low, high in side:
                    if high == low:
                        found &= self.matching(low)
                    elif self._plain:
                        found &= self._starts.below(low + 1) & self._ends.above(high - 1)
                    else:
                        found &= self.matching(low) & ~self._ends.between(low, high - 1)
            _remember(self._holding, side, found)
        return found

    def within(self, side: Side) -> int:
        """Return the rules that match no number outside of ``side``."""
        if side == self.whole:
            return self.everyone
        found = self._within.get(side)
        if found is None:
            found = self.everyone & ~self._meeting_outside(side)
            _remember(self._within, side, found)
        return found

    def broadest(self, rules: int, most: int) -> t.List[int]:
        """Return the bits of some of the rules, those first that match more numbers."""
        if self._by_breadth is None:
            classes: t.Dict[int, int] = {}
            for side, who in self.members.items():
                size = sum(high - low + 1 for low, high in side).bit_length() // 2
                classes[size] = classes.get(size, 0) | who
            self._by_breadth = [classes[size] for size in sorted(classes, reverse=True)]
        found: t.List[int] = []
        for who in self._by_breadth:
            here = rules & who
            while here:
                if len(found) == most:
                    return found
                lowest = here & -here
                found.append(lowest)
                here ^= lowest
        return found

    def _meeting_outside(self, side: Side) -> int:
        if self.few:
            return self.meeting(complement_of(side, self.top))
        found = self._starts.below(side[0][0]) | self._ends.above(side[-1][1])
        for (_low, high), (low, _high) in zip(side, side[1:]):
            found |= self.meeting(((high + 1, low - 1),))
        return found

    def trials(self, side: Side, count: int = 4) -> t.List[int]:
        """Return some numbers of ``side`` to try: its ends, and numbers from the gaps between what the rules name."""
        found = {side[0][0], side[-1][1]}
        spread = side if len(side) <= 3 else (side[0], side[len(side) // 2], side[-1])
        for low, high in spread:
            found.add(low)
            if high == low:
                continue
            found.add(high)
            first, last = bisect.bisect_right(self._events, low), bisect.bisect_right(self._events, high)
            step = max(1, (last - first) // count)
            for edge in self._events[first:last:step][:count]:
                found.update((edge, edge - 1))
        return sorted(found)

    def _sort(self) -> None:
        """Lay the ends of all intervals out in order.

        What matches a number is what started at or before it less what ended before it. The intervals of one rule are disjoint, so the
        difference is 0 or 1, and adding without carry gives it.
        """
        deltas: t.Dict[int, int] = {}
        starts: t.Dict[int, int] = {}
        ends: t.Dict[int, int] = {}
        for side, who in self.members.items():
            for low, high in side:
                starts[low] = starts[low] | who if low in starts else who
                ends[high] = ends[high] | who if high in ends else who
                deltas[low] = deltas[low] ^ who if low in deltas else who
                deltas[high + 1] = deltas[high + 1] ^ who if high + 1 in deltas else who
        self._events = sorted(deltas)
        self._deltas = [deltas[event] for event in self._events]
        self._sums = [0]
        total = 0
        for number, delta in enumerate(self._deltas, 1):
            total ^= delta
            if number % _STRIDE == 0:
                self._sums.append(total)
        self._starts = _Marks(starts)
        self._ends = _Marks(ends)


class _Marks:
    """Rules by a number of theirs, to be joined over a range of numbers: blocks, and a tree over the blocks."""

    def __init__(self, marks: t.Dict[int, int]) -> None:
        self._keys = sorted(marks)
        self._leaves = [marks[key] for key in self._keys]
        blocks = []
        for start in range(0, len(self._leaves), _BLOCK):
            joined = 0
            for one in self._leaves[start : start + _BLOCK]:
                joined |= one
            blocks.append(joined)
        size = len(blocks)
        tree = [0] * size + blocks
        for node in range(size - 1, 0, -1):
            tree[node] = tree[2 * node] | tree[2 * node + 1]
        self._size, self._tree = size, tree
        self._before = [0]
        for one in blocks:
            self._before.append(self._before[-1] | one)
        self._after = [0]
        for one in reversed(blocks):
            self._after.append(self._after[-1] | one)
        self._after.reverse()

    def below(self, number: int) -> int:
        """Return the rules with a mark below ``number``."""
        place = bisect.bisect_left(self._keys, number)
        block = place // _BLOCK
        found = self._before[block]
        for one in self._leaves[block * _BLOCK : place]:
            found |= one
        return found

    def above(self, number: int) -> int:
        """Return the rules with a mark above ``number``."""
        place = bisect.bisect_right(self._keys, number)
        block = -(-place // _BLOCK)
        found = self._after[block]
        for one in self._leaves[place : block * _BLOCK]:
            found |= one
        return found

    def between(self, low: int, high: int) -> int:
        """Return the rules with a mark from ``low`` to ``high``."""
        first, last = bisect.bisect_left(self._keys, low), bisect.bisect_right(self._keys, high)
        found = 0
        left, right = -(-first // _BLOCK), last // _BLOCK
        if left >= right:
            for one in self._leaves[first:last]:
                found |= one
            return found
        for one in self._leaves[first : left * _BLOCK]:
            found |= one
        for one in self._leaves[right * _BLOCK : last]:
            found |= one
        left, right = left + self._size, right + self._size
        while left < right:
            if left & 1:
                found |= self._tree[left]
                left += 1
            if right & 1:
                right -= 1
                found |= self._tree[right]
            left >>= 1
            right >>= 1
        return found


def _remember(memory: t.Dict[Side, int], side: Side, found: int) -> None:
    if len(memory) >= _REMEMBERED:
        memory.clear()
    memory[side] = found


def side_holds(side: Side, number: int) -> bool:
    """Return whether a number lies in one of the intervals."""
    if len(side) < 8:
        return any(low <= number <= high for low, high in side)
    place = bisect.bisect_right(side, (number, number)) - 1
    return (place >= 0 and side[place][1] >= number) or (place + 1 < len(side) and side[place + 1][0] == number)


def sides_meet(one: Side, other: Side) -> bool:
    """Return whether two sides have a number in common."""
    if len(one) == 1 and len(other) == 1:
        return one[0][0] <= other[0][1] and other[0][0] <= one[0][1]
    mine = theirs = 0
    while mine < len(one) and theirs < len(other):
        if one[mine][1] < other[theirs][0]:
            mine += 1
        elif other[theirs][1] < one[mine][0]:
            theirs += 1
        else:
            return True
    return False


def side_within(inner: Side, outer: Side) -> bool:
    """Return whether every number of ``inner`` lies in ``outer``."""
    if len(outer) == 1:
        return outer[0][0] <= inner[0][0] and inner[-1][1] <= outer[0][1]
    place = 0
    for low, high in inner:
        while place < len(outer) and outer[place][1] < low:
            place += 1
        if place == len(outer) or outer[place][0] > low or outer[place][1] < high:
            return False
    return True


def side_common(one: Side, other: Side) -> Side:
    """Return the numbers that lie in both sides; empty when there are none."""
    if one == other:
        return one
    found: t.List[Interval] = []
    mine = theirs = 0
    while mine < len(one) and theirs < len(other):
        low, high = max(one[mine][0], other[theirs][0]), min(one[mine][1], other[theirs][1])
        if low <= high:
            found.append((low, high))
        if one[mine][1] < other[theirs][1]:
            mine += 1
        else:
            theirs += 1
    return tuple(found)


def side_less(one: Side, other: Side) -> Side:
    """Return the numbers of ``one`` that do not lie in ``other``; empty when there are none."""
    found: t.List[Interval] = []
    theirs = 0
    for low, high in one:
        while theirs < len(other) and other[theirs][1] < low:
            theirs += 1
        place = theirs
        while place < len(other) and other[place][0] <= high:
            if other[place][0] > low:
                found.append((low, other[place][0] - 1))
            low = other[place][1] + 1
            if low > high:
                break
            place += 1
        if low <= high:
            found.append((low, high))
    return tuple(found)


def side_union(sides: t.Iterable[Side]) -> Side:
    """Return the numbers that lie in at least one of the sides."""
    joined: t.List[Interval] = []
    for low, high in sorted(interval for side in sides for interval in side):
        if joined and low <= joined[-1][1] + 1:
            if high > joined[-1][1]:
                joined[-1] = (joined[-1][0], high)
        else:
            joined.append((low, high))
    return tuple(joined)
