# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names of what is ours in firewalld, and where its files are.

Pure: touches nothing.
"""

from __future__ import annotations

import hashlib
import re
import typing as t

from ...policy.addresses import Addresses, network_text

NAME = "firewalld"
CONFIG = "/etc/firewalld"
#: What the names of our policies and sets start with.
PREFIX = "holdfast-"
#: Our policies by direction: the one that decides before zones, and the one that decides behind the rules of a zone.
FIRST = {"in": "holdfast-in", "out": "holdfast-out", "forward": "holdfast-fwd"}
LAST = {"in": "holdfast-in-end", "out": "holdfast-out-end", "forward": "holdfast-fwd-end"}
#: Our policies with translations, by what the target of a translation is: the host itself (redirect), or another (all others). Of one
#: number there is one of them, and those with a lower number translate first.
NAT = {"in": "holdfast-nat%d-in", "forward": "holdfast-nat%d-fwd"}
#: What only the names of those start with.
NAT_PREFIX = "holdfast-nat"
#: More would have names that are too long for firewalld.
MAX_NAT = 99
_NAT = re.compile(r"holdfast-nat([1-9]\d?)-(in|fwd)\Z")
#: Where the packets of a direction come from and go to.
WAY = {"in": ("ANY", "HOST"), "out": ("HOST", "ANY"), "forward": ("ANY", "ANY")}
#: Of policies the one with the lowest priority decides first; positive ones come behind the rules of a zone.
FIRST_PRIORITY, LAST_PRIORITY = -32768, 32767
#: The chains of nftables that firewalld makes for a policy of each direction.
CHAINS = {"in": "filter_IN_policy_%s", "out": "filter_OUT_policy_%s", "forward": "filter_FWD_policy_%s"}

TARGETS = {"allow": "ACCEPT", "deny": "DROP", "reject": "REJECT"}
CONTINUE = "CONTINUE"

#: Names of ICMP types for which every supported version of firewalld has rules; it knows no numbers.
ICMP_NAMES: t.Dict[int, t.Dict[int, str]] = {
    1: {
        0: "echo-reply", 3: "destination-unreachable", 4: "source-quench", 5: "redirect", 8: "echo-request", 9: "router-advertisement",
        10: "router-solicitation", 11: "time-exceeded", 12: "parameter-problem", 13: "timestamp-request", 14: "timestamp-reply",
    },
    58: {
        1: "destination-unreachable", 2: "packet-too-big", 3: "time-exceeded", 4: "parameter-problem", 128: "echo-request",
        129: "echo-reply", 133: "router-solicitation", 134: "router-advertisement", 135: "neighbour-solicitation",
        136: "neighbour-advertisement", 137: "redirect",
    },
}  # fmt: skip


def policy_path(name: str) -> str:
    """Return the file of a policy."""
    return "%s/policies/%s.xml" % (CONFIG, name)


def ipset_path(name: str) -> str:
    """Return the file of a set."""
    return "%s/ipsets/%s.xml" % (CONFIG, name)


def nat_place(name: str) -> t.Optional[t.Tuple[int, str]]:
    """Return the number and the direction of a policy with translations, or None for the name of anything else."""
    found = _NAT.match(name)
    return (int(found.group(1)), "in" if found.group(2) == "in" else "forward") if found is not None else None


def direction_of(name: str) -> t.Optional[str]:
    """Return the direction of a policy of ours, or None for a name that is not ours."""
    place = nat_place(name)
    return place[1] if place is not None else next((one for one in FIRST if name in (FIRST[one], LAST[one])), None)


def nat_paths(exists: t.Callable[[str], bool]) -> t.List[str]:
    """Return the files of our policies with translations: their numbers have no gaps."""
    found: t.List[str] = []
    for number in range(1, MAX_NAT + 1):
        there = [path for path in (policy_path(one % number) for one in NAT.values()) if exists(path)]
        if not there:
            break
        found += there
    return found


def set_name(addresses: Addresses) -> str:
    """Return the name of the set with exactly these networks: equal addresses have one set."""
    text = "\n".join(network_text(one) for one in addresses.networks)
    return "%sv%d-%s" % (PREFIX, addresses.networks[0].version, hashlib.sha256(text.encode("ascii")).hexdigest()[:16])
