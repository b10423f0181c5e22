# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rules of a list can decide a packet of some region at all: those that no single rule before them covers there.

Pure: touches nothing.
"""

from __future__ import annotations

import typing as t

from ...analysis.boxes import Sides
from ...analysis.index import Index
from .axes import Region, covers, within
from .bitsets import bits

#: A longer list is looked at with an index.
PAIRWISE = 48


def reachable(
    numbers: t.Sequence[int], sides: t.Sequence[Sides], decides: t.Sequence[bool], region: Region, tops: t.Sequence[int]
) -> t.List[int]:
    """Return the rules that can decide a packet in a region.

    :param sides: of every rule, by number. :param decides: whether a rule lets no packet past it. :param tops: see ``Index``.
    """
    here = [(number, one) for number, one in ((number, within(sides[number], region)) for number in numbers) if one is not None]
    if len(here) > PAIRWISE:
        index = Index([one for _number, one in here], tops)
        usable = bits((place for place, (number, _one) in enumerate(here) if decides[number]), len(here))
        return [number for place, (number, one) in enumerate(here) if not index.holding(one) & usable & ((1 << place) - 1)]
    kept: t.List[int] = []
    above: t.List[Sides] = []
    for number, one in here:
        if not any(covers(other, one) for other in above):
            kept.append(number)
            if decides[number]:
                above.append(one)
    return kept
