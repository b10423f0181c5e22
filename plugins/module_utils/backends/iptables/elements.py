# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of an element of a kernel set: networks, ports and protocols, and what they mean for the sides of a packet.

Pure: touches nothing. Facts: ipset(8), the types hash:net, hash:net,port, hash:net,net, hash:net,port,net, hash:ip,port,net, bitmap:port.
"""

from __future__ import annotations

import typing as t

from ...policy.protocols import NUMBERS
from .conditions import Conditions
from .intervals import Condition, network_interval

_ADDRESS = {"src": "source", "dst": "destination"}
_PORT = {"src": "sports", "dst": "dports"}


def element_conditions(kind: str, sides: str, value: str, family: int) -> t.Optional[t.Dict[str, t.Any]]:
    """Return the fields of ``Conditions`` that an element stands for, or None when it is not of a kind that a policy writes."""
    fields: t.Dict[str, t.Any] = {}
    parts, flags = value.split(","), sides.split(",")
    if len(parts) != len(flags):
        return None
    for part, flag, what in zip(parts, flags, kind.partition(":")[2].split(",")):
        condition: t.Optional[Condition]
        if what == "port":
            word, colon, port = part.rpartition(":")
            if colon:
                if word not in NUMBERS:
                    return None
                fields["protocol"] = NUMBERS[word]
            if not (port.isascii() and port.isdigit()):
                return None
            condition, name = (False, ((int(port), int(port)),)), _PORT[flag]
        else:
            interval = network_interval(part, family)
            if interval is None:
                return None
            condition, name = (False, (interval,)), _ADDRESS[flag]
        fields[name] = (*fields.get(name, ()), condition)
    return fields


def both(one: Conditions, other: Conditions) -> t.Optional[Conditions]:
    """Return the conditions of packets that meet both, or None when no packet does."""
    if one.protocol is not None and other.protocol is not None and one.protocol != other.protocol:
        return None
    for mine, theirs in ((one.inbound, other.inbound), (one.outbound, other.outbound)):
        if mine is not None and theirs is not None and mine != theirs:
            return None
    states = one.states
    if other.states is not None:
        states = other.states if states is None else states & other.states
        if not states:
            return None
    types = one.icmp_types or other.icmp_types
    if one.icmp_types and other.icmp_types:
        types = tuple(sorted(set(one.icmp_types) & set(other.icmp_types)))
        if not types:
            return None
    return Conditions(
        one.protocol if one.protocol is not None else other.protocol,
        one.source + other.source, one.destination + other.destination, one.dports + other.dports, one.sports + other.sports,
        one.inbound if one.inbound is not None else other.inbound, one.outbound if one.outbound is not None else other.outbound,
        states, one.reply or other.reply, one.limits + other.limits, types, one.blocks + other.blocks,
    )  # fmt: skip
