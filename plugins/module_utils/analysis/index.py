# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An index over many rules: which of them meet, hold, or lie within given packets, all of them at once.

Pure: touches nothing. A rule is a product of one side for each dimension (``boxes.sides_of``), so two rules meet when they meet in every
dimension, and one holds the other when it does in every dimension. Answers are whole numbers, bit ``i`` for rule ``i``.

A question costs a few operations on numbers of as many bits as there are rules: about 20 microseconds at 10,000 rules. Larger lists are
cut into chunks, so that memory grows with the number of rules and not with its square.
"""

from __future__ import annotations

import typing as t

from .axis import Axis, Side, side_within
from .boxes import DIMENSIONS, Point, Sides

#: So many rules have one set of axes.
CHUNK = 16384
_REMEMBERED = 2000


class Index:
    """Rules by their sides.

    :param tops: the highest number of each dimension.
    """

    def __init__(self, rules: t.Sequence[Sides], tops: t.Sequence[int]) -> None:
        self.rules = rules
        self.count = len(rules)
        self.everyone = (1 << self.count) - 1
        self.tops = tuple(tops)
        bits = [1 << number for number in range(min(CHUNK, self.count))]
        self._chunks = [_Chunk(rules[start : start + CHUNK], tops, bits, start) for start in range(0, self.count, CHUNK)]
        self._axes = self._chunks[0].axes if len(self._chunks) == 1 else None
        # Where all rules have the same side.
        self._alike: t.List[t.Optional[Side]] = []
        for dimension in range(DIMENSIONS):
            found = {side for chunk in self._chunks for side in chunk.axes[dimension].members}
            self._alike.append(next(iter(found)) if len(found) == 1 else None)

    def matching(self, point: Point) -> int:
        """Return the rules that match one packet."""
        found = 0
        for chunk in self._chunks:
            part = chunk.matching(point)
            if part:
                found |= part << chunk.offset
        return found

    def meeting(self, sides: Sides) -> int:
        """Return the rules that match at least one of the packets."""
        return self._joined(sides, "meeting")

    def holding(self, sides: Sides) -> int:
        """Return the rules that match each of the packets."""
        return self._joined(sides, "holding")

    def within(self, sides: Sides) -> int:
        """Return the rules that match nothing but the packets."""
        return self._joined(sides, "within")

    def axis_meeting(self, dimension: int, side: Side) -> int:
        """Return the rules that match some number of a side, in one dimension."""
        if self._axes is not None:
            return self._axes[dimension].meeting(side)
        found = 0
        for chunk in self._chunks:
            found |= chunk.axes[dimension].meeting(side) << chunk.offset
        return found

    def axis_holding(self, dimension: int, side: Side) -> int:
        """Return the rules that match every number of a side, in one dimension."""
        if self._axes is not None:
            return self._axes[dimension].holding(side)
        found = 0
        for chunk in self._chunks:
            found |= chunk.axes[dimension].holding(side) << chunk.offset
        return found

    def axis_matching(self, dimension: int, number: int) -> int:
        """Return the rules that match a number, in one dimension."""
        if self._axes is not None:
            return self._axes[dimension].matching(number)
        found = 0
        for chunk in self._chunks:
            found |= chunk.axes[dimension].matching(number) << chunk.offset
        return found

    def broadest(self, dimension: int, rules: int, most: int) -> t.List[int]:
        """Return the bits of some of the rules, those first that match more numbers in one dimension."""
        if self._axes is not None:
            return self._axes[dimension].broadest(rules, most)
        found: t.List[int] = []
        for chunk in self._chunks:
            part = (rules >> chunk.offset) & chunk.axes[dimension].everyone
            found.extend(bit << chunk.offset for bit in chunk.axes[dimension].broadest(part, most - len(found)))
        return found

    def free_dimensions(self, region: Sides) -> t.List[int]:
        """Return the dimensions in which some rule does not hold a region."""
        return [n for n in range(DIMENSIONS) if self._alike[n] is None or not side_within(region[n], self._alike[n] or ())]

    def trials(self, dimension: int, side: Side) -> t.List[int]:
        """Return some numbers of a side to try, ends and gaps."""
        if self._axes is not None:
            return self._axes[dimension].trials(side)
        return sorted({number for chunk in self._chunks[:4] for number in chunk.axes[dimension].trials(side, 2)})

    def _joined(self, sides: Sides, question: str) -> int:
        found = 0
        for chunk in self._chunks:
            part = chunk.ask(sides, question)
            if part:
                found |= part << chunk.offset
        return found


class _Chunk:
    """A part of the rules, numbered from ``offset``."""

    def __init__(self, rules: t.Sequence[Sides], tops: t.Sequence[int], bits: t.Sequence[int], offset: int) -> None:
        self.offset = offset
        self.axes = [Axis([sides[dimension] for sides in rules], tops[dimension], bits) for dimension in range(DIMENSIONS)]
        # Dimensions in which the rules differ little are asked together, and their answer is remembered.
        self._few = [dimension for dimension in range(DIMENSIONS) if self.axes[dimension].few]
        self._many = [dimension for dimension in range(DIMENSIONS) if not self.axes[dimension].few]
        self._remembered: t.Dict[str, t.Dict[t.Tuple[Side, ...], int]] = {"meeting": {}, "holding": {}, "within": {}}

    def matching(self, point: Point) -> int:
        found = self.axes[0].everyone
        for axis, number in zip(self.axes, point):
            found &= axis.matching(number)
            if not found:
                break
        return found

    def ask(self, sides: Sides, question: str) -> int:
        few = tuple([sides[dimension] for dimension in self._few])
        remembered = self._remembered[question]
        found = remembered.get(few)
        if found is None:
            found = self.axes[0].everyone
            for dimension in self._few:
                found &= getattr(self.axes[dimension], question)(sides[dimension])
            if len(remembered) >= _REMEMBERED:
                remembered.clear()
            remembered[few] = found
        for dimension in self._many:
            if not found:
                break
            found &= getattr(self.axes[dimension], question)(sides[dimension])
        return found
