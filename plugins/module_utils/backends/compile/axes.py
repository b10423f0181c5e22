# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines of numbers along which a list of rules can be cut: source, destination, and protocol with destination port.

Pure: touches nothing. On an axis every packet has one coordinate, and a rule has a footprint: the sorted, disjoint intervals of the
coordinates that its packets can have.

- ``SOURCE``, ``DESTINATION``: the address number; IPv6 addresses stand behind all IPv4 addresses.
- ``PORT``: for TCP, UDP and SCTP the destination port, one protocol behind the other; behind them one number for each other protocol.
"""

from __future__ import annotations

import typing as t

from ...analysis import boxes
from ...analysis.boxes import Interval, Sides
from ...policy.protocols import SCTP, TCP, UDP

SOURCE, DESTINATION, PORT = "source", "destination", "port"
AXES = (SOURCE, DESTINATION, PORT)
#: What has few values: a family (4, 6), a protocol number, the number of an interface.
FAMILY, PROTOCOL, ARRIVING, LEAVING = "family", "protocol", "arriving", "leaving"
#: The protocols that have their ports on the axis ``PORT``, in the order in which they stand there.
WITH_PORTS = (TCP, UDP, SCTP)

Footprint = t.Tuple[Interval, ...]
#: For some dimensions of packets (see ``analysis.boxes``) the interval that they are in.
Region = t.Mapping[int, Interval]

_PORTS = boxes.PORT_TOP + 1
_FIRST_V6 = boxes.IPV4_TOP + 1
_OTHER = len(WITH_PORTS) * _PORTS
ADDRESS_END = _FIRST_V6 + boxes.ADDRESS_TOP
#: Coordinates at which a packet's family or protocol changes: no cell reaches across.
BREAKS = {SOURCE: (_FIRST_V6,), DESTINATION: (_FIRST_V6,), PORT: tuple(_PORTS * number for number in range(1, len(WITH_PORTS) + 1))}
#: The coordinate behind the last one that is told apart: protocols without ports are not.
ENDS = {SOURCE: ADDRESS_END + 1, DESTINATION: ADDRESS_END + 1, PORT: _OTHER}

_DIMENSION = {SOURCE: boxes.SOURCE, DESTINATION: boxes.DESTINATION}
_IPV4, _IPV6 = (0, 0), (1, 1)
_ANY_ADDRESS = (0, boxes.ADDRESS_TOP)
_ANY_PORT = (0, boxes.PORT_TOP)
_ANY_PROTOCOL = (0, 255)


def footprint(sides: Sides, axis: str) -> t.Optional[Footprint]:
    """Return the coordinates that packets in these sides can have on an axis; None where the axis does not tell them apart.

    That is a rule that asks for no address or port there, or (``PORT``) for a protocol without ports.
    """
    if axis == PORT:
        return _on_ports(sides[boxes.PROTOCOL], sides[boxes.PORT])
    return _on_addresses(sides[boxes.FAMILY], sides[_DIMENSION[axis]])


def place_of(axis: str, coordinate: int) -> t.Tuple[int, int]:
    """Return the family or protocol, and the address or port, of a coordinate below the end of an axis."""
    if axis == PORT:
        return WITH_PORTS[coordinate // _PORTS], coordinate % _PORTS
    return (4, coordinate) if coordinate < _FIRST_V6 else (6, coordinate - _FIRST_V6)


def coordinate_of(axis: str, kind: int, number: int) -> t.Optional[int]:
    """Return the coordinate of an address (``kind`` is its family) or port (its protocol), or None where the axis has none."""
    if axis == PORT:
        return WITH_PORTS.index(kind) * _PORTS + number if kind in WITH_PORTS else None
    return number if kind == 4 else number + _FIRST_V6


def cell_region(axis: str, low: int, high: int) -> Region:
    """Return where the packets of a cell are."""
    kind, first = place_of(axis, low)
    last = first + high - low
    if axis == PORT:
        return {boxes.PROTOCOL: (kind, kind), boxes.PORT: (first, last)}
    if kind == 4 and last == boxes.IPV4_TOP:
        last = boxes.ADDRESS_TOP  # as boxes say it
    return {boxes.FAMILY: _IPV4 if kind == 4 else _IPV6, _DIMENSION[axis]: (first, last)}


def fork_region(kind: str, coordinate: int) -> Region:
    """Return where the packets of a branch are."""
    if kind == FAMILY:
        return {boxes.FAMILY: _IPV4 if coordinate == 4 else _IPV6}
    dimension = {PROTOCOL: boxes.PROTOCOL, ARRIVING: boxes.ARRIVING, LEAVING: boxes.LEAVING}[kind]
    return {dimension: (coordinate, coordinate)}


def within(sides: Sides, region: Region) -> t.Optional[Sides]:
    """Return the part of sides that lies in a region, or None when there is none."""
    found = sides
    for dimension, (low, high) in region.items():
        side = sides[dimension]
        if side[0][0] < low or side[-1][1] > high:
            side = clipped(side, low, high)
            if not side:
                return None
            found = (*found[:dimension], side, *found[dimension + 1 :])
    return found


def narrowed(region: Region, more: Region) -> Region:
    """Return the region that is in both."""
    both = dict(region)
    for dimension, (low, high) in more.items():
        first, last = region.get(dimension, (low, high))
        both[dimension] = (max(low, first), min(high, last))
    return both


def covers(wide: Sides, narrow: Sides) -> bool:
    """Return whether every packet in ``narrow`` is in ``wide``."""
    for one, other in zip(wide, narrow):
        if one is not other and one != other and not all(any(first <= low and high <= last for first, last in one) for low, high in other):
            return False
    return True


def clipped(intervals: Footprint, low: int, high: int) -> Footprint:
    """Return the part of some intervals between two numbers, both included."""
    return tuple((max(first, low), min(last, high)) for first, last in intervals if first <= high and last >= low)


def _on_addresses(families: Footprint, intervals: Footprint) -> t.Optional[Footprint]:
    if intervals[0] == _ANY_ADDRESS:
        return None
    if families[0] == _IPV6:
        return tuple((low + _FIRST_V6, high + _FIRST_V6) for low, high in intervals)
    # Boxes extend what ends at the last IPv4 address.
    return intervals if intervals[-1][1] <= boxes.IPV4_TOP else (*intervals[:-1], (intervals[-1][0], boxes.IPV4_TOP))


def _on_ports(protocols: Footprint, ports: Footprint) -> t.Optional[Footprint]:
    if protocols[0][0] != protocols[-1][1] or protocols[0][0] not in WITH_PORTS:
        return None
    start = WITH_PORTS.index(protocols[0][0]) * _PORTS
    if ports[0] == _ANY_PORT:
        return ((start, start + boxes.PORT_TOP),)
    return tuple((low + start, high + start) for low, high in ports)
