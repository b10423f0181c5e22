# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel sets (ipset): lists of addresses that are too long for one rule line, and blocks of rules that differ in few things only.

Pure: touches nothing. A set of ours is named by its content and never edited, so a rule that names it means what it meant, and any
number of rules share it. Sets that nothing refers to any more are destroyed when a change is confirmed. An element is kept as ``ipset
save`` prints it, protocols by the language's names. Facts: ipset(8) 7.17.
"""

from __future__ import annotations

import hashlib
import re
import typing as t

from ...policy.addresses import Addresses, Interval, joined, network_text
from ...policy.protocols import protocol_name
from .intervals import network_interval, range_conditions
from .protocols import ProtocolNames

#: Longer lists go into a set: iptables-restore takes 255 words a line, and a range takes five of them (xshared.h, MAX_ARGC).
MAX_RANGES = 12
#: A set of ours: a list of one rule, or a block of rules of a policy.
OWN = re.compile(r"hf(?:b)?-[0-9a-f]{8}\Z")
#: What the name of a set that is made to take the place of another ends with.
OTHER = "-new"
BLOCK = re.compile(r"hfb-[0-9a-f]{8}\Z")
_REFERENCE = re.compile(r"--match-set (hfb?-[0-9a-f]{8}) ")
_MAXELEM = 65536
#: The sides of a packet that can be looked up in a set of each kind: what iptables calls its flags.
SIDES: t.Dict[str, t.Tuple[str, ...]] = {
    "hash:net": ("src", "dst"),
    "hash:net,port": ("src,dst", "dst,dst", "src,src", "dst,src"),
    "hash:net,net": ("src,dst",),
    "hash:net,port,net": ("src,dst,dst",),
    "bitmap:port": ("dst", "src"),
}
#: Options of a set that make it match otherwise.
_STRANGE = frozenset({"timeout", "netmask", "bitmask", "range"})
#: ipset keeps so many bytes of a comment, and cannot read a quote in one.
MAX_COMMENT = 255

#: The value of an element and its comment.
Element = t.Tuple[str, t.Optional[str]]


class KernelSet(t.NamedTuple):
    """One set.

    :ivar kind: its type, a key of ``SIDES``.
    :ivar family: 4 or 6; None for ports.
    :ivar elements: sorted by their text.
    """

    kind: str
    family: t.Optional[int]
    elements: t.Tuple[Element, ...]

    @property
    def intervals(self) -> t.Tuple[Interval, ...]:
        """The addresses of a set of networks."""
        found = (network_interval(value, self.family or 4) for value, _comment in self.elements)
        return tuple(joined(one for one in found if one is not None))


Sets = t.Mapping[str, KernelSet]


def needs_set(addresses: Addresses) -> bool:
    """Return whether a list is too long for one line."""
    return len(addresses.networks) > MAX_RANGES and len(range_conditions(addresses)) > MAX_RANGES


def set_name(addresses: Addresses) -> str:
    """Return the name of the set with these members."""
    members = " ".join(str(network) for network in addresses.networks)
    return "hf-" + hashlib.sha256(members.encode()).hexdigest()[:8]


def list_set(addresses: Addresses) -> KernelSet:
    """Return the set of a list of addresses."""
    elements = tuple(sorted((network_text(one), None) for one in addresses.networks))
    return KernelSet("hash:net", addresses.networks[0].version, t.cast(t.Tuple[Element, ...], elements))


def block_set(kind: str, family: t.Optional[int], elements: t.Iterable[Element]) -> t.Tuple[str, KernelSet]:
    """Return a block of rules as a set, with its name; the first comment of an element that comes twice is kept."""
    kept: t.Dict[str, t.Optional[str]] = {}
    for value, comment in elements:
        kept.setdefault(value, comment)
    made = KernelSet(kind, family, tuple(sorted(kept.items())))
    return "hfb-" + hashlib.sha256("\n".join(set_lines("", made)).encode("utf-8", "surrogateescape")).hexdigest()[:8], made


def set_lines(name: str, one: KernelSet) -> t.List[str]:
    """Return a set as the listing shows it: as ``ipset save`` does, sorted, less sizes and seeds."""
    if one.kind == "bitmap:port":
        create = "create %s bitmap:port range 0-65535" % name
    else:
        create = "create %s %s family %s" % (name, one.kind, "inet" if one.family == 4 else "inet6")
    if any(comment is not None for _value, comment in one.elements):
        create += " comment"
    start = "add %s " % name
    return [create] + [
        start + value if comment is None else '%s%s comment "%s"' % (start, value, comment) for value, comment in one.elements
    ]


def restore_text(sets: Sets) -> str:
    """Return the input of ``ipset restore`` that makes these sets."""
    lines: t.List[str] = []
    for name in sorted(sets):
        create, *members = set_lines(name, sets[name])
        if sets[name].kind != "bitmap:port":
            create += " maxelem %d" % max(_MAXELEM, len(members))
        if ",port" in sets[name].kind:
            # Without a protocols file ipset reads numbers only.
            members = [_PROTOCOL.sub(_as_number, line, count=1) for line in members]
        lines.append(create)
        lines.extend(members)
    return "\n".join(lines) + "\n"


def swap_text(sets: Sets) -> str:
    """Return the input of ``ipset restore`` that gives sets which rules name these members, each at one instant."""
    lines: t.List[str] = []
    for name in sorted(sets):
        other = name + OTHER
        lines += [restore_text({other: sets[name]}).rstrip("\n"), "swap %s %s" % (other, name), "destroy " + other]
    return "\n".join(lines) + "\n" if lines else ""


_PROTOCOL = re.compile(r"(?<=,)(tcp|udp|sctp)(?=:)")
_NUMBERS = {"tcp": "6", "udp": "17", "sctp": "132"}


def _as_number(found: t.Match[str]) -> str:
    return _NUMBERS[found.group(1)]


def parse_sets(lines: t.Iterable[str], names: t.Optional[ProtocolNames] = None) -> t.Dict[str, KernelSet]:
    """Read the lines of ``ipset save``; sets that are not of our kind are left out.

    :param names: the host's protocol names.
    """
    kinds: t.Dict[str, t.Tuple[str, t.Optional[int]]] = {}
    members: t.Dict[str, t.List[Element]] = {}
    known = names or ProtocolNames()
    for line in lines:
        command, _blank, rest = line.partition(" ")
        name, _blank, rest = rest.partition(" ")
        if command == "create" and OWN.match(name):
            words = rest.replace("bitmap:port range 0-65535", "bitmap:port").split()
            if words and words[0] in SIDES and not _STRANGE & set(words):
                family = (6 if "inet6" in words else 4) if words[0] != "bitmap:port" else None
                kinds[name], members[name] = (words[0], family), []
        elif command == "add" and name in kinds:
            value, _blank, extra = rest.partition(" ")
            if extra and not (extra.startswith('comment "') and extra.endswith('"')):
                del kinds[name]  # an element with options of its own (nomatch) is not ours
                continue
            if ":" in value and "," in value and ",port" in kinds[name][0]:
                value = _canonical(value, known)
            members[name].append((value, extra[len('comment "') : -1] if extra else None))
    return {name: KernelSet(kind, family, tuple(sorted(members[name]))) for name, (kind, family) in kinds.items()}


def _canonical(value: str, names: ProtocolNames) -> str:
    """Return an element with its protocol by the language's name, whatever the host calls it."""
    parts = value.split(",")
    word, colon, port = parts[1].partition(":")
    number = names.number(word)
    if colon and number is not None:
        parts[1] = "%s:%s" % (protocol_name(number), port)
    return ",".join(parts)


def references(text: str) -> t.List[str]:
    """Return the names of our sets that rules in this text refer to."""
    return sorted(set(_REFERENCE.findall(text)))
