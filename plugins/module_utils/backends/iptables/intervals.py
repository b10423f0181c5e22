# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Address and port conditions of one rule line, as intervals.

Pure: touches nothing. All conditions of a line must hold at once, so a list of addresses is one range less the gaps between its parts:
``-m iprange --src-range FIRST-LAST -m iprange ! --src-range GAP``. One line stays one rule, whatever the length of the list: a limit
counts once, and the order of lines says nothing about what belongs together.
"""

from __future__ import annotations

import ipaddress
import socket
import typing as t
from functools import lru_cache

from ...policy.addresses import ANY, Addresses, Interval, Network, common, intervals_of, joined, networks_of, without
from ...policy.ports import MAX_PORT, MIN_PORT, PortRange

#: One condition: whether it is negated, and the intervals that it names.
Condition = t.Tuple[bool, t.Tuple[Interval, ...]]


def top(family: int) -> int:
    """Return the last address of a family as a number."""
    return 2 ** (32 if family == 4 else 128) - 1


def gaps(intervals: t.Sequence[Interval]) -> t.List[Interval]:
    """Return what lies between sorted, disjoint intervals."""
    return [(one[1] + 1, other[0] - 1) for one, other in zip(intervals, intervals[1:])]


def combine(conditions: t.Sequence[Condition], last: int) -> t.List[Interval]:
    """Return the numbers from 0 to ``last`` for which all conditions hold."""
    result: t.List[Interval] = [(0, last)]
    for negated, intervals in conditions:
        apart = joined(intervals)
        result = without(result, apart) if negated else common(result, apart)
    return result


def network_intervals(networks: t.Iterable[Network]) -> t.Tuple[Interval, ...]:
    """Return networks as merged intervals."""
    return tuple(joined(intervals_of(networks)))


def addresses_of(conditions: t.Sequence[Condition], family: int) -> t.Optional[Addresses]:
    """Return what the conditions of one side mean, or None when no address meets them.

    Only negated conditions are negated addresses; with any other one they are the addresses that are left.
    """
    if not conditions:
        return ANY
    if len(conditions) == 1 and len(conditions[0][1]) == 1:
        network = network_of(conditions[0][1][0], family)
        if network is not None:
            return Addresses((network,), conditions[0][0])
    last = top(family)
    left = combine(conditions, last)
    if not left:
        return None
    if left == [(0, last)]:
        return ANY
    if all(negated for negated, _intervals in conditions):
        excluded = joined(one for _negated, intervals in conditions for one in intervals)
        return Addresses(networks_of(excluded, family), negated=True)
    return Addresses(networks_of(left, family))


@lru_cache(maxsize=32768)
def network_of(interval: Interval, family: int) -> t.Optional[Network]:
    """Return the interval as a network where it is one (and not every address)."""
    low, high = interval
    size = high - low + 1
    if size & (size - 1) or low & (size - 1) or not low <= high:
        return None
    bits = 32 if family == 4 else 128
    length = bits + 1 - size.bit_length()
    if not length:
        return None
    return ipaddress.IPv4Network((low, length)) if family == 4 else ipaddress.IPv6Network((low, length))


def ports_of(conditions: t.Sequence[Condition]) -> t.Optional[t.Tuple[PortRange, ...]]:
    """Return what port conditions mean, or None when no port meets them. Port 0 is never on the wire, so it does not count."""
    if not conditions:
        return ()
    if len(conditions) == 1 and not conditions[0][0]:
        return _port_ranges(conditions[0][1]) or None
    left = common(combine(conditions, MAX_PORT), [(MIN_PORT, MAX_PORT)])
    return tuple(PortRange(low, high) for low, high in left) or None


@lru_cache(maxsize=8192)
def _port_ranges(intervals: t.Tuple[Interval, ...]) -> t.Tuple[PortRange, ...]:
    return tuple(PortRange(max(low, MIN_PORT), high) for low, high in joined(intervals) if high >= MIN_PORT)


def address_number(text: str, family: int) -> t.Optional[int]:
    """Return an address as a number, or None when it is none of this family."""
    try:
        return int.from_bytes(socket.inet_pton(socket.AF_INET if family == 4 else socket.AF_INET6, text), "big")
    except (OSError, ValueError):
        return None


def network_interval(text: str, family: int) -> t.Optional[Interval]:
    """Return the addresses of a network as iptables prints it, or None when it is none of this family."""
    address, slash, length = text.partition("/")
    number = address_number(address, family)
    bits = 32 if family == 4 else 128
    if number is not None and (not slash or (len(length) < 4 and length.isascii() and length.isdigit() and int(length) <= bits)):
        size = 1 << (bits - int(length) if slash else 0)
        first = number & ~(size - 1)
        return first, first + size - 1
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
    if network.version != family:
        return None
    return int(network.network_address), int(network.broadcast_address)


def address_text(number: int, family: int) -> str:
    """Return an address as the C library prints it (``::ffff:192.0.2.1``, where Python 3.8 has only hexadecimal)."""
    return socket.inet_ntop(socket.AF_INET if family == 4 else socket.AF_INET6, number.to_bytes(4 if family == 4 else 16, "big"))


def network_words(network: Network) -> str:
    """Return a network as iptables-save prints it, always with its prefix length."""
    return "%s/%d" % (address_text(int(network.network_address), network.version), network.prefixlen)


def single_network(addresses: Addresses) -> t.Optional[Network]:
    """Return the network when the addresses are one."""
    return addresses.networks[0] if len(addresses.networks) == 1 else None


def range_conditions(addresses: Addresses) -> t.List[t.Tuple[bool, Interval]]:
    """Return the ranges that say a list of addresses, each with whether it is negated."""
    intervals = network_intervals(addresses.networks)
    if addresses.negated:
        return [(True, one) for one in intervals]
    return [(False, (intervals[0][0], intervals[-1][1]))] + [(True, one) for one in gaps(intervals)]
