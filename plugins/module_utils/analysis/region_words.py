# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sets of packets in words for people: ``in tcp from 192.0.2.0/24 to any port 1-79,81-65535``.

Pure: touches nothing. The words are for reading; lists that are long are cut, and say so.
"""

from __future__ import annotations

import ipaddress
import typing as t

from ..policy.protocols import protocol_name
from ..policy.rule import DIRECTIONS
from .axis import Side
from .boxes import (
    ADDRESS_TOP,
    CARRY_PORTS,
    CARRY_TYPES,
    IPV4_TOP,
    PORT_TOP,
    STATES,
    TYPE_TOP,
    Interfaces,
    Sides,
    complement_of,
)

#: So many items of a list are shown.
_SHOWN = 8


def region_words(sides: Sides, interfaces: Interfaces) -> str:
    """Return one line for a product of sides."""
    direction, arriving, leaving, family, protocol, source, destination, source_port, port, state = sides
    directions = [DIRECTIONS[number] for number in _numbers(direction)]
    words = [" or ".join(directions), _protocols(protocol)]
    if family != ((0, 1),):
        words.append("ipv4" if family == ((0, 0),) else "ipv6")
    version = 6 if family == ((1, 1),) else 4 if family == ((0, 0),) else None
    words.append("from %s to %s" % (_addresses(source, version), _addresses(destination, version)))
    types = protocol != ((0, 255),) and all(number in CARRY_TYPES for number in _numbers(protocol))
    if port != ((0, PORT_TOP),):
        words.append("type " + _intervals(port, TYPE_TOP) if types else "port " + _intervals(port, PORT_TOP, 1))
    if source_port != ((0, PORT_TOP),):
        words.append("source port " + _intervals(source_port, PORT_TOP, 1))
    for word, side in (("on", arriving), ("to" if directions == ["forward"] else "by", leaving)):
        if side != ((0, interfaces.top),):
            words.append("%s %s" % (word, _interfaces(side, interfaces)))
    if state != ((0, len(STATES) - 1),):
        words.append("state " + " or ".join(STATES[number] for number in _numbers(state)))
    return " ".join(words)


def _numbers(side: Side) -> t.List[int]:
    return [number for low, high in side for number in range(low, high + 1)]


def _protocols(side: Side) -> str:
    if side == ((0, 255),):
        return "any"
    numbers = _numbers(side)
    if numbers == sorted(CARRY_PORTS):
        return "any protocol with ports"
    if len(numbers) > 128:
        return "any but " + _listed([protocol_name(one) for one in _numbers(complement_of(side, 255))])
    return _listed([protocol_name(one) for one in numbers])


def _interfaces(side: Side, interfaces: Interfaces) -> str:
    numbers = _numbers(side)
    if 0 in numbers:
        rest = [interfaces.name(one) or "" for one in range(1, interfaces.top + 1) if one not in numbers]
        return "any but " + _listed(rest)
    return _listed([interfaces.name(one) or "" for one in numbers])


def _intervals(side: Side, top: int, least: int = 0) -> str:
    """Return ports or types; a port 0 at the start of a range is no port of the language and is left out."""
    words = []
    for low, high in side:
        low, high = max(low, least) if high >= least else low, min(high, top)
        words.append(str(low) if low == high else "%d-%d" % (low, high))
    return _listed(words, ",")


def _addresses(side: Side, version: t.Optional[int]) -> str:
    if side == ((0, ADDRESS_TOP),):
        return "any"
    if version is None:
        version = 6 if any(IPV4_TOP < edge < ADDRESS_TOP for pair in side for edge in pair) else 4
    top = IPV4_TOP if version == 4 else ADDRESS_TOP
    rest = complement_of(side, ADDRESS_TOP)
    if side[-1][1] == ADDRESS_TOP and len(rest) <= len(side):
        return "any but " + _networks(rest, version, top)
    return _networks(side, version, top)


def _networks(side: Side, version: int, top: int) -> str:
    kind = ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address
    words: t.List[str] = []
    for low, high in side[: _SHOWN + 1]:
        first, last = kind(min(low, top)), kind(min(high, top))
        found = list(ipaddress.summarize_address_range(first, last))
        if len(found) == 1:
            words.append(str(first) if first == last else str(found[0]))
        else:
            words.append("%s-%s" % (first, last))
    return _listed(words, ",", len(side))


def _listed(words: t.Sequence[str], sign: str = ", ", count: int = 0) -> str:
    count = count or len(words)
    return sign.join(words[:_SHOWN]) + (" and %d more" % (count - _SHOWN) if count > _SHOWN else "")
