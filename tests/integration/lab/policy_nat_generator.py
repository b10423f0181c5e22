# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random policies with address translations, and packets that may meet them. Pure: the same seed, the same policy."""

from __future__ import annotations

import random
from typing import Any, Mapping

from .packet_oracle import TCP, UDP
from .packet_testbed import PORTS, Side
from .policy_nat_oracle import Sent, echo

#: Ports before and after a translation; nobody listens on those that are not in PORTS.
OUTSIDE = (6990, 6991, PORTS[1], PORTS[2])
INSIDE = (PORTS[1], PORTS[2], 7011, 7012)
#: Who sends to whom.
WAYS = (("client", "host"), ("client", "far"), ("far", "lan"), ("far", "client"), ("host", "far"))


def random_nat(rng: random.Random, sides: Mapping[str, Side]) -> dict[str, Any]:
    """Return a policy with a few translations, whose rules let most packets pass."""
    rules: list[dict[str, Any]] = [
        {"direction": "forward", "action": "deny", "port": rng.choice(INSIDE)},
        {"direction": "forward", "action": "allow", "protocol": "any"},
        {"direction": "in", "action": "allow", "protocol": ["tcp", "udp"], "port": rng.sample(INSIDE, 3)},
        {"direction": "in", "action": "allow", "protocol": "icmp", "icmp_type": 8},
        {"direction": "in", "action": "allow", "protocol": "icmpv6", "icmp_type": 128},
    ]
    return {"rules": rules[rng.random() < 0.5 :], "nat": [_translation(rng, sides) for _number in range(rng.randint(2, 7))]}


def _translation(rng: random.Random, sides: Mapping[str, Side]) -> dict[str, Any]:
    kind = rng.choice(("masquerade", "snat", "dnat", "dnat", "redirect"))
    words: dict[str, Any] = {"type": kind}
    interface = rng.choice(("host0", "lan0"))
    near, beyond = ("client", "far") if interface == "host0" else ("far", "client")
    if kind in ("dnat", "redirect"):
        # Without the interface a packet could go back to the side that it comes from.
        if kind == "dnat" or rng.random() < 0.6:
            words["interface"] = interface
        words.update(protocol=rng.choice(("tcp", "udp", ["tcp", "udp"])), port=rng.sample(OUTSIDE, rng.randint(1, 3)))
        if kind == "dnat":
            family = rng.choice(((4,), (6,), (4, 6)))
            words["to"] = [rng.choice(sides[beyond].of(one)) for one in family]
        if kind == "redirect" or rng.random() < 0.6:
            words["to_port"] = rng.choice(INSIDE)
        if rng.random() < 0.3:
            words["source"] = [one for family in (4, 6) for one in rng.sample(sides[near].of(family), 2)]
    else:
        words["interface"] = interface
        source = "far" if interface == "host0" else "client"
        if kind == "snat":
            words["to"] = [rng.choice(sides["host"].of(family)) for family in rng.choice(((4,), (6,), (4, 6)))]
        if rng.random() < 0.4:
            words.update(protocol=rng.choice(("tcp", "udp", ["tcp", "udp"])), port=rng.sample(INSIDE, 2))
        if rng.random() < 0.4:
            words["source"] = [one for family in (4, 6) for one in rng.sample(sides[source].of(family), 1)]
        if rng.random() < 0.2:
            words["destination"] = [rng.choice(sides[near].of(family)) for family in (4, 6)]
    if "to" not in words and "source" not in words and "destination" not in words and rng.random() < 0.2:
        words["family"] = rng.choice(("ipv4", "ipv6"))
    if rng.random() < 0.3:
        words["comment"] = f"translation {rng.randint(1, 99)}"
    return words


def random_packets(rng: random.Random, sides: Mapping[str, Side], document: Mapping[str, Any], count: int) -> list[Sent]:
    """Return packets, most of them for ports that are translated or listened on."""
    packets = []
    for _number in range(count):
        sender, receiver = rng.choice(WAYS)
        family = rng.choice((4, 6))
        # The host's other addresses of IPv6 are deprecated, and UDP answers of its own come from the one that was asked.
        source = rng.choice(sides[sender].of(family)[: 1 if sender == "host" else 4])
        destination = rng.choice(sides[receiver].of(family))
        protocol = rng.choice((TCP, TCP, UDP, UDP, echo(family)))
        if protocol == echo(family):
            packets.append(Sent(sender, protocol, source, destination))
        else:
            ports = PORTS[1:4] if sender == "host" else OUTSIDE + INSIDE
            packets.append(Sent(sender, protocol, source, destination, rng.choice(ports)))
    return list(dict.fromkeys(packets))
