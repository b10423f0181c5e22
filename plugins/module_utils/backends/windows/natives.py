# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Regions as rules of Windows, and rules of Windows as rules of the language.

Pure: touches nothing. Long lists are spread over several rules, so that no line of a script gets too long for netsh.
"""

from __future__ import annotations

import typing as t

from ...policy.addresses import ANY, Addresses, Interval, make_addresses, networks_of
from ...policy.ports import PortRange
from ...policy.rule import Rule
from ...policy.scope import PROFILES, Scope
from .native_rule import TOPS, Hosts, NativeRule, Ports, interval_text, make_hosts, make_ports
from .regions import (
    ANY_HOST,
    ANY_PROTOCOL,
    ANY_TYPE,
    LOCAL,
    LOCAL_PORT,
    PROFILE,
    PROTOCOL,
    REMOTE,
    REMOTE_PORT,
    TYPE,
    Region,
    Side,
)

#: Characters of one list of addresses, and of one list of ports, in a line.
MOST_HOSTS = 200
MOST_PORTS = 80
#: The same beside a program and a service whose names are longer than SHORT_NAMES together.
FEW_HOSTS = 80
FEW_PORTS = 40
SHORT_NAMES = 70
_ONE_FAMILY = {1: 4, 58: 6}
#: The number of ``::1``.
LOOPBACK = 1


def natives_of(regions: t.Sequence[Region], direction: str, action: str) -> t.List[NativeRule]:
    """Return the rules of Windows for disjoint or overlapping regions, without names."""
    found: t.List[NativeRule] = []
    for group in _by_form(regions):
        one = group[0]
        numbers: t.List[t.Optional[int]] = [None]
        if one.sides[PROTOCOL] != ANY_PROTOCOL:
            numbers = [number for low, high in one.sides[PROTOCOL] for number in range(low, high + 1)]
        for number in numbers:
            members = [member for member in group if number not in _ONE_FAMILY or _ONE_FAMILY[number] == member.family]
            if not members:
                continue
            types: t.List[t.Tuple[t.Tuple[int, t.Optional[int]], ...]] = [()]
            if one.sides[TYPE] != ANY_TYPE:
                types = [((kind, None),) for low, high in one.sides[TYPE] for kind in range(low, high + 1)]
            long = sum(len(word) for word in one.condition if word is not None) > SHORT_NAMES
            ports = FEW_PORTS if long else MOST_PORTS
            for local, remote in _hosts_of(members, number, FEW_HOSTS if long else MOST_HOSTS):
                for my_ports in _spread_ports(one.sides[LOCAL_PORT], ports):
                    for their_ports in _spread_ports(one.sides[REMOTE_PORT], ports):
                        found += [
                            NativeRule(
                                "", direction, action, True, number, local, remote, my_ports, their_ports, kind,
                                _profiles(one.sides[PROFILE]), one.condition[0], one.condition[1],
                            ) for kind in types
                        ]  # fmt: skip
    return found


def _by_form(regions: t.Sequence[Region]) -> t.List[t.List[Region]]:
    """Return regions in pairs of both families where all but the addresses is the same, and the others alone."""
    found: t.List[t.List[Region]] = []
    for region in regions:
        for group in found:
            other = group[0]
            if len(group) == 1 and other.family != region.family and _form(other) == _form(region):
                group.append(region)
                break
        else:
            found.append([region])
    return found


def _form(region: Region) -> t.Tuple[t.Any, ...]:
    return (region.sides[PROFILE:], region.condition)


def _hosts_of(members: t.Sequence[Region], number: t.Optional[int], most: int) -> t.Iterator[t.Tuple[Hosts, Hosts]]:
    """Return pairs of local and remote addresses for regions that are alike but for these."""
    anywhere = [all(member.sides[place] == ANY_HOST[member.family] for member in members) for place in (LOCAL, REMOTE)]
    alone = len(members) == 1 and number not in _ONE_FAMILY
    sides: t.List[t.Optional[t.Dict[int, Side]]] = []
    for place, every in zip((LOCAL, REMOTE), anywhere):
        if every and not (alone and all(anywhere) and place == REMOTE):
            sides.append(None)
        else:
            sides.append({member.family: member.sides[place] for member in members})
    mine, theirs = sides
    for local in _spread_hosts(mine, most):
        for remote in _spread_hosts(theirs, most):
            yield from _same_families(local, remote)


def _same_families(local: Hosts, remote: Hosts) -> t.Iterator[t.Tuple[Hosts, Hosts]]:
    """Leave out addresses of a family that the other side has none of: such a rule would match nothing of it."""
    if local.any or remote.any:
        yield local, remote
        return
    v4 = bool(local.v4 and remote.v4)
    v6 = bool(local.v6 and remote.v6)
    if v4 or v6:
        yield (
            Hosts(local.v4 if v4 else (), local.v6 if v6 else ()), Hosts(remote.v4 if v4 else (), remote.v6 if v6 else ())
        )  # fmt: skip


def _spread_hosts(sides: t.Optional[t.Mapping[int, Side]], most: int) -> t.Iterator[Hosts]:
    if sides is None:
        yield Hosts()
        return
    words = [(family, part) for family in sorted(sides) for interval in sides[family] for part in _less_loopback(family, interval)]
    for part in _spread(words, lambda word: interval_text(word[1], word[0]), most):
        yield make_hosts({family: [interval for one, interval in part if one == family] for family in (4, 6)})


def _less_loopback(family: int, interval: Interval) -> t.Sequence[Interval]:
    """Leave out ``::1`` where it would stand for itself or begin a range.

    Windows does not take that (MS-FASP 2.2.6 and 2.2.10), and passes loopback before it asks any rule, so it makes no difference.
    """
    low, high = interval
    if family == 4 or low != LOOPBACK:
        return (interval,)
    return ((low + 1, high),) if low < high else ()


def _spread_ports(side: Side, most: int) -> t.Iterator[Ports]:
    for part in _spread(list(side), lambda one: "%d-%d" % one, most):
        yield make_ports(part)


def _spread(words: t.Sequence[t.Any], text: t.Callable[[t.Any], str], most: int) -> t.Iterator[t.List[t.Any]]:
    part: t.List[t.Any] = []
    length = 0
    for word in words:
        size = len(text(word)) + 1
        if part and length + size > most:
            yield part
            part, length = [], 0
        part.append(word)
        length += size
    if part:  # an empty list would mean everything
        yield part


def _profiles(side: Side) -> t.Tuple[str, ...]:
    names = tuple(PROFILES[number] for low, high in side for number in range(low, high + 1))
    return () if names == PROFILES else names


def rules_of(native: NativeRule) -> t.Tuple[Rule, ...]:
    """Return what an active rule of Windows means, one rule for each family where one cannot say both; nothing where none can.

    Port 0 is never on the wire and is left out.
    """
    words = native.local.words + native.remote.words + native.local_ports.words + native.remote_ports.words
    if words or native.extra or native.action == "bypass" or any(code is not None for _kind, code in native.icmp):
        return ()
    if native.icmp and native.protocol not in _ONE_FAMILY:
        return ()
    ports = [_port_ranges(one) for one in (native.local_ports, native.remote_ports)]
    if None in ports:
        return ()
    my_ports, their_ports = (one or () for one in ports)
    found = []
    for family in _families(native):
        here, there = _addresses(native.local, family), _addresses(native.remote, family)
        if here is None or there is None:
            continue
        scope = None
        if native.program is not None or native.service is not None or native.profiles:
            scope = Scope(native.program, native.service, native.profiles)
        inward = native.direction == "in"
        found.append(Rule(
            "allow" if native.action == "allow" else "deny", native.direction, family, native.protocol,
            there if inward else here, here if inward else there, my_ports if inward else their_ports,
            source_ports=their_ports if inward else my_ports, icmp_types=tuple(sorted({kind for kind, _code in native.icmp})), scope=scope,
        ))  # fmt: skip
    return tuple(found)


def _families(native: NativeRule) -> t.Sequence[t.Optional[int]]:
    if native.protocol in _ONE_FAMILY:
        return (_ONE_FAMILY[native.protocol],)
    return (None,) if native.local.any and native.remote.any else (4, 6)


def _addresses(hosts: Hosts, family: t.Optional[int]) -> t.Optional[Addresses]:
    if hosts.any or family is None:
        return ANY
    intervals: t.Sequence[Interval] = hosts.v4 if family == 4 else hosts.v6
    if not intervals:
        return None
    if intervals[0] == (0, TOPS[family]):
        return ANY
    return make_addresses(networks_of(intervals, family))


def _port_ranges(ports: Ports) -> t.Optional[t.Tuple[PortRange, ...]]:
    found = tuple(PortRange(max(low, 1), high) for low, high in ports.numbers if high)
    return None if ports.numbers and not found else () if found == (PortRange(1, 65535),) else found
