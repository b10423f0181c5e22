# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules as sets of packets: the ten dimensions of a packet, and the intervals that a rule matches in each of them.

Pure: touches nothing. Exact for every condition of a rule except ``limit`` (how often it matches is no property of a packet).

A packet is a point of ten whole numbers, a box is ten inclusive intervals. The dimensions, in their fixed order:

0. direction: in 0, out 1, forward 2
1. arriving interface: its number in an ``Interfaces`` table; 0 is every interface that no rule names
2. leaving interface: the same
3. family: IPv4 0, IPv6 1
4. protocol: 0 to 255
5. source, 6. destination: address numbers, 0 to 2**128-1. IPv4 uses 0 to 2**32-1, and an interval that ends there is extended to
   2**128-1, so that ``any`` is the same interval in both families
7. source port: 0 to 65535
8. destination port, or the ICMP type where the protocol is 1 or 58: 0 to 65535 (an interval of types that ends at 255 is extended)
9. state of the connection: see ``STATES``

A dimension that means nothing for a packet (the leaving interface of an arriving packet, the port of an ESP packet) is 0 in its point,
and no rule restricts it for such packets: sets of packets are alike there, so equal sets have equal forms.
"""

from __future__ import annotations

import itertools
import typing as t
from dataclasses import dataclass

from ..policy.addresses import Addresses
from ..policy.errors import HoldfastError
from ..policy.nat import NatRule
from ..policy.ports import PortRange
from ..policy.protocols import DCCP, ICMP, ICMPV6, UDPLITE, WITH_PORTS
from ..policy.rule import DIRECTIONS, Rule

Interval = t.Tuple[int, int]
#: Ten intervals: all packets whose numbers lie in them.
Box = t.Tuple[Interval, ...]
#: For each dimension sorted, disjoint intervals that do not touch: all packets with a number in one of them, in every dimension.
Sides = t.Tuple[t.Tuple[Interval, ...], ...]
#: One packet: ten numbers.
Point = t.Tuple[int, ...]

DIRECTION, ARRIVING, LEAVING, FAMILY, PROTOCOL, SOURCE, DESTINATION, SOURCE_PORT, PORT, STATE = range(10)
DIMENSIONS = 10
STATES = ("new", "established-original", "established-reply", "related-original", "related-reply", "invalid", "untracked")

ADDRESS_TOP = 2**128 - 1
IPV4_TOP = 2**32 - 1
PORT_TOP = 65535
TYPE_TOP = 255
#: Every protocol whose packets carry ports.
CARRY_PORTS = WITH_PORTS | {DCCP, UDPLITE}
#: Every protocol whose packets carry an ICMP type.
CARRY_TYPES = frozenset({ICMP, ICMPV6})
#: So many boxes one rule may have: more would not fit into memory.
MAX_BOXES = 200000

_ALL_ADDRESSES = ((0, ADDRESS_TOP),)
_ALL_PORTS = ((0, PORT_TOP),)
_ALL_PROTOCOLS = ((0, 255),)
_PROTOCOL = tuple(((number, number),) for number in range(256))
_DIRECTION = {name: ((number, number),) for number, name in enumerate(DIRECTIONS)}
_FAMILY = {None: ((0, 1),), 4: ((0, 0),), 6: ((1, 1),)}
_ALL_STATES = ((0, 6),)
_OPENING = ((0, 2),)
_NEW = ((0, 0),)
_REPLIES = ((2, 2), (4, 4))
_KNOWN = ((1, 4),)


class TooComplex(HoldfastError):
    """A question about packets that cannot be answered within the bounds on time and memory; nothing was guessed."""


class Work:
    """What may still be done for one question; a step takes plain Python up to some 3 microseconds.

    :ivar left: the steps that are left.
    """

    def __init__(self, steps: int, what: str) -> None:
        self.left = steps
        self._what = what

    def spend(self, steps: int) -> None:
        """Count steps.

        :raises TooComplex: when none are left.
        """
        self.left -= steps
        if self.left < 0:
            raise TooComplex("%s: the rules overlap in too many ways for an exact answer within the bounds on time and memory" % self._what)


@dataclass(frozen=True)
class Interfaces:
    """The interfaces that some rules name, numbered from 1 by name; 0 stands for all others."""

    names: t.Tuple[str, ...] = ()

    @classmethod
    def of(cls, rules: t.Iterable[Rule], nat: t.Iterable[NatRule] = ()) -> Interfaces:
        """Return the table of every interface that the rules and translations name."""
        found: t.Set[str] = set()
        for rule in rules:
            if rule.interface is not None:
                found.add(rule.interface)
            if rule.out_interface is not None:
                found.add(rule.out_interface)
        found.update(one.interface for one in nat if one.interface is not None)
        return cls(tuple(sorted(found)))

    @property
    def top(self) -> int:
        """The highest number."""
        return len(self.names)

    def number(self, name: t.Optional[str]) -> int:
        """Return the number of a packet's interface: 0 when no rule names it, or it is not known."""
        return self.names.index(name) + 1 if name in self.names else 0

    def name(self, number: int) -> t.Optional[str]:
        """Return the name of an interface, or None for 0."""
        return self.names[number - 1] if number else None

    def side(self, name: t.Optional[str]) -> t.Tuple[Interval, ...]:
        """Return the interval of a rule's interface (None: every interface).

        :raises ValueError: for a name that the table lacks, since a rule with it would seem to match more than it does.
        """
        if name is None:
            return ((0, len(self.names)),)
        number = self.names.index(name) + 1
        return ((number, number),)


