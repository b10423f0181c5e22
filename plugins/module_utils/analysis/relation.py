# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How two rules relate as sets of packets: does one cover the other, do they overlap?

Pure: touches nothing. Exact for the conditions a rule has; connection state is left out, since every rule sees the first packet of a
connection. A rule with a rate limit covers nothing (above its rate a packet falls through). A rule for known connections neither covers
nor meets anything: it never sees the first packet of one.
"""

from __future__ import annotations

import typing as t

from ..policy.addresses import Addresses
from ..policy.ports import PortRange
from ..policy.rule import Rule

Interval = t.Tuple[int, int]


def covers(wide: Rule, narrow: Rule) -> bool:
    """Return whether every packet that ``narrow`` matches is matched by ``wide``."""
    if wide.condition is not None or wide.reply or wide.established or wide.direction != narrow.direction:
        return False
    if not wide.families() >= narrow.families():
        return False
    if wide.protocol is not None and wide.protocol != narrow.protocol:
        return False
    if wide.interface is not None and wide.interface != narrow.interface:
        return False
    if wide.out_interface is not None and wide.out_interface != narrow.out_interface:
        return False
    for mine, theirs in zip(_ports(wide), _ports(narrow)):
        if mine and not (theirs and _contains(_port_intervals(mine), _port_intervals(theirs))):
            return False
    if wide.icmp_types and not (narrow.icmp_types and set(narrow.icmp_types) <= set(wide.icmp_types)):
        return False
    return _addresses_cover(wide.source, narrow.source) and _addresses_cover(wide.destination, narrow.destination)


def overlaps(one: Rule, other: Rule) -> bool:
    """Return whether some packet is matched by both."""
    if one.direction != other.direction or not one.families() & other.families() or one.established or other.established:
        return False
    if one.scope is not None and other.scope is not None and _other_program(one.scope.program, other.scope.program):
        return False
    if one.protocol is not None and other.protocol is not None and one.protocol != other.protocol:
        return False
    if one.interface is not None and other.interface is not None and one.interface != other.interface:
        return False
    if one.out_interface is not None and other.out_interface is not None and one.out_interface != other.out_interface:
        return False
    for mine, theirs in zip(_ports(one), _ports(other)):
        if mine and theirs and not _meet(_port_intervals(mine), _port_intervals(theirs)):
            return False
    if one.icmp_types and other.icmp_types and not set(one.icmp_types) & set(other.icmp_types):
        return False
    return all(_addresses_meet(getattr(one, side), getattr(other, side)) for side in ("source", "destination"))


def _other_program(one: t.Optional[str], other: t.Optional[str]) -> bool:
    """Return whether two paths name two programs; on Windows one program has many paths, so those never count as two."""
    return one is not None and other is not None and one.startswith("/") and other.startswith("/") and one != other


def _ports(rule: Rule) -> t.Tuple[t.Sequence[PortRange], t.Sequence[PortRange]]:
    """Return destination and source ports; a reply rule has them turned round."""
    return (rule.source_ports, rule.ports) if rule.reply else (rule.ports, rule.source_ports)


def _port_intervals(ports: t.Sequence[PortRange]) -> t.List[Interval]:
    return [(one.first, one.last) for one in ports]


def _address_intervals(addresses: Addresses, family: int) -> t.List[Interval]:
    """Return sorted, disjoint intervals of address numbers."""
    top = 2 ** (32 if family == 4 else 128) - 1
    if addresses.any:
        return [(0, top)]
    merged: t.List[Interval] = []
    for network in addresses.networks:
        low, high = int(network.network_address), int(network.broadcast_address)
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], high))
        else:
            merged.append((low, high))
    if not addresses.negated:
        return merged
    gaps: t.List[Interval] = []
    start = 0
    for low, high in merged:
        if low > start:
            gaps.append((start, low - 1))
        start = high + 1
    if start <= top:
        gaps.append((start, top))
    return gaps


def _addresses_cover(wide: Addresses, narrow: Addresses) -> bool:
    if wide.any:
        return True
    if narrow.any or wide.family != narrow.family or wide.family is None:
        return False
    return _contains(_address_intervals(wide, wide.family), _address_intervals(narrow, wide.family))


def _addresses_meet(one: Addresses, other: Addresses) -> bool:
    if one.any or other.any:
        return True
    if one.family != other.family or one.family is None:
        return False
    return _meet(_address_intervals(one, one.family), _address_intervals(other, one.family))


def _contains(wide: t.Sequence[Interval], narrow: t.Sequence[Interval]) -> bool:
    return all(any(low <= first and last <= high for low, high in wide) for first, last in narrow)


def _meet(one: t.Sequence[Interval], other: t.Sequence[Interval]) -> bool:
    return any(low <= last and first <= high for low, high in one for first, last in other)
