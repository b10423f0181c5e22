# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sets of packets for people: few regions instead of many boxes, and each in words.

Pure: touches nothing. Exact: the regions hold the same packets as the boxes they come from. A region is ``Sides``: some intervals in each
dimension.
"""

from __future__ import annotations

import ipaddress
import typing as t

from ..policy.addresses import network_text
from ..policy.icmp import TYPES
from ..policy.protocols import ICMP, ICMPV6, NAMES
from ..policy.rule import DIRECTIONS
from .boxes import (
    ADDRESS_TOP,
    ARRIVING,
    CARRY_PORTS,
    CARRY_TYPES,
    DESTINATION,
    DIRECTION,
    FAMILY,
    IPV4_TOP,
    LEAVING,
    PORT,
    PORT_TOP,
    PROTOCOL,
    SOURCE,
    SOURCE_PORT,
    STATE,
    STATES,
    TYPE_TOP,
    Box,
    Interfaces,
    Interval,
    Sides,
    complement_of,
    join_intervals,
)

_Side = t.Tuple[Interval, ...]
_ALL_PORTS = (0, PORT_TOP)
#: So many addresses, ports or names are written out.
_SHOWN = 6
_LOOPBACK = ("lo", "lo0")
#: The order in which regions are joined: what is best read as a list first.
_JOINED = (STATE, SOURCE_PORT, PORT, SOURCE, DESTINATION, FAMILY, PROTOCOL, ARRIVING, LEAVING)


def regions_of(boxes: t.Iterable[Box]) -> t.List[Sides]:
    """Return disjoint regions that hold the packets of disjoint boxes: as few as joining finds in the better of two orders."""
    single: t.List[Sides] = [tuple((one,) for one in real) for box in boxes for real in _real_boxes(box)]
    return min((_joined(single, order) for order in (_JOINED, _JOINED[::-1])), key=len)


def _joined(regions: t.Sequence[Sides], order: t.Sequence[int]) -> t.List[Sides]:
    found = list(regions)
    count = -1
    while len(found) != count:
        count = len(found)
        for dimension in order:
            rows: t.Dict[Sides, t.List[_Side]] = {}
            for region in found:
                rows.setdefault((*region[:dimension], (), *region[dimension + 1 :]), []).append(region[dimension])
            if len(rows) < len(found):
                found = [
                    (*rest[:dimension], join_intervals([one for side in sides for one in side]), *rest[dimension + 1 :])
                    for rest, sides in rows.items()
                ]
    return found


def _real_boxes(box: Box) -> t.List[Box]:
    """Return boxes with the packets of a box that can be, each extended by numbers that cannot, in the one form that rules have."""
    found = [box]
    if box[SOURCE] != (0, ADDRESS_TOP) or box[DESTINATION] != (0, ADDRESS_TOP):
        found = [one for part in _cut(box, FAMILY, (0, 0)) for one in _real_addresses(part)]
    if box[SOURCE_PORT] != _ALL_PORTS or box[PORT] != _ALL_PORTS:
        found = [one for part in found for one in _real_ports(part)]
    return found


def _real_addresses(box: Box) -> t.Iterator[Box]:
    if box[FAMILY] == (1, 1):
        yield box
        return
    ends: t.List[Interval] = []
    for low, high in (box[SOURCE], box[DESTINATION]):
        if low > IPV4_TOP:
            return
        ends.append((low, ADDRESS_TOP if high >= IPV4_TOP else high))
    yield (*box[:SOURCE], *ends, *box[DESTINATION + 1 :])


def _real_ports(box: Box) -> t.Iterator[Box]:
    rest = [box]
    for protocol in sorted(CARRY_PORTS | CARRY_TYPES):
        rest = [part for one in rest for part in _cut(one, PROTOCOL, (protocol, protocol))]
    for part in rest:
        source_port, port = part[SOURCE_PORT], part[PORT]
        protocol = part[PROTOCOL][0]
        if protocol not in CARRY_PORTS:
            if source_port[0] > 0:
                continue
            source_port = _ALL_PORTS
            if protocol in CARRY_TYPES:
                if port[0] > TYPE_TOP:
                    continue
                port = (port[0], PORT_TOP if port[1] >= TYPE_TOP else port[1])
            elif port[0] > 0:
                continue
            else:
                port = _ALL_PORTS
        yield (*part[:SOURCE_PORT], source_port, port, *part[PORT + 1 :])


def _cut(box: Box, dimension: int, inner: Interval) -> t.List[Box]:
    """Return the parts of a box below, in and above an interval."""
    low, high = box[dimension]
    found: t.List[Box] = []
    for first, last in ((low, min(high, inner[0] - 1)), (max(low, inner[0]), min(high, inner[1])), (max(low, inner[1] + 1), high)):
        if first <= last:
            found.append((*box[:dimension], (first, last), *box[dimension + 1 :]))
    return found


def region_words(region: Sides, interfaces: Interfaces) -> str:
    """Return a region in one line, like a rule: ``in tcp 203.0.113.0/24 -> any port 8080``.

    What every host's guard lets through is passed over: the state of connections is only told where new ones are not in the region, and
    the interface not where only loopback is missing.
    """
    loopback = sum(1 for name in interfaces.names if name in _LOOPBACK)
    plain = list(region)
    for dimension in (ARRIVING, LEAVING):
        numbers = [number for low, high in region[dimension] for number in range(low, high + 1)]
        if len(numbers) == interfaces.top + 1 - loopback and not any(interfaces.name(number) in _LOOPBACK for number in numbers):
            plain[dimension] = ((0, interfaces.top),)
    return " ".join(word for _key, word in _words(tuple(plain), interfaces) if word)


def region_dict(region: Sides, interfaces: Interfaces) -> t.Dict[str, t.Any]:
    """Return a region as words for a task's result; what is left out is not restricted."""
    found = {key: word for key, word in _words(region, interfaces) if word and key != "state"}
    source, _arrow, destination = found.pop("ends").partition(" -> ")
    found.update(source=source, destination=destination)
    for key in found:
        for start in ("source port ", "port ", "type ", "on ", "by ", "to "):
            if found[key].startswith(start):
                found[key] = found[key][len(start) :]
                break
    if region[STATE] != ((0, len(STATES) - 1),):
        found["states"] = ",".join(STATES[number] for low, high in region[STATE] for number in range(low, high + 1))
    return found


