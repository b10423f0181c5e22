# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gathering rules of one shape although they stand apart: a rule joins an earlier block when its order to all between makes no difference.

Pure: touches nothing.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ...analysis.boxes import Sides
from ...analysis.index import Index
from .bitsets import bits
from .effects import Effect
from .tables import Shape, apart

#: With more blocks than this, looking one up after the other is no gain.
MAX_BLOCKS = 24


@dataclass
class Block:
    """Rules that decide together: of one shape, or (None) one line each. ``places`` are their places in the list, ascending."""

    shape: t.Optional[Shape]
    places: t.List[int] = field(default_factory=list)
    _known: int = 0
    _counted: int = 0

    def members(self) -> int:
        """Return the places as a set of bits."""
        if self._counted < len(self.places):
            new = self.places[self._counted :]
            self._known |= bits(new, new[-1] + 1) if len(new) > 2 else sum(1 << place for place in new)
            self._counted = len(self.places)
        return self._known


def blocks_of(
    shapes: t.Sequence[t.Optional[Shape]],
    effects: t.Sequence[t.Optional[Effect]],
    sides: t.Sequence[Sides],
    most_lines: int,
    tops: t.Sequence[int],
) -> t.Optional[t.List[Block]]:
    """Return the blocks of a list of rules, in the order in which they must decide.

    Only rules that share packets and do different things to them keep their order. Returns None when there would be more than MAX_BLOCKS
    blocks, or more than ``most_lines`` rules without a shape.
    """
    conflicts = _Conflicts(effects, sides, tops)
    blocks: t.List[Block] = []
    lines = 0
    for place, shape in enumerate(shapes):
        if shape is None:
            lines += 1
            if lines > most_lines:
                return None
        joined = _block_for(blocks, shape, place, conflicts)
        if joined is None:
            joined = Block(shape)
            blocks.append(joined)
            if len(blocks) > MAX_BLOCKS:
                return None
        joined.places.append(place)
    return blocks


def different_from(effects: t.Sequence[t.Optional[Effect]]) -> t.Callable[[t.Optional[Effect]], int]:
    """Return what tells which rules of a list do something else than an effect says."""
    everything = (1 << len(effects)) - 1
    places: t.Dict[t.Optional[Effect], t.List[int]] = {}
    for place, one in enumerate(effects):
        places.setdefault(one, []).append(place)
    others = {one: everything ^ bits(found, len(effects)) for one, found in places.items() if one is not None}
    return lambda one: everything if one is None else others.get(one, everything)


class _Conflicts:
    """Which rules must keep their order to a rule, as a set of bits (itself perhaps among them); asked for when it is needed."""

    def __init__(self, effects: t.Sequence[t.Optional[Effect]], sides: t.Sequence[Sides], tops: t.Sequence[int]) -> None:
        self._effects = effects
        self._sides = sides
        self._tops = tops
        self._different = different_from(effects)
        self._index: t.Optional[Index] = None

    def with_rule(self, place: int) -> int:
        """Return them for the rule at a place."""
        different = self._different(self._effects[place])
        if not different:
            return 0
        if self._index is None:
            self._index = Index(self._sides, self._tops)
        return self._index.meeting(self._sides[place]) & different


def _block_for(blocks: t.Sequence[Block], shape: t.Optional[Shape], place: int, conflicts: _Conflicts) -> t.Optional[Block]:
    """Return the first block of the shape behind which a rule needs to keep no order, or None."""
    first = next((number for number, block in enumerate(blocks) if block.shape == shape), None)
    if first is None:
        return None
    joined: t.Optional[Block] = None
    keep: t.Optional[int] = None
    for number in range(len(blocks) - 1, first - 1, -1):
        block = blocks[number]
        if block.shape == shape:
            joined = block
            if number == first:
                break
        if shape is not None and block.shape is not None and apart(shape, block.shape):
            continue
        if keep is None:
            keep = conflicts.with_rule(place)
        if not keep:
            return blocks[first]
        if keep & block.members():
            break
    return joined
