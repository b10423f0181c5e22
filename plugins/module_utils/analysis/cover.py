# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is there a packet in a region that gets past some rules, or reaches one of some others first? If so, one such packet.

Pure: touches nothing. Exact, or given up when the effort that was allowed is spent (``TooComplex``); never guessed.

The search looks at a region (one side for each dimension) and the rules that meet it. A rule that stops packets and holds the region ends
it. Rules that hold it in all dimensions but one are cut off it there, all at once. What is left is split along one rule, inside and
outside, or halved. A packet is mostly found before that, by trying numbers that few rules match.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ..policy.protocols import ICMP, ICMPV6, TCP, UDP
from .axis import Side, side_common, side_holds, side_less, side_union
from .boxes import (
    ARRIVING,
    DESTINATION,
    DIRECTION,
    FAMILY,
    LEAVING,
    PORT,
    PROTOCOL,
    SOURCE,
    SOURCE_PORT,
    STATE,
    Sides,
    TooComplex,
)
from .index import Index
from .packets import DESTINATIONS, SOURCE_PORT_OF_CLIENTS, SOURCES

#: From so many rules on, every other split halves the region.
_CROWD = 48
#: So many rules are tried as goals before the search.
_TRIES = 4
#: So many rules are cut off at once in one dimension.
_TOGETHER = 16
#: Numbers that a person would choose, tried first; they need not lie in the family of the region.
_ORDINARY = {PROTOCOL: (TCP, UDP), SOURCE: tuple(int(one) for one in SOURCES.values()),
             DESTINATION: tuple(int(one) for one in DESTINATIONS.values()), PORT: (443, 80),
             SOURCE_PORT: (SOURCE_PORT_OF_CLIENTS,)}  # fmt: skip
#: Of dimensions that rule out as many rules, what tells a person most comes first.
_TELLING = (SOURCE, PORT, DESTINATION, PROTOCOL, SOURCE_PORT, ARRIVING, LEAVING, FAMILY, STATE, DIRECTION)
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


@dataclass
class Search:
    """What is looked for: packets that no rule of ``stops`` matches, and that reach one of ``goals`` before one of ``ordered``.

    All are sets of rules of the index. Without a rule of either kind, packets are found where ``default`` is set.
    """

    stops: int
    ordered: int = 0
    goals: int = 0
    default: bool = True

    def narrow(self, meets: int, holds: int) -> t.Optional[bool]:
        """Keep what counts in a region that these rules meet and hold; return whether all or none of it is found, if one of them is so."""
        self.stops &= meets
        self.ordered &= meets
        self.goals &= meets
        if self.stops & holds:
            return False
        if self.goals:
            stop = self.ordered & holds
            if stop:
                # Nothing gets past the first rule that holds the region.
                stop &= -stop
                self.default = False
                self.goals &= stop - 1
                self.ordered &= (stop << 1) - 1
            goal = self.goals & holds
            if goal:
                # Nothing gets past the first goal that holds the region either.
                goal &= -goal
                self.default = True
                self.ordered &= goal - 1
                self.goals &= goal - 1
        if self.goals:
            early = self.ordered & ((self.goals & -self.goals) - 1)
        elif self.default:
            early = self.ordered
        else:
            return False
        self.stops |= early
        self.ordered ^= early
        if self.stops & holds:
            return False
        return True if self.default and not (self.stops or self.goals) else None

    def copy(self) -> Search:
        """Return another one for a part of the region."""
        return Search(self.stops, self.ordered, self.goals, self.default)


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
    return _try_quiet(index, region, rules) or search(index, region, Search(rules), effort)


def find_first(index: Index, region: Sides, wanted: Search, effort: Effort) -> t.Optional[Sides]:
    """Return packets of a region as ``wanted`` says (a product of sides within it), or None when there are none.

    :raises TooComplex: when it could not be told within the effort.
    """
    wanted = wanted.copy()
    sure = wanted.narrow(index.meeting(region), index.holding(region))
    if sure is not None:
        return region if sure else None
    goals, tries = wanted.goals, _TRIES
    while goals and tries:
        lowest = goals & -goals
        part = sides_common(region, index.rules[lowest.bit_length() - 1])
        rules = (wanted.stops | (wanted.ordered & (lowest - 1))) & index.meeting(part) if part else 0
        if part and not rules:
            return part
        if part and not index.holding(part) & rules:
            found = _try_quiet(index, part, rules)
            if found is not None:
                return found
        goals ^= lowest
        tries -= 1
    if not wanted.goals:
        found = _try_quiet(index, region, wanted.stops)
        if found is not None:
            return found
    return search(index, region, wanted, effort)