def whole_box(interfaces: Interfaces) -> Box:
    """Return the box of all packets."""
    ends = (2, interfaces.top, interfaces.top, 1, 255, ADDRESS_TOP, ADDRESS_TOP, PORT_TOP, PORT_TOP, len(STATES) - 1)
    return tuple((0, end) for end in ends)


class AddressSides:
    """Remembers the intervals of addresses that several rules share: one object for all of them."""

    #: So many are remembered; more would cost more memory than they spare.
    KEPT = 4096

    def __init__(self) -> None:
        self._known: t.Dict[int, t.Tuple[Addresses, t.Tuple[Interval, ...]]] = {}

    def __call__(self, addresses: Addresses) -> t.Tuple[Interval, ...]:
        """Return the intervals of ``address_intervals``."""
        if not addresses.networks:
            return _ALL_ADDRESSES
        known = self._known.get(id(addresses))
        if known is None:
            known = (addresses, address_intervals(addresses))  # with the addresses, so that their id stays theirs
            if len(self._known) < self.KEPT:
                self._known[id(addresses)] = known
        return known[1]


def sides_of(
    rule: Rule, interfaces: Interfaces, intervals_of: t.Optional[t.Callable[[Addresses], t.Tuple[Interval, ...]]] = None
) -> t.Optional[Sides]:
    """Return what a rule matches in each dimension, or None when no packet fulfils all its conditions.

    ``intervals_of`` gives the intervals of addresses, from memory where there are many rules.

    In a reply rule both kinds of ports are turned round: ``ports`` are source ports. ``reply`` and ``established`` say which states
    match, whatever ``stateful`` says.
    """
    if (rule.out_interface is not None and rule.direction != "forward") or _families_clash(rule):
        return None
    arriving = leaving = interfaces.side(None)
    protocols: t.Tuple[Interval, ...] = _ALL_PROTOCOLS if rule.protocol is None else _PROTOCOL[rule.protocol]
    if rule.direction == "out":
        leaving = interfaces.side(rule.interface)
    else:
        arriving = interfaces.side(rule.interface)
        if rule.out_interface is not None:
            leaving = interfaces.side(rule.out_interface)
    source_ports = port_intervals(rule.source_ports)
    ports = port_intervals(rule.ports)
    if rule.reply:
        source_ports, ports = ports, source_ports
    if rule.icmp_types:
        if rule.protocol not in CARRY_TYPES:
            return None
        ports = join_intervals([(one, one) for one in rule.icmp_types])
        if ports[-1][1] == TYPE_TOP:
            ports = ports[:-1] + ((ports[-1][0], PORT_TOP),)
    if rule.ports or rule.source_ports:
        if rule.protocol is None:
            protocols = tuple((one, one) for one in sorted(CARRY_PORTS))
        elif rule.protocol not in CARRY_PORTS:
            return None
    sides = (
        _DIRECTION[rule.direction],
        arriving,
        leaving,
        _FAMILY[rule.family if rule.family is not None else rule.source.family or rule.destination.family],
        protocols,
        (intervals_of or address_intervals)(rule.source),
        (intervals_of or address_intervals)(rule.destination),
        source_ports,
        ports,
        states_of(rule),
    )
    return sides if all(sides) else None


