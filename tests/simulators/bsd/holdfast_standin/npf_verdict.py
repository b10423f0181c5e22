# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What npf does with a packet: group after group, the default group last; the last match of a group decides unless a rule is ``final``.

``Machine`` remembers the states of the packets before. What npfctl compiles into something else than it says is done here as it is there:
a port range beside other ports never matches, and in a list of IPv6 networks one equal word is enough.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from .npf_rule import Address, Config, Group, Rule, Side
from .pf_verdict import normal_packet

#: ICMP of IPv4 that has an identifier, with the answer. One state takes them all; of IPv6 npf keeps none.
_IDENTIFIED = {8: 0, 0: 8, 13: 14, 14: 13, 15: 16, 16: 15}


@dataclass(frozen=True)
class Verdict:
    """``reply``: how a block answers; ``rule`` decided, if any; ``log`` if its procedure logs."""

    allowed: bool
    reply: str = ""
    rule: Rule | None = None
    log: bool = False
    by_state: bool = False


class Machine:
    """A host with a configuration; ``tables`` holds the networks of each table."""

    def __init__(self, config: Config, tables: dict[str, list[str]] | None = None) -> None:
        self.config = config
        self.tables = {name: [ipaddress.ip_network(one) for one in found] for name, found in (tables or {}).items()}
        self._states: set = set()

    def send(self, packet: dict) -> Verdict:
        """Ask about one packet; its state, if it makes one, is remembered."""
        packet = normal_packet(packet)
        if _key(packet) in self._states:
            return Verdict(True, by_state=True)
        rule = self._deciding(packet)
        if rule is None:
            return Verdict(True)
        log = "log" in self.config.procedures.get(rule.apply, ())
        if rule.block:
            return Verdict(False, rule.reply or "drop", rule, log)
        if rule.stateful and _trackable(packet):
            self._states |= {_key(packet), _key(_answer(packet))}
        return Verdict(True, "", rule, log)

    def _deciding(self, packet: dict) -> Rule | None:
        """The rule that decides. A match is never given up at the next group."""
        matched: Rule | None = None
        for group in self.config.asked:
            if matched is not None:
                return matched
            final, matched = self._walk(group, packet, matched)
            if final:
                return matched
        return matched

    def _walk(self, group: Group, packet: dict, matched: Rule | None) -> tuple[bool, Rule | None]:
        if group.dynamic or (group.interface and group.interface != packet["interface"]):
            return False, matched
        if group.direction and group.direction != packet["direction"]:
            return False, matched
        for one in group.items:
            if isinstance(one, Group):
                if matched is not None:
                    return True, matched
                final, matched = self._walk(one, packet, matched)
                if final:
                    return True, matched
            elif self.matches(one, packet):
                matched = one
                if one.final:
                    return True, matched
        return False, matched

    def matches(self, rule: Rule, packet: dict) -> bool:
        """Whether the code of a rule matches a packet."""
        if rule.interface and rule.interface != packet["interface"]:
            return False
        if rule.direction and rule.direction != packet["direction"]:
            return False
        if rule.family and rule.family != packet["family"]:
            return False
        flags = not rule.protocols or any(one.number == 6 and one.flags is None for one in rule.protocols)
        if rule.stateful and flags and packet["proto"] == 6 and not _opens(packet):
            return False
        if rule.protocols and not any(self._protocol(one, packet) for one in rule.protocols):
            return False
        if (rule.source.ports or rule.destination.ports) and packet["proto"] not in (6, 17):
            return False
        return self._side(rule.source, packet, "src", "sport") and self._side(rule.destination, packet, "dst", "dport")

    def _protocol(self, one, packet: dict) -> bool:
        if one.number != packet["proto"]:
            return False
        if one.flags is not None and one.flags != ("S", "FSRA"):
            raise AssertionError("stand-in: flags %s/%s are not imitated" % one.flags)
        if one.flags is not None and not _opens(packet):
            return False
        return one.icmp is None or one.icmp[0] == packet["icmp_type"]

    def _side(self, side: Side, packet: dict, end: str, port_name: str) -> bool:
        if side.ports:
            spans = side.ports if len(side.ports) == 1 else [span for span in side.ports if span[0] == span[1]]
            if not any(first <= packet[port_name] <= last for first, last in spans):
                return False
        addresses = [one for one in side.addresses if not (one.kind == "net" and one.prefix == 0)]
        if not addresses:
            return all(one.family in (None, packet["family"]) for one in side.addresses)
        address = ipaddress.ip_address(packet[end])
        in_list = len(addresses) > 1 or side.negated
        if any(one.family not in (None, address.version) for one in addresses):
            return False
        return any(self._one(one, address, in_list) for one in addresses) != side.negated

    def _one(self, one: Address, address, in_list: bool) -> bool:
        if one.kind == "table":
            return any(address in network for network in self.tables.get(one.value, ()))
        if one.kind == "ifaddrs":
            raise AssertionError("stand-in: addresses of interfaces are not imitated")
        network = one.network
        if address.version == 4 or not in_list:
            return address in network
        return any(word in (given, None) for word, given in zip(_words(network), _words(ipaddress.ip_network(address))) if word is not None)


def _words(network) -> list:
    """The words of 32 bits that are compared, each masked; None for those behind the prefix."""
    found: list = []
    for number in range(4):
        bits = min(32, max(0, network.prefixlen - 32 * number))
        word = int(network.network_address) >> (96 - 32 * number) & 0xFFFFFFFF
        found.append(word >> (32 - bits) << (32 - bits) if bits else None)
    return found


def _opens(packet: dict) -> bool:
    return bool(packet["flags"] & 0b10) and not packet["flags"] & 0b10101


def _trackable(packet: dict) -> bool:
    if packet["proto"] == 1:
        return packet["icmp_type"] in _IDENTIFIED
    return packet["proto"] == 17 or (packet["proto"] == 6 and _opens(packet))


def _answer(packet: dict) -> dict:
    return dict(
        packet, direction="out" if packet["direction"] == "in" else "in", src=packet["dst"], dst=packet["src"], sport=packet["dport"],
        dport=packet["sport"], icmp_type=_IDENTIFIED.get(packet["icmp_type"], packet["icmp_type"]),
    )  # fmt: skip


def _key(packet: dict) -> tuple:
    ports: tuple = (packet["sport"], packet["dport"]) if packet["proto"] in (6, 17) else ()
    if packet["proto"] == 1 and not _trackable(packet):
        ports = (packet["icmp_type"],)
    ends = (str(ipaddress.ip_address(packet["src"])), str(ipaddress.ip_address(packet["dst"])))
    return (packet["direction"], packet["interface"], packet["proto"], *ends, *ports)
