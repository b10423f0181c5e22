# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One packet: read from words, shown to people, and as a point of the ten dimensions of ``boxes``.

Pure: touches nothing.
"""

from __future__ import annotations

import ipaddress
import random
import typing as t
from dataclasses import dataclass, field

from ..policy.errors import PolicyError
from ..policy.icmp import parse_icmp_types
from ..policy.nat import Address
from ..policy.parse import check_keys, parse_choice, parse_interface
from ..policy.ports import parse_port
from ..policy.protocols import FAMILY_OF, ICMP, ICMPV6, SCTP, TCP, UDP, parse_protocol, protocol_name
from ..policy.rule import DIRECTIONS, FAMILIES, Rule
from .boxes import (
    ADDRESS_TOP,
    CARRY_PORTS,
    CARRY_TYPES,
    DESTINATION,
    DIMENSIONS,
    FAMILY,
    IPV4_TOP,
    PORT,
    PROTOCOL,
    SOURCE,
    SOURCE_PORT,
    STATE,
    STATES,
    TYPE_TOP,
    Interfaces,
    Interval,
    Point,
    sides_of,
    whole_box,
)

WORDS = (
    "direction", "protocol", "source", "destination", "family", "port", "source_port", "icmp_type", "interface", "out_interface", "state",
)  # fmt: skip
#: Addresses of packets that are not told: documentation addresses (RFC 5737, RFC 3849).
SOURCES = {4: ipaddress.ip_address("203.0.113.10"), 6: ipaddress.ip_address("2001:db8:1::10")}
DESTINATIONS = {4: ipaddress.ip_address("198.51.100.10"), 6: ipaddress.ip_address("2001:db8:2::10")}
#: The source port of packets that are not told one: from the range that systems choose from (RFC 6335: 49152 to 65535; Linux: 32768 on).
SOURCE_PORT_OF_CLIENTS = 40000
ECHO_REQUEST = {ICMP: 8, ICMPV6: 128}
_LIKELY_PORT = 443
#: Where no address of documentation is in question: private ones, then the first that are not of a special network.
_ORDINARY_ADDRESSES = {
    family: tuple(int(ipaddress.ip_address(text)) for text in texts)
    for family, texts in ((4, ("192.168.1.10", "172.16.1.10", "10.1.1.10", "1.0.0.1")), (6, ("fd00::10", "2000::1")))
}
_LIKELY_PROTOCOLS = {0: (TCP, UDP, ICMP, SCTP), 1: (TCP, UDP, ICMPV6, SCTP)}


@dataclass(frozen=True)
class Packet:
    """One packet as the firewall of a host sees it.

    :ivar direction: ``in`` (to the host), ``out`` (from it) or ``forward`` (through it).
    :ivar protocol: the IP protocol number.
    :ivar port: the destination port; None where the protocol has no ports.
    :ivar icmp_type: None where the protocol is neither 1 nor 58.
    :ivar arriving: the interface it arrives on; None: one that no rule names, or none (``out``).
    :ivar leaving: the interface it leaves by; None likewise (``in``).
    :ivar state: a word of ``boxes.STATES``.
    :ivar assumed: the words that were not given and took their default.
    """

    direction: str
    protocol: int
    source: Address
    destination: Address
    source_port: t.Optional[int] = None
    port: t.Optional[int] = None
    icmp_type: t.Optional[int] = None
    arriving: t.Optional[str] = None
    leaving: t.Optional[str] = None
    state: str = "new"
    assumed: t.Tuple[str, ...] = field(default=(), compare=False)

    @property
    def family(self) -> int:
        """4 or 6."""
        return self.source.version

    @classmethod
    def parse(cls, words: t.Any, place: str = "packet") -> Packet:
        """Read a packet from the words of the rule language.

        Only ``port`` has to be given, where the protocol has ports. The other words have defaults: direction in, protocol tcp,
        source 203.0.113.10 or 2001:db8:1::10, destination 198.51.100.10 or 2001:db8:2::10 (by the family of what is given, else IPv4),
        source port 40000, ICMP type echo request, state new, and an interface that no rule names.

        :raises PolicyError: for the first word that is not valid.
        """
        check_keys(words, WORDS, place)
        given = {key: value for key, value in words.items() if value is not None}

        def at(key: str) -> str:
            return "%s.%s" % (place, key)

        direction = parse_choice(given.get("direction", "in"), DIRECTIONS, at("direction"))
        protocol = parse_protocol(given.get("protocol", "tcp"), at("protocol"))
        if protocol is None:
            raise PolicyError(at("protocol"), given["protocol"], "one protocol, such as tcp, udp or icmp", "a packet has exactly one")
        source, destination = _parse_ends(given, protocol, place)
        if protocol in CARRY_PORTS:
            if "port" not in given:
                raise PolicyError(at("port"), "(nothing)", "a port number from 1 to 65535", "the verdict depends on the destination port")
            port: t.Optional[int] = parse_port(given["port"], at("port")).first
            source_port: t.Optional[int] = SOURCE_PORT_OF_CLIENTS
            if "source_port" in given:
                source_port = parse_port(given["source_port"], at("source_port")).first
        else:
            port = source_port = None
            for key in ("port", "source_port"):
                if key in given:
                    raise PolicyError(at(key), given[key], "no port with protocol %s" % protocol_name(protocol))
        icmp_type = None
        if protocol in CARRY_TYPES:
            icmp_type = ECHO_REQUEST[protocol]
            if "icmp_type" in given:
                icmp_type = parse_icmp_types([given["icmp_type"]], protocol, at("icmp_type"))[0]
        elif "icmp_type" in given:
            raise PolicyError(at("icmp_type"), given["icmp_type"], "no ICMP type with protocol %s" % protocol_name(protocol))
        interface = parse_interface(given["interface"], at("interface")) if "interface" in given else None
        out_interface = parse_interface(given["out_interface"], at("out_interface")) if "out_interface" in given else None
        if out_interface is not None and direction != "forward":
            raise PolicyError(
                at("out_interface"), out_interface, "nothing with direction %s" % direction, "use interface, or direction forward"
            )
        known = ["direction", "protocol", "source", "destination", "interface", "state"]
        known += ["source_port"] if protocol in CARRY_PORTS else ["icmp_type"] if protocol in CARRY_TYPES else []
        known += ["out_interface"] if direction == "forward" else []
        return cls(
            direction=direction,
            protocol=protocol,
            source=source,
            destination=destination,
            source_port=source_port,
            port=port,
            icmp_type=icmp_type,
            arriving=interface if direction != "out" else None,
            leaving=interface if direction == "out" else out_interface,
            state=parse_choice(given.get("state", "new"), STATES, at("state")),
            assumed=tuple(key for key in known if key not in given),
        )

    @classmethod
    def at_point(cls, point: Point, interfaces: Interfaces) -> Packet:
        """Return the packet of a point; numbers that no packet can have become the nearest that one can."""
        protocol, family = point[PROTOCOL], point[FAMILY]
        ports = protocol in CARRY_PORTS
        direction = DIRECTIONS[point[0]]

        def address(number: int) -> Address:
            return ipaddress.IPv6Address(number) if family else ipaddress.IPv4Address(min(number, IPV4_TOP))

        return cls(
            direction=direction,
            protocol=protocol,
            source=address(point[SOURCE]),
            destination=address(point[DESTINATION]),
            source_port=point[SOURCE_PORT] if ports else None,
            port=point[PORT] if ports else None,
            icmp_type=min(point[PORT], TYPE_TOP) if protocol in CARRY_TYPES else None,
            arriving=interfaces.name(point[1]) if direction != "out" else None,
            leaving=interfaces.name(point[2]) if direction != "in" else None,
            state=STATES[point[STATE]],
        )

    def point(self, interfaces: Interfaces) -> Point:
        """Return the packet's ten numbers."""
        last = self.icmp_type if self.icmp_type is not None else self.port
        return (
            DIRECTIONS.index(self.direction),
            interfaces.number(self.arriving),
            interfaces.number(self.leaving),
            0 if self.family == 4 else 1,
            self.protocol,
            int(self.source),
            int(self.destination),
            self.source_port or 0,
            last or 0,
            STATES.index(self.state),
        )

    def as_dict(self) -> t.Dict[str, t.Any]:
        """Return the packet in the words that ``parse`` reads."""
        words: t.Dict[str, t.Any] = {"direction": self.direction, "protocol": protocol_name(self.protocol)}
        words.update(source=str(self.source), destination=str(self.destination))
        interface = self.leaving if self.direction == "out" else self.arriving
        for key, value in (
            ("source_port", self.source_port),
            ("port", self.port),
            ("icmp_type", self.icmp_type),
            ("interface", interface),
            ("out_interface", self.leaving if self.direction == "forward" else None),
        ):
            if value is not None:
                words[key] = value
        words["state"] = self.state
        return words

    def describe(self) -> str:
        """Return one short line for messages."""
        parts = [self.direction, protocol_name(self.protocol)]
        if self.port is not None:
            shape = "%s:%d" if self.family == 4 else "[%s]:%d"
            ends = shape % (self.source, self.source_port or 0), shape % (self.destination, self.port)
            parts.append("%s -> %s" % ends)
        else:
            parts.append("%s -> %s" % (self.source, self.destination))
        if self.icmp_type is not None:
            parts.append("type %d" % self.icmp_type)
        if self.arriving is not None:
            parts.append("on %s" % self.arriving)
        if self.leaving is not None:
            parts.append(("by %s" if self.direction == "out" else "to %s") % self.leaving)
        parts.append("(%s)" % self.state.replace("-", ", "))
        return " ".join(parts)


