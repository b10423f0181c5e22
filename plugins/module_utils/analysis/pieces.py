# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of one list that stand in the other list in pieces: one rule for each address or port, or halves of networks.

Pure: touches nothing. Exact: an entry gives way to pieces of itself only where they are disjoint and make up just what it matches, so
the outcome of every packet stays the same.
"""

from __future__ import annotations

import typing as t
from bisect import bisect_left

from .boxes import DESTINATION, FAMILY, PORT, PROTOCOL, SOURCE, SOURCE_PORT, STATE, Box, Interval
from .first_match import Entry, Item

_Side = t.Optional[t.Tuple[Interval, ...]]
#: The dimensions in which backends take rules apart, alone or two together.
_SPLITS: t.Tuple[t.Tuple[int, ...], ...] = (
    (SOURCE,), (DESTINATION,), (PORT,), (SOURCE_PORT,), (FAMILY,), (PROTOCOL,), (STATE,),
    (SOURCE, DESTINATION), (SOURCE, PORT), (DESTINATION, PORT), (SOURCE_PORT, PORT),
)  # fmt: skip
#: Pieces are only looked for where so many entries have no equal.
_ENOUGH = 16
#: So many pieces are tried for one entry.
_MOST = 20000


def fitted(left: t.List[Item], right: t.List[Item], box: Box) -> t.Tuple[t.List[Item], t.List[Item]]:
    """Return two lists of a cell with entries taken apart where the other list has the pieces."""
    known_left, known_right = {item[0] for item in left}, {item[0] for item in right}
    alone_left = [entry for entry in known_left if entry not in known_right]
    alone_right = [entry for entry in known_right if entry not in known_left]
    if len(alone_left) + len(alone_right) < _ENOUGH:
        return left, right
    left = _replaced(left, _taken_apart(alone_left, alone_right, box))
    known_left = {item[0] for item in left}
    alone_left = [entry for entry in known_left if entry not in known_right]
    alone_right = [entry for entry in known_right if entry not in known_left]
    return left, _replaced(right, _taken_apart(alone_right, alone_left, box))


def _replaced(items: t.List[Item], pieces: t.Mapping[Entry, t.Sequence[Entry]]) -> t.List[Item]:
    if not pieces:
        return items
    found: t.List[Item] = []
    for item in items:
        those = pieces.get(item[0])
        if those is None:
            found.append(item)
        else:
            found.extend((entry, item[1]) for entry in those)
    return found


def _taken_apart(wholes: t.Sequence[Entry], parts: t.Sequence[Entry], box: Box) -> t.Dict[Entry, t.Sequence[Entry]]:
    """Return for entries of ``wholes`` the entries of ``parts`` that they consist of."""
    found: t.Dict[Entry, t.Sequence[Entry]] = {}
    waiting = list(wholes)
    tokens = {entry[0] for entry in waiting}
    parts = [entry for entry in parts if entry[0] in tokens]
    narrow = {one: [entry for entry in parts if entry[one + 1] is not None] for one in sorted({one for split in _SPLITS for one in split})}
    for dimensions in _SPLITS:
        those = narrow[dimensions[0]]
        if len(dimensions) > 1 and those:
            those = [entry for entry in those if entry[dimensions[1] + 1] is not None]
        if not waiting or not those:
            continue
        places = [one + 1 for one in dimensions]
        wanted = {_without(entry, places) for entry in waiting}
        groups: t.Dict[Entry, t.List[Entry]] = {}
        for entry in those:
            key = _without(entry, places)
            if key in wanted:
                groups.setdefault(key, []).append(entry)
        ready: t.Dict[Entry, t.Tuple[t.List[int], t.List[Entry]]] = {}
        left_over: t.List[Entry] = []
        for entry in waiting:
            key = _without(entry, places)
            group = groups.get(key)
            pieces = None
            if group is not None:
                if key not in ready:
                    group.sort(key=lambda one: one[places[0]][0][0])
                    ready[key] = ([one[places[0]][0][0] for one in group], group)
                pieces = _pieces(entry, ready[key], places, box)
            if pieces is None:
                left_over.append(entry)
            else:
                found[entry] = pieces
        waiting = left_over
    return found


def _without(entry: Entry, places: t.Sequence[int]) -> Entry:
    key = list(entry)
    for place in places:
        key[place] = 0
    return tuple(key)


def _pieces(
    whole: Entry, group: t.Tuple[t.List[int], t.List[Entry]], places: t.Sequence[int], box: Box
) -> t.Optional[t.List[Entry]]:  # fmt: skip
    """Return the entries of a group, sorted by their first numbers in the first dimension, that make up an entry, or None."""
    sides = [whole[place] if whole[place] is not None else (box[place - 1],) for place in places]
    start = bisect_left(group[0], sides[0][0][0])
    end = bisect_left(group[0], sides[0][-1][1] + 1)
    if end - start > _MOST:
        return None
    chosen = [entry for entry in group[1][start:end] if all(_within(entry[place], side) for place, side in zip(places, sides))]
    if len(chosen) < 2:
        return None
    if len(places) == 1:
        return chosen if _make_up([entry[places[0]] for entry in chosen], sides[0]) else None
    rows: t.Dict[t.Any, t.List[t.Any]] = {}
    for entry in chosen:
        rows.setdefault(entry[places[0]], []).append(entry[places[1]])
    if all(_make_up(row, sides[1]) for row in rows.values()) and _make_up(list(rows), sides[0]):
        return chosen
    return None


def _within(part: t.Sequence[Interval], whole: t.Sequence[Interval]) -> bool:
    if len(whole) == 1:
        return whole[0][0] <= part[0][0] and part[-1][1] <= whole[0][1]
    at = 0
    for low, high in part:
        while at < len(whole) and whole[at][1] < low:
            at += 1
        if at == len(whole) or low < whole[at][0] or high > whole[at][1]:
            return False
    return True


def _make_up(parts: t.Sequence[t.Sequence[Interval]], whole: t.Sequence[Interval]) -> bool:
    """Return whether disjoint sides inside a whole one, and nothing else, make it up."""
    intervals = sorted(one for part in parts for one in part)
    for (_low, high), (low, _high) in zip(intervals, intervals[1:]):
        if low <= high:
            return False
    return sum(high - low + 1 for low, high in intervals) == sum(high - low + 1 for low, high in whole)
