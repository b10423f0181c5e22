# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Interval decision diagrams: functions of packets in one form each.

Pure: touches nothing. Exact. A node belongs to a dimension, and sends each interval of its numbers to a node of a later dimension or to a
value. Nodes are kept once, intervals with the same target are joined, and a node with one target is left out; so two functions of one
space are equal if and only if they have the same node (Bryant, "Graph-Based Algorithms for Boolean Function Manipulation", 1986; with
intervals in the place of bits).
"""

from __future__ import annotations

import typing as t
from bisect import bisect_left

from .boxes import DIMENSIONS, Box, Interfaces, Point, Sides, TooComplex, Work, whole_box

#: So many intervals all nodes of a space may have together: some 200 MB.
MAX_EDGES = 2500000
#: So many steps one operation may take: some seconds.
MAX_STEPS = 10000000

#: A node: a number of the space it belongs to.
Node = int
Operation = t.Callable[[t.Any, t.Any], t.Any]


class Space:
    """The nodes of all functions over the packets of one table of interfaces.

    :ivar interfaces: the table; functions of different spaces cannot be combined.
    :ivar max_steps: the bound on the time of one operation, see MAX_STEPS.
    """

    def __init__(self, interfaces: Interfaces, max_edges: int = MAX_EDGES, max_steps: int = MAX_STEPS) -> None:
        self.interfaces = interfaces
        self._whole: Box = whole_box(interfaces)
        self._tops = tuple(side[1] for side in self._whole)
        self._max_edges = max_edges
        self.max_steps = max_steps
        self._edges = 0
        self._dimensions: t.List[int] = []
        self._ends: t.List[t.Tuple[int, ...]] = []
        self._targets: t.List[t.Tuple[Node, ...]] = []
        self._values: t.List[t.Any] = []
        self._nodes: t.Dict[t.Any, Node] = {}
        self._results: t.Dict[t.Tuple[str, Node, Node], Node] = {}
        self.false = self.value_node(False)
        self.true = self.value_node(True)

    def work(self, what: str) -> Work:
        """Return the work that one operation may do."""
        return Work(self.max_steps, what)

    def value_node(self, value: t.Any) -> Node:
        """Return the node of the function that has one value for all packets."""
        key = ("value", value)
        found = self._nodes.get(key)
        if found is None:
            found = self._add(DIMENSIONS, (), ())
            self._values[found] = value
            self._nodes[key] = found
        return found

    def node(self, dimension: int, ends: t.Sequence[int], targets: t.Sequence[Node]) -> Node:
        """Return the node that sends numbers up to the first end to the first target, and so on; the last end is the dimension's top.

        :raises TooComplex: when the space is full.
        """
        last = targets[0]
        kept_ends: t.List[int] = []
        kept: t.List[Node] = []
        for end, target in zip(ends, targets):
            if kept and target == last:
                kept_ends[-1] = end
            else:
                kept_ends.append(end)
                kept.append(target)
                last = target
        if len(kept) == 1:
            return last
        key = (dimension, tuple(kept_ends), tuple(kept))
        found = self._nodes.get(key)
        if found is None:
            found = self._nodes[key] = self._add(*key)
        return found

    def _add(self, dimension: int, ends: t.Tuple[int, ...], targets: t.Tuple[Node, ...]) -> Node:
        self._edges += len(ends) + 1
        if self._edges > self._max_edges:
            raise TooComplex("the packets in question are made of too many parts (more than %d) for an exact answer" % self._max_edges)
        self._dimensions.append(dimension)
        self._ends.append(ends)
        self._targets.append(targets)
        self._values.append(None)
        return len(self._dimensions) - 1

    def of_sides(self, sides: Sides) -> Node:
        """Return the set of the packets in a region, as a function to True and False."""
        node = self.true
        for dimension in range(DIMENSIONS - 1, -1, -1):
            ends: t.List[int] = []
            targets: t.List[Node] = []
            for low, high in sides[dimension]:
                if low > 0:
                    ends.append(low - 1)
                    targets.append(self.false)
                ends.append(high)
                targets.append(node)
            if ends[-1] < self._tops[dimension]:
                ends.append(self._tops[dimension])
                targets.append(self.false)
            node = self.node(dimension, ends, targets)
        return node

    def value(self, node: Node, point: Point) -> t.Any:
        """Return the value of a function for a packet."""
        while self._dimensions[node] < DIMENSIONS:
            node = self._targets[node][bisect_left(self._ends[node], point[self._dimensions[node]])]
        return self._values[node]

    def combined(self, name: str, operation: Operation, left: Node, right: Node) -> Node:
        """Return the function whose value for a packet is ``operation`` of the two values; ``name`` stands for the operation.

        :raises TooComplex: when that takes too long or the space is full.
        """
        work = self.work("combining sets of packets")
        results = self._results

        def visit(one: Node, other: Node) -> Node:
            key = (name, one, other)
            found = results.get(key)
            if found is not None:
                return found
            mine, theirs = self._dimensions[one], self._dimensions[other]
            if mine == theirs == DIMENSIONS:
                found = self.value_node(operation(self._values[one], self._values[other]))
            elif mine < theirs:
                work.spend(3 * len(self._ends[one]))
                found = self.node(mine, self._ends[one], [visit(target, other) for target in self._targets[one]])
            elif theirs < mine:
                work.spend(3 * len(self._ends[other]))
                found = self.node(theirs, self._ends[other], [visit(one, target) for target in self._targets[other]])
            else:
                found = self.node(mine, *self._both(one, other, visit, work))
            results[key] = found
            return found

        return visit(left, right)

    def _both(
        self, one: Node, other: Node, visit: t.Callable[[Node, Node], Node], work: Work
    ) -> t.Tuple[t.List[int], t.List[Node]]:  # fmt: skip
        ends: t.List[int] = []
        targets: t.List[Node] = []
        mine, theirs = self._ends[one], self._ends[other]
        work.spend(3 * (len(mine) + len(theirs)))
        i = j = 0
        while i < len(mine) and j < len(theirs):
            targets.append(visit(self._targets[one][i], self._targets[other][j]))
            first, second = mine[i], theirs[j]
            if first <= second:
                ends.append(first)
                i += 1
            else:
                ends.append(second)
            if second <= first:
                j += 1
        return ends, targets

    def mapped(self, node: Node, change: t.Callable[[t.Any], t.Any]) -> Node:
        """Return the function whose values are changed ones of a function."""
        work = self.work("reading a set of packets")
        done: t.Dict[Node, Node] = {}

        def visit(one: Node) -> Node:
            found = done.get(one)
            if found is None:
                if self._dimensions[one] == DIMENSIONS:
                    found = self.value_node(change(self._values[one]))
                else:
                    work.spend(len(self._ends[one]))
                    found = self.node(self._dimensions[one], self._ends[one], [visit(target) for target in self._targets[one]])
                done[one] = found
            return found

        return visit(node)

    def values(self, node: Node) -> t.List[t.Any]:
        """Return every value that a function has."""
        seen = {node}
        waiting = [node]
        found: t.List[t.Any] = []
        while waiting:
            one = waiting.pop()
            if self._dimensions[one] == DIMENSIONS:
                found.append(self._values[one])
            for target in self._targets[one]:
                if target not in seen:
                    seen.add(target)
                    waiting.append(target)
        return found

    def branches(self, node: Node) -> t.Tuple[int, t.List[t.Tuple[Node, t.Tuple[t.Tuple[int, int], ...]]]]:
        """Return the dimension of a node, and its targets with the intervals that go there; DIMENSIONS and nothing for a value."""
        found: t.Dict[Node, t.List[t.Tuple[int, int]]] = {}
        start = 0
        for end, target in zip(self._ends[node], self._targets[node]):
            found.setdefault(target, []).append((start, end))
            start = end + 1
        return self._dimensions[node], [(target, tuple(intervals)) for target, intervals in found.items()]

    def regions(self, node: Node) -> t.Iterator[Sides]:
        """Yield disjoint regions that hold the packets of a set."""
        whole = tuple((side,) for side in self._whole)
        stack: t.List[t.Tuple[Node, Sides]] = [(node, whole)]
        while stack:
            one, sides = stack.pop()
            if one == self.true:
                yield sides
            elif one != self.false:
                dimension, branches = self.branches(one)
                for target, intervals in reversed(branches):
                    stack.append((target, (*sides[:dimension], intervals, *sides[dimension + 1 :])))
