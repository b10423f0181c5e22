# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compiling a first-match list so that what a packet pays does not grow with its length.

Pure: touches nothing. Two ways, and what is cheaper for a packet is taken, at each level anew:

- blocks: rules of one shape become tables, where their order to the rules between them makes no difference;
- a split: an axis is cut into cells that few rules touch. Rules that touch many cells, the wide ones, stand behind the split and are
  compiled by themselves. A rule in a cell that comes after wide rules which it must not overtake asks those first (``Line.before``); many
  of them are compiled once for every eight, sixty-four and so on of them, and shared.
"""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ...analysis.boxes import DESTINATION, DIMENSIONS, PORT, SOURCE, AddressSides, Interfaces, Sides, sides_of, whole_box
from ...analysis.index import Index
from ...policy.rule import Rule
from . import axes, cells
from .axes import AXES, BREAKS, Footprint, Region, cell_region, footprint, narrowed, within
from .bitsets import bits, members
from .blocks import blocks_of, different_from
from .effects import decides, effect_of
from .forks import best_fork
from .reach import reachable
from .steps import LINE, Cell, Line, Shared, Split, Step, Steps, Table, cost_of
from .tables import Shape, keys_of, resolve, shape_of

#: A list of so few rules stays a list.
LINEAR = 24
#: A cell with more rules than this is looked at like a list.
CROWD = 128
#: So few wide rules are repeated in each cell.
REPEATED = 6
#: So few rules before a rule are written beside it.
BESIDE = 8
#: A table with fewer entries is written as lines.
SMALL_TABLE = 6
#: Tables that cost a packet less than this (nanoseconds) need no comparison with a split.
CHEAP = 700
#: The first look at a list, which often shows that it has too many shapes.
SAMPLE = 1000
#: In a longer list it is left to its parts to find out which rules can be reached.
MOST_REACHED = 20000
#: How many lines and elements a compiled list may have, for each of its rules.
GROWTH = 12
#: Deeper nesting would come near the 16 levels of nftables.
MAX_DEPTH = 6
#: The dimension on which rules stand along an axis.
_ALONG = {axes.SOURCE: SOURCE, axes.DESTINATION: DESTINATION, axes.PORT: PORT}


class TooLarge(Exception):
    """The compiled form would be larger than the bounds allow."""


class Planner:
    """Compiles one list of rules; all of one direction."""

    def __init__(self, rules: t.Sequence[Rule], sides: t.Sequence[Sides], tops: t.Sequence[int]) -> None:
        self.rules = rules
        self.sides = sides
        self.tops = tops
        self.effects = [effect_of(rule) for rule in rules]
        self.shapes: t.List[t.Optional[Shape]] = [
            shape_of(rule, one) if effect is not None and one[0] else None for rule, one, effect in zip(rules, sides, self.effects)
        ]
        self._decides = [decides(rule) for rule in rules]
        self._guards: t.Dict[int, Steps] = {}
        self._room = 0

    def compiled(self, numbers: t.Sequence[int]) -> Steps:
        """Return the steps for some of the rules, in their order.

        :raises TooLarge: when there is no form within the bounds.
        """
        self._room = GROWTH * len(numbers) + 1000
        return self._build(list(numbers), {}, 0)

    def linear(self, numbers: t.Iterable[int]) -> Steps:
        """Return one line for each rule."""
        return tuple(Line(number, self._guards.get(number, ())) for number in numbers)

    def _build(self, numbers: t.List[int], region: Region, depth: int, cell: bool = False, reached: bool = False) -> Steps:
        if len(numbers) <= LINEAR:
            return self._spent(self.linear(self._reachable(numbers, region)))
        # What a cell holds is seldom of one shape.
        best = self._tables(numbers, depth) if not cell or len(numbers) > CROWD else None
        if best is not None and cost_of(best) <= CHEAP:
            return self._spent(best)
        left = numbers if reached or len(numbers) > MOST_REACHED else self._reachable(numbers, region)
        if len(left) < len(numbers):
            numbers = left
            if best is not None:
                best = self._tables(numbers, depth)
        price = LINE * len(numbers)
        if best is None or cost_of(best) > price:
            best = self.linear(numbers)
        price = cost_of(best)
        if price > CHEAP and depth < MAX_DEPTH:
            split = self._fork(numbers, region, depth) or self._split(numbers, region, depth)
            if split is not None and cost_of(split) < price:
                return split
        return self._spent(best)

    def _reachable(self, numbers: t.Sequence[int], region: Region) -> t.List[int]:
        return reachable(numbers, self.sides, self._decides, region, self.tops)

    def _spent(self, steps: Steps) -> Steps:
        self._room -= sum(len(one.entries) if isinstance(one, Table) else 1 for one in steps)
        if self._room < 0:
            raise TooLarge
        return steps

    # -- blocks -------------------------------------------------------------------------------------------------------------

    def _tables(self, numbers: t.List[int], depth: int) -> t.Optional[Steps]:
        if len(numbers) > 2 * SAMPLE and self._gathered(numbers[:SAMPLE], MAX_DEPTH) is None:
            return None  # so it would be with all of them
        return self._gathered(numbers, depth)

    def _gathered(self, numbers: t.List[int], depth: int) -> t.Optional[Steps]:
        shapes = [None if number in self._guards else self.shapes[number] for number in numbers]
        shapes = _joined(shapes)
        blocks = blocks_of(shapes, [self._effect(one) for one in numbers], [self.sides[one] for one in numbers], 4 * LINEAR, self.tops)
        if blocks is None:
            return None
        steps: t.List[Step] = []
        waiting: t.List[int] = []  # rules that become lines; they keep their order among themselves
        for block in blocks:
            members = [numbers[place] for place in block.places]
            if block.shape is None or len(members) < SMALL_TABLE:
                waiting += members
                continue
            steps += self.linear(sorted(waiting))
            keys = ((number, keys_of(block.shape, self.sides[number])) for number in members)
            resolved = resolve(block.shape, keys, max(LINEAR, len(members) // 4))
            if resolved is None:
                return None
            entries, waiting = resolved
            if len(waiting) > LINEAR and depth < MAX_DEPTH:
                steps.append(Table(block.shape, tuple(entries)))
                steps += self._build(waiting, {}, depth + 1)
                waiting = []
            elif entries:
                steps.append(Table(block.shape, tuple(entries)))
        return tuple(steps) + self.linear(sorted(waiting))

    def _effect(self, number: int) -> t.Any:
        return None if number in self._guards else self.effects[number]

    # -- splits -------------------------------------------------------------------------------------------------------------

    def _fork(self, numbers: t.List[int], region: Region, depth: int) -> t.Optional[Steps]:
        """Part the list by family, protocol or interface, where that leaves each packet much fewer rules."""
        found = best_fork(numbers, self.sides, self._decides, region, self.tops)
        if found is None:
            return None
        kind, branches, reached = found
        built = [(one, self._build(inside, inner, depth + 1, False, reached)) for one, inner, inside in branches]
        rest = [steps for one, steps in built if one is None]
        return (Split(kind, [Cell(one, one, steps) for one, steps in built if one is not None], rest[0] if rest else ()),)

    def _split(self, numbers: t.List[int], region: Region, depth: int) -> t.Optional[Steps]:
        choice = self._best_axis(numbers, region)
        if choice is None:
            return None
        axis, found, wide = choice
        if len(wide) <= REPEATED:
            cell_steps = self._cells(axis, found, region, depth, wide)
            return (Split(axis, cell_steps, self._spent(self.linear(wide))),)
        narrow = sorted({number for _low, _high, inside in found for number in inside})
        order = self._order(narrow, wide, region, depth)
        if order is None:
            return None
        behind, before = order
        known = {number: self._guards.get(number, ()) for number in before}
        for number, guard in before.items():
            self._guards[number] = guard + self._guards.get(number, ())
        split = Split(axis, self._cells(axis, found, region, depth, []))
        for number, guard in known.items():
            if guard:
                self._guards[number] = guard
            else:
                del self._guards[number]
        rest = self._build(wide, region, depth + 1)
        return (split, *rest) if behind else (*rest, split)

    def _best_axis(self, numbers: t.List[int], region: Region) -> t.Optional[t.Tuple[str, t.List[cells.Range], t.List[int]]]:
        best = None
        least = 0.75 * len(numbers)
        for axis in AXES:
            feet = self._feet(numbers, axis, region)
            if len(feet) < len(numbers) // 4:
                continue
            narrow = cells.narrow_of(feet)
            found = cells.cut({number: feet[number] for number in narrow}, BREAKS[axis])
            slots = sum(len(inside) for _low, _high, inside in found)
            if slots > 3 * len(narrow):
                continue
            # What a packet meets: its cell, which is as likely as it has rules, and the wide rules.
            size = sum(len(inside) ** 2 for _low, _high, inside in found) / max(slots, 1)
            wide = len(numbers) - len(narrow)
            weight = max(0, size - cells.CELL) + wide
            if weight < least:
                least, best = weight, (axis, found, narrow)
        if best is None:
            return None
        axis, found, narrow = best
        kept = set(narrow)
        return axis, found, [number for number in numbers if number not in kept]

    def _feet(self, numbers: t.List[int], axis: str, region: Region) -> t.Dict[int, Footprint]:
        """Return the footprints of the rules that do not reach along the whole axis, or all of it that the region has."""
        dimension = _ALONG[axis]
        whole = (region.get(dimension, (0, self.tops[dimension])),)
        feet = {}
        for number in numbers:
            here = within(self.sides[number], region)
            if here is not None and here[dimension] != whole:
                found = footprint(here, axis)
                if found is not None:
                    feet[number] = found
        return feet

    def _cells(self, axis: str, found: t.Sequence[cells.Range], region: Region, depth: int, wide: t.Sequence[int]) -> t.Tuple[Cell, ...]:
        made = []
        for low, high, inside in found:
            here = sorted(inside + list(wide)) if wide else inside
            made.append(Cell(low, high, self._build(here, narrowed(region, cell_region(axis, low, high)), depth + 1, True)))
        return tuple(made)

    # -- the order of narrow and wide rules ---------------------------------------------------------------------------------

    def _order(self, narrow: t.List[int], wide: t.List[int], region: Region, depth: int) -> t.Optional[t.Tuple[bool, t.Dict[int, Steps]]]:
        """Say whether the wide rules stand behind the narrow ones, and what must be asked before some narrow rules.

        A rule with a limit that must ask others with one would count their packets twice: then there is no such order (None).
        """
        index = Index([self.sides[number] for number in wide], self.tops)
        different = different_from([self._effect(number) for number in wide])
        counting = bits((place for place, number in enumerate(wide) if not decides(self.rules[number])), len(wide))
        late: t.List[t.Tuple[int, int, int]] = []
        early = False
        passed = 0
        for number in narrow:
            while passed < len(wide) and wide[passed] < number:
                passed += 1
            meeting = index.meeting(self.sides[number])
            if not meeting:
                continue
            conflicts = meeting & different(self._effect(number))
            before = conflicts & ((1 << passed) - 1)
            early = early or before != conflicts
            if before:
                late.append((number, meeting & ((1 << before.bit_length()) - 1), passed))
        if not late:
            return True, {}
        if not early:
            return False, {}
        if any(asked & counting and not decides(self.rules[number]) for number, asked, _passed in late):
            return None
        shared: t.Dict[t.Tuple[int, int], Shared] = {}
        return True, {number: self._asked(wide, asked, passed, region, depth, shared) for number, asked, passed in late}

    def _asked(
        self, wide: t.List[int], asked: int, passed: int, region: Region, depth: int, shared: t.Dict[t.Tuple[int, int], Shared]
    ) -> Steps:
        """Return the steps that ask some wide rules: those of them that share packets with the rule, up to the last one that matters.

        :param asked: these rules, by their places.
        :param passed: how many of the wide rules stand before the rule; asking more of them, up to all of these, makes no difference.
        """
        if bin(asked).count("1") <= BESIDE or depth + 1 >= MAX_DEPTH:
            return self._spent(self.linear(wide[place] for place in members(asked)))
        count = max(asked.bit_length(), passed // BESIDE * BESIDE)
        steps: t.List[Step] = []
        start = 0
        size = BESIDE
        while size * 8 < len(wide):
            size *= 8
        while size >= BESIDE:
            end = start + (count - start) // size * size
            if end > start:
                if (start, end) not in shared:
                    shared[start, end] = Shared(self._build(wide[start:end], region, depth + 2))
                steps.append(shared[start, end])
                start = end
            size //= 8
        steps += self._spent(self.linear(wide[start + place] for place in members(asked >> start)))
        return tuple(steps)


def compile_rules(rules: t.Sequence[Rule], interfaces: Interfaces) -> t.Tuple[Steps, t.List[str]]:
    """Return the steps for a first-match list, and notes on what stays dear.

    A list that has no form within the bounds is halved, at most three times; what then is still too large stays a list. A rule that
    matches nothing is left out.

    :param interfaces: every interface that a rule names.
    """
    addresses = AddressSides()
    sides = [sides_of(rule, interfaces, addresses) for rule in rules]
    nothing: Sides = ((),) * DIMENSIONS
    planner = Planner(rules, [one or nothing for one in sides], [high for _low, high in whole_box(interfaces)])
    notes: t.List[str] = []
    return halved(planner, [number for number, one in enumerate(sides) if one is not None], notes), notes


def halved(planner: Planner, numbers: t.Sequence[int], notes: t.List[str], halvings: int = 3) -> Steps:
    """Return the steps for some rules of a list, halved where they have no form within the bounds; ``notes`` is told what stays dear."""
    try:
        return planner.compiled(numbers)
    except TooLarge:
        if not halvings:
            notes.append("%d rules stay one line each: their overlaps leave no shorter way" % len(numbers))
            return planner.linear(numbers)
    middle = len(numbers) // 2
    return halved(planner, numbers[:middle], notes, halvings - 1) + halved(planner, numbers[middle:], notes, halvings - 1)


def _joined(shapes: t.List[t.Optional[Shape]]) -> t.List[t.Optional[Shape]]:
    """Let rules with one exact key join those with an interval where one look-up can serve both: keys of one field."""
    loose = {one for one in shapes if one is not None and not one.exact and len(one.fields) == 1}
    if not loose:
        return shapes
    known: t.Dict[t.Optional[Shape], t.Optional[Shape]] = {}
    joined = []
    for one in shapes:
        if one not in known:
            known[one] = one
            if one is not None and one.exact and len(one.fields) == 1:
                other = replace(one, exact=False)
                known[one] = other if other in loose else one
        joined.append(known[one])
    return joined
