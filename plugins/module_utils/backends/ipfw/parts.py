# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of one ipfw rule, taken apart.

Pure but for the service database. What the common language has no word for raises ``Unreadable``.
"""

from __future__ import annotations

import copy
import functools
import ipaddress
import re
import typing as t
from dataclasses import dataclass, field

from ...policy.addresses import ANY, Addresses, Network, make_addresses
from ...policy.ports import MAX_PORT, PortRange
from ...policy.rule import Log
from ..pf.services import port_of
from .listing import Tables, split_comment
from .protocols import protocol_number

ACTIONS = {"allow": "allow", "accept": "allow", "pass": "allow", "permit": "allow", "deny": "deny", "drop": "deny"}
_ANSWERS = {"reject": 4, "reset": 4, "unreach": 4, "reset6": 6, "unreach6": 6}
FAMILIES: t.Dict[str, t.Optional[int]] = {"ip": None, "all": None, "ip4": 4, "ipv4": 4, "ip6": 6, "ipv6": 6}
_OPTIONS = frozenset(
    "in out recv xmit via setup established estab keep-state record-state limit set-limit proto dst-port src-port src-ip dst-ip src-ip6 "
    "dst-ip6 ip4 ipv4 ip6 ipv6 frag icmptypes icmp6types uid gid jail verrevpath versrcreach antispoof lookup flow tagged not { }".split()
)
_TABLE = re.compile(r"table\(([^),]+)\)\Z")
#: Stands for every interface: a packet that has passed one.
EVERY = "*"

Side = t.Tuple[Addresses, t.Optional[int]]
_ANYWHERE: t.Tuple[Side, ...] = ((ANY, None),)


class Unreadable(Exception):
    """The rule has a word that the common language has no word for."""


@dataclass
class Parts:
    """The parts of a rule.

    :ivar answers: the family in which a reject is answered; in the other it is a silent deny.
    :ivar resets: whether the answer is a TCP reset.
    :ivar excluded: the protocol that does not match (``not tcp``).
    :ivar own_source: whether the source is ``me``; ``own_destination`` likewise.
    :ivar recv: the interface of ``recv``; EVERY for any; ``xmit`` and ``via`` likewise.
    :ivar state: the flow in which the rule makes states known; None: it makes none. ``probes``: packets that belong to one pass here.
    """

    action: str = "allow"
    answers: t.Optional[int] = None
    resets: bool = False
    log: t.Optional[Log] = None
    protocols: t.Sequence[t.Tuple[t.Optional[int], t.Optional[int]]] = ((None, None),)
    excluded: t.Optional[int] = None
    sources: t.Sequence[Side] = _ANYWHERE
    destinations: t.Sequence[Side] = _ANYWHERE
    own_source: bool = False
    own_destination: bool = False
    ports: t.List[PortRange] = field(default_factory=list)
    source_ports: t.List[PortRange] = field(default_factory=list)
    icmp_types: t.Tuple[int, ...] = ()
    icmp_family: t.Optional[int] = None
    direction: t.Optional[str] = None
    recv: t.Optional[str] = None
    xmit: t.Optional[str] = None
    via: t.Optional[str] = None
    setup: bool = False
    state: t.Optional[str] = None
    probes: bool = False
    family: t.Optional[int] = None
    comment: t.Optional[str] = None


def read_parts(body: str, tables: Tables) -> Parts:
    """Take one rule apart (the text behind its number and set).

    :raises Unreadable: when the common language has no word for a part of it.
    """
    match, comment = split_comment(body)
    parts = _Reader(match, tables).read() if "table(" in match else copy.copy(_without_tables(match))
    parts.comment = comment
    return parts


@functools.lru_cache(maxsize=65536)
def _without_tables(match: str) -> Parts:
    """Take a rule apart that names no table: a list is read as rules, and again as a policy."""
    return _Reader(match, {}).read()


class _Reader:
    def __init__(self, match: str, tables: Tables) -> None:
        self._words = match.split()
        self._at = 0
        self._tables = tables
        self._parts = Parts()

    def _peek(self) -> t.Optional[str]:
        return self._words[self._at] if self._at < len(self._words) else None

    def _next(self) -> str:
        if self._at >= len(self._words):
            raise Unreadable("the end of the rule")
        self._at += 1
        return self._words[self._at - 1]

    def _take(self, word: str) -> bool:
        if self._at < len(self._words) and self._words[self._at] == word:
            self._at += 1
            return True
        return False

    def read(self) -> Parts:
        self._action()
        if self._take("log"):
            self._parts.log = Log()
            if self._take("logamount"):
                self._next()
        if "from" in self._words:
            self._head()
        self._options()
        return self._parts

    def _action(self) -> None:
        word, parts = self._next(), self._parts
        if word in ACTIONS:
            parts.action = ACTIONS[word]
            return
        if word not in _ANSWERS:
            raise Unreadable("the action %s" % word)
        parts.action, parts.answers, parts.resets = "reject", _ANSWERS[word], word.startswith("reset")
        if word.startswith("unreach"):
            self._next()

    def _head(self) -> None:
        parts = self._parts
        if self._take("not"):
            parts.excluded = self._protocol(self._next())[1]
            if parts.excluded is None:
                raise Unreadable("no packet at all")
        else:
            parts.protocols = [self._protocol(word) for words in self._block() for word in [_single(words)]]
        if not self._take("from"):
            raise Unreadable("no from")
        parts.sources, parts.own_source = self._side()
        if self._peek() != "to":
            parts.source_ports = self._ports(self._next())
            if self._peek() != "to":
                raise Unreadable("no to")
        self._next()
        parts.destinations, parts.own_destination = self._side()
        word = self._peek()
        if word is not None and word not in _OPTIONS:
            parts.ports = self._ports(self._next())

    def _block(self) -> t.List[t.List[str]]:
        """Return the alternatives of ``{ a or b }``, or the one word (with ``not``) that stands there."""
        if not self._take("{"):
            return [[self._next(), self._next()] if self._peek() == "not" else [self._next()]]
        items: t.List[t.List[str]] = [[]]
        while not self._take("}"):
            if self._take("or"):
                items.append([])
            else:
                items[-1].append(self._next())
        return items

    def _protocol(self, word: str) -> t.Tuple[t.Optional[int], t.Optional[int]]:
        """Return (family, protocol)."""
        if word in FAMILIES:
            return FAMILIES[word], None
        number = protocol_number(word)
        if number is None:
            raise Unreadable("the protocol %s" % word)
        return None, number

    def _side(self) -> t.Tuple[t.Sequence[Side], bool]:
        """Return the addresses of a side, and whether they are the host's own."""
        if self._take("any"):
            return _ANYWHERE, False
        items = self._block()
        if len(items) > 1 and any(item[0] == "not" for item in items):
            raise Unreadable("alternatives with not")
        if len(items) == 1 and items[0] in (["me"], ["me6"]):
            return [(ANY, 6 if items[0] == ["me6"] else None)], True
        networks: t.List[Network] = []
        for item in items:
            if not item:
                raise Unreadable("an empty alternative")
            word = item[-1]
            if word == "any" and item[0] != "not":
                return _ANYWHERE, False
            networks.extend(self._networks(word))
        groups = _by_family(networks)
        if items[0][0] != "not":
            return groups, False
        if len(groups) != 1 or groups[0][0].any:
            raise Unreadable("not of both families or of everything")
        addresses, family = groups[0]
        # Packets of the other family are not in these networks either.
        return [(Addresses(addresses.networks, True), family), (ANY, 10 - (family or 0))], False

    def _networks(self, word: str) -> t.List[Network]:
        table = _TABLE.match(word)
        if table is not None:
            if table.group(1) not in self._tables:
                raise Unreadable("the table %s" % table.group(1))
            return list(self._tables[table.group(1)])
        try:
            return [ipaddress.ip_network(one, strict=False) for one in word.split(",")]
        except ValueError:
            raise Unreadable("the address %s" % word) from None

    def _ports(self, word: str) -> t.List[PortRange]:
        ranges = []
        for one in word.split(","):
            first, dash, last = one.partition("-") if one[:1].isdigit() else (one, "", "")
            low = _port(first)
            high = _port(last) if dash else low
            if low > high:
                raise Unreadable("the range %s" % one)
            if high:
                ranges.append(PortRange(max(low, 1), high))
        return ranges

    def _options(self) -> None:
        parts = self._parts
        while self._at < len(self._words):
            word = self._next()
            if word in ("in", "out") and parts.direction in (None, word):
                parts.direction = word
            elif word in ("recv", "xmit", "via") and getattr(parts, word) is None:
                setattr(parts, word, self._interface())
            elif word == "setup":
                parts.setup = True
            elif word in ("keep-state", "record-state") and parts.state is None:
                parts.state = self._next() if (self._peek() or "").startswith(":") else ":default"
                parts.probes = word == "keep-state"
            elif word == "proto" and all(number is None for _family, number in parts.protocols):
                _family, number = self._protocol(self._next())
                parts.protocols = [(family, number) for family, _number in parts.protocols]
            elif word == "not" and parts.excluded is None and self._take("proto"):
                parts.excluded = self._protocol(self._next())[1]
            elif word == "dst-port" and not parts.ports:
                parts.ports = self._ports(self._next())
            elif word == "src-port" and not parts.source_ports:
                parts.source_ports = self._ports(self._next())
            elif word == "{":
                self._port_block()
            elif word in ("icmptypes", "icmp6types") and parts.icmp_family is None:
                parts.icmp_family = 6 if word == "icmp6types" else 4
                parts.icmp_types = _types(self._next())
            elif word in FAMILIES and FAMILIES[word] is not None and parts.family is None:
                parts.family = FAMILIES[word]
            else:
                raise Unreadable("the word %s" % word)

    def _interface(self) -> str:
        name = self._next()
        if name != EVERY and re.search(r"[*?\[(]|^[0-9]|^any$", name):
            raise Unreadable("the interface %s" % name)
        return name

    def _port_block(self) -> None:
        parts = self._parts
        self._at -= 1
        items = self._block()
        words = {item[0] for item in items if len(item) == 2}
        if any(len(item) != 2 for item in items) or words not in ({"dst-port"}, {"src-port"}):
            raise Unreadable("alternatives")
        found = [one for item in items for one in self._ports(item[1])]
        if words == {"dst-port"} and not parts.ports:
            parts.ports = found
        elif words == {"src-port"} and not parts.source_ports:
            parts.source_ports = found
        else:
            raise Unreadable("ports twice")


def _single(words: t.Sequence[str]) -> str:
    if len(words) != 1:
        raise Unreadable(" ".join(words))
    return words[0]


def _by_family(networks: t.Sequence[Network]) -> t.List[Side]:
    groups: t.List[Side] = []
    for family in (4, 6):
        same = make_addresses([one for one in networks if one.version == family])
        if same.networks:
            groups.append((ANY if same.networks[0].prefixlen == 0 else same, family))
    return groups


def _port(word: str) -> int:
    number = int(word) if word.isdigit() and word.isascii() else port_of(word.replace("\\", ""), "tcp")
    if number is None or number > MAX_PORT:
        raise Unreadable("the port %s" % word)
    return number


def _types(word: str) -> t.Tuple[int, ...]:
    found = word.split(",")
    if not all(one.isdigit() and one.isascii() and int(one[:4]) <= 255 for one in found):
        raise Unreadable("the ICMP types %s" % word)
    return tuple(sorted({int(one) for one in found}))
