# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The states of pf: which packets belong to a connection that a rule let through, and how they are translated.

A state has the ends of its connection twice: on the wire, as the outside sees them, and on the stack, as the host does. They differ
where an address was translated. A packet that arrives is compared with the wire, one that leaves with the stack; in the direction of the
first packet, or turned round.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

_WITH_PORTS = (6, 17)
_REPLIES = {8: 0, 13: 14, 15: 16, 17: 18, 128: 129}

Ends = tuple[str, int, str, int]


@dataclass(frozen=True)
class State:
    """One connection. ``direction`` is that of its first packet, ``interface`` what it is bound to, ``tag`` what its packets get."""

    proto: int
    direction: str
    wire: Ends
    stack: Ends
    icmp_type: int | None = None
    interface: str | None = None
    tag: str = ""

    def follow(self, packet: dict) -> dict | None:
        """The packet as it goes on, if it belongs to this connection."""
        if packet["proto"] != self.proto or (self.interface is not None and packet["interface"] != self.interface):
            return None
        same = packet["direction"] == self.direction
        if self.proto in (1, 58):
            expected = self.icmp_type if same else _REPLIES.get(self.icmp_type or 0)
            if self.icmp_type not in _REPLIES or packet["icmp_type"] != expected:
                return None
        before, after = (self.wire, self.stack) if packet["direction"] == "in" else (self.stack, self.wire)
        if not same:
            before, after = _turned(before), _turned(after)
        if ends_of(packet) != before:
            return None
        return dict(with_ends(packet, after), tag=self.tag or packet["tag"])


def ends_of(packet: dict) -> Ends:
    """Source and destination with their ports, which count for tcp and udp only."""
    ports = packet["proto"] in _WITH_PORTS
    source, destination = (str(ipaddress.ip_address(packet[end])) for end in ("src", "dst"))
    return source, packet["sport"] if ports else 0, destination, packet["dport"] if ports else 0


def with_ends(packet: dict, ends: Ends) -> dict:
    """A packet with other ends."""
    changed = dict(packet, src=ends[0], dst=ends[2])
    if packet["proto"] in _WITH_PORTS:
        changed.update(sport=ends[1], dport=ends[3])
    return changed


def new_state(before: dict, after: dict, bound: str | None, tag: str) -> State:
    """The state of a packet that arrived or was sent as ``before`` and goes on as ``after``."""
    first, last = ends_of(before), ends_of(after)
    wire, stack = (first, last) if before["direction"] == "in" else (last, first)
    return State(before["proto"], before["direction"], wire, stack, before["icmp_type"], bound, tag)


def _turned(ends: Ends) -> Ends:
    return ends[2], ends[3], ends[0], ends[1]
