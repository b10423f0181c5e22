# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The meaning of one ipfw rule in the common language.

Pure but for the service database. What cannot be expressed raises ``Unreadable``: the rule is then listed, and never guessed at.
"""

from __future__ import annotations

import ipaddress
import re
import typing as t
from dataclasses import dataclass, field

from ...policy.addresses import ANY, Addresses, Network, make_addresses
from ...policy.ports import MAX_PORT, PortRange, merge_ports
from ...policy.protocols import FAMILY_OF, TCP, WITH_PORTS
from ...policy.rule import Log, Rule
from ..pf.services import port_of
from .listing import Tables, split_comment
from .protocols import protocol_number

_ACTIONS = {"allow": "allow", "accept": "allow", "pass": "allow", "permit": "allow", "deny": "deny", "drop": "deny"}
_FAMILIES: t.Dict[str, t.Optional[int]] = {"ip": None, "all": None, "ip4": 4, "ipv4": 4, "ip6": 6, "ipv6": 6}
_OPTIONS = frozenset(
    "in out recv xmit via setup established estab keep-state record-state limit set-limit proto dst-port src-port src-ip dst-ip src-ip6 "
    "dst-ip6 ip4 ipv4 ip6 ipv6 frag icmptypes icmp6types uid gid jail verrevpath versrcreach antispoof lookup tagged not { }".split()
)
_STATE = (":default", ":any")

Side = t.Tuple[Addresses, t.Optional[int]]


class Unreadable(Exception):
    """The rule has a word that the common language has no word for."""


@dataclass
class Meaning:
    """What a rule says.

    :ivar rules: the rules that together match its packets; empty for a rule that only looks at states.
    :ivar exact: whether the one rule says all of it.
    :ivar established: whether every packet of a connection that some rule tracks passes here.
    """

    rules: t.List[Rule] = field(default_factory=list)
    exact: bool = True
    established: bool = False


@dataclass
class _Parts:
    """The parts of a rule while it is read."""

    action: str = "allow"
    #: The family in which a reject is answered; in the other it is a silent deny.
    answers: t.Optional[int] = None
    resets: bool = False
    log: t.Optional[Log] = None
    protocols: t.List[t.Tuple[t.Optional[int], t.Optional[int]]] = field(default_factory=lambda: [(None, None)])
    sources: t.List[Side] = field(default_factory=lambda: [(ANY, None)])
    destinations: t.List[Side] = field(default_factory=lambda: [(ANY, None)])
    own_source: bool = False
    own_destination: bool = False
    ports: t.List[PortRange] = field(default_factory=list)
    direction: t.Optional[str] = None
    interface: t.Optional[t.Tuple[str, str]] = None
    setup: bool = False
    state: t.Optional[str] = None
    family: t.Optional[int] = None
    comment: t.Optional[str] = None


def read_body(body: str, tables: Tables) -> Meaning:
    """Return the meaning of one rule (the text behind its number and set).

    :raises Unreadable: when the common language cannot express it.
    """
    return _Reader(body, tables).read()


def probes_states(body: str) -> bool:
    """Return whether a rule passes what belongs to a connection of the default flow, whatever else it says."""
    words = split_comment(body)[0].split()
    if words[:1] == ["check-state"]:
        return words[1:2] in ([], [":default"], [":any"])
    for word in ("keep-state", "limit"):
        if word in words and words[0] in _ACTIONS and _ACTIONS[words[0]] == "allow":
            names = [one for one in words[words.index(word) :] if one.startswith(":")]
            return not names or names[0] == ":default"
    return False


class _Reader:
    def __init__(self, body: str, tables: Tables) -> None:
        match, comment = split_comment(body)
        self._words = match.split()
        self._tables = tables
        self._parts = _Parts(comment=comment)

    def _peek(self) -> t.Optional[str]:
        return self._words[0] if self._words else None

    def _next(self) -> str:
        if not self._words:
            raise Unreadable("the end of the rule")
        return self._words.pop(0)

    def _take(self, *words: str) -> bool:
        if self._words and self._words[0] in words:
            self._words.pop(0)
            return True
        return False

    def read(self) -> Meaning:
        self._action()
        if self._take("log"):
            self._parts.log = Log()
            if self._take("logamount"):
                self._next()
        if "from" in self._words:
            self._head()
        self._options()
        return self._meaning()

    def _action(self) -> None:
        word, parts = self._next(), self._parts
        if word in _ACTIONS:
            parts.action = _ACTIONS[word]
            return
        kinds = {"reject": 4, "reset": 4, "unreach": 4, "reset6": 6, "unreach6": 6}
        if word not in kinds:
            raise Unreadable("the action %s" % word)
        parts.action, parts.answers, parts.resets = "reject", kinds[word], word.startswith("reset")
        if word.startswith("unreach"):
            self._next()

    def _head(self) -> None:
        parts = self._parts
        parts.protocols = [self._protocol(word) for words in self._block() for word in [_single(words)]]
        if not self._take("from"):
            raise Unreadable("no from")
        parts.sources, parts.own_source = self._side()
        if not self._take("to"):
            raise Unreadable("a source port")
        parts.destinations, parts.own_destination = self._side()
        if self._peek() is not None and self._peek() not in _OPTIONS:
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
        if word in _FAMILIES:
            return _FAMILIES[word], None
        number = protocol_number(word)
        if number is None:
            raise Unreadable("the protocol %s" % word)
        return None, number

    def _side(self) -> t.Tuple[t.List[Side], bool]:
        """Return the addresses of a side, and whether they are the host's own."""
        items = self._block()
        if len(items) > 1 and any(item[0] == "not" for item in items):
            raise Unreadable("alternatives with not")
        if len(items) == 1 and items[0] in (["me"], ["me6"]):
            return [(ANY, 6 if items[0] == ["me6"] else None)], True
        networks: t.List[Network] = []
        for item in items:
            word = item[-1]
            if word == "any" and item[0] != "not":
                return [(ANY, None)], False
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
        table = re.match(r"table\(([^),]+)\)\Z", word)
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
        while self._words:
            word = self._next()
            if word in ("in", "out") and parts.direction in (None, word):
                parts.direction = word
            elif word in ("recv", "xmit", "via") and parts.interface is None:
                parts.interface = (word, self._next())
                if re.search(r"[*?\[(]|^[0-9]|^any$", parts.interface[1]):
                    raise Unreadable("the interface %s" % parts.interface[1])
            elif word == "setup":
                parts.setup = True
            elif word == "keep-state":
                parts.state = self._next() if (self._peek() or "").startswith(":") else ":default"
            elif word == "proto" and all(number is None for _family, number in parts.protocols):
                _family, number = self._protocol(self._next())
                parts.protocols = [(family, number) for family, _number in parts.protocols]
            elif word == "dst-port" and not parts.ports:
                parts.ports = self._ports(self._next())
            elif word == "{" and not parts.ports:
                self._port_block()
            elif word in _FAMILIES and _FAMILIES[word] is not None and parts.family is None:
                parts.family = _FAMILIES[word]
            else:
                raise Unreadable("the word %s" % word)

    def _port_block(self) -> None:
        self._words.insert(0, "{")
        for item in self._block():
            if len(item) != 2 or item[0] != "dst-port":
                raise Unreadable("alternatives")
            self._parts.ports += self._ports(item[1])

    def _meaning(self) -> Meaning:
        parts, meaning = self._parts, Meaning()
        meaning.established = parts.state in _STATE and parts.action == "allow"
        for family, protocol in parts.protocols:
            if parts.ports and protocol not in WITH_PORTS:
                raise Unreadable("ports without a protocol that has them")
            self._check_state(protocol, meaning)
            self._check_own(protocol, meaning)
            for source, source_family in parts.sources:
                for destination, destination_family in parts.destinations:
                    votes = {family, parts.family, source_family, destination_family, FAMILY_OF.get(protocol or 0)} - {None}
                    if len(votes) < 2:
                        self._add(meaning, next(iter(votes), None), protocol, source, destination)
        if not meaning.rules:
            raise Unreadable("a rule that matches nothing")
        return meaning

    def _check_state(self, protocol: t.Optional[int], meaning: Meaning) -> None:
        parts = self._parts
        if parts.state is not None and parts.action != "allow":
            raise Unreadable("a deny with a state")
        if parts.setup and protocol != TCP:
            raise Unreadable("setup without tcp")
        if parts.setup and parts.state is None:
            if parts.action == "allow":
                raise Unreadable("setup without a state")
            meaning.exact = False
        if parts.state is not None and protocol == TCP and not parts.setup:
            meaning.exact = False  # a packet in mid-stream makes a state, too
        if parts.state not in (None, ":default"):
            meaning.exact = False

    def _check_own(self, protocol: t.Optional[int], meaning: Meaning) -> None:
        """``me`` is every address of the host: for TCP that comes in, every destination; others also come to group addresses."""
        parts = self._parts
        if not parts.own_source and not parts.own_destination:
            return
        if (parts.own_destination and parts.direction != "in") or (parts.own_source and parts.direction != "out"):
            raise Unreadable("the host's own address")
        if protocol != TCP:
            if parts.action == "allow":
                raise Unreadable("the host's own address")
            meaning.exact = False

    def _add(self, meaning: Meaning, family: t.Optional[int], protocol: t.Optional[int], source: Addresses, destination: Addresses) -> None:
        parts = self._parts
        actions: t.List[t.Tuple[str, t.Optional[int]]] = [(parts.action, family)]
        if parts.action == "reject":
            if parts.resets and protocol != TCP:
                meaning.exact = False
            both = (4, 6) if family is None else (family,)
            actions = [("reject" if one == parts.answers else "deny", one) for one in both]
        ways = self._ways()
        for action, one in actions:
            for direction, interface in ways:
                meaning.rules.append(
                    Rule(
                        action, direction, one, protocol, source, destination, merge_ports(parts.ports), interface,
                        parts.state is not None, None, parts.log, parts.comment,
                    )
                )  # fmt: skip

    def _ways(self) -> t.List[t.Tuple[str, t.Optional[str]]]:
        """Return the directions with their interface."""
        parts = self._parts
        if parts.interface is None:
            return [(one, None) for one in ([parts.direction] if parts.direction else ["in", "out", "forward"])]
        word, name = parts.interface
        if word == "via":
            return [(one, name) for one in ([parts.direction] if parts.direction else ["in", "out"])]
        if word == "xmit" and parts.direction in (None, "out"):
            return [("out", name)]
        if word == "recv" and parts.direction == "in":
            return [("in", name)]
        raise Unreadable("%s without a direction" % word)


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
