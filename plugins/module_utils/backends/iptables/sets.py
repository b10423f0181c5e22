# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel address sets (ipset) for lists that are too long for one rule line.

Pure: touches nothing. A set of ours is named by its content and never edited, so a rule that names it means what it meant, and any
number of rules share it. Sets that nothing refers to any more are destroyed when a change is confirmed.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
import typing as t

from ...policy.addresses import Addresses, Network, make_addresses, network_text
from .intervals import range_conditions

#: Longer lists go into a set: iptables-restore takes 255 words a line, and a range takes five of them (xshared.h, MAX_ARGC).
MAX_RANGES = 12
OWN = re.compile(r"hf-[0-9a-f]{8}\Z")
_REFERENCE = re.compile(r"--match-set (hf-[0-9a-f]{8}) ")
_MAXELEM = 65536


def needs_set(addresses: Addresses) -> bool:
    """Return whether a list is too long for one line."""
    return len(addresses.networks) > MAX_RANGES and len(range_conditions(addresses)) > MAX_RANGES


def set_name(addresses: Addresses) -> str:
    """Return the name of the set with these members."""
    members = " ".join(str(network) for network in addresses.networks)
    return "hf-" + hashlib.sha256(members.encode()).hexdigest()[:8]


def set_lines(name: str, networks: t.Sequence[Network]) -> t.List[str]:
    """Return a set as the listing shows it: as ``ipset save`` does, sorted, less sizes and seeds."""
    lines = ["create %s hash:net family %s" % (name, "inet" if networks[0].version == 4 else "inet6")]
    return lines + ["add %s %s" % (name, network_text(network)) for network in networks]


def restore_text(sets: t.Mapping[str, t.Sequence[Network]]) -> str:
    """Return the input of ``ipset restore`` that makes these sets."""
    lines: t.List[str] = []
    for name in sorted(sets):
        create, *members = set_lines(name, sets[name])
        lines.append("%s maxelem %d" % (create, max(_MAXELEM, len(members))))
        lines.extend(members)
    return "\n".join(lines) + "\n"


def parse_sets(lines: t.Iterable[str]) -> t.Dict[str, t.Tuple[Network, ...]]:
    """Read the lines of ``ipset save``; sets that are not of our kind are left out."""
    families: t.Dict[str, int] = {}
    members: t.Dict[str, t.List[Network]] = {}
    for line in lines:
        words = line.split()
        if len(words) > 4 and words[0] == "create" and words[2:4] == ["hash:net", "family"] and OWN.match(words[1]):
            families[words[1]] = 6 if words[4] == "inet6" else 4
            members[words[1]] = []
        elif len(words) == 3 and words[0] == "add" and words[1] in families:
            try:
                members[words[1]].append(ipaddress.ip_network(words[2]))
            except ValueError:
                del families[words[1]]
        elif len(words) > 3 and words[0] == "add":
            families.pop(words[1], None)  # an element with options of its own (nomatch) is not ours
    return {name: make_addresses(members[name]).networks for name in families if members[name]}


def references(text: str) -> t.List[str]:
    """Return the names of our sets that rules in this text refer to."""
    return sorted(set(_REFERENCE.findall(text)))
