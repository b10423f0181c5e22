# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random policy documents over the small world of the packet tests, as a user would write them. Pure: the same seed, the same document."""

from __future__ import annotations

import random
from typing import Any, Mapping

from .packet_generator import random_task
from .packet_testbed import PORTS, Side

ZONES = {"outer": {"interfaces": ["host0"]}, "inner": {"interfaces": ["lan0"]}, "nowhere": {"interfaces": ["wg-home", "eth9"]}}
SERVICES = {
    "first": {"protocol": "tcp", "port": [PORTS[0], PORTS[1]]},
    "both": [{"protocol": "udp", "port": PORTS[2]}, {"protocol": "tcp", "port": "%d-%d" % (PORTS[2], PORTS[4])}],
    "echo": [{"protocol": "icmp", "icmp_type": 8}, {"protocol": "icmpv6", "icmp_type": [128]}],
}


def random_document(rng: random.Random, sides: Mapping[str, Side], rules: int) -> dict[str, Any]:
    """Return a document with so many rules."""
    document: dict[str, Any] = {"zones": ZONES, "services": SERVICES, "address_sets": _sets(rng, sides)}
    if rng.random() < 0.8:
        document["defaults"] = {
            direction: rng.choices(("allow", "deny", "reject"), (3, 4, 2))[0]
            for direction in ("in", "out", "forward")
            if rng.random() < 0.8
        }
    if rng.random() < 0.3:
        document["logging"] = {"denied": True, "limit": "10/minute"}
    document["rules"] = [_rule(rng, sides, "rule %d" % number) for number in range(rules)]
    return document


def _sets(rng: random.Random, sides: Mapping[str, Side]) -> dict[str, Any]:
    clients, far = sides["client"], sides["far"]
    return {
        "some4": rng.sample(clients.of(4), 2) + [far.of(4)[0]],
        "mixed": [clients.of(4)[1], clients.of(6)[1], far.of(6)[0], "192.0.2.0/25"],
        "wide": ["@mixed", "198.51.100.200/29", "2001:db8:0:2::/64"],
    }


def _rule(rng: random.Random, sides: Mapping[str, Side], name: str) -> dict[str, Any]:
    words = random_task(rng, sides)
    if words.get("log_prefix") is not None:
        words["log_prefix"] = "hf "
    if rng.random() < 0.5:
        words["name"] = name
        words.pop("comment", None)
    shape = rng.random()
    forward = words["direction"] == "forward"
    free = not {"source", "destination", "family"} & set(words)
    if shape < 0.15 and words["protocol"] in ("tcp", "udp"):
        words["protocol"] = ["tcp", "udp"]
    elif shape < 0.3 and free:
        for key in ("port", "port_range"):
            words.pop(key, None)
        del words["protocol"]
        words["service"] = rng.choice(("first", "both", "echo", ["first", "echo"]))
    elif shape < 0.4 and words["protocol"] in ("icmp", "icmpv6"):
        words["icmp_type"] = rng.choice(([8], [0, 8], [13]) if words["protocol"] == "icmp" else ([128], [128, 129], [1, 2]))
    elif shape < 0.5 and words["protocol"] in ("tcp", "udp"):
        words["source_port"] = rng.choice((["20000-29999"], ["25000-60000"], ["20000-39999", 45000], [7000]))
    if "service" not in words and free and rng.random() < 0.4 and words["protocol"] not in ("icmp", "icmpv6"):
        words[rng.choice(("source", "destination"))] = rng.choice((["@mixed"], ["@wide"], ["@wide", "!@mixed"], ["@some4"]))
    if "interface" not in words and rng.random() < 0.3:
        key = "to_zone" if words["direction"] == "out" else "from_zone"
        words[key] = rng.choice(("outer", "inner", "nowhere", ["outer", "nowhere"]))
    if forward and rng.random() < 0.4:
        words[rng.choice(("to_zone", "out_interface"))] = "lan0"
        if "to_zone" in words:
            words["to_zone"] = rng.choice(("outer", "inner"))
    return words
