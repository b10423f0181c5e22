# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parting a list by what has few values: address family, protocol, interface. A packet then meets the rules of its branch only.

Pure: touches nothing.
"""

from __future__ import annotations

import typing as t

from ...analysis import boxes
from ...analysis.boxes import Sides
from ...policy.protocols import TCP, UDP
from .axes import ARRIVING, FAMILY, LEAVING, PROTOCOL, Region, fork_region, narrowed
from .reach import reachable

#: A fork is worth it when its largest branch has no more than this part of the rules.
WORTH = 0.7
#: The branches together may have so many times the rules.
REPEATS = 2.0
#: In shorter and longer lists branches are counted without asking which rules can still be reached in them.
FEWEST_ASKED, MOST_ASKED = 200, 4000
MAX_INTERFACES = 64

#: What tells the packets of a branch (None: all others), where they are, and the rules that may match them.
Branch = t.Tuple[t.Optional[int], Region, t.List[int]]
_Regions = t.List[t.Tuple[t.Optional[int], Region]]


def best_fork(
    numbers: t.Sequence[int], sides: t.Sequence[Sides], decides: t.Sequence[bool], region: Region, tops: t.Sequence[int]
) -> t.Optional[t.Tuple[str, t.List[Branch], bool]]:
    """Return the kind of fork with the smallest largest branch, or None when no fork is worth it. The last branch may be for all others.

    The third value says whether the branches hold only rules that can be reached there.
    """
    kinds = [
        (kind, [(coordinate, inner, [number for number in numbers if _meets(sides[number], inner)]) for coordinate, inner in regions])
        for kind, regions in _kinds(numbers, sides, region)
    ]
    found = _smallest(kinds, len(numbers))
    if found is not None or not FEWEST_ASKED <= len(numbers) <= MOST_ASKED:
        return None if found is None else (*found, False)
    found = _smallest(
        [(kind, [(coordinate, inner, reachable(inside, sides, decides, inner, tops)) for coordinate, inner, inside in branches])
         for kind, branches in kinds],
        len(numbers),
    )  # fmt: skip
    return None if found is None else (*found, True)


def _smallest(kinds: t.Sequence[t.Tuple[str, t.List[Branch]]], count: int) -> t.Optional[t.Tuple[str, t.List[Branch]]]:
    best = None
    least = WORTH * count
    for kind, branches in kinds:
        largest = max(len(inside) for _coordinate, _inner, inside in branches)
        if largest <= least and sum(len(inside) for _coordinate, _inner, inside in branches) <= REPEATS * count:
            least, best = largest, (kind, branches)
    return best


def _kinds(numbers: t.Sequence[int], sides: t.Sequence[Sides], region: Region) -> t.Iterator[t.Tuple[str, _Regions]]:
    if boxes.FAMILY not in region:
        yield FAMILY, [(family, narrowed(region, fork_region(FAMILY, family))) for family in (4, 6)]
    if boxes.PROTOCOL not in region:
        # For all others stands a protocol that no rule names, or one that all of them treat alike.
        named = {sides[number][boxes.PROTOCOL] for number in numbers}
        few = sorted({side[0][0] for side in named if side[0][0] == side[-1][1]} - {TCP, UDP})
        if len(few) <= 4:
            parts: _Regions = [(one, narrowed(region, fork_region(PROTOCOL, one))) for one in (TCP, UDP, *few)]
            other = max(set(range(1, 256)) - {TCP, UDP, *few})
            if all(len(side) == 1 for side in named):
                yield PROTOCOL, [*parts, (None, narrowed(region, fork_region(PROTOCOL, other)))]
    for kind, dimension in ((ARRIVING, boxes.ARRIVING), (LEAVING, boxes.LEAVING)):
        if dimension in region:
            continue
        values = sorted({side[0][0] for side in {sides[number][dimension] for number in numbers} if side[0][0] == side[-1][1] > 0})
        if 0 < len(values) <= MAX_INTERFACES:
            yield kind, [(one, narrowed(region, fork_region(kind, one or 0))) for one in (*values, None)]


def _meets(sides: Sides, region: Region) -> bool:
    for dimension, (low, high) in region.items():
        side = sides[dimension]
        if not (side[0][0] <= high and side[-1][1] >= low if len(side) == 1 else any(a <= high and b >= low for a, b in side)):
            return False
    return True