def likely_point(sides: t.Sequence[t.Sequence[Interval]]) -> Point:
    """Return a point of a set of packets (intervals for each dimension) that a person would call an ordinary packet, where there is one."""
    chosen: t.List[int] = []
    for dimension in range(DIMENSIONS):
        intervals = sides[dimension]
        if dimension == FAMILY and len(intervals) == 1 and intervals[0] == (0, 1):
            high_address = any(sides[one][0][0] > IPV4_TOP for one in (SOURCE, DESTINATION))
            intervals = ((1, 1),) if high_address else ((0, 0),)
        chosen.append(likely_number(dimension, intervals, chosen))
    return tuple(chosen)


def likely_number(dimension: int, intervals: t.Sequence[Interval], chosen: t.Sequence[int]) -> int:
    """Return the most ordinary number of some intervals, given the numbers of the dimensions before it."""
    for number in _ordinary(dimension, chosen):
        if any(low <= number <= high for low, high in intervals):
            return number
    low, high = intervals[0]
    if dimension in (SOURCE, DESTINATION) and high - low >= 3:
        return low + 1
    if dimension in (SOURCE_PORT, PORT) and low == 0 and high > 0 and chosen[PROTOCOL] in CARRY_PORTS:
        return 1
    return low


def random_packet(generator: random.Random, rules: t.Sequence[Rule], interfaces: Interfaces) -> Packet:
    """Return a packet that is likely to lie in some of the rules or just beside them: at the ends of their intervals and next to them."""
    whole = whole_box(interfaces)
    sides: t.List[t.Sequence[Interval]] = [(one,) for one in whole]
    for rule in generator.sample(list(rules), min(2, len(rules))):
        found = sides_of(rule, interfaces)
        if found is not None:
            sides = [generator.choice((old, new, new)) for old, new in zip(sides, found)]
    chosen: t.List[int] = []
    for dimension, (least, most) in enumerate(whole):
        low, high = generator.choice(list(sides[dimension]))
        if dimension in (SOURCE, DESTINATION) and chosen[FAMILY] == 0:
            most = IPV4_TOP
        elif dimension == PORT and chosen[PROTOCOL] in CARRY_TYPES:
            most = TYPE_TOP
        elif dimension == PROTOCOL and (low, high) == (least, most):
            low = high = generator.choice(_LIKELY_PROTOCOLS[chosen[FAMILY]])
            if FAMILY_OF.get(low) is None and generator.random() < 0.2:
                low = high = generator.randint(least, most)
        number = generator.choice((low, high, low, high, low - 1, high + 1, generator.randint(low, high)))
        chosen.append(min(max(number, least), most))
    return Packet.at_point(tuple(chosen), interfaces)


