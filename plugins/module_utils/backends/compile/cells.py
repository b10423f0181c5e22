# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cutting an axis into cells that each touch few rules.

Pure: touches nothing.
"""

from __future__ import annotations

import heapq
import typing as t
from bisect import bisect_left, bisect_right

from .axes import Footprint

#: A cell is closed when it has so many rules.
CELL = 16
#: A rule that would stand in more cells than this is wide.
MAX_SPREAD = 6

#: First and last coordinate, and the rules that touch the cell, ascending.
Range = t.Tuple[int, int, t.List[int]]


def narrow_of(feet: t.Mapping[int, Footprint]) -> t.List[int]:
    """Return the rules that would stand in few cells, ascending."""
    lows = sorted({low for one in feet.values() for low, _high in one})
    found = []
    for number, one in feet.items():
        spread = 0
        for low, high in one:
            spread += 1 + (bisect_right(lows, high) - bisect_left(lows, low) - 1) // CELL
        if spread <= MAX_SPREAD:
            found.append(number)
    return found


def cut(feet: t.Mapping[int, Footprint], breaks: t.Sequence[int] = ()) -> t.List[Range]:
    """Return disjoint cells, ascending, that together hold the footprints of the rules.

    A cell ends where a rule begins, so that a rule on one coordinate stands in one cell; it has CELL rules or, where many rules meet or
    reach far, more.

    :param breaks: coordinates that no cell and no footprint reaches across.
    """
    begins: t.Dict[int, t.List[t.Tuple[int, int]]] = {}
    for number, one in feet.items():
        for low, high in one:
            begins.setdefault(low, []).append((high, number))
    cells: t.List[Range] = []
    reaching: t.List[t.Tuple[int, int]] = []
    inside: t.Set[int] = set()
    start = end = -1
    limit = CELL
    for low in sorted(begins):
        new = begins[low]
        if inside and (len(inside) >= limit or len(new) >= CELL or bisect_right(breaks, start) != bisect_right(breaks, low)):
            cells.append((start, min(end, low - 1), sorted(inside)))
            while reaching and reaching[0][0] < low:
                heapq.heappop(reaching)
            inside = {number for _high, number in reaching}
            limit = max(CELL, 2 * len(inside))
            start = low
        if not inside:
            start, limit, end = low, CELL, low
        for high, number in new:
            inside.add(number)
            heapq.heappush(reaching, (high, number))
            end = max(end, high)
    if inside:
        cells.append((start, end, sorted(inside)))
    return cells
