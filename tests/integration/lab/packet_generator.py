# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random rules over the small world of the packet tests, as a user would write them. Pure: the same seed gives the same rules."""

from __future__ import annotations

import random
from typing import Any, Mapping

from .packet_testbed import PORTS, Side

#: The sides at the ends of each direction.
ENDS = {
    "in": (("client", "far"), ("host", "lan")),
    "out": (("host", "lan"), ("client", "far")),
    "forward": (("client", "far"), ("far", "client")),
}
#: More addresses than there are packets from: neighbours that nobody has.
NETWORKS = {
    4: ("198.51.100.0/24", "198.51.100.200/29", "203.0.113.0/24", "198.51.100.202/31", "192.0.2.0/24", "0.0.0.0/0"),
    6: ("2001:db8:0:1::/64", "2001:db8:0:1::200/124", "2001:db8::/32", "2001:db8:0:2::/64", "2001:db8:0:1::202/127"),
}


def random_task(rng: random.Random, sides: Mapping[str, Side]) -> dict[str, Any]:
    """Return the words of one task that makes a rule present."""
    direction = rng.choices(("in", "out", "forward"), (5, 3, 2))[0]
    words: dict[str, Any] = {"action": rng.choice(("allow", "deny", "reject")), "direction": direction}
    words["protocol"] = rng.choices(("tcp", "udp", "any", "icmp", "icmpv6", 253, "sctp"), (8, 6, 5, 2, 2, 1, 1))[0]
    family = {"icmp": 4, "icmpv6": 6}.get(words["protocol"]) or rng.choice((None, None, 4, 6))
    if family is not None:
        for side, ends in zip(("source", "destination"), ENDS[direction]):
            if rng.random() < (0.6 if side == "source" else 0.35):
                words[side] = _addresses(rng, [one for end in ends for one in sides[end].of(family)], family)
        if rng.random() < 0.5 or not {"source", "destination"} & set(words):
            words["family"] = f"ipv{family}"
    if words["protocol"] in ("tcp", "udp", "sctp") and rng.random() < 0.75:
        words.update(_ports(rng))
    if rng.random() < 0.2:
        words["interface"] = rng.choice(("host0", "lan0", "lan0", "wg-home"))
    words["stateful"] = rng.random() < 0.5
    if rng.random() < 0.15:
        words["log"] = True
        words.update(rng.choice(({}, {"log_prefix": "hf "}, {"log_limit": "3/minute"})))
    if rng.random() < 0.15:
        words["comment"] = rng.choice(("a note", "it's $5; # no", "größer"))
    return words


def _addresses(rng: random.Random, known: list[str], family: int) -> Any:
    shape = rng.random()
    if shape < 0.3:
        return rng.choice(known)
    if shape < 0.5:
        return rng.choice(NETWORKS[family])
    some = rng.sample(known, min(len(known), rng.randint(1, 3)))
    if shape < 0.65:
        return ["!" + one for one in some]
    if shape < 0.75:
        whole = NETWORKS[family][0] if family == 4 else NETWORKS[family][2]
        return [whole, "!" + some[0]]
    return some


def _ports(rng: random.Random) -> dict[str, Any]:
    if rng.random() < 0.5:
        some = sorted(rng.sample(PORTS, rng.choice((1, 1, 2, 3))))
        return {"port": some if len(some) > 1 else some[0]}
    ranges = []
    for _number in range(rng.choice((1, 1, 2))):
        first, last = sorted((rng.choice(PORTS), rng.choice(PORTS)))
        ranges.append(f"{first}-{last}")
    return {"port_range": ranges}
