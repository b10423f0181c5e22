# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a policy with address translations must do to the first packet of a connection, and with which addresses it arrives where.

Pure: touches nothing, and shares no code with the collection. The destination is translated first, then the packet is routed, then the
rules see it, then its source is translated. Of each kind the first translation that matches counts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Mapping, Optional

from .packet_oracle import ICMP, ICMPV6, PROTOCOLS, TCP, UDP, Packet
from .packet_testbed import Side
from .policy_oracle import PolicyFirewall

LEAVING = {"host0": "lan0", "lan0": "host0"}
PORTED = (TCP, UDP)


@dataclass(frozen=True)
class Sent:
    """The first packet of a connection as its sender makes it."""

    sender: str
    protocol: int
    source: str
    destination: str
    port: int = 0

    @property
    def family(self) -> int:
        return 6 if ":" in self.source else 4

    def __str__(self) -> str:
        return f"{self.sender}: protocol {self.protocol} {self.source} > {self.destination} port {self.port}"


@dataclass(frozen=True)
class Arrival:
    """Whose agent sees the packet, with which addresses and destination port.

    :ivar destination: "" where several addresses of the host are right.
    """

    side: str
    source: str
    destination: str
    port: int = 0


def arrival(document: Mapping[str, Any], sides: Mapping[str, Side], sent: Sent) -> Optional[Arrival]:
    """Return where the packet arrives, or None when it is stopped."""
    packet = _first(sides, sent)
    redirected = False
    if packet.hook != "out":
        one = _translation(document, packet, ("dnat", "redirect"), packet.interface)
        if one is not None:
            redirected = one["type"] == "redirect"
            to = sides[sent.sender].interface if redirected else ""
            address = _of_family(one["to"], packet.family) if not redirected else _address(sides, to, packet.family)
            packet = replace(packet, destination=address, port=one.get("to_port", packet.port) if packet.protocol in PORTED else 0)
        receiver = _owner(sides, packet.destination)
        packet = replace(packet, hook="in" if receiver in ("host", "lan") else "forward")
    else:
        receiver = _owner(sides, packet.destination)
    if PolicyFirewall(document, LEAVING).judge(packet)[0].outcome != "allow":
        return None
    source = packet.source
    if packet.hook != "in":
        leaving = packet.interface if packet.hook == "out" else LEAVING[packet.interface]
        one = _translation(document, packet, ("masquerade", "snat"), leaving)
        if one is not None:
            source = _of_family(one["to"], packet.family) if one["type"] == "snat" else _address(sides, leaving, packet.family)
    return Arrival("host" if receiver == "lan" else receiver, source, "" if redirected else packet.destination, packet.port)


def _first(sides: Mapping[str, Side], sent: Sent) -> Packet:
    hook, interface = "in", sides[sent.sender].interface
    if sent.sender in ("host", "lan"):
        hook, interface = "out", sides[_owner(sides, sent.destination)].interface
    return Packet(hook, sent.family, sent.protocol, sent.source, sent.destination, 40000 if sent.port else 0, sent.port, interface)


def _owner(sides: Mapping[str, Side], address: str) -> str:
    return next(name for name, side in sides.items() if address in side.addresses)


def _address(sides: Mapping[str, Side], interface: str, family: int) -> str:
    return sides["host" if interface == "host0" else "lan"].of(family)[0]


def _translation(document: Mapping[str, Any], packet: Packet, kinds: tuple[str, ...], interface: str) -> Optional[Mapping[str, Any]]:
    return next((one for one in document["nat"] if one["type"] in kinds and _matches(one, packet, interface)), None)


def _matches(one: Mapping[str, Any], packet: Packet, interface: str) -> bool:
    if interface not in _list(one.get("interface", interface)) or one.get("family", "any") not in ("any", f"ipv{packet.family}"):
        return False
    ported = "port" in one or "to_port" in one
    protocols = [PROTOCOLS[name] for name in _list(one.get("protocol", "tcp" if ported else "any"))]
    if None not in protocols and packet.protocol not in protocols:
        return False
    if "port" in one and (packet.protocol not in PORTED or packet.port not in _list(one["port"])):
        return False
    if "to" in one and not any((":" in to) == (packet.family == 6) for to in _list(one["to"])):
        return False
    return all(
        key not in one or address in _list(one[key]) for key, address in (("source", packet.source), ("destination", packet.destination))
    )


def _of_family(value: Any, family: int) -> str:
    return next(one for one in _list(value) if (":" in one) == (family == 6))


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def echo(family: int) -> int:
    """Return the protocol of an echo request."""
    return ICMP if family == 4 else ICMPV6
