# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A first-match list as a decision diagram.

Pure: touches nothing. Exact. The numbers of each dimension are gone through once, with the entries that match them; the rest of a list in
the other dimensions is only looked at once, however often it comes up.
"""

from __future__ import annotations

import typing as t
from bisect import insort

from .boxes import DIMENSIONS, Interval, Work, whole_box
from .diagram import Node, Space
from .first_match import DEFAULT, Entry, Item, Tokens

#: An entry from some dimension on: its side there, and the number of the rest.
_Rest = t.Tuple[t.Optional[t.Tuple[Interval, ...]], int]
#: What a list of entries that match everything comes to.
Value = t.Callable[[t.Sequence[Item]], t.Any]


def list_node(space: Space, items: t.Sequence[Item], tokens: Tokens, value: Value, first: int = 0) -> Node:
    """Return the function of packets that a list ending in a default stands for, in the dimensions from ``first`` on.

    :raises TooComplex: when that takes too long or the space is full.
    """
    builder = _Builder(space, tokens, value)
    return builder.built(items, first)


class _Builder:
    """Turns one first-match list into a diagram, dimension by dimension."""

    def __init__(self, space: Space, tokens: Tokens, value: Value) -> None:
        self._space = space
        self._tokens = tokens
        self._value = value
        self._tops = [side[1] for side in whole_box(space.interfaces)]
        self._work: Work = space.work("judging rules for all packets")
        self._numbers: t.Dict[t.Any, int] = {}
        self._rests: t.List[_Rest] = []
        self._final: t.List[bool] = []
        self._nodes: t.Dict[t.Tuple[int, t.Tuple[int, ...]], Node] = {}

    def built(self, items: t.Sequence[Item], first: int) -> Node:
        return self._node(first, self._cut([self._number(entry, first) for entry, _rule in items]))

    def _number(self, entry: Entry, first: int) -> int:
        """Return a number for an entry: the same for entries that are the same from a dimension on."""
        token = entry[0]
        rest = self._kept((None, -1 - token), (DIMENSIONS, token), token not in self._tokens.limited)
        for dimension in range(DIMENSIONS - 1, first - 1, -1):
            side = entry[dimension + 1]
            rest = self._kept((side, rest), (dimension, side, rest), side is None and self._final[rest])
        return rest

    def _kept(self, rest: _Rest, key: t.Any, final: bool) -> int:
        found = self._numbers.get(key)
        if found is None:
            found = self._numbers[key] = len(self._rests)
            self._rests.append(rest)
            self._final.append(final)
        return found

    def _cut(self, rests: t.Iterable[int]) -> t.Tuple[int, ...]:
        """Return what can be reached: nothing after the first that decides everything."""
        found: t.List[int] = []
        for rest in rests:
            found.append(rest)
            if self._final[rest]:
                break
        return tuple(found)

    def _node(self, dimension: int, rests: t.Tuple[int, ...]) -> Node:
        key = (dimension, rests)
        found = self._nodes.get(key)
        if found is None:
            self._work.spend(len(rests))
            if dimension == DIMENSIONS:
                items: t.List[Item] = [((-1 - self._rests[rest][1],), DEFAULT) for rest in rests]
                found = self._space.value_node(self._value(items))
            elif all(self._rests[rest][0] is None for rest in rests):
                found = self._node(dimension + 1, self._cut(self._rests[rest][1] for rest in rests))
            else:
                found = self._swept(dimension, rests)
            self._nodes[key] = found
        return found

    def _swept(self, dimension: int, rests: t.Tuple[int, ...]) -> Node:
        """Go through the numbers of a dimension, with the entries that match each of them."""
        starts: t.Dict[int, t.List[int]] = {}
        stops: t.Dict[int, t.List[int]] = {}
        active: t.List[int] = []
        for place, rest in enumerate(rests):
            side = self._rests[rest][0]
            if side is None:
                active.append(place)
                continue
            for low, high in side:
                starts.setdefault(low, []).append(place)
                stops.setdefault(high + 1, []).append(place)
        top = self._tops[dimension]
        edges = sorted({0, *starts, *(stop for stop in stops if stop <= top)})
        ends: t.List[int] = []
        targets: t.List[Node] = []
        for number, edge in enumerate(edges):
            for place in stops.get(edge, ()):
                active.remove(place)
            for place in starts.get(edge, ()):
                insort(active, place)
            self._work.spend(len(active))
            ends.append(edges[number + 1] - 1 if number + 1 < len(edges) else top)
            targets.append(self._node(dimension + 1, self._cut(self._rests[rests[place]][1] for place in active)))
        return self._space.node(dimension, ends, targets)