def boxes_of(rule: Rule, interfaces: Interfaces) -> t.Tuple[Box, ...]:
    """Return disjoint boxes that hold exactly the packets a rule matches (below its limit, if it has one).

    :raises TooComplex: for more than MAX_BOXES boxes (a rule with thousands of sources and thousands of destinations).
    """
    sides = sides_of(rule, interfaces)
    if sides is None:
        return ()
    count = 1
    for side in sides:
        count *= len(side)
    if count > MAX_BOXES:
        raise TooComplex("a rule is too large to be taken apart: its lists of addresses and ports make %d combinations" % count)
    return tuple(itertools.product(*sides)) if count > 1 else (tuple(side[0] for side in sides),)


def states_of(rule: Rule) -> t.Tuple[Interval, ...]:
    """Return the states (numbers of ``STATES``) in which a packet can match a rule."""
    if rule.reply:
        return _REPLIES
    if rule.established:
        return _KNOWN
    if rule.stateful:
        return _OPENING if rule.action == "allow" else _NEW
    return _ALL_STATES


def port_intervals(ports: t.Sequence[PortRange]) -> t.Tuple[Interval, ...]:
    """Return ports as intervals; no ports are all ports."""
    if not ports:
        return _ALL_PORTS
    if len(ports) == 1:
        return ((ports[0].first, ports[0].last),)
    return join_intervals([(one.first, one.last) for one in ports])


def address_intervals(addresses: Addresses) -> t.Tuple[Interval, ...]:
    """Return addresses as intervals; what ends at the last IPv4 address is extended as the head of this file says."""
    networks = addresses.networks
    if not networks:
        return _ALL_ADDRESSES
    bits, top = (32, IPV4_TOP) if networks[0].version == 4 else (128, ADDRESS_TOP)
    found: t.List[Interval] = []
    for network in networks:
        low = int(network.network_address)
        found.append((low, low + (1 << (bits - network.prefixlen)) - 1))
    merged = join_intervals(found)
    if addresses.negated:
        return complement_of(merged, ADDRESS_TOP if merged[-1][1] < top else merged[-1][0] - 1)
    if merged[-1][1] == top:
        merged = merged[:-1] + ((merged[-1][0], ADDRESS_TOP),)
    return merged


def complement_of(intervals: t.Sequence[Interval], top: int) -> t.Tuple[Interval, ...]:
    """Return the numbers from 0 to ``top`` that lie in none of the sorted, disjoint intervals."""
    gaps: t.List[Interval] = []
    start = 0
    for low, high in intervals:
        if low > top:
            break
        if low > start:
            gaps.append((start, low - 1))
        start = high + 1
    if start <= top:
        gaps.append((start, top))
    return tuple(gaps)


def common_box(one: Box, other: Box) -> t.Optional[Box]:
    """Return the box of the packets that lie in both boxes, or None when there are none."""
    found: t.List[Interval] = []
    for (low, high), (first, last) in zip(one, other):
        start = low if low > first else first
        end = high if high < last else last
        if start > end:
            return None
        found.append((start, end))
    return tuple(found)


def box_holds(box: Box, point: Point) -> bool:
    """Return whether a packet lies in a box."""
    return all(low <= number <= high for (low, high), number in zip(box, point))


def _families_clash(rule: Rule) -> bool:
    family = rule.family
    for one in (rule.source.family, rule.destination.family):
        if one is not None:
            if family is not None and family != one:
                return True
            family = one
    return False


def join_intervals(intervals: t.Sequence[Interval]) -> t.Tuple[Interval, ...]:
    """Return intervals as sorted ones that neither overlap nor touch."""
    if len(intervals) == 1:
        return (intervals[0],)
    merged: t.List[Interval] = []
    for low, high in sorted(intervals):
        if merged and low <= merged[-1][1] + 1:
            if high > merged[-1][1]:
                merged[-1] = (merged[-1][0], high)
        else:
            merged.append((low, high))
    return tuple(merged)
