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

from ...policy.addresses import ANY, Addresses, Network, make_addresses
from ...policy.ports import MAX_PORT, MIN_PORT, PortRange

Interval = t.Tuple[int, int]
#: One condition: whether it is negated, and the intervals that it names.
Condition = t.Tuple[bool, t.Tuple[Interval, ...]]


def top(family: int) -> int:
    """Return the last address of a family as a number."""
    return 2 ** (32 if family == 4 else 128) - 1


def merged(intervals: t.Iterable[Interval]) -> t.List[Interval]:
    """Return the same numbers as sorted intervals that neither overlap nor touch."""
    result: t.List[Interval] = []
    for low, high in sorted(intervals):
        if result and low <= result[-1][1] + 1:
            result[-1] = (result[-1][0], max(result[-1][1], high))
        else:
            result.append((low, high))
    return result


def gaps(intervals: t.Sequence[Interval]) -> t.List[Interval]:
    """Return what lies between sorted, disjoint intervals."""
    return [(one[1] + 1, other[0] - 1) for one, other in zip(intervals, intervals[1:])]


def _meet(one: t.Sequence[Interval], other: t.Sequence[Interval]) -> t.List[Interval]:
    both = [(max(a, c), min(b, d)) for a, b in one for c, d in other]
    return merged((low, high) for low, high in both if low <= high)


def _less(one: t.Sequence[Interval], other: t.Sequence[Interval], last: int) -> t.List[Interval]:
    outside = merged(other)
    edges = [(-1, -1)] + list(outside) + [(last + 1, last + 1)]
    return _meet(one, [(low, high) for low, high in gaps(edges) if low <= high])


def combine(conditions: t.Sequence[Condition], last: int) -> t.List[Interval]:
    """Return the numbers from 0 to ``last`` for which all conditions hold."""
    result: t.List[Interval] = [(0, last)]
    for negated, intervals in conditions:
        result = _less(result, intervals, last) if negated else _meet(result, merged(intervals))
    return result


def network_intervals(networks: t.Iterable[Network]) -> t.Tuple[Interval, ...]:
    """Return networks as merged intervals."""
    return tuple(merged((int(one.network_address), int(one.broadcast_address)) for one in networks))


def _networks(intervals: t.Iterable[Interval], family: int) -> t.List[Network]:
    kind: t.Any = ipaddress.IPv4Address if family == 4 else ipaddress.IPv6Address
    found: t.List[Network] = []
    for low, high in intervals:
        found.extend(ipaddress.summarize_address_range(kind(low), kind(high)))
    return found


def addresses_of(conditions: t.Sequence[Condition], family: int) -> t.Optional[Addresses]:
    """Return what the conditions of one side mean, or None when no address meets them.

    Only negated conditions are negated addresses; with any other one they are the addresses that are left.
    """
    if not conditions:
        return ANY
    last = top(family)
    left = combine(conditions, last)
    if not left:
        return None
    if left == [(0, last)]:
        return ANY
    if all(negated for negated, _intervals in conditions):
        excluded = merged(one for _negated, intervals in conditions for one in intervals)
        return make_addresses(_networks(excluded, family), negated=True)
    return make_addresses(_networks(left, family))


def ports_of(conditions: t.Sequence[Condition]) -> t.Optional[t.Tuple[PortRange, ...]]:
    """Return what port conditions mean, or None when no port meets them. Port 0 is never on the wire, so it does not count."""
    if not conditions:
        return ()
    left = _meet(combine(conditions, MAX_PORT), [(MIN_PORT, MAX_PORT)])
    return tuple(PortRange(low, high) for low, high in left) or None


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
