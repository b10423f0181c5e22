# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a list of rules is compiled to: steps that a packet takes one after the other until one of them decides.

Pure: touches nothing. Rules are named by their number in the list. A packet that no step decides falls through to what comes behind.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from .tables import Key, Shape

# What a packet pays, in nanoseconds, measured with nftables on Linux 6.18; only the proportions matter.
LINE, CALL, EXACT, SEARCH, SEARCH_STEP, SKIP = 15, 25, 100, 100, 20, 20


class Line:
    """One rule with all its conditions. Where it matches, ``before`` decides first, then the rule itself."""

    __slots__ = ("before", "cost", "number")

    def __init__(self, number: int, before: Steps = ()) -> None:
        self.number = number
        self.before = before
        #: What a packet pays that the rule matches.
        self.cost = CALL + cost_of(before) if before else LINE


class Table:
    """Rules of one shape as one look-up: disjoint keys, each with the number of the rule that decides."""

    __slots__ = ("cost", "entries", "shape")

    def __init__(self, shape: Shape, entries: t.Sequence[t.Tuple[Key, int]]) -> None:
        self.shape = shape
        self.entries = entries
        self.cost = EXACT if shape.exact else (SEARCH if len(shape.fields) == 1 else EXACT) + SEARCH_STEP * len(entries).bit_length()


class Cell:
    """The steps for the packets between two coordinates, both included."""

    __slots__ = ("high", "low", "steps")

    def __init__(self, low: int, high: int, steps: Steps) -> None:
        self.low = low
        self.high = high
        self.steps = steps


class Split:
    """Disjoint cells along an axis, ascending. A packet takes the steps of its cell, or ``rest`` where it is in none."""

    __slots__ = ("axis", "cells", "cost", "rest")

    def __init__(self, axis: str, cells: t.Sequence[Cell], rest: Steps = ()) -> None:
        self.axis = axis
        self.cells = cells
        self.rest = rest
        dearest = max([cost_of(one.steps) for one in cells] + [cost_of(rest)])
        self.cost = CALL + SKIP + SEARCH + SEARCH_STEP * len(cells).bit_length() + dearest


class Shared:
    """Steps that several places lead to."""

    __slots__ = ("cost", "steps")

    def __init__(self, steps: Steps) -> None:
        self.steps = steps
        self.cost = CALL + cost_of(steps)


Step = t.Union[Line, Table, Split, Shared]
Steps = t.Tuple[Step, ...]


def cost_of(steps: Steps) -> int:
    """Return about how long a packet takes that no rule decides but one whose ``before`` is the dearest."""
    total = dearest = 0
    tables: t.Dict[t.Tuple[t.Optional[int], t.Optional[int]], int] = {}
    for one in steps:
        if isinstance(one, Line):
            total += LINE
            if one.before:
                dearest = max(dearest, one.cost)
        elif isinstance(one, Table):
            kind = (one.shape.family, one.shape.protocol)
            tables[kind] = tables.get(kind, 0) + one.cost
            total += SKIP
        else:
            total += one.cost
    return total + dearest + _dearest(tables)


def _dearest(tables: t.Mapping[t.Tuple[t.Optional[int], t.Optional[int]], int]) -> int:
    """Return what the tables cost a packet of the family and protocol that most of them are for."""
    dearest = 0
    for family, protocol in tables:
        price = sum(
            one for (other, number), one in tables.items()
            if (family is None or other in (None, family)) and (protocol is None or number in (None, protocol))
        )  # fmt: skip
        dearest = max(dearest, price)
    return dearest


@dataclass
class Size:
    """How much there is to load: lines and elements; what is shared counts once."""

    lines: int = 0
    elements: int = 0
    seen: t.Set[int] = field(default_factory=set)

    def add(self, steps: Steps) -> Size:
        """Count steps."""
        for one in steps:
            if isinstance(one, Line):
                self.lines += 1
                if one.before and id(one.before) not in self.seen:
                    self.seen.add(id(one.before))
                    self.add(one.before)
            elif isinstance(one, Table):
                self.elements += len(one.entries)
            elif isinstance(one, Split):
                self.elements += len(one.cells)
                for cell in one.cells:
                    self.add(cell.steps)
                self.add(one.rest)
            elif id(one) not in self.seen:
                self.seen.add(id(one))
                self.add(one.steps)
        return self
