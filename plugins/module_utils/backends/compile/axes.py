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

_PORTS = boxes.PORT_TOP + 1
_FIRST_V6 = boxes.IPV4_TOP + 1
_OTHER = len(WITH_PORTS) * _PORTS
ADDRESS_END = _FIRST_V6 + boxes.ADDRESS_TOP
ENDS = {SOURCE: ADDRESS_END, DESTINATION: ADDRESS_END, PORT: _OTHER + 255}
_ALL_ADDRESSES: Footprint = ((0, ADDRESS_END),)
#: The footprint of a rule that an axis does not tell anything about; always these very objects.
WHOLE: t.Dict[str, Footprint] = {SOURCE: _ALL_ADDRESSES, DESTINATION: _ALL_ADDRESSES, PORT: ((0, ENDS[PORT]),)}

_IPV4_ONLY = ((0, 0),)
_IPV6_ONLY = ((1, 1),)
_ALL_IPV4 = ((0, boxes.IPV4_TOP),)
_ALL_IPV6 = ((_FIRST_V6, ADDRESS_END),)
_ANY_ADDRESS = ((0, boxes.ADDRESS_TOP),)
_ANY_PORT = ((0, boxes.PORT_TOP),)
_ANY_PROTOCOL = ((0, 255),)


def footprint(sides: Sides, axis: str) -> Footprint:
    """Return the coordinates that packets in these sides can have on an axis."""
    if axis == PORT:
        return _on_ports(sides[boxes.PROTOCOL], sides[boxes.PORT])
    return _on_addresses(sides[boxes.FAMILY], sides[boxes.SOURCE if axis == SOURCE else boxes.DESTINATION])


def address_place(coordinate: int) -> t.Tuple[int, int]:
    """Return the family (4 or 6) and the address number of a coordinate on an address axis."""
    return (4, coordinate) if coordinate < _FIRST_V6 else (6, coordinate - _FIRST_V6)


def address_coordinate(family: int, number: int) -> int:
    """Return where an address stands on an address axis."""
    return number if family == 4 else number + _FIRST_V6


def port_place(coordinate: int) -> t.Tuple[int, t.Optional[int]]:
    """Return the protocol and the port of a coordinate on the axis ``PORT``; the port is None for protocols without ports there."""
    if coordinate >= _OTHER:
        return coordinate - _OTHER, None
    return WITH_PORTS[coordinate // _PORTS], coordinate % _PORTS


def port_coordinate(protocol: int, port: t.Optional[int]) -> int:
    """Return where a packet of a protocol stands on the axis ``PORT``."""
    if protocol in WITH_PORTS:
        return WITH_PORTS.index(protocol) * _PORTS + (port or 0)
    return _OTHER + protocol


def family_ends(family: int) -> t.Tuple[int, int]:
    """Return the first and the last coordinate of a family on an address axis."""
    return (0, boxes.IPV4_TOP) if family == 4 else (_FIRST_V6, ADDRESS_END)


def protocol_ends(protocol: int) -> t.Tuple[int, int]:
    """Return the first and the last coordinate of a protocol on the axis ``PORT``."""
    if protocol in WITH_PORTS:
        start = WITH_PORTS.index(protocol) * _PORTS
        return start, start + _PORTS - 1
    return _OTHER + protocol, _OTHER + protocol


def stretches(axis: str, low: int, high: int) -> t.List[t.Tuple[int, int, int]]:
    """Cut an interval where its packets change their family (address axes) or protocol (``PORT``).

    :returns: family or protocol, first and last address or port; for a protocol without ports 0 and 0.
    """
    found = []
    if axis != PORT:
        if low < _FIRST_V6:
            found.append((4, low, min(high, boxes.IPV4_TOP)))
        if high >= _FIRST_V6:
            found.append((6, max(low, _FIRST_V6) - _FIRST_V6, high - _FIRST_V6))
        return found
    for number, protocol in enumerate(WITH_PORTS):
        start = number * _PORTS
        if low < start + _PORTS and high >= start:
            found.append((protocol, max(low, start) - start, min(high, start + boxes.PORT_TOP) - start))
    found.extend((one - _OTHER, 0, 0) for one in range(max(low, _OTHER), high + 1))
    return found


def clipped(intervals: Footprint, low: int, high: int) -> Footprint:
    """Return the part of a footprint between two coordinates, both included."""
    if intervals[0][0] >= low and intervals[-1][1] <= high:
        return intervals
    return tuple((max(first, low), min(last, high)) for first, last in intervals if first <= high and last >= low)


def meets(intervals: Footprint, low: int, high: int) -> bool:
    """Return whether a footprint has a coordinate between two, both included."""
    if len(intervals) == 1:
        return intervals[0][0] <= high and intervals[0][1] >= low
    return any(first <= high and last >= low for first, last in intervals)


def holds(intervals: Footprint, low: int, high: int) -> bool:
    """Return whether a footprint has every coordinate between two, both included."""
    return any(first <= low and high <= last for first, last in intervals)


def _on_addresses(families: Footprint, intervals: Footprint) -> Footprint:
    if families == _IPV4_ONLY:
        if intervals == _ANY_ADDRESS:
            return _ALL_IPV4
        if intervals[-1][1] <= boxes.IPV4_TOP:
            return intervals
        return (*intervals[:-1], (intervals[-1][0], boxes.IPV4_TOP))  # boxes extend what ends at the last IPv4 address
    if families == _IPV6_ONLY:
        if intervals == _ANY_ADDRESS:
            return _ALL_IPV6
        return tuple((low + _FIRST_V6, high + _FIRST_V6) for low, high in intervals)
    if intervals == _ANY_ADDRESS:
        return _ALL_ADDRESSES
    return (*_on_addresses(_IPV4_ONLY, intervals), *_on_addresses(_IPV6_ONLY, intervals))


def _on_ports(protocols: Footprint, ports: Footprint) -> Footprint:
    if protocols == _ANY_PROTOCOL and ports == _ANY_PORT:
        return WHOLE[PORT]
    found: t.List[Interval] = []
    for first, last in protocols:
        for protocol in range(first, last + 1):
            if protocol in WITH_PORTS:
                start = WITH_PORTS.index(protocol) * _PORTS
                found.extend((low + start, high + start) for low, high in ports)
            else:
                found.append((_OTHER + protocol, _OTHER + protocol))
    return tuple(sorted(found))
