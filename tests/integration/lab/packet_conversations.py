# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which packets a probe causes, and which of them each side must see: the oracle's verdicts put together. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from typing import Any, Iterator, Mapping, Sequence

from .packet_oracle import ICMP, ICMPV6, OPPOSITE, SCTP, TCP, TRIAL, UDP, Entry, Firewall, Packet
from .packet_testbed import PORTS, Side
from .policy_oracle import Decision, PolicyFirewall

#: (who sends, who receives): the hook that its packets pass, the interface at the sender's end, and the one at the receiver's.
ROUTES = {
    ("client", "host"): ("in", "host0", "host0"),
    ("far", "lan"): ("in", "lan0", "lan0"),
    ("host", "client"): ("out", "host0", "host0"),
    ("lan", "far"): ("out", "lan0", "lan0"),
    ("client", "far"): ("forward", "host0", "lan0"),
    ("far", "client"): ("forward", "lan0", "host0"),
}


@dataclass(frozen=True)
class Probe:
    """The start of a conversation: who asks whom for what."""

    sender: str
    receiver: str
    protocol: int
    source: str
    destination: str
    port: int = 0

    @property
    def family(self) -> int:
        return 6 if ":" in self.source else 4

    def __str__(self) -> str:
        port = f" port {self.port}" if self.port else ""
        return f"packet: {self.sender} to {self.receiver}, protocol {self.protocol}, {self.source} > {self.destination}{port}"

    def words(self, token: int) -> dict[str, Any]:
        """Return what the sender's agent has to know."""
        return {"token": token, "protocol": self.protocol, "source": self.source, "destination": self.destination, "port": self.port}

    def request(self, token: int) -> Packet:
        """Return its first packet."""
        hook, here, there = ROUTES[self.sender, self.receiver]
        ported = self.protocol in (TCP, UDP, SCTP)
        return Packet(
            hook, self.family, self.protocol, self.source, self.destination, token if ported else 0, self.port if ported else 0,
            there if hook == "out" else here,
        )  # fmt: skip


@dataclass
class Expectation:
    """What must be seen of a probe: whether the request arrives, and what its sender hears (``answer``, ``reset``, ``unreachable``).

    :ivar goes_on: whether the next packet of the sender arrives; None where there is none.
    :ivar certain: whether the rules promise all that; if not, it proves nothing.
    :ivar judged: each packet whose fate is compared, with the entries that may decide it.
    """

    arrives: bool = False
    hears: str | None = None
    goes_on: bool | None = None
    certain: bool = True
    judged: list[tuple[Packet, list[Entry] | list[Decision]]] = field(default_factory=list)

    def judge(self, firewall: Firewall | PolicyFirewall, packet: Packet) -> str:
        """Return and note what becomes of a packet."""
        entries = firewall.judge(packet)
        self.judged.append((packet, entries))
        self.certain = self.certain and len({entry.outcome for entry in entries}) == 1
        return entries[0].outcome

    def __str__(self) -> str:
        lines = [f"{'arrives' if self.arrives else 'does not arrive'}, the sender hears {self.hears or 'nothing'}"]
        if self.goes_on is not None:
            lines[0] += f", more {'arrives' if self.goes_on else 'does not arrive'}"
        lines += [f"    {packet}: {' or '.join(f'{one.outcome} by {one.text}' for one in entries)}" for packet, entries in self.judged]
        return "\n".join(lines)


def expect(firewall: Firewall | PolicyFirewall, sides: Mapping[str, Side], probe: Probe, token: int, more: bool = True) -> Expectation:
    """Follow a probe and what it causes through the firewall; with ``more`` also what its sender sends when it has been answered."""
    found, request = Expectation(), probe.request(token)
    outcome = found.judge(firewall, request)
    if outcome == "allow":
        found.arrives = True
        if probe.protocol in (SCTP, TRIAL) or found.judge(firewall, _turned(probe, request)) != "allow":
            return found
        found.hears = "answer"
        if more and probe.protocol in (TCP, UDP):
            found.goes_on = found.judge(firewall, replace(request, state="established")) == "allow"
    elif outcome != "deny" and all(
        found.judge(firewall, refusal) == "allow" for refusal in _refusals(sides, probe, request, outcome == "reset")
    ):
        found.hears = outcome
    return found


def matrix(sides: Mapping[str, Side], hooks: Sequence[str] = ("in", "out", "forward")) -> Iterator[Probe]:
    """Return every probe between the sides."""
    for (sender, receiver), (hook, _here, _there) in ROUTES.items():
        if hook not in hooks:
            continue
        for family in (4, 6):
            for source in sides[sender].of(family):
                for destination in sides[receiver].of(family):
                    for protocol in (TCP, UDP):
                        for port in PORTS:
                            yield Probe(sender, receiver, protocol, source, destination, port)
                    for protocol in (ICMP if family == 4 else ICMPV6, SCTP, TRIAL):
                        yield Probe(sender, receiver, protocol, source, destination, PORTS[1] if protocol == SCTP else 0)


def chosen(rng: random.Random, probes: Sequence[Probe], entries: Sequence[Entry], count: int) -> list[Probe]:
    """Return some of the probes, half of them such that a packet of theirs meets one of the entries, if there are so many.

    Packets of a protocol without ports are of one connection with all others between the same addresses: there is only one of these.
    """
    hit, rest, pairs = [], [], set()
    for probe in rng.sample(probes, len(probes)):
        pair = frozenset((probe.source, probe.destination)) if probe.protocol == TRIAL else None
        if pair in pairs:
            continue
        if pair:
            pairs.add(pair)
        request = probe.request(40000)
        both = (request, _turned(probe, request))
        (hit if any(entry.condition.matches(packet) for entry in entries for packet in both) else rest).append(probe)
    some = hit[: count // 2]
    return some + rest[: count - len(some)]


def _turned(probe: Probe, request: Packet) -> Packet:
    """Return the answer to a request."""
    hook, here, there = ROUTES[probe.sender, probe.receiver]
    return Packet(
        OPPOSITE[hook], request.family, request.protocol, request.destination, request.source, request.port, request.source_port,
        there if hook == "forward" else here if hook == "in" else there, "established", True,
    )  # fmt: skip


def _refusals(sides: Mapping[str, Side], probe: Probe, request: Packet, reset: bool) -> list[Packet]:
    """Return the packets at which the firewall looks when it answers a request itself: the answer on its way to the sender.

    What it refuses on its way out it answers over the loopback interface, once going out and once coming in. A reset comes from the
    address that was asked; an ICMP error comes from there only if it is the host's own.
    """
    hook, here, _there = ROUTES[probe.sender, probe.receiver]
    source = probe.destination
    if not reset and hook == "forward":
        source = sides["host" if here == "host0" else "lan"].of(probe.family)[0]
    elif not reset and hook == "out":
        source = probe.source
    protocol = TCP if reset else (ICMP if probe.family == 4 else ICMPV6)
    ends = (request.port, request.source_port) if reset else (0, 0)
    hooks = [("out", "lo"), ("in", "lo")] if hook == "out" else [("out", here)]
    return [Packet(one, probe.family, protocol, source, probe.source, *ends, interface, "related", True) for one, interface in hooks]
