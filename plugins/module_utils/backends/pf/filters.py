# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The meaning of one ``pass`` or ``block`` line of pf in the common language.

Pure but for the service database. What cannot be expressed raises ``Unreadable``: the line is then listed, and never guessed at.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ...policy.addresses import ANY, Addresses, Network
from ...policy.ports import MAX_PORT, PortRange, merge_ports
from ...policy.protocols import FAMILY_OF, TCP, UDP
from ...policy.rule import Log, Rule
from .services import port_of
from .statements import Statement, Word
from .tables import Contents, by_family, network_of

# Source: /etc/protocols of FreeBSD; ``icmp6`` is pf's own alias.
PROTOCOLS: t.Dict[str, int] = {
    "icmp": 1, "igmp": 2, "ipencap": 4, "tcp": 6, "udp": 17, "ipv6": 41, "rsvp": 46, "gre": 47, "esp": 50, "ah": 51, "ipv6-icmp": 58,
    "icmp6": 58, "ospf": 89, "etherip": 97, "pim": 103, "ipcomp": 108, "carp": 112, "vrrp": 112, "l2tp": 115, "sctp": 132,
    "udplite": 136, "pfsync": 240,
}  # fmt: skip

#: Options of ``keep state`` that change neither which packets match nor how many states there may be.
_HARMLESS = frozenset({"floating", "if-bound", "no-sync", "pflow", "sloppy", "defer"})

Side = t.Tuple[Addresses, t.Optional[int]]


class Unreadable(Exception):
    """The line has a word that the common language has no word for."""


@dataclass
class Meaning:
    """What a line says.

    :ivar rules: the rules that together match its packets.
    :ivar exact: whether the one rule says all that the line says.
    :ivar quick: whether the first match decides, not the last.
    """

    rules: t.List[Rule] = field(default_factory=list)
    exact: bool = True
    quick: bool = False


@dataclass
class _Line:
    """The parts of a line while it is read."""

    action: str
    directions: t.Tuple[str, ...] = ("in", "out", "forward")
    log: t.Optional[Log] = None
    interfaces: t.Tuple[t.Optional[str], ...] = (None,)
    family: t.Optional[int] = None
    protocols: t.Tuple[t.Optional[int], ...] = (None,)
    sources: t.Tuple[Side, ...] = ((ANY, None),)
    destinations: t.Tuple[Side, ...] = ((ANY, None),)
    ports: t.Tuple[PortRange, ...] = ()
    flags: t.Optional[str] = None
    state: str = "keep"
    label: t.Optional[str] = None
    exact: bool = True


def read_filter(statement: Statement, tables: Contents, policy: str = "drop") -> Meaning:
    """Return the meaning of a ``pass`` or ``block`` statement.

    :param policy: what ``set block-policy`` says: ``drop`` or ``return``.
    :raises Unreadable: when the common language cannot express it.
    """
    if statement.words is None:
        raise Unreadable("an undefined macro")
    return _Reader(list(statement.words), tables, policy).read()


