# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a list decides certain packets before a certain place of it.

Pure: touches nothing.
"""

from __future__ import annotations

import typing as t
from bisect import bisect_left

from ...analysis.boxes import Sides, TooComplex
from ...analysis.cover import Effort, find_gap
from ...analysis.index import Index
from .axes import Region, covers, within
from .bitsets import bits, members
from .effects import decides
from .entries import Entry, Key

#: In a longer list an index is asked.
FEW = 40
#: How much searching one question is allowed (see ``Effort``).
STEPS = 2000


class Settled:
    """A list, ascending by key, and questions about it."""

    def __init__(self, entries: t.Sequence[Entry], tops: t.Sequence[int]) -> None:
        self.entries = entries
        self._tops = tops
        self._keys = [entry.key for entry in entries]
        self._made: t.Optional[Index] = None
        self._deciding: t.Optional[int] = None

    @property
    def index(self) -> Index:
        """The index of the entries."""
        if self._made is None:
            self._made = Index([entry.sides for entry in self.entries], self._tops)
        return self._made

    def below(self, key: Key) -> int:
        """Return the entries before a key, as a set of bits."""
        return (1 << bisect_left(self._keys, key)) - 1

    def at(self, key: Key) -> t.List[int]:
        """Return the places of the entries that have a key."""
        found = []
        place = bisect_left(self._keys, key)
        while place < len(self._keys) and self._keys[place] == key:
            found.append(place)
            place += 1
        return found

    def settles(self, sides: Sides, region: Region, key: Key, own: t.Sequence[int] = (), among: int = -1) -> bool:
        """Return whether packets of a region are all matched by some entries (``own``), or by entries before a key that decide.

        False too when it could not be told within the bounds on time.

        :param among: the set of the entries that count.
        """
        here = within(sides, region)
        if here is None:
            return True
        if self._deciding is None:
            self._deciding = bits((place for place, entry in enumerate(self.entries) if decides(entry.rule)), len(self.entries))
        usable = self.below(key) & self._deciding & among | bits(own, len(self.entries))
        if len(self.entries) <= FEW and any(covers(self.entries[place].sides, here) for place in members(usable)):
            return True
        try:
            effort = Effort(STEPS)
            effort.begin()
            return find_gap(self.index, here, usable, effort) is None
        except TooComplex:
            return False
