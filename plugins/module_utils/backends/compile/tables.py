# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of one shape as entries of one table: the same conditions, told apart by the values of a few fields.

Pure: touches nothing. The entries of a table exclude each other: where rules overlap, the first one in the list keeps the packets.
"""

from __future__ import annotations

import itertools
import typing as t
from bisect import bisect_left
from dataclasses import dataclass

from ...analysis import boxes
from ...analysis.boxes import Interval, Sides
from ...policy.ports import PortRange
from ...policy.rule import Rule
from .axes import WITH_PORTS

SOURCE, DESTINATION, SOURCE_PORT, PORT = "source", "destination", "source_port", "port"
#: The fields that a key can have, in the order in which they stand in it, and their dimensions.
FIELDS = {SOURCE: boxes.SOURCE, DESTINATION: boxes.DESTINATION, SOURCE_PORT: boxes.SOURCE_PORT, PORT: boxes.PORT}
#: A rule with more combinations of its addresses and ports than this stays a line.
MAX_ENTRIES = 64

#: One interval for each field of the shape.
Key = t.Tuple[Interval, ...]
_WHOLE_ADDRESS = ((0, boxes.ADDRESS_TOP),)
_WHOLE_PORT = ((0, boxes.PORT_TOP),)


@dataclass(frozen=True)
class Shape:
    """What the rules of a table have in common.

    :ivar family: 4 or 6, or None for both.
    :ivar stateful: None, or the action of the stateful rules (it says which states they match).
    :ivar ports: destination ports that all of them have; None where ports are a field of the key, or are not asked for.
    :ivar fields: the fields of the key.
    :ivar exact: whether each key is one value in each field.
    """

    family: t.Optional[int]
    protocol: t.Optional[int]
    interface: t.Optional[str]
    out_interface: t.Optional[str]
    stateful: t.Optional[str]
    ports: t.Optional[t.Tuple[PortRange, ...]]
    fields: t.Tuple[str, ...]
    exact: bool


def shape_of(rule: Rule, sides: Sides) -> t.Optional[Shape]:
    """Return the shape of a rule, or None when it cannot be an entry. Its effect must be a mere verdict (see ``effects``)."""
    if rule.icmp_types or rule.reply or rule.established or rule.limit is not None:
        return None
    if (rule.ports or rule.source_ports) and rule.protocol not in WITH_PORTS:
        return None
    fields = []
    exact = True
    count = 1
    for name, dimension in FIELDS.items():
        side = sides[dimension]
        if side == (_WHOLE_PORT if name in (SOURCE_PORT, PORT) else _WHOLE_ADDRESS):
            continue
        fields.append(name)
        count *= len(side)
        exact = exact and all(_single(one, name, sides) for one in side)
    if not fields or count > MAX_ENTRIES:
        return None
    family = 4 if sides[boxes.FAMILY] == ((0, 0),) else 6 if sides[boxes.FAMILY] == ((1, 1),) else None
    stateful = rule.action if rule.stateful else None
    return Shape(family, rule.protocol, rule.interface, rule.out_interface, stateful, None, tuple(fields), exact)


def apart(one: Shape, other: Shape) -> bool:
    """Return whether rules of two shapes can share no packet."""
    return any(
        left is not None and right is not None and left != right
        for left, right in (
            (one.family, other.family), (one.protocol, other.protocol), (one.interface, other.interface),
            (one.out_interface, other.out_interface),
        )
    )  # fmt: skip


def keys_of(shape: Shape, sides: Sides) -> t.List[Key]:
    """Return the keys of a rule of a shape; they exclude each other."""
    spans: t.List[t.Sequence[Interval]] = []
    for name in shape.fields:
        side = sides[FIELDS[name]]
        if name in (SOURCE, DESTINATION) and shape.family == 4 and side[-1][1] > boxes.IPV4_TOP:
            side = (*side[:-1], (side[-1][0], boxes.IPV4_TOP))
        spans.append(side)
    if len(spans) == 1:
        return [(one,) for one in spans[0]]
    return list(itertools.product(*spans))


def resolve(
    shape: Shape, keys: t.Iterable[t.Tuple[int, t.Sequence[Key]]], most_left: int
) -> t.Optional[t.Tuple[t.List[t.Tuple[Key, int]], t.List[int]]]:
    """Make the keys of rules, in their order, exclude each other.

    :returns: the entries, and the rules that could not become entries without being cut up too much; those must come after the table.
        None when there are more than ``most_left`` of those.
    """
    if shape.exact:
        return _resolve_exact(keys), []
    if len(shape.fields) == 1:
        return _resolve_line(keys), []
    return _resolve_boxes(keys, most_left)


def _single(interval: Interval, name: str, sides: Sides) -> bool:
    if interval[0] == interval[1]:
        return True
    # What ends at the last IPv4 address is extended.
    return name in (SOURCE, DESTINATION) and sides[boxes.FAMILY] == ((0, 0),) and interval == (boxes.IPV4_TOP, boxes.ADDRESS_TOP)


def _resolve_exact(keys: t.Iterable[t.Tuple[int, t.Sequence[Key]]]) -> t.List[t.Tuple[Key, int]]:
    taken: t.Dict[Key, int] = {}
    for number, found in keys:
        for key in found:
            taken.setdefault(key, number)
    return list(taken.items())


def _resolve_line(keys: t.Iterable[t.Tuple[int, t.Sequence[Key]]]) -> t.List[t.Tuple[Key, int]]:
    lows: t.List[int] = []
    taken: t.List[t.Tuple[int, int, int]] = []
    for number, found in keys:
        for ((low, high),) in found:
            place = bisect_left(lows, low)
            if place and taken[place - 1][1] >= low:
                low = taken[place - 1][1] + 1
            pieces = []
            end = place
            while low <= high:
                if end == len(taken) or taken[end][0] > high:
                    pieces.append((low, high, number))
                    break
                if taken[end][0] > low:
                    pieces.append((low, taken[end][0] - 1, number))
                low = taken[end][1] + 1
                end += 1
            if pieces:
                taken[place:end] = sorted(taken[place:end] + pieces)
                lows[place:end] = [one[0] for one in taken[place : end + len(pieces)]]
    return [(((low, high),), number) for low, high, number in taken]


def _resolve_boxes(
    keys: t.Iterable[t.Tuple[int, t.Sequence[Key]]], most_left: int
) -> t.Optional[t.Tuple[t.List[t.Tuple[Key, int]], t.List[int]]]:
    keys = list(keys)
    entries: t.List[t.Tuple[Key, int]] = []
    left: t.List[int] = []
    place = _telling([found for _number, found in keys])
    taken, behind = _Taken(place), _Taken(place)
    for number, found in keys:
        free = []
        if len(left) > most_left:
            return None
        if any(behind.meeting(key) for key in found):
            left.append(number)  # what comes after the table keeps its order
            for key in found:
                behind.put(key)
            continue
        for key in found:
            hits = taken.meeting(key)
            if not hits:
                free.append(key)
            elif not any(_inside(key, other) for other in hits):
                left.append(number)
                for one in found:
                    behind.put(one)
                break
        else:
            for key in free:
                taken.put(key)
                entries.append((key, number))
    return entries, left


def _telling(keys: t.Sequence[t.Sequence[Key]]) -> int:
    """Return the place of the field that tells most keys apart."""
    places = range(len(keys[0][0])) if keys and keys[0] else range(1)
    return max(places, key=lambda place: len({key[place] for found in keys for key in found}))


def _inside(key: Key, other: Key) -> bool:
    return all(first <= low and high <= last for (low, high), (first, last) in zip(key, other))


class _Taken:
    """Keys that are in use, found again by one of their fields, in buckets of the size of a power of two."""

    def __init__(self, place: int) -> None:
        self._place = place
        self._sizes: t.Dict[int, t.Dict[int, t.List[Key]]] = {}

    def put(self, key: Key) -> None:
        low, high = key[self._place]
        size = (high - low).bit_length()
        buckets = self._sizes.setdefault(size, {})
        for bucket in range(low >> size, (high >> size) + 1):
            buckets.setdefault(bucket, []).append(key)

    def meeting(self, key: Key) -> t.List[Key]:
        low, high = key[self._place]
        found: t.List[Key] = []
        for size, buckets in self._sizes.items():
            first, last = low >> size, high >> size
            if last - first < len(buckets):
                candidates: t.Iterable[Key] = (one for bucket in range(first, last + 1) for one in buckets.get(bucket, ()))
            else:
                candidates = (one for bucket, members in buckets.items() if first <= bucket <= last for one in members)
            found.extend(one for one in candidates if all(a <= d and c <= b for (a, b), (c, d) in zip(key, one)))
        return found
