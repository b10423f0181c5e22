# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Do some rules together match all packets of a region? If not, one packet that they leave.

Pure: touches nothing. Exact, or given up when the effort that was allowed is spent (``TooComplex``); never guessed.

The search looks at a region (one side for each dimension) and the rules that meet it. A rule that holds the region ends it. Rules that
hold it in all dimensions but one are cut off it there, all at once. What is left is split along one rule, inside and outside, or halved.
A packet that is left is mostly found before that, by trying numbers that few rules match.
"""

from __future__ import annotations

import typing as t

from .axis import Side, side_common, side_less, side_union
from .boxes import DIMENSIONS, Sides, TooComplex
from .index import Index

#: From so many rules on, every other split halves the region.
_CROWD = 48
_COUNT_BITS = getattr(int, "bit_count", None)


def count_bits(number: int) -> int:
    """Return how many bits are set."""
    return _COUNT_BITS(number) if _COUNT_BITS is not None else bin(number).count("1")


class Effort:
    """How much searching is allowed. It is counted in steps, not in seconds, so that the same question has the same answer everywhere.

    :param total: for all questions together; a step is the look at one region, about 50 microseconds with 10,000 rules.
    :param each: for one question.
    """

    def __init__(self, total: int, each: int = 0) -> None:
        self.total = total
        self.each = each or total
        self._left = 0

    def begin(self) -> None:
        """Start to count for a new question."""
        self._left = min(self.each, self.total)

    def step(self, count: int = 1) -> None:
        """Count.

        :raises TooComplex: when nothing is left.
        """
        self._left -= count
        self.total -= count
        if self._left < 0:
            self.total = max(self.total, 0)
            raise TooComplex("it takes more than %d steps to tell" % self.each)


def find_gap(index: Index, region: Sides, rules: int, effort: Effort) -> t.Optional[Sides]:
    """Return packets of a region that none of the rules matches (a product of sides within it), or None when there are none.

    :param rules: a set of rules of the index.
    :raises TooComplex: when it could not be told within the effort.
    """
    rules &= index.meeting(region)
    if not rules:
        return region
    if index.holding(region) & rules:
        return None
    return _try_quiet(index, region, rules) or cover_or_gap(index, region, rules, effort)[1]


def cover_or_gap(index: Index, region: Sides, rules: int, effort: Effort) -> t.Tuple[int, t.Optional[Sides]]:
    """Return rules that together match all packets of a region and None, or (0, packets that none of ``rules`` matches).

    :raises TooComplex: when it could not be told within the effort.
    """
    effort.begin()
    used = 0
    stack = [(region, rules & index.everyone, [index.axis_meeting(n, region[n]) for n in range(DIMENSIONS)],
              [index.axis_holding(n, region[n]) for n in range(DIMENSIONS)], False)]  # fmt: skip
    while stack:
        region, rules, meets, holds, halve = stack.pop()
        effort.step()
        for one in meets:
            rules &= one
        while True:
            if not rules:
                return 0, region
            once = twice = more = 0
            for one in holds:
                missing = rules & ~one
                more |= twice & missing
                twice |= once & missing
                once |= missing
            whole = rules & ~once
            if whole:
                found = whole & used or whole
                used |= found & -found
                break
            single = once & ~twice
            if not single:
                _split(index, (region, rules, meets, holds, halve), rules & ~more, stack)
                break
            effort.step()
            rest = _cut_off(index, region, single, meets, holds)
            used |= single
            if rest is None:
                break
            region = rest
            rules &= ~single
            for one in meets:
                rules &= one
    return used, None


def _cut_off(index: Index, region: Sides, single: int, meets: t.List[int], holds: t.List[int]) -> t.Optional[Sides]:
    """Return a region less rules that each hold it in all dimensions but one; None when nothing is left."""
    left = list(region)
    for dimension in range(DIMENSIONS):
        here = single & ~holds[dimension]
        if not here:
            continue
        sides = []
        while here:
            lowest = here & -here
            sides.append(index.rules[lowest.bit_length() - 1][dimension])
            here ^= lowest
        side = side_less(left[dimension], side_union(sides))
        if not side:
            return None
        left[dimension] = side
        meets[dimension] = index.axis_meeting(dimension, side)
        holds[dimension] = index.axis_holding(dimension, side)
    return tuple(left)


def _split(index: Index, node: t.Tuple[Sides, int, t.List[int], t.List[int], bool], simple: int, stack: t.List[t.Any]) -> None:
    """Put the two parts of a region on the stack; the part that more likely has a packet left comes off first."""
    region, rules, meets, holds, halve = node
    if halve and count_bits(rules) > _CROWD:
        dimension, parts = _halves(index, region, rules, holds)
    else:
        dimension, parts = 0, ()
    if not parts:
        chosen = simple or rules
        sides = index.rules[(chosen & -chosen).bit_length() - 1]
        lowest = chosen & -chosen
        dimension = next(n for n in range(DIMENSIONS) if not holds[n] & lowest)
        parts = (side_common(region[dimension], sides[dimension]), side_less(region[dimension], sides[dimension]))
    for side in parts:
        part_meets, part_holds = list(meets), list(holds)
        part_meets[dimension] = index.axis_meeting(dimension, side)
        part_holds[dimension] = index.axis_holding(dimension, side)
        stack.append((region[:dimension] + (side,) + region[dimension + 1 :], rules, part_meets, part_holds, not halve))


def _halves(index: Index, region: Sides, rules: int, holds: t.Sequence[int]) -> t.Tuple[int, t.Tuple[Side, ...]]:
    counts = [(count_bits(rules & ~holds[n]), n) for n in range(DIMENSIONS)]
    dimension = max(counts)[1]
    numbers = index.trials(dimension, region[dimension])
    middle = numbers[len(numbers) // 2]
    below = side_common(region[dimension], ((0, middle - 1),)) if middle else ()
    above = side_common(region[dimension], ((middle, index.tops[dimension]),))
    return dimension, (below, above) if below and above else ()


def _try_quiet(index: Index, region: Sides, rules: int) -> t.Optional[Sides]:
    """Try to fix one number after the other so that few rules are left; returns a part of the region that none of them meets."""
    missing = []
    for dimension in range(DIMENSIONS):
        count = count_bits(rules & ~index.axis_holding(dimension, region[dimension]))
        if count:
            missing.append((-count, dimension))
    sides = list(region)
    for _count, dimension in sorted(missing):
        best: t.Optional[t.Tuple[int, int, int]] = None
        for number in index.trials(dimension, region[dimension]):
            left = rules & index.axis_matching(dimension, number)
            if not left:
                sides[dimension] = ((number, number),)
                return tuple(sides)
            key = (count_bits(left), number, left)
            if best is None or key < best:
                best = key
        if best is not None:
            sides[dimension] = ((best[1], best[1]),)
            rules = best[2]
    return None