class _Reader:
    def __init__(self, words: t.List[Word], tables: Contents, policy: str) -> None:
        self._words = words
        self._at = 0
        self._tables = tables
        self._policy = policy

    # -- words -----------------------------------------------------------------------------------------------------------------

    def _peek(self) -> t.Optional[str]:
        if self._at >= len(self._words) or self._words[self._at].quoted:
            return None
        return self._words[self._at].text

    def _next(self) -> Word:
        if self._at >= len(self._words):
            raise Unreadable("the end of the line")
        self._at += 1
        return self._words[self._at - 1]

    def _take(self, *words: str) -> bool:
        if self._peek() in words:
            self._at += 1
            return True
        return False

    def _list(self) -> t.List[t.List[Word]]:
        """Return the items of ``{ … }``, each a run of words between commas or blanks; one item without braces."""
        if not self._take("{"):
            return [self._item()]
        items = []
        while not self._take("}"):
            if not self._take(","):
                items.append(self._item())
        return items

    def _item(self) -> t.List[Word]:
        words = [self._next()]
        if not words[0].quoted and words[0].text in ("!", "=", "!=", "<", "<=", ">", ">="):
            words.append(self._next())
            if words[0].text == "<" and self._peek() == ">":
                words.append(self._next())
            elif words[0].text == "!" and words[1].text == "<":
                words += [self._next(), self._next()]
        elif not words[0].quoted and words[0].text == "(":
            raise Unreadable("the addresses of an interface")
        elif self._peek() in ("><", "<>", "-"):
            words += [self._next(), self._next()]
        return words

    # -- the line --------------------------------------------------------------------------------------------------------------

    def read(self) -> Meaning:
        line = _Line(self._action())
        if self._peek() in ("in", "out"):
            line.directions = (self._next().text,)
        if self._take("log"):
            line.log = Log()
            if self._take("("):
                line.exact = False
                while not self._take(")"):
                    self._next()
        quick = self._take("quick")
        if self._take("on"):
            line.interfaces = tuple(self._interface(item) for item in self._list())
        if self._peek() in ("inet", "inet6"):
            line.family = 4 if self._next().text == "inet" else 6
        if self._take("proto"):
            line.protocols = tuple(self._protocol(item) for item in self._list())
        self._hosts(line)
        self._options(line)
        return self._meaning(line, quick)

    def _action(self) -> str:
        if self._take("pass"):
            return "allow"
        if not self._take("block"):
            raise Unreadable("a line that is neither pass nor block")
        if self._take("drop"):
            return "deny"
        if self._take("return", "return-rst", "return-icmp", "return-icmp6"):
            if self._take("("):
                while not self._take(")"):
                    self._next()
            return "reject"
        return "reject" if self._policy == "return" else "deny"

    def _interface(self, item: t.List[Word]) -> str:
        if len(item) > 1:
            raise Unreadable("all interfaces but one")
        return item[0].text

    def _protocol(self, item: t.List[Word]) -> int:
        word = item[0].text
        number = int(word) if word.isdigit() else PROTOCOLS.get(word)
        if len(item) > 1 or number is None or not 0 < number <= 255:
            raise Unreadable("protocol %s" % word)
        return number

    def _hosts(self, line: _Line) -> None:
        if self._take("all"):
            return
        if self._take("from"):
            if self._peek() == "port":
                raise Unreadable("a source port")
            line.sources = self._side()
            if self._peek() == "port":
                raise Unreadable("a source port")
        if self._take("to"):
            if self._peek() != "port":
                line.destinations = self._side()
            if self._take("port"):
                line.ports = self._ports(line.protocols)

    def _side(self) -> t.Tuple[Side, ...]:
        items = self._list()
        if any(item[0].text == "!" and not item[0].quoted for item in items):
            if len(items) > 1:
                raise Unreadable("a list with !, of which each item is a rule of its own")
            networks = self._networks(items[0][1:])
            groups = by_family(networks or ())
            if len(groups) != 1:
                raise Unreadable("everything but any or but both families")
            addresses, family = groups[0]
            if addresses.networks[0].prefixlen == 0:
                raise Unreadable("everything but any")
            negated: Side = (Addresses(addresses.networks, True), family)
            # A table has no family, so the other one matches as a whole.
            return (negated,) if len(items[0]) == 2 else (negated, (ANY, 10 - family))
        found: t.List[Network] = []
        for item in items:
            networks = self._networks(item)
            if networks is None:
                return ((ANY, None),)
            found.extend(networks)
        return tuple((ANY if one.networks[0].prefixlen == 0 else one, family) for one, family in by_family(found))

    def _networks(self, item: t.List[Word]) -> t.Optional[t.Tuple[Network, ...]]:
        """Return the networks of one item, None for any."""
        texts = [one.text for one in item]
        if texts == ["any"]:
            return None
        if len(texts) == 3 and (texts[0], texts[2]) == ("<", ">") and texts[1] in self._tables:
            return self._tables[texts[1]]
        network = network_of(texts[0]) if len(texts) == 1 else None
        if network is None:
            raise Unreadable("the address %s" % " ".join(texts))
        return (network,)

    def _ports(self, protocols: t.Sequence[t.Optional[int]]) -> t.Tuple[PortRange, ...]:
        if not protocols or not set(protocols) <= {TCP, UDP}:
            raise Unreadable("ports of another protocol")
        name = "tcp" if protocols[0] == TCP else "udp"
        ranges: t.List[PortRange] = []
        for item in self._list():
            ranges.extend(_port_ranges([one.text for one in item], name))
        if not ranges:
            raise Unreadable("no port")
        return merge_ports(ranges)

    def _options(self, line: _Line) -> None:
        while self._at < len(self._words):
            if self._take("flags"):
                line.flags = self._next().text
            elif self._peek() in ("keep", "modulate", "synproxy", "no"):
                line.state = self._next().text
                if not self._take("state"):
                    raise Unreadable("%s without state" % line.state)
                if line.state in ("modulate", "synproxy"):
                    line.exact = False
                if self._take("("):
                    self._state_options()
                    line.exact = False
            elif self._take("label") and line.label is None:
                line.label = self._next().text
            else:
                raise Unreadable("the word %s" % self._next().text)

    def _state_options(self) -> None:
        while not self._take(")"):
            word = self._next().text
            if word != "," and word not in _HARMLESS:
                raise Unreadable("the state option %s" % word)

    # -- the rules -------------------------------------------------------------------------------------------------------------

    def _meaning(self, line: _Line, quick: bool) -> Meaning:
        meaning = Meaning(quick=quick, exact=line.exact)
        for protocol in line.protocols:
            stateful = self._stateful(line, protocol, meaning)
            for source, source_family in line.sources:
                for destination, destination_family in line.destinations:
                    votes = {line.family, source_family, destination_family, FAMILY_OF.get(protocol or 0)} - {None}
                    if len(votes) > 1:
                        continue  # pf drops such a pair without a word
                    family = next(iter(votes), None)
                    for direction in line.directions:
                        for interface in line.interfaces:
                            meaning.rules.append(
                                Rule(
                                    line.action, direction, family, protocol, source, destination, line.ports, interface, stateful,
                                    None, line.log, line.label,
                                )
                            )  # fmt: skip
        if not meaning.rules:
            raise Unreadable("a line that matches nothing")
        return meaning

    def _stateful(self, line: _Line, protocol: t.Optional[int], meaning: Meaning) -> bool:
        if line.action != "allow" or line.state == "no":
            if line.flags not in (None, "any"):
                raise Unreadable("flags %s" % line.flags)
            return False
        if line.flags == "any" and protocol in (TCP, None):
            meaning.exact = False  # a packet in mid-stream makes a state, too
        elif line.flags not in (None, "S/SA", "any"):
            raise Unreadable("flags %s" % line.flags)
        return True


