# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sets of packets, and what can be done with them.

Pure: touches nothing. Exact; every operation ends in bounded time and memory, with ``TooComplex`` where that is not enough. Sets are equal
if and only if they hold the same packets.
"""

from __future__ import annotations

import itertools
import typing as t

from ..policy.rule import Rule
from .boxes import DIMENSIONS, STATE, Interfaces, Sides, sides_of, whole_box
from .diagram import Node, Space
from .first_match import DEFAULT, Item, Tokens, whole_sides
from .packets import Packet, likely_number
from .regions import region_words
from .sweep import list_node


class PacketSet:
    """A set of packets of one space. Immutable.

    Sets are made by ``everything``, ``nothing``, ``of_sides`` and ``of_rules``, and combined with sets of the same space by ``|``, ``&``,
    ``-`` and ``~``; combining sets of different spaces raises ValueError.
    """

    def __init__(self, space: Space, node: Node) -> None:
        self.space = space
        self.node = node

    @classmethod
    def everything(cls, space: Space) -> PacketSet:
        """Return the set of all packets."""
        return cls(space, space.true)

    @classmethod
    def nothing(cls, space: Space) -> PacketSet:
        """Return the empty set."""
        return cls(space, space.false)

    @classmethod
    def of_sides(cls, space: Space, sides: t.Optional[Sides]) -> PacketSet:
        """Return the packets of a region; None is the empty one."""
        return cls(space, space.false if sides is None else space.of_sides(sides))

    @classmethod
    def of_rules(cls, rules: t.Sequence[Rule], space: t.Optional[Space] = None) -> PacketSet:
        """Return the packets that at least one of some rules matches; their actions and limits do not count.

        :raises TooComplex: see the head of this file.
        """
        space = space or Space(Interfaces.of(rules))
        tokens = Tokens()
        inside, outside = tokens.number("inside"), tokens.number("outside")
        whole = whole_sides(space.interfaces)
        items: t.List[Item] = []
        for number, rule in enumerate(rules):
            sides = sides_of(rule, space.interfaces)
            if sides is not None:
                items.append(((inside, *[None if side == full else side for side, full in zip(sides, whole)]), number))
        items.append(((outside, *[None] * DIMENSIONS), DEFAULT))
        return cls(space, list_node(space, items, tokens, lambda met: met[0][0][0] == inside))

    def __or__(self, other: PacketSet) -> PacketSet:
        return self._with("or", lambda one, two: one or two, other)

    def __and__(self, other: PacketSet) -> PacketSet:
        return self._with("and", lambda one, two: one and two, other)

    def __sub__(self, other: PacketSet) -> PacketSet:
        return self._with("less", lambda one, two: one and not two, other)

    def __invert__(self) -> PacketSet:
        return PacketSet.everything(self.space) - self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PacketSet) and self.space is other.space and self.node == other.node

    def __hash__(self) -> int:
        return hash((id(self.space), self.node))

    def __le__(self, other: PacketSet) -> bool:
        """Return whether every packet of this set is in the other one."""
        return (self - other).is_empty

    def __contains__(self, packet: Packet) -> bool:
        return bool(self.space.value(self.node, packet.point(self.space.interfaces)))

    @property
    def is_empty(self) -> bool:
        """Whether there is no packet in the set."""
        return self.node == self.space.false

    def example(self) -> t.Optional[Packet]:
        """Return a packet of the set that a person would call an ordinary one, where there is one; None from an empty set."""
        if self.is_empty:
            return None
        chosen: t.List[int] = []
        node = self._with_new_ones().node
        whole = whole_box(self.space.interfaces)
        for dimension in range(DIMENSIONS):
            at, branches = self.space.branches(node)
            if at != dimension:
                chosen.append(likely_number(dimension, (whole[dimension],), chosen))
                continue
            ways = [(target, intervals) for target, intervals in branches if target != self.space.false]
            number = likely_number(dimension, sorted(one for _target, intervals in ways for one in intervals), chosen)
            chosen.append(number)
            node = next(target for target, intervals in ways if any(low <= number <= high for low, high in intervals))
        return Packet.at_point(tuple(chosen), self.space.interfaces)

    def regions(self, most: int = 1000) -> t.List[Sides]:
        """Return up to ``most`` disjoint regions of the set; fewer mean that they are all of it."""
        return list(itertools.islice(self.space.regions(self.node), most))

    def describe(self, most: int = 20) -> t.List[str]:
        """Return the set in lines for people; the last one says when there are more."""
        found = self.regions(most + 1)
        lines = [region_words(one, self.space.interfaces) for one in found[:most]]
        return lines + (["..."] if len(found) > most else [])

    def _with_new_ones(self) -> PacketSet:
        """Return the packets in state new, where there are such packets in the set, else the set."""
        whole = whole_sides(self.space.interfaces)
        new = self & PacketSet.of_sides(self.space, (*whole[:STATE], ((0, 0),)))
        return self if new.is_empty else new

    def _with(self, name: str, operation: t.Callable[[bool, bool], bool], other: PacketSet) -> PacketSet:
        if other.space is not self.space:
            raise ValueError("sets of different spaces")
        return PacketSet(self.space, self.space.combined(name, operation, self.node, other.node))
