# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Joining two lists, of which one decides first, to one list in the order of the numbers that the rules carry.

Pure: touches nothing. Entries of the first list move behind entries of the second one only where that makes no difference: they do the
same, or share no packets, or the first asked the second ones itself before it decided.
"""

from __future__ import annotations

import typing as t

from ...analysis.boxes import Sides
from ...analysis.index import Index
from .axes import Region, covers
from .bitsets import bits, members
from .blocks import different_from
from .effects import decides
from .entries import Asked, Entry, Key
from .settled import Settled

#: When more entries than this cannot stand where their numbers say, numbers are not followed.
MAX_MOVED = 2000


def merge(first: t.List[Entry], second: t.List[Entry], region: Region, tops: t.Sequence[int]) -> t.List[Entry]:
    """Return one list that decides like ``first`` and then ``second``, ascending by key.

    :param region: where the packets are. :param tops: see ``Index``.
    """
    if not first or not second:
        return first or second
    if first[-1].key < second[0].key:
        return first + second
    return _Merger(first, second, region, tops).merged()


class _Merger:
    """Joins two lists."""

    def __init__(self, first: t.List[Entry], second: t.List[Entry], region: Region, tops: t.Sequence[int]) -> None:
        self._first = first
        self._second = second
        self._region = region
        self._tops = tops
        self._settled = Settled(second, tops)
        self._different = different_from([entry.effect for entry in second])
        self._kinds: t.Optional[t.Dict[t.Tuple[t.Any, ...], t.List[int]]] = None
        self._found: t.Dict[int, t.Optional[t.Tuple[int, Key]]] = {}
        self._standing: t.Dict[t.Tuple[Key, Sides], bool] = {}
        self._reached: t.Dict[t.Tuple[int, ...], bool] = {}

    def merged(self) -> t.List[Entry]:
        """Return the joined list."""
        settled: t.List[Entry] = []
        early: t.Dict[int, Key] = {}
        start = self._second[0].key
        for place, entry in enumerate(self._first):
            if entry.key <= start:
                settled.append(entry)
                continue
            if not entry.asked and not self._different(entry.effect):
                settled.append(entry)  # whatever it shares packets with does the same
                continue
            below = self._settled.below(entry.key)
            meeting = self._settled.index.meeting(entry.sides) & below
            alone = self._without_asking(entry, meeting, below) if entry.asked else None
            settled.append(alone or entry)
            if alone is None:
                conflicts = meeting & self._different(entry.effect)
                if conflicts:
                    early[place] = self._before(conflicts)
        if early:
            moved = self._moved(settled, early)
            if moved is None:
                last = settled[-1].key
                return self._first + [entry.at((last[0] + 1, place)) for place, entry in enumerate(self._second)]
            settled = moved
        return _told_apart(sorted(settled + self._second, key=lambda entry: entry.key))

    def _before(self, conflicts: int) -> Key:
        key = self._lowest(conflicts)
        return key[0], key[1] - 1

    def _lowest(self, places: int) -> Key:
        return self._second[(places & -places).bit_length() - 1].key

    def _without_asking(self, entry: Entry, meeting: int, below: int) -> t.Optional[Entry]:
        """Return an entry without what it asks of the second list, where it may stand at its number then; else None."""
        asked = 0
        last: t.Optional[Key] = None
        left = list(entry.asked)
        while left:
            found = self._places_of(left[0])
            if found is None:
                break
            part, high = found
            if part & ~below or (last is not None and part and self._lowest(part) <= last):
                break
            asked |= part
            last = high if last is None else max(last, high)
            left.pop(0)
        if last is None:
            return None
        alone = Entry(entry.key, entry.hint, entry.rule, entry.sides, tuple(left), entry.origin)
        skipped = meeting & ~asked
        # What is not asked, although its turn comes before something asked or it would decide otherwise, must be out of reach behind
        # what is asked.
        doubtful = skipped & (self._settled.below((last[0], last[1] + 1)) | self._different(alone.effect))
        resolved = entry.asked[: len(entry.asked) - len(left)]
        return alone if all(self._out_of_reach(place, asked, resolved) for place in members(doubtful)) else None

    def _out_of_reach(self, place: int, asked: int, resolved: t.Tuple[Asked, ...]) -> bool:
        key = (place, *map(id, resolved))
        if key not in self._reached:
            one = self._second[place]
            self._reached[key] = self._settled.settles(one.sides, self._region, one.key, (), asked)
        return self._reached[key]

    def _places_of(self, asked: Asked) -> t.Optional[t.Tuple[int, Key]]:
        """Return where the entries that are asked stand in the second list, and the last key of them; None when one is missing there.

        One that no packet reaches in the second list may be missing.
        """
        name = id(asked)
        if name not in self._found:
            self._found[name] = self._look(asked.entries(self._region))
        return self._found[name]

    def _look(self, entries: t.Sequence[Entry]) -> t.Optional[t.Tuple[int, Key]]:
        if self._kinds is None:
            self._kinds = _kinds(self._second)
        groups = _kinds(entries)
        there: t.Optional[Settled] = None
        found: t.List[int] = []
        for kind, places in groups.items():
            own = self._kinds.get(kind, [])
            found += own
            if {entries[place].sides for place in places} == {self._second[place].sides for place in own}:
                continue
            # Parts of one rule, cut up in another way: what one side lacks must be decided before.
            if not all((decides(entries[place].rule) or not own) and self._stands(entries[place], own) for place in places):
                return None
            for place in own:
                part = self._second[place]
                if not any(covers(entries[one].sides, part.sides) for one in places):
                    there = there or Settled(entries, self._tops)
                    if not there.settles(part.sides, self._region, part.key, places):
                        return None
        return (bits(found, len(self._second)), entries[-1].key) if entries else (0, (-1, 0))

    def _stands(self, entry: Entry, own: t.Sequence[int]) -> bool:
        """Return whether all of an entry's packets are decided in the second list by its parts there, or before."""
        key = (entry.key, entry.sides)
        if key not in self._standing:
            self._standing[key] = self._settled.settles(entry.sides, self._region, entry.key, own)
        return self._standing[key]

    def _moved(self, settled: t.Sequence[Entry], early: t.Dict[int, Key]) -> t.Optional[t.List[Entry]]:
        """Return the first list with some entries at earlier keys, and with them what must stay before them; None when too many move."""
        # What moves asks again what it asked: that stands behind it now.
        index = Index([entry.sides for entry in self._first], self._tops)
        different = different_from([entry.effect for entry in self._first])
        waiting = sorted(early)
        keys = [entry.key for entry in settled]
        while waiting:
            place = waiting.pop()
            key = early[place]
            keys[place] = min(keys[place], key)
            for other in members(index.meeting(self._first[place].sides) & different(self._first[place].effect) & ((1 << place) - 1)):
                if keys[other] > key and (other not in early or early[other] > key):
                    early[other] = key
                    waiting.append(other)
            if len(early) > MAX_MOVED:
                return None
        # Of equal keys those of the first list stand first, in their order.
        moved = [
            entry if entry.key == key else first.at(key) for entry, first, key in zip(settled, self._first, keys)
        ]  # fmt: skip
        return sorted(moved, key=lambda entry: entry.key)


def _told_apart(entries: t.List[Entry]) -> t.List[Entry]:
    """Give entries of one key, unless they are parts of one rule, keys of their own in the order in which they stand."""
    found: t.List[Entry] = []
    for entry in entries:
        last = found[-1] if found else None
        if last is not None and (entry.key < last.key or (entry.key == last.key and entry.kind() != last.kind())):
            entry = entry.at((last.key[0], last.key[1] + 1))
        found.append(entry)
    return found


def _kinds(entries: t.Sequence[Entry]) -> t.Dict[t.Tuple[t.Any, ...], t.List[int]]:
    found: t.Dict[t.Tuple[t.Any, ...], t.List[int]] = {}
    for place, entry in enumerate(entries):
        found.setdefault(entry.kind(), []).append(place)
    return found
