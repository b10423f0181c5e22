# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rules of a list share packets with a given rule, for thousands of rules at once.

Pure: touches nothing. A set of rules is a whole number whose bit ``n`` stands for rule ``n`` of the list, so that a question is a handful of
operations on such numbers, whatever the list holds. ``meeting`` may name a rule too many (ICMP types, very long lists of addresses), never
one too few; ``covering`` the other way round.
"""

from __future__ import annotations

import itertools
import typing as t
from bisect import bisect_left, bisect_right

from ...analysis import boxes
from ...analysis.boxes import Interval, Sides
from .axes import AXES, WHOLE, Footprint, footprint

#: A rule of more boxes than this is looked at as larger than it is.
MAX_BOXES = 32
#: Bytes that one table of an index may take.
TABLE_BYTES = 4 << 20
_ANY_PORT = ((0, boxes.PORT_TOP),)
_CATEGORIES = (boxes.ARRIVING, boxes.LEAVING, boxes.STATE, boxes.SOURCE_PORT)


class Prints(t.NamedTuple):
    """Where the packets of a rule are: its footprints on the three axes, and the sides on which rules are told apart by value."""

    on_axes: t.Tuple[Footprint, ...]
    beside: t.Tuple[Footprint, ...]

    @classmethod
    def of(cls, sides: Sides) -> Prints:
        """Return the prints of a rule."""
        return cls(tuple(footprint(sides, axis) for axis in AXES), tuple(sides[one] for one in _CATEGORIES))


class Overlaps:
    """An index of some rules."""

    def __init__(self, prints: t.Sequence[Prints]) -> None:
        owners: t.List[int] = []
        rough: t.List[int] = []
        columns: t.List[t.Tuple[Interval, ...]] = []
        for number, one in enumerate(prints):
            boxes_here, true = _boxes(one.on_axes)
            for box in boxes_here:
                if not true:
                    rough.append(len(columns))
                owners.append(number)
                columns.append(box)
        self._owners = owners if len(owners) != len(prints) else None
        self._all = (1 << len(columns)) - 1
        self._true = self._all ^ bits(rough, len(columns)) if rough else self._all
        self._tables = [_Table([box[place] for box in columns], WHOLE[axis][0]) for place, axis in enumerate(AXES)]
        self._values: t.List[t.Dict[Footprint, int]] = []
        self._known: t.List[t.Dict[t.Tuple[bool, Footprint], int]] = [{} for _side in _CATEGORIES]
        for place in range(len(_CATEGORIES)):
            found: t.Dict[Footprint, t.List[int]] = {}
            for column, owner in enumerate(owners):
                found.setdefault(prints[owner].beside[place], []).append(column)
            self._values.append({value: bits(places, len(columns)) for value, places in found.items()})

    def meeting(self, one: Prints) -> int:
        """Return the rules that share a packet with a rule, as a set of bits."""
        found = self._all
        for place, (intervals, axis) in enumerate(zip(one.on_axes, AXES)):
            if intervals is WHOLE[axis]:
                continue
            found &= self._tables[place].meeting(intervals)
            if not found:
                return 0
        for place, value in enumerate(one.beside):
            if len(self._values[place]) > 1 or value not in self._values[place]:
                found &= self._sharing(place, value)
        return self._rules(found)

    def covering(self, one: Prints) -> int:
        """Return the rules that match every packet that a rule matches, as a set of bits; conditions on ICMP types are not looked at."""
        found = self._true
        for place, (intervals, axis) in enumerate(zip(one.on_axes, AXES)):
            whole = intervals is WHOLE[axis]
            found &= self._tables[place].whole if whole else self._tables[place].covering(intervals[0][0], intervals[-1][1])
            if not found:
                return 0
        for place, value in enumerate(one.beside):
            if len(self._values[place]) > 1 or value not in self._values[place]:
                found &= self._sharing(place, value, True)
        return self._rules(found)

    def _sharing(self, place: int, value: Footprint, wholly: bool = False) -> int:
        known = self._known[place].get((wholly, value))
        if known is None:
            known = 0
            for other, columns in self._values[place].items():
                if value == other or (
                    all(any(first <= low and high <= last for first, last in other) for low, high in value)
                    if wholly
                    else any(low <= last and first <= high for low, high in value for first, last in other)
                ):
                    known |= columns
            self._known[place][wholly, value] = known
        return known

    def _rules(self, columns: int) -> int:
        if self._owners is None or not columns:
            return columns
        return bits({self._owners[column] for column in members(columns)}, self._owners[-1] + 1)


class _Table:
    """One interval for each column, along one axis: which columns meet an interval?

    The columns that begin at or before a coordinate, less those that end before another: two sets that are kept for every few steps.
    """

    def __init__(self, intervals: t.Sequence[Interval], whole: Interval) -> None:
        self._size = len(intervals)
        narrow = [number for number, one in enumerate(intervals) if one != whole]
        everywhere = set(range(self._size)) - set(narrow) if len(narrow) < self._size else set()
        self.whole = bits(everywhere, self._size)
        self._lows, self._by_low, self._begun, self._step = self._steps([(intervals[number][0], number) for number in narrow])
        self._highs, self._by_high, self._ended, _step = self._steps([(intervals[number][1], number) for number in narrow])

    def meeting(self, intervals: Footprint) -> int:
        found = self.whole
        for low, high in intervals:
            begun = self._upto(self._begun, self._by_low, bisect_right(self._lows, high))
            found |= begun ^ self._upto(self._ended, self._by_high, bisect_left(self._highs, low))
        return found

    def covering(self, low: int, high: int) -> int:
        begun = self._upto(self._begun, self._by_low, bisect_right(self._lows, low))
        return self.whole | (begun & ~self._upto(self._ended, self._by_high, bisect_left(self._highs, high)))

    def _steps(self, pairs: t.List[t.Tuple[int, int]]) -> t.Tuple[t.List[int], t.List[int], t.List[int], int]:
        pairs.sort()
        order = [number for _coordinate, number in pairs]
        step = max(1, len(pairs) * (self._size // 8 + 32) // TABLE_BYTES)
        buffer = bytearray(self._size // 8 + 1)
        kept = [0]
        for place, number in enumerate(order, 1):
            buffer[number >> 3] |= 1 << (number & 7)
            if place % step == 0:
                kept.append(int.from_bytes(buffer, "little"))
        return [coordinate for coordinate, _number in pairs], order, kept, step

    def _upto(self, kept: t.List[int], order: t.List[int], count: int) -> int:
        place = count // self._step
        rest = order[place * self._step : count]
        if not rest:
            return kept[place]
        if len(rest) < 4:
            found = kept[place]
            for number in rest:
                found |= 1 << number
            return found
        return kept[place] | bits(rest, self._size)


def bits(numbers: t.Iterable[int], size: int) -> int:
    """Return the set of these numbers, all below ``size``."""
    buffer = bytearray(size // 8 + 1)
    for number in numbers:
        buffer[number >> 3] |= 1 << (number & 7)
    return int.from_bytes(buffer, "little")


def members(found: int) -> t.List[int]:
    """Return the numbers in a set of bits, ascending."""
    numbers: t.List[int] = []
    offset = 0
    while found:
        word = found & 0xFFFFFFFFFFFFFFFF
        while word:
            low = word & -word
            numbers.append(offset + low.bit_length() - 1)
            word ^= low
        found >>= 64
        offset += 64
    return numbers


def _boxes(on_axes: t.Tuple[Footprint, ...]) -> t.Tuple[t.Iterable[t.Tuple[Interval, ...]], bool]:
    """Return the boxes of a rule, and whether they hold nothing but its packets."""
    count = 1
    for one in on_axes:
        count *= len(one)
    if count == 1:
        return (tuple(one[0] for one in on_axes),), True
    true = count <= MAX_BOXES
    while count > MAX_BOXES:
        widest = max(range(len(on_axes)), key=lambda place: len(on_axes[place]))
        hull = ((on_axes[widest][0][0], on_axes[widest][-1][1]),)
        count //= len(on_axes[widest])
        on_axes = (*on_axes[:widest], hull, *on_axes[widest + 1 :])
    return itertools.product(*on_axes), true
