# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parting a list by what has few values: address family, protocol, interface. A packet then meets the rules of its branch only.

Pure: touches nothing.
"""

from __future__ import annotations

import typing as t

from .axes import ARRIVING, AXES, DESTINATION, FAMILY, LEAVING, PORT, PROTOCOL, SOURCE, family_ends, meets, protocol_ends
from .overlap import Prints
from .reach import Region, reachable

#: A fork is worth it when its largest branch has no more than this part of the rules.
WORTH = 0.7
#: The branches together may have so many times the rules.
REPEATS = 2.0
#: In longer lists branches are counted without asking which rules can still be reached.
ASKED = 4000
MAX_INTERFACES = 64
#: The protocols that get a branch of their own (TCP, UDP).
BRANCHES = (6, 17)

#: What tells the packets of a branch (None: all others), where they are, and the rules that may match them.
Branch = t.Tuple[t.Optional[int], Region, t.List[int]]


def best_fork(
    numbers: t.Sequence[int], prints: t.Sequence[Prints], able: t.Sequence[bool], region: Region
) -> t.Optional[t.Tuple[str, t.List[Branch]]]:
    """Return the kind of fork with the smallest largest branch, or None when no fork is worth it. The last branch is for all others."""
    best = None
    least = WORTH * len(numbers)
    for kind, regions in _kinds(numbers, prints, region):
        branches = []
        for coordinate, inner in regions:
            found = [number for number in numbers if _meets(prints[number], inner)]
            branches.append((coordinate, inner, found))
        if len(numbers) <= ASKED:
            branches = [(coordinate, inner, reachable(found, prints, able, inner)) for coordinate, inner, found in branches]
        if sum(len(found) for _coordinate, _inner, found in branches) > REPEATS * len(numbers):
            continue
        largest = max(len(found) for _coordinate, _inner, found in branches)
        if largest <= least:
            least, best = largest, (kind, branches)
    return best


def _kinds(
    numbers: t.Sequence[int], prints: t.Sequence[Prints], region: Region
) -> t.Iterator[t.Tuple[str, t.List[t.Tuple[t.Optional[int], Region]]]]:
    if not any(axis in region for axis in (FAMILY, SOURCE, DESTINATION)):
        yield FAMILY, [(family, {**region, **dict.fromkeys((SOURCE, DESTINATION), family_ends(family)), FAMILY: (family, family)})
                       for family in (4, 6)]  # fmt: skip
    if PORT not in region:
        parts: t.List[t.Tuple[t.Optional[int], Region]] = [(one, {**region, PORT: protocol_ends(one)}) for one in BRANCHES]
        start = max(protocol_ends(one)[1] for one in BRANCHES) + 1
        yield PROTOCOL, [*parts, (None, {**region, PORT: (start, protocol_ends(255)[1])})]
    for kind, place in ((ARRIVING, 0), (LEAVING, 1)):
        if kind in region:
            continue
        named = sorted({side[0][0] for side in {prints[number].beside[place] for number in numbers} if side[0][0] == side[-1][1] > 0})
        if 0 < len(named) <= MAX_INTERFACES:
            yield kind, [(one, {**region, kind: (one or 0, one or 0)}) for one in (*named, None)]


def _meets(one: Prints, region: Region) -> bool:
    return all(axis not in region or meets(on_axis, *region[axis]) for axis, on_axis in zip(AXES, one.on_axes)) and all(
        axis not in region or meets(side, *region[axis]) for axis, side in zip((ARRIVING, LEAVING), one.beside)
    )