def _words(region: Sides, interfaces: Interfaces) -> t.List[t.Tuple[str, str]]:
    families = region[FAMILY]
    family = {(0, 0): 4, (1, 1): 6}.get(families[0])
    protocols = [number for low, high in region[PROTOCOL] for number in range(low, high + 1)]
    plain = region[SOURCE] == region[DESTINATION] == ((0, ADDRESS_TOP),)
    implied = not plain or protocols in ([ICMP], [ICMPV6])
    last = "type" if protocols and all(one in CARRY_TYPES for one in protocols) else "port"
    top = TYPE_TOP if last == "type" else PORT_TOP
    names = {0: "", **{number + 1: name for number, name in enumerate(interfaces.names)}}
    leaving = "by " if region[DIRECTION] == ((1, 1),) else "to "
    return [
        ("direction", ",".join(DIRECTIONS[number] for low, high in region[DIRECTION] for number in range(low, high + 1))),
        ("protocol", _listed(protocols, 256, lambda one: NAMES.get(one, str(one)), "any")),
        ("family", "ipv%d" % family if family and not implied else ""),
        ("ends", "%s -> %s" % (addresses_text(region[SOURCE], family), addresses_text(region[DESTINATION], family))),
        ("port", _ports(region[PORT], top, last, protocols)),
        ("source_port", _ports(region[SOURCE_PORT], PORT_TOP, "source port", protocols)),
        ("interface", _interfaces(region[ARRIVING], names, "on ")),
        ("out_interface", _interfaces(region[LEAVING], names, leaving)),
        ("state", "" if region[STATE][0][0] == 0 else "(%s)" % _states(region[STATE])),
    ]


def addresses_text(side: t.Sequence[Interval], family: t.Optional[int]) -> str:
    """Return intervals of addresses as networks or ranges, ``any``, or with ``!`` as those that are missing, whichever is shorter."""
    if tuple(side) == ((0, ADDRESS_TOP),):
        return "any"
    gaps = complement_of(side, ADDRESS_TOP)
    if len(gaps) < len(side) or (side[0][0] == 0 and side[-1][1] == ADDRESS_TOP):
        return ",".join(_shortened(["!" + _address_words(low, high, family) for low, high in gaps]))
    return ",".join(_shortened([_address_words(low, high, family) for low, high in side]))


def _address_words(low: int, high: int, family: t.Optional[int]) -> str:
    kind: t.Any = ipaddress.IPv6Address if family == 6 else ipaddress.IPv4Address
    top = ADDRESS_TOP if family == 6 else IPV4_TOP
    first, last = kind(min(low, top)), kind(min(high, top))
    networks = list(ipaddress.summarize_address_range(first, last))
    return network_text(networks[0]) if len(networks) == 1 else "%s-%s" % (first, last)


def _ports(side: t.Sequence[Interval], top: int, word: str, protocols: t.Sequence[int]) -> str:
    if tuple(side) == (_ALL_PORTS,):
        return ""
    names: t.Dict[int, str] = {}
    if word == "type" and len(protocols) == 1:
        names = {number: name for name, number in TYPES[protocols[0]].items()}
    gaps = complement_of(side, PORT_TOP)
    negated = len(gaps) < len(side) or (side[0][0] == 0 and side[-1][1] >= top)
    words = [names.get(low, str(low)) if low == high else "%d-%d" % (low, min(high, top)) for low, high in (gaps if negated else side)]
    return "%s %s%s" % (word, "!" if negated else "", ",!".join(_shortened(words)) if negated else ",".join(_shortened(words)))


def _interfaces(side: t.Sequence[Interval], names: t.Mapping[int, str], start: str) -> str:
    numbers = [number for low, high in side for number in range(low, high + 1)]
    if len(numbers) == len(names):
        return ""
    if 0 in numbers:
        return start + ",".join(_shortened(["!" + name for number, name in names.items() if number not in numbers]))
    return start + ",".join(_shortened([names[number] for number in numbers]))


def _states(side: t.Sequence[Interval]) -> str:
    return ", ".join(STATES[number].replace("-", " ") for low, high in side for number in range(low, high + 1))


def _listed(numbers: t.Sequence[int], count: int, name: t.Callable[[int], str], everything: str) -> str:
    if len(numbers) == count:
        return everything
    if len(numbers) > count // 2:
        missing = sorted(set(range(count)) - set(numbers))
        if len(missing) < len(numbers):
            return ",".join(_shortened(["!" + name(one) for one in missing]))
    return ",".join(_shortened([name(one) for one in numbers]))


def _shortened(words: t.List[str]) -> t.List[str]:
    if len(words) <= _SHOWN + 1:
        return words
    return words[:_SHOWN] + ["... (%d more)" % (len(words) - _SHOWN)]


def common_region(one: Sides, other: Sides) -> t.Optional[Sides]:
    """Return what two regions have in common, or None for nothing."""
    found: t.List[_Side] = []
    for mine, theirs in zip(one, other):
        side = tuple((max(a, c), min(b, d)) for a, b in mine for c, d in theirs if a <= d and c <= b)
        if not side:
            return None
        found.append(tuple(sorted(side)))
    return tuple(found)
