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
from .tables import Shape

#: With more blocks than this, looking one up after the other is no gain.
MAX_BLOCKS = 24
#: The first look, which often shows that there would be too many blocks.
SAMPLE = 1000


@dataclass
class Block:
    """Rules that decide together: of one shape, or (None) one line each. ``places`` are their places in the list, ascending."""

    shape: t.Optional[Shape]
    places: t.List[int] = field(default_factory=list)
    members: int = 0


def blocks_of(
    shapes: t.Sequence[t.Optional[Shape]], effects: t.Sequence[t.Optional[Effect]], sides: t.Sequence[Sides], most_lines: int, tops: t.Sequence[int]
) -> t.Optional[t.List[Block]]:
    """Return the blocks of a list of rules, in the order in which they must decide.

    Only rules that share packets and do different things to them keep their order. Returns None when there would be more than MAX_BLOCKS
    blocks, or more than ``most_lines`` rules without a shape.
    """
    if len(shapes) > 2 * SAMPLE and _gathered(shapes[:SAMPLE], effects[:SAMPLE], sides[:SAMPLE], most_lines, tops) is None:
        return None
    return _gathered(shapes, effects, sides, most_lines, tops)


def conflicts_of(
    effects: t.Sequence[t.Optional[Effect]], sides: t.Sequence[Sides], tops: t.Sequence[int]
) -> t.Callable[[int], int]:
    """Return what tells for a rule (by its place) which others must keep their order to it, as a set of bits (itself perhaps among them)."""
    different = different_from(effects)
    if not any(different(one) for one in set(effects)):
        return lambda place: 0
    index = Index(sides, tops)
    return lambda place: index.meeting(sides[place]) & different(effects[place])


def different_from(effects: t.Sequence[t.Optional[Effect]]) -> t.Callable[[t.Optional[Effect]], int]:
    """Return what tells which rules of a list do something else than an effect says."""
    everything = (1 << len(effects)) - 1
    places: t.Dict[t.Optional[Effect], t.List[int]] = {}
    for place, one in enumerate(effects):
        places.setdefault(one, []).append(place)
    others = {one: everything ^ bits(found, len(effects)) for one, found in places.items() if one is not None}
    return lambda one: others.get(one, everything)


def _gathered(
    shapes: t.Sequence[t.Optional[Shape]], effects: t.Sequence[t.Optional[Effect]], sides: t.Sequence[Sides], most_lines: int, tops: t.Sequence[int]
) -> t.Optional[t.List[Block]]:
    conflicts = conflicts_of(effects, sides, tops)
    blocks: t.List[Block] = []
    lines = 0
    for place, shape in enumerate(shapes):
        if shape is None:
            lines += 1
            if lines > most_lines:
                return None
        keep = conflicts(place)
        joined: t.Optional[Block] = None
        for block in reversed(blocks):
            if block.shape == shape:
                joined = block
            if keep & block.members:
                break
        if joined is None:
            joined = Block(shape)
            blocks.append(joined)
            if len(blocks) > MAX_BLOCKS:
                return None
        joined.places.append(place)
        joined.members |= 1 << place
    return blocks