def _port_ranges(texts: t.Sequence[str], protocol: str) -> t.List[PortRange]:
    if len(texts) == 1 and ":" in texts[0]:
        first, _colon, last = texts[0].partition(":")
        return _between(_port(first, protocol), _port(last, protocol))
    if len(texts) == 1:
        return _between(_port(texts[0], protocol), _port(texts[0], protocol))
    if len(texts) == 3:
        low, high = _port(texts[0], protocol), _port(texts[2], protocol)
        if texts[1] == "><":
            return _between(low + 1, high - 1)
        if texts[1] == "<>":
            return _between(0, low - 1) + _between(high + 1, MAX_PORT)
        raise Unreadable("ports %s" % " ".join(texts))
    sign, port = texts[0], _port(texts[1], protocol)
    if sign == "!=":
        return _between(0, port - 1) + _between(port + 1, MAX_PORT)
    bounds = {"=": (port, port), "<": (0, port - 1), "<=": (0, port), ">": (port + 1, MAX_PORT), ">=": (port, MAX_PORT)}
    if sign not in bounds:
        raise Unreadable("ports %s" % " ".join(texts))
    return _between(*bounds[sign])


def _between(first: int, last: int) -> t.List[PortRange]:
    first = max(first, 1)
    return [PortRange(first, last)] if first <= last else []


def _port(text: str, protocol: str) -> int:
    number = int(text) if text.isdigit() and text.isascii() else port_of(text, protocol)
    if number is None or number > MAX_PORT:
        raise Unreadable("port %s" % text)
    return number
