# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rules of a list can decide a packet of some region at all: those that no single rule before them covers there.

Pure: touches nothing.
"""

from __future__ import annotations

import typing as t

from ...policy.rule import Rule
from .axes import ARRIVING, AXES, LEAVING, WHOLE, Footprint, clipped, meets
from .effects import decides
from .overlap import Overlaps, Prints, bits

#: Between two coordinates of each axis that it names (an interface is one value); everywhere on the others.
Region = t.Mapping[str, t.Tuple[int, int]]
#: A longer list is looked at with an index.
PAIRWISE = 48


def within(one: Prints, region: Region) -> t.Optional[Prints]:
    """Return the prints of a rule in a region, as if the region were everything, or None when the rule has no packets there."""
    if not region:
        return one
    on_axes = list(one.on_axes)
    for place, axis in enumerate(AXES):
        if axis in region:
            low, high = region[axis]
            found = clipped(on_axes[place], low, high)
            if not found:
                return None
            on_axes[place] = WHOLE[axis] if len(found) == 1 and found[0] == (low, high) else found
    beside = one.beside
    for place, side in ((0, ARRIVING), (1, LEAVING)):
        if side in region:
            if not meets(beside[place], *region[side]):
                return None
            beside = (*beside[:place], (region[side],), *beside[place + 1 :])
    return Prints(tuple(on_axes), beside)


def covers(wide: Prints, narrow: Prints) -> bool:
    """Return whether every packet of ``narrow`` is one of ``wide`` (ICMP types left out)."""
    for one, other, axis in zip(wide.on_axes, narrow.on_axes, AXES):
        if one is not WHOLE[axis] and (other is WHOLE[axis] or not _contains(one, other)):
            return False
    return wide.beside == narrow.beside or all(_contains(one, other) for one, other in zip(wide.beside, narrow.beside))


def covers_all(rule: Rule) -> bool:
    """Return whether a rule decides all the packets that its prints name, so that a rule it covers is out of reach."""
    return decides(rule) and not rule.icmp_types


def reachable(numbers: t.Sequence[int], prints: t.Sequence[Prints], able: t.Sequence[bool], region: Region) -> t.List[int]:
    """Return the rules that can decide a packet in a region.

    :param prints: of every rule, by number. :param able: the same of ``covers_all``.
    """
    here = [(number, one) for number, one in ((number, within(prints[number], region)) for number in numbers) if one is not None]
    if len(here) > PAIRWISE:
        return _with_index(here, able)
    kept: t.List[int] = []
    above: t.List[Prints] = []
    for number, one in here:
        if not any(covers(other, one) for other in above):
            kept.append(number)
            if able[number]:
                above.append(one)
    return kept


def _with_index(here: t.Sequence[t.Tuple[int, Prints]], able: t.Sequence[bool]) -> t.List[int]:
    index = Overlaps([one for _number, one in here])
    usable = bits((place for place, (number, _one) in enumerate(here) if able[number]), len(here))
    return [number for place, (number, one) in enumerate(here) if not index.covering(one) & usable & ((1 << place) - 1)]


def _contains(wide: Footprint, narrow: Footprint) -> bool:
    return wide == narrow or all(any(first <= low and high <= last for first, last in wide) for low, high in narrow)