def search(index: Index, region: Sides, wanted: Search, effort: Effort, used: t.Optional[t.Set[int]] = None) -> t.Optional[Sides]:
    """Look for packets as ``find_first`` does, without trying first.

    :param used: receives numbers of rules that together stop everything, where nothing is found.
    """
    return next(parts_found(index, region, wanted, effort, used), None)


def parts_found(
    index: Index, region: Sides, wanted: Search, effort: Effort, used: t.Optional[t.Set[int]] = None, halve: bool = True
) -> t.Iterator[Sides]:
    """Yield disjoint products of sides; where only ``stops`` are given, together they are all packets that are looked for.

    :param halve: whether a crowded region may be halved, which is quicker and makes more parts.
    :raises TooComplex: when the effort is spent before the end.
    """
    effort.begin()
    stack = [(Shape(index, region), wanted.copy(), False)]
    while stack:
        shape, wanted, halves = stack.pop()
        while True:
            effort.step()
            sure = wanted.narrow(shape.meets(), shape.holds())
            if sure:
                yield shape.region
                break
            if sure is False:
                shape.note(wanted, used)
                break
            if not wanted.stops and not wanted.ordered:
                # No rule stops anything, so a goal is reached where there is one.
                part = sides_common(shape.region, index.rules[(wanted.goals & -wanted.goals).bit_length() - 1])
                if part is not None:
                    yield part
                break
            once, twice, more = shape.missing(wanted.stops)
            single = once & ~twice
            if single:
                done, rest = shape.cut_off(single)
                shape.note_all(done, used)
                if not rest:
                    break
                wanted.stops &= ~done
                continue
            simple = wanted.stops & ~more or wanted.stops or wanted.goals & -wanted.goals
            parts: t.Sequence[Shape] = ()
            if halves and count_bits(wanted.stops | wanted.goals) > _CROWD:
                parts = shape.halved(wanted.stops | wanted.goals)
            for part_shape in parts or shape.split(simple & -simple, wanted.stops | wanted.goals | wanted.ordered):
                stack.append((part_shape, wanted.copy(), halve and not halves))
            break


