# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the lines that we write ourselves: the same as ``line`` and ``policy_parse`` read them, several times faster.

Pure: touches nothing. A policy may have ten thousand lines. A line of any other form is left to the whole grammar.
"""

from __future__ import annotations

import re
import typing as t

from ...policy.addresses import ANY, Addresses, Network, make_addresses, parse_network
from ...policy.errors import PolicyError
from ...policy.ports import MAX_PORT, PortRange, merge_ports
from ...policy.protocols import FAMILY_OF, ICMP, ICMPV6, TCP, UDP
from ...policy.rule import Log, Rule
from .names import TYPE_TOP
from .policy_forwarding import FORWARD, HOST
from .tables import Contents

_ITEM = r"(\{ [\w:, ]* \}|[\w:]+)"
_SIDE = r"((?:! )?(?:<\w+>|\{ [\w.:/, ]* \}|[\w.:/]+))"
_LINE = re.compile(
    r'(pass|block drop|block return-rst|block return) (in|out) (log )?quick(?: on ([\w.:@-]+|"[^"]*"))?(?: (inet6?))?(?: proto ([\w-]+))? '
    r"(?:all|from " + _SIDE + "(?: port " + _ITEM + ")? to " + _SIDE + "(?: port " + _ITEM + r")?)(?: icmp(6?)-type " + _ITEM + ")?"
    r'(?: flags (any|S/SA))?(?: (keep|no) state)?(?: allow-opts)?(?: label "([^"]*)")?(?: (tag hf_known))?'
    r"(?: ((?:! )?tagged [\w.:@-]+))?\n?\Z"
)
_ACTIONS = {"pass": "allow", "block drop": "deny", "block return-rst": "reject", "block return": "reject"}
_PROTOCOLS = {None: None, "tcp": TCP, "udp": UDP, "icmp": ICMP, "ipv6-icmp": ICMPV6}
_FAMILIES = {None: None, "inet": 4, "inet6": 6}
_LOG = Log()
_FORWARDED = "tagged " + FORWARD
#: Direction, and the tag for which a line decides about forwarded packets that leave; NOT_FORWARDED where it says it does not.
Told = t.Tuple[str, t.Optional[str]]
NOT_FORWARDED = "!"
_SCOPES: t.Dict[t.Tuple[str, t.Optional[str]], Told] = {
    ("in", None): ("in", None), ("out", None): ("out", None), ("in", _FORWARDED): ("forward", None),
    ("in", "tagged " + HOST): ("in", NOT_FORWARDED), ("out", "! " + _FORWARDED): ("out", NOT_FORWARDED),
}  # fmt: skip


def told_by(way: str, action: str, tag: t.Optional[str], tagged: t.Optional[str]) -> t.Optional[Told]:
    """Return what the tags of a line in direction ``way`` say about the packets that it is about; None for tags that no policy has."""
    leaving = way == "out" and tagged is not None and (tagged == _FORWARDED or tagged.startswith(_FORWARDED + "_"))
    if (tag is not None) != (leaving and action == "allow"):
        return None
    if leaving and tagged is not None:
        return "forward", tagged[len("tagged ") :]
    return _SCOPES.get((way, tagged))


class UsualLines:
    """Reads usual lines; what they have in common is read once."""

    def __init__(self, tables: Contents) -> None:
        self._tables = tables
        self._addresses: t.Dict[str, t.Optional[Addresses]] = {"any": ANY}
        self._ports: t.Dict[str, t.Optional[t.Tuple[PortRange, ...]]] = {}

    def read(self, text: str) -> t.Optional[t.Tuple[Rule, Told]]:
        """Return the rule of a line, and what its tags say; None for any other line."""
        found = _LINE.match(text)
        if found is None:
            return None
        (verb, way, log, interface, family_word, protocol_word, source_word, source_port, destination_word, port, version, types, flags,
         state, label, tag, tagged) = found.groups()  # fmt: skip
        action = _ACTIONS[verb]
        told = told_by(way, action, tag, tagged)
        family = _FAMILIES[family_word]
        protocol = _PROTOCOLS.get(protocol_word, 0)
        if protocol == 0 and protocol_word.isdigit():
            protocol = int(protocol_word)
        source = ANY if source_word is None else self._side(source_word)
        destination = ANY if destination_word is None else self._side(destination_word)
        ports = () if port is None else self._port(port)
        source_ports = () if source_port is None else self._port(source_port)
        if told is None or protocol == 0 or source is None or destination is None or ports is None or source_ports is None:
            return None
        votes = {family, source.family, destination.family, FAMILY_OF.get(protocol or -1)}
        votes.discard(None)
        portless = protocol != TCP and protocol != UDP
        if len(votes) > 1 or (portless and (ports or source_ports)) or (family is None and (source.negated or destination.negated)):
            return None
        icmp_types: t.Tuple[int, ...] = ()
        if types is not None:
            numbers = _numbers(types)
            if numbers is None or protocol != (ICMPV6 if version else ICMP):
                return None
            icmp_types = numbers
        with_flags = protocol == TCP or protocol is None
        if action == "allow":
            if state == "no":
                if flags == "S/SA":
                    return None
                stateful = False
            else:
                stateful = with_flags and flags != "any"
        elif state is not None:
            return None
        else:
            stateful = with_flags and flags == "S/SA"
        if interface is not None and interface[0] == '"':
            interface = interface[1:-1]
        direction = told[0]
        leaving = told[1] if direction == "forward" else None
        rule = Rule(
            action, direction, votes.pop() if votes else None, protocol, source, destination, ports, interface if leaving is None else None,
            stateful, None, _LOG if log else None, label, False, source_ports, icmp_types, None if leaving is None else interface,
        )  # fmt: skip
        return rule, told

    def _side(self, word: str) -> t.Optional[Addresses]:
        found = self._addresses.get(word)
        if found is None and word not in self._addresses:
            found = self._addresses[word] = self._read_side(word)
        return found

    def _read_side(self, word: str) -> t.Optional[Addresses]:
        negated = word.startswith("! ")
        plain = word[2:] if negated else word
        networks: t.List[Network] = []
        if negated and plain[0] == "{":
            return None
        if plain[0] == "<":
            networks.extend(self._tables.get(plain[1:-1], ()))
        else:
            for item in plain.strip("{} ").split(", "):
                try:
                    networks.extend(parse_network(item, ""))
                except PolicyError:
                    return None
        if not networks or len({one.version for one in networks}) > 1 or min(one.prefixlen for one in networks) == 0:
            return None
        return make_addresses(networks, negated)

    def _port(self, word: str) -> t.Optional[t.Tuple[PortRange, ...]]:
        found = self._ports.get(word)
        if found is None and word not in self._ports:
            found = self._ports[word] = _ports(word)
        return found


def _ports(word: str) -> t.Optional[t.Tuple[PortRange, ...]]:
    ranges = []
    for item in word.strip("{} ").split(", "):
        first, colon, last = item.partition(":")
        low, high = _number(first), _number(last if colon else first)
        if low is None or high is None or not 0 < low <= high <= MAX_PORT:
            return None
        ranges.append(PortRange(low, high))
    return merge_ports(ranges)


def _numbers(word: str) -> t.Optional[t.Tuple[int, ...]]:
    found = [_number(item) for item in word.strip("{} ").split(", ")]
    if any(one is None or one > TYPE_TOP for one in found):
        return None
    return tuple(sorted({one for one in found if one is not None}))


def _number(word: str) -> t.Optional[int]:
    return int(word) if word.isascii() and word.isdigit() and len(word) < 6 else None
