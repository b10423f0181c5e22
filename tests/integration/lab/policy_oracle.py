# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a whole policy must do to a packet: its document read a second time, packet by packet.

Pure: touches nothing, and shares no code with the collection. It walks the rules of the document from the top and takes the first that
matches; before them pass loopback and known connections, behind them stands the default.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Any, Iterator, Mapping

from .packet_oracle import ICMP, ICMPV6, PROTOCOLS, TCP, Packet

PORTED = (6, 17, 132)
STATES = frozenset({"established", "related"})


@dataclass(frozen=True)
class Decision:
    """What decides a packet: ``allow``, ``deny``, or how it is refused (``reset``, ``unreachable``), and why."""

    outcome: str
    text: str


class PolicyFirewall:
    """The policy of a document, and which interface a forwarded packet leaves by."""

    def __init__(self, document: Mapping[str, Any], leaving: Mapping[str, str]) -> None:
        self.document, self.leaving = document, leaving
        self.defaults = {"in": "deny", "out": "allow", "forward": "deny", **(document.get("defaults") or {})}

    def judge(self, packet: Packet) -> list[Decision]:
        """Return the one thing that decides a packet."""
        if packet.interface == "lo" and packet.hook != "forward":
            return [Decision("allow", "loopback")]
        if packet.state in STATES:
            return [Decision("allow", "known connections")]
        for number, words in enumerate(self.document["rules"]):
            for protocol in self._matching(words, packet):
                verdict = words["action"]
                if verdict == "reject":
                    verdict = "reset" if protocol == TCP else "unreachable"
                return [Decision(verdict, "rules[%d]: %s" % (number, words))]
        default = self.defaults[packet.hook]
        return [Decision("unreachable" if default == "reject" else default, "the default")]

    def task(self, words: Mapping[str, Any]) -> None:
        """Nothing: a policy is put in force whole."""

    def listing(self) -> str:
        """Return all rules, for people."""
        lines = ["defaults: %s" % self.defaults] + ["rules[%d]: %s" % pair for pair in enumerate(self.document["rules"])]
        return "\n".join(lines)

    def _matching(self, words: Mapping[str, Any], packet: Packet) -> Iterator[int | None]:
        """Yield the protocol (None for any) of each way in which the words match the packet."""
        if words.get("direction", "in") != packet.hook:
            return
        if words.get("family", "any") not in ("any", "ipv%d" % packet.family):
            return
        if words.get("stateful") and packet.state != "new":
            return
        if not self._interfaces(words, packet):
            return
        for side, address in (("source", packet.source), ("destination", packet.destination)):
            if not self._addressed(words.get(side), address):
                return
        for protocol, ports, source_ports, types in self._services(words):
            if protocol is not None and protocol != packet.protocol:
                continue
            if ports and not (packet.protocol in PORTED and _within(ports, packet.port)):
                continue
            if source_ports and not (packet.protocol in PORTED and _within(source_ports, packet.source_port)):
                continue
            if types and _icmp_type(packet) not in types:
                continue
            yield protocol

    def _interfaces(self, words: Mapping[str, Any], packet: Packet) -> bool:
        zones = self.document.get("zones") or {}
        here = _list(words.get("interface"))
        key = "to_zone" if packet.hook == "out" else "from_zone"
        here += [one for zone in _list(words.get(key)) for one in zones[zone]["interfaces"]]
        if here and packet.interface not in here:
            return False
        there = _list(words.get("out_interface"))
        if packet.hook == "forward":
            there += [one for zone in _list(words.get("to_zone")) for one in zones[zone]["interfaces"]]
        return not there or self.leaving[packet.interface] in there

    def _addressed(self, value: Any, address: str) -> bool:
        included, excluded = [], []
        for word in _list(value):
            (excluded if word.startswith("!") else included).extend(self._members(word.lstrip("!")))
        if "any" in included or not (included or excluded):
            return True
        number = ipaddress.ip_address(address)
        families = {_version(one) for one in included + excluded}
        if number.version not in families:
            return False
        if any(_holds(one, number) for one in excluded):
            return False
        mine = [one for one in included if _version(one) == number.version]
        return any(_holds(one, number) for one in mine) if included else True

    def _members(self, word: str) -> list[str]:
        if not word.startswith("@"):
            return [word]
        return [inner for one in self.document["address_sets"][word[1:]] for inner in self._members(one)]

    def _services(self, words: Mapping[str, Any]) -> Iterator[tuple[int | None, list[Any], list[Any], list[int]]]:
        rows = [words]
        if "service" in words:
            rows = []
            for name in _list(words["service"]):
                told = self.document["services"][name]
                rows += told if isinstance(told, list) else [told]
        for row in rows:
            for name in _list(row.get("protocol", "tcp")):
                protocol = PROTOCOLS[str(name)] if str(name) in PROTOCOLS else int(name)
                ports = _list(row.get("port")) + _list(row.get("port_range"))
                yield protocol, ports, _list(row.get("source_port")), [int(one) for one in _list(row.get("icmp_type"))]


def _icmp_type(packet: Packet) -> int | None:
    if packet.protocol not in (ICMP, ICMPV6):
        return None
    request, answer, error = (8, 0, 3) if packet.protocol == ICMP else (128, 129, 1)
    return error if packet.state == "related" else answer if packet.reply else request


def _within(ports: list[Any], number: int) -> bool:
    for one in ports:
        first, _dash, last = str(one).partition("-")
        if int(first) <= number <= int(last or first):
            return True
    return False


def _version(word: str) -> int:
    return 6 if ":" in word else 4


def _holds(word: str, number: Any) -> bool:
    if _version(word) != number.version:
        return False
    if "-" in word:
        first, last = (ipaddress.ip_address(one.strip()) for one in word.split("-"))
        return bool(first <= number <= last)
    return number in ipaddress.ip_network(word)


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    if isinstance(value, str):
        return [word.strip() for word in value.split(",")]
    return list(value) if isinstance(value, (list, tuple)) else [value]
