# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rule that matches what two rules match, and the part of a rule that lies in a cell.

Pure: touches nothing.
"""

from __future__ import annotations

import ipaddress
import typing as t
from dataclasses import replace

from ...analysis import boxes
from ...analysis.boxes import Interval
from ...policy.addresses import ANY, Addresses, Network, make_addresses
from ...policy.ports import MAX_PORT, MIN_PORT, PortRange, merge_ports
from ...policy.protocols import TCP
from ...policy.rule import Rule
from .axes import ARRIVING, ENDS, FAMILY, LEAVING, PORT, PROTOCOL, SOURCE, WITH_PORTS, place_of


class Inexpressible(Exception):
    """The language has no rule for these packets; only an edit by hand leads here."""


def meet(one: Rule, other: Rule, comment: t.Optional[str] = None) -> t.Optional[Rule]:
    """Return the rule that matches what both match, with the effect of ``other``, or None when there is no such packet.

    :param comment: of the new rule; without it that of ``other``.

    :raises Inexpressible: see there.
    """
    if _matches_all(other):
        if other.action == "reject" and one.protocol == TCP:
            raise Inexpressible  # a TCP packet that is not answered with a reset
        if comment is None:
            comment = other.comment
        return replace(one, action=other.action, limit=other.limit, log=other.log, comment=comment)
    family = _same(one.family, other.family)
    protocol = _same(one.protocol, other.protocol)
    interface = _same(one.interface, other.interface)
    out_interface = _same(one.out_interface, other.out_interface)
    if family is None or protocol is None or interface is None or out_interface is None:
        return None
    if other.action == "reject" and (other.protocol == TCP) != (protocol[0] == TCP):
        raise Inexpressible
    source = _common_addresses(one.source, other.source)
    destination = _common_addresses(one.destination, other.destination)
    ports = _common_ports(one.ports, other.ports)
    source_ports = _common_ports(one.source_ports, other.source_ports)
    types = one.icmp_types or other.icmp_types
    if one.icmp_types and other.icmp_types:
        types = tuple(number for number in one.icmp_types if number in other.icmp_types)
        if not types:
            return None
    if source is None or destination is None or ports is None or source_ports is None:
        return None
    if (one.reply, one.established) != (False, False) and (one.reply, one.established) != (other.reply, other.established):
        raise Inexpressible
    if one.stateful and (one.action == "allow") != (other.action == "allow") and not (one.action == "allow" and other.stateful):
        raise Inexpressible  # an allow of new connections only, a deny of established ones
    return replace(
        other, comment=other.comment if comment is None else comment, family=family[0],
        protocol=protocol[0], interface=interface[0], out_interface=out_interface[0], source=source,
        destination=destination, ports=ports, source_ports=source_ports, icmp_types=types, stateful=one.stateful or other.stateful,
    )  # fmt: skip


def in_cell(rule: Rule, axis: str, low: int, high: int, names: t.Sequence[str]) -> t.List[Rule]:
    """Return the part of a rule that lies between two coordinates.

    :param names: of the interfaces, by number less one.
    :raises Inexpressible: for a rule of the packets of all interfaces but some.
    """
    found = []
    for match in _matches(rule.direction, axis, low, high, names):
        if axis == PORT and not rule.ports and match.ports and match.ports[0].first == MIN_PORT:
            raise Inexpressible  # port 0 cannot be said
        part = meet(match, rule)
        if part is not None:
            found.append(part)
    return found


def outside(rule: Rule, axis: str, cells: t.Sequence[Interval], names: t.Sequence[str]) -> t.List[Rule]:
    """Return the part of a rule that lies in none of some cells (ascending).

    :raises Inexpressible: where the axis leaves packets out (protocols without ports) that the rule matches, and for forks.
    """
    if not cells:
        return [rule]
    if axis not in ENDS:
        raise Inexpressible
    if axis == PORT and rule.protocol not in WITH_PORTS:
        if rule.protocol is None:
            raise Inexpressible
        return [rule]
    gaps = boxes.complement_of(cells, ENDS[axis] - 1)
    return [part for low, high in gaps for part in in_cell(rule, axis, low, high, names)]


def range_of(family: int, low: int, high: int) -> Addresses:
    """Return the addresses between two, both included, as a rule has them."""
    top = boxes.IPV4_TOP if family == 4 else boxes.ADDRESS_TOP
    if low == 0 and high >= top:
        return ANY
    size = high - low
    kind = ipaddress.IPv4Network if family == 4 else ipaddress.IPv6Network
    if size & (size + 1) == 0 and low & size == 0:
        return Addresses((kind((low, (32 if family == 4 else 128) - size.bit_length())),))
    address = ipaddress.IPv4Address if family == 4 else ipaddress.IPv6Address
    return Addresses(tuple(ipaddress.summarize_address_range(address(low), address(high))))


_NOTHING_ASKED = Rule("allow", protocol=None)


def _matches_all(rule: Rule) -> bool:
    return (
        rule.protocol is None and rule.family is None and rule.source.any and rule.destination.any and not rule.ports
        and not rule.source_ports and not rule.icmp_types and rule.interface is None and rule.out_interface is None
        and not rule.stateful and not rule.reply and not rule.established
    )  # fmt: skip


def _same(one: t.Any, other: t.Any) -> t.Optional[t.Tuple[t.Any]]:
    if one is None or one == other:
        return (other,)
    return (one,) if other is None else None


def _matches(direction: str, axis: str, low: int, high: int, names: t.Sequence[str]) -> t.Iterator[Rule]:
    base = replace(_NOTHING_ASKED, direction=direction)
    if axis == FAMILY:
        yield replace(base, family=low)
    elif axis == PROTOCOL:
        yield replace(base, protocol=low)
    elif axis in (ARRIVING, LEAVING):
        word = "out_interface" if direction == "forward" and axis == LEAVING else "interface"
        words: t.Dict[str, t.Any] = {word: names[low - 1]}
        yield replace(base, **words)
    else:
        while low <= high:
            kind, first = place_of(axis, low)
            last = min(high, low + _room(axis, kind, first))
            number = first + last - low
            if axis == PORT:
                if number >= MIN_PORT:
                    whole = first == 0 and number == MAX_PORT
                    yield replace(base, protocol=kind, ports=() if whole else (PortRange(max(first, MIN_PORT), number),))
            else:
                side: t.Dict[str, t.Any] = {"source" if axis == SOURCE else "destination": range_of(kind, first, number)}
                yield replace(base, family=kind, **side)
            low = last + 1


def _room(axis: str, kind: int, first: int) -> int:
    """Return how many coordinates of the same family or protocol stand behind one."""
    return (boxes.PORT_TOP if axis == PORT else boxes.IPV4_TOP if kind == 4 else boxes.ADDRESS_TOP) - first


def _common_addresses(one: Addresses, other: Addresses) -> t.Optional[Addresses]:
    if one.any or one == other:
        return other
    if other.any:
        return one
    if one.family != other.family or one.family is None:
        return None
    top = boxes.IPV4_TOP if one.family == 4 else boxes.ADDRESS_TOP
    left, right = (boxes.address_intervals(side) for side in (one, other))
    networks: t.List[Network] = []
    for low, high in left:
        for first, last in right:
            if low <= last and first <= high:
                networks += range_of(one.family, max(low, first), min(high, last, top)).networks
    return make_addresses(networks) if networks else None


def _common_ports(one: t.Tuple[PortRange, ...], other: t.Tuple[PortRange, ...]) -> t.Optional[t.Tuple[PortRange, ...]]:
    if not one or one == other:
        return other
    if not other:
        return one
    found = [
        PortRange(max(left.first, right.first), min(left.last, right.last))
        for left in one for right in other if left.first <= right.last and right.first <= left.last
    ]  # fmt: skip
    return merge_ports(found) if found else None
