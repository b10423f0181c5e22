# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where two first-match lists can differ at all.

Pure: touches nothing. ``suspects`` returns entries such that every packet outside of them meets the same outcome in both lists; inside of
them it may or may not differ. This is exact: outside of the suspects both lists hold the same entries, and any two that stand the other
way round are disjoint or do the same.
"""

from __future__ import annotations

import typing as t
from bisect import bisect_left

from .boxes import DIMENSIONS, Work
from .first_match import Entry, Item, entries_meet

#: Up to so many entries are looked for in the other list one by one.
_SHORT = 12
#: Up to so many entries in another order are compared one by one, above it as bit sets.
_FEW = 24
#: Above so many entries bit sets would take too much memory, so every entry in another order is a suspect.
_MANY = 20000


def suspects(left: t.Sequence[Item], right: t.Sequence[Item], limited: t.AbstractSet[int], work: Work) -> t.List[Entry]:
    """Return entries outside of which two lists of one cell are equal; an empty list: they are equal.

    The time grows with the length of the lists, and with its square where many entries have changed their order.

    :raises TooComplex: when the work is used up.
    """
    work.spend(len(left) + len(right))
    start, end_left, end_right = _common_ends(left, right)
    if start == end_left and start == end_right:
        return []
    if end_left + end_right - start - start <= _SHORT:
        mine = [item[0] for item in left[start:end_left]]
        theirs = [item[0] for item in right[start:end_right]]
        common = [entry for entry in mine if entry in theirs]
        if common == [entry for entry in theirs if entry in mine]:
            return [entry for entry in mine if entry not in theirs] + [entry for entry in theirs if entry not in mine]
    places = _places(left, start, end_left, limited)
    found: t.List[Entry] = []
    order: t.List[int] = []
    seen = _Occurrences(limited)
    for item in right[start:end_right]:
        key = seen.key(item[0])
        if key is None:
            continue
        place = places.pop(key, None)
        if place is None:
            found.append(item[0])
        else:
            order.append(place)
    found.extend(left[place][0] for place in places.values())
    if any(order[i] > order[i + 1] for i in range(len(order) - 1)):
        # Where much has no equal the cell is cut anyway, and the order is looked at in its parts.
        cut_anyway = len(order) > _FEW and len(found) > len(order) // 4
        moved = [order[one] for one in _movers(order)] if cut_anyway else _conflicting(left, order, work)
        found.extend(left[place][0] for place in moved)
    return found


class _Occurrences:
    """Tells which entries of a list count: an unlimited entry that was there before is never reached."""

    def __init__(self, limited: t.AbstractSet[int]) -> None:
        self._limited = limited
        self._seen: t.Dict[Entry, int] = {}

    def key(self, entry: Entry) -> t.Any:
        """Return what identifies the entry in its list, or None for one that is never reached."""
        times = self._seen.get(entry, 0)
        self._seen[entry] = times + 1
        if not times:
            return entry
        return (times, entry) if entry[0] in self._limited else None


def _common_ends(left: t.Sequence[Item], right: t.Sequence[Item]) -> t.Tuple[int, int, int]:
    """Return where the common head ends, and where the common tail begins on both sides."""
    start, shorter = 0, min(len(left), len(right))
    while start < shorter:
        one, other = left[start][0], right[start][0]
        if one is not other and one != other:
            break
        start += 1
    end_left, end_right = len(left), len(right)
    while end_left > start and end_right > start and left[end_left - 1][0] == right[end_right - 1][0]:
        end_left -= 1
        end_right -= 1
    return start, end_left, end_right


def _places(items: t.Sequence[Item], start: int, end: int, limited: t.AbstractSet[int]) -> t.Dict[t.Any, int]:
    seen = _Occurrences(limited)
    places: t.Dict[t.Any, int] = {}
    for place in range(start, end):
        key = seen.key(items[place][0])
        if key is not None:
            places[key] = place
    return places


def _conflicting(left: t.Sequence[Item], order: t.Sequence[int], work: Work) -> t.List[int]:
    """Return places in ``left`` such that each pair of entries that changed its order, meets and does not do the same has one of them.

    ``order`` are the places of the same entries as the other list has them.
    """
    if len({left[place][0][0] for place in order}) == 1:
        return []
    movers = _movers(order)
    if len(order) > _MANY:
        return [order[one] for one in movers]
    if len(order) > _FEW:
        work.spend(len(movers) * (3 + len(order) // 4000))
        return _conflicting_by_bits(left, order, movers)
    found = []
    for one in movers:
        place = order[one]
        entry = left[place][0]
        for other, there in enumerate(order):
            if (there > place) == (other < one) and there != place:
                partner = left[there][0]
                if partner[0] != entry[0] and entries_meet(entry, partner):
                    found.append(place)
                    break
    return found


def _movers(order: t.Sequence[int]) -> t.List[int]:
    """Return the indexes that are not in one longest ascending part of ``order``: every pair in another order has one of them."""
    tails: t.List[int] = []
    last: t.List[int] = []
    before: t.List[int] = []
    for index, place in enumerate(order):
        at = bisect_left(tails, place)
        before.append(last[at - 1] if at else -1)
        if at == len(tails):
            tails.append(place)
            last.append(index)
        else:
            tails[at] = place
            last[at] = index
    kept = set()
    index = last[-1] if last else -1
    while index >= 0:
        kept.add(index)
        index = before[index]
    return [index for index in range(len(order)) if index not in kept]


def _conflicting_by_bits(left: t.Sequence[Item], order: t.Sequence[int], movers: t.Sequence[int]) -> t.List[int]:
    """Do what ``_conflicting`` does with one bit for each entry, by its place; entries of several intervals are taken as their hull."""
    ranks = {place: rank for rank, place in enumerate(sorted(order))}
    entries = [left[place][0] for place in sorted(order)]
    asked = [ranks[order[one]] for one in movers]
    everything = (1 << len(entries)) - 1
    partners = _inverted(order, movers, ranks)
    by_token: t.Dict[int, t.List[int]] = {}
    for rank, entry in enumerate(entries):
        by_token.setdefault(entry[0], []).append(rank)
    others = {token: everything ^ _bits(those, len(entries)) for token, those in by_token.items()}
    for number, rank in enumerate(asked):
        partners[number] &= others[entries[rank][0]]
    for place in range(1, DIMENSIONS + 1):
        _keep_meeting(entries, asked, partners, place)
    return [order[movers[number]] for number, mask in enumerate(partners) if mask]


def _inverted(order: t.Sequence[int], movers: t.Sequence[int], ranks: t.Mapping[int, int]) -> t.List[int]:
    """Return for each mover the entries with which it changed its order."""
    wanted = set(movers)
    found: t.List[int] = []
    seen = 0
    for index, place in enumerate(order):
        rank = ranks[place]
        if index in wanted:
            below = (1 << rank) - 1
            found.append((seen >> rank << rank) | (below ^ (seen & below)))
        seen |= 1 << rank
    return found


def _keep_meeting(entries: t.Sequence[Entry], asked: t.Sequence[int], partners: t.List[int], place: int) -> None:
    """Take out of ``partners`` what does not meet the asked entry in one dimension."""
    narrow = [rank for rank, entry in enumerate(entries) if entry[place] is not None]
    if not narrow:
        return
    wild = ((1 << len(entries)) - 1) ^ _bits(narrow, len(entries))
    questions = [number for number, rank in enumerate(asked) if partners[number] and entries[rank][place] is not None]
    started: t.Dict[int, int] = {}
    waiting = sorted(narrow, key=lambda rank: entries[rank][place][0][0])
    mask = at = 0
    for number in sorted(questions, key=lambda one: entries[asked[one]][place][-1][1]):
        high = entries[asked[number]][place][-1][1]
        while at < len(waiting) and entries[waiting[at]][place][0][0] <= high:
            mask |= 1 << waiting[at]
            at += 1
        started[number] = mask & partners[number]
    waiting = sorted(narrow, key=lambda rank: entries[rank][place][-1][1])
    mask = at = 0
    for number in sorted(questions, key=lambda one: entries[asked[one]][place][0][0]):
        low = entries[asked[number]][place][0][0]
        while at < len(waiting) and entries[waiting[at]][place][-1][1] < low:
            mask |= 1 << waiting[at]
            at += 1
        partners[number] = (partners[number] & wild) | (started[number] & ~mask)


def _bits(places: t.Iterable[int], count: int) -> int:
    """Return a number with these bits set."""
    mask = bytearray((count >> 3) + 1)
    for place in places:
        mask[place >> 3] |= 1 << (place & 7)
    return int.from_bytes(mask, "little")