class Shape:
    """A region, and which rules meet and hold it in each dimension."""

    def __init__(self, index: Index, region: Sides) -> None:
        self._index = index
        self.region = region
        self._free = index.free_dimensions(region)
        self._meets = {n: index.axis_meeting(n, region[n]) for n in self._free}
        self._holds = {n: index.axis_holding(n, region[n]) for n in self._free}

    def meets(self) -> int:
        """Return the rules that meet the region."""
        found = self._index.everyone
        for one in self._meets.values():
            found &= one
        return found

    def holds(self) -> int:
        """Return the rules that hold the region."""
        found = self._index.everyone
        for one in self._holds.values():
            found &= one
        return found

    def missing(self, rules: int) -> t.Tuple[int, int, int]:
        """Return those of some rules that do not hold the region in one, two, and three or more dimensions, each in the ones before too."""
        once = twice = more = 0
        for one in self._holds.values():
            missing = rules & ~one
            more |= twice & missing
            twice |= once & missing
            once |= missing
        return once, twice, more

    def with_side(self, dimension: int, side: Side) -> Shape:
        """Return the region with another side."""
        part = Shape.__new__(Shape)
        part._index, part._free = self._index, self._free
        part.region = self.region[:dimension] + (side,) + self.region[dimension + 1 :]
        part._meets, part._holds = dict(self._meets), dict(self._holds)
        part._meets[dimension] = self._index.axis_meeting(dimension, side)
        part._holds[dimension] = self._index.axis_holding(dimension, side)
        return part

    def cut_off(self, single: int) -> t.Tuple[int, bool]:
        """Take rules off the region that each hold it in all dimensions but one; return which, and whether something is left.

        Some of them at a time: the others often do not meet what is left.
        """
        left = list(self.region)
        done = 0
        for dimension in self._free:
            here = single & ~self._holds[dimension]
            if not here:
                continue
            bits = self._index.broadest(dimension, here, _TOGETHER)
            sides = [self._index.rules[bit.bit_length() - 1][dimension] for bit in bits]
            for bit in bits:
                done |= bit
            side = side_less(left[dimension], side_union(sides) if len(sides) > 1 else sides[0])
            if not side:
                return done, False
            left[dimension] = side
            self._meets[dimension] = self._index.axis_meeting(dimension, side)
            self._holds[dimension] = self._index.axis_holding(dimension, side)
            # What does not meet the rest needs no look.
            single &= self._meets[dimension]
        self.region = tuple(left)
        return done, True

    def split(self, bit: int, rules: int) -> t.Tuple[Shape, ...]:
        """Return the parts inside and outside of a rule, in the dimension that leaves the fewest of ``rules`` to look at."""
        sides = self._index.rules[bit.bit_length() - 1]
        best: t.Optional[t.Tuple[int, t.Tuple[Shape, ...]]] = None
        for dimension in self._free:
            if self._holds[dimension] & bit:
                continue
            mine, theirs = self.region[dimension], sides[dimension]
            parts = [self.with_side(dimension, side) for side in (side_common(mine, theirs), side_less(mine, theirs)) if side]
            cost = sum(count_bits(rules & part._meets[dimension] & ~part._holds[dimension]) for part in parts)
            if best is None or cost < best[0]:
                best = (cost, tuple(parts))
        return best[1] if best is not None else ()

    def halved(self, rules: int) -> t.Tuple[Shape, ...]:
        """Return two halves of the region, or nothing."""
        dimension = max((count_bits(rules & ~self._holds[n]), n) for n in self._free)[1]
        numbers = self._index.trials(dimension, self.region[dimension])
        middle = numbers[len(numbers) // 2]
        below = side_common(self.region[dimension], ((0, middle - 1),)) if middle else ()
        above = side_common(self.region[dimension], ((middle, self._index.tops[dimension]),))
        return tuple(self.with_side(dimension, side) for side in (below, above)) if below and above else ()

    def note(self, wanted: Search, used: t.Optional[t.Set[int]]) -> None:
        """Note one rule that stops the whole region."""
        if used is not None:
            whole = wanted.stops & self.holds()
            number = (whole & -whole).bit_length() - 1
            if number >= 0 and not any(whole >> one & 1 for one in used):
                used.add(number)

    def note_all(self, rules: int, used: t.Optional[t.Set[int]]) -> None:
        """Note rules that are cut off."""
        while rules and used is not None:
            lowest = rules & -rules
            used.add(lowest.bit_length() - 1)
            rules ^= lowest


def sides_common(one: Sides, other: Sides) -> t.Optional[Sides]:
    """Return the packets that lie in both, or None when there are none."""
    found = []
    for mine, theirs in zip(one, other):
        side = side_common(mine, theirs)
        if not side:
            return None
        found.append(side)
    return tuple(found)


def _try_quiet(index: Index, region: Sides, rules: int) -> t.Optional[Sides]:
    """Try to fix one number after the other so that few rules are left; returns a part of the region that none of them meets."""
    missing = []
    for dimension in index.free_dimensions(region):
        count = count_bits(rules & ~index.axis_holding(dimension, region[dimension]))
        if count:
            missing.append((-count, _TELLING.index(dimension), dimension))
    sides = list(region)
    for _count, _rank, dimension in sorted(missing):
        side = region[dimension]
        best: t.Optional[t.Tuple[int, int, int]] = None
        numbers = [number for number in _ORDINARY.get(dimension, ()) if side_holds(side, number)]
        if dimension in (SOURCE, DESTINATION):
            # The first host of a network rather than its own address.
            numbers.extend(low + 1 for low, high in side[:2] if high - low >= 3)
        numbers += sorted(index.trials(dimension, side), key=lambda number: number in _unusual(dimension, region))
        for number in numbers:
            left = rules & index.axis_matching(dimension, number)
            if not left:
                sides[dimension] = ((number, number),)
                return tuple(sides)
            count = count_bits(left)
            if best is None or count < best[0]:
                best = (count, number, left)
        if best is not None:
            sides[dimension] = ((best[1], best[1]),)
            rules = best[2]
    return None


def _unusual(dimension: int, region: Sides) -> t.Sequence[int]:
    """Return numbers that no packet of everyday life has: the port 0, and the ICMP of the other family."""
    if dimension in (SOURCE_PORT, PORT):
        return (0,)
    if dimension == PROTOCOL:
        return [number for number, family in ((ICMP, ((0, 0),)), (ICMPV6, ((1, 1),))) if region[FAMILY] != family]
    return ()