def _ordinary(dimension: int, chosen: t.Sequence[int]) -> t.Sequence[int]:
    if dimension == PROTOCOL:
        return _LIKELY_PROTOCOLS[chosen[FAMILY]]
    if dimension in (SOURCE, DESTINATION):
        family = 6 if chosen[FAMILY] else 4
        here, there = (SOURCES, DESTINATIONS) if dimension == SOURCE else (DESTINATIONS, SOURCES)
        return (int(here[family]), int(there[family]), *_ORDINARY_ADDRESSES[family])
    if dimension == SOURCE_PORT and chosen[PROTOCOL] in CARRY_PORTS:
        return (SOURCE_PORT_OF_CLIENTS,)
    if dimension == PORT:
        if chosen[PROTOCOL] in CARRY_TYPES:
            return (ECHO_REQUEST[chosen[PROTOCOL]],)
        return (_LIKELY_PORT,) if chosen[PROTOCOL] in CARRY_PORTS else (0,)
    return (0,)


def _parse_ends(given: t.Mapping[str, t.Any], protocol: int, place: str) -> t.Tuple[Address, Address]:
    """Read source and destination, of one family."""
    found: t.Dict[str, Address] = {}
    for key in ("source", "destination"):
        if key in given:
            found[key] = _parse_address(given[key], "%s.%s" % (place, key))
    votes: t.List[t.Tuple[str, int]] = [(key, address.version) for key, address in found.items()]
    if protocol in FAMILY_OF:
        votes.append(("protocol", FAMILY_OF[protocol]))
    family = FAMILIES[parse_choice(given["family"], ("ipv4", "ipv6"), place + ".family")] if "family" in given else None
    if family is not None:
        votes.append(("family", family))
    for key, vote in votes[1:]:
        if vote != votes[0][1]:
            raise PolicyError(
                "%s.%s" % (place, key),
                given.get(key, protocol_name(protocol)),
                "something that is IPv%d like %s" % (votes[0][1], votes[0][0]),
                "a packet is either IPv4 or IPv6",
            )
    version = votes[0][1] if votes else 4
    return found.get("source", SOURCES[version]), found.get("destination", DESTINATIONS[version])


def _parse_address(value: t.Any, place: str) -> Address:
    allowed = "one IPv4 or IPv6 address, for example 192.0.2.7"
    text = value.strip() if isinstance(value, str) else ""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        hint = ""
        if "/" in text or "-" in text or text.lower() == "any":
            hint = "a packet has one address; write one of them"
        elif any(c.isalpha() for c in text) and ":" not in text:
            hint = "host names are not looked up; write the address"
        raise PolicyError(place, value, allowed, hint) from None
    if "%" in text or int(address) > ADDRESS_TOP:
        raise PolicyError(place, value, allowed, "an address with a zone (%) belongs to one machine; use interface instead")
    return address
