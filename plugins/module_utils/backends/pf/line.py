# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading one ``pass``, ``block`` or ``match`` statement of pf.conf into its parts.

Pure but for the service database. What has no part here raises ``Unreadable``: such a line is listed, and never guessed at.
Source of the grammar: pf.conf(5), "GRAMMAR".
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ...policy.addresses import ANY, Addresses, Network
from ...policy.ports import PortRange, merge_ports
from ...policy.protocols import ICMP, ICMPV6, TCP, UDP
from .names import PROTOCOLS, icmp_type_of
from .port_conditions import port_ranges
from .statements import Statement, Word
from .tables import Contents, by_family, network_of
from .unreadable import Unreadable

#: Options of ``keep state`` that change neither which packets match nor how many states there may be.
_HARMLESS = frozenset({"floating", "if-bound", "no-sync", "pflow", "sloppy", "defer"})

#: The addresses of one side of a rule, and the family that they fix.
Side = t.Tuple[Addresses, t.Optional[int]]


@dataclass
class Line:
    """What a statement says, each part as it was written.

    :ivar action: ``allow``, ``deny``, ``reject`` or ``match``.
    :ivar directions: ``in``, ``out`` or both.
    :ivar state: ``keep``, ``modulate``, ``synproxy``, ``no``, or empty where nothing is said.
    :ivar flags: the word after ``flags``.
    :ivar icmp_types: pairs of protocol and type.
    :ivar tagged: the tag that a packet must carry, or must not carry with ``tagged_negated``.
    :ivar odd: words that the rule has beyond these (``log (all)``, options of its state), so that it is not all that the line says.
    """

    action: str
    directions: t.Tuple[str, ...] = ("in", "out")
    log: bool = False
    quick: bool = False
    interfaces: t.Tuple[t.Optional[str], ...] = (None,)
    family: t.Optional[int] = None
    protocols: t.Tuple[t.Optional[int], ...] = (None,)
    sources: t.Tuple[Side, ...] = ((ANY, None),)
    destinations: t.Tuple[Side, ...] = ((ANY, None),)
    source_ports: t.Tuple[PortRange, ...] = ()
    ports: t.Tuple[PortRange, ...] = ()
    icmp_types: t.Tuple[t.Tuple[int, int], ...] = ()
    flags: t.Optional[str] = None
    state: str = ""
    label: t.Optional[str] = None
    allow_opts: bool = False
    tag: t.Optional[str] = None
    tagged: t.Optional[str] = None
    tagged_negated: bool = False
    odd: bool = False


def read_line(statement: Statement, tables: Contents, policy: str = "drop") -> Line:
    """Return the parts of a statement.

    :param policy: what ``set block-policy`` says: ``drop`` or ``return``.
    :raises Unreadable: for a word that has no part here, with its name.
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

    def read(self) -> Line:
        line = Line(self._action())
        if self._peek() in ("in", "out"):
            line.directions = (self._next().text,)
        if self._take("log"):
            line.log = True
            if self._take("("):
                line.odd = True
                while not self._take(")"):
                    self._next()
        line.quick = self._take("quick")
        if self._take("on"):
            line.interfaces = tuple(self._interface(item) for item in self._list())
        if self._peek() in ("inet", "inet6"):
            line.family = 4 if self._next().text == "inet" else 6
        if self._take("proto"):
            line.protocols = tuple(self._protocol(item) for item in self._list())
        self._hosts(line)
        self._options(line)
        return line

    def _action(self) -> str:
        if self._take("pass"):
            return "allow"
        if self._take("match"):
            return "match"
        if not self._take("block"):
            raise Unreadable("a line that is neither pass, block nor match")
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

    def _hosts(self, line: Line) -> None:
        if self._take("all"):
            return
        if self._take("from"):
            if self._peek() != "port":
                line.sources = self._side()
            if self._take("port"):
                line.source_ports = self._ports(line.protocols)
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
            if networks is None and len(items) > 1:
                raise Unreadable("any beside other addresses, which is all addresses to some systems and none to others")
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
            ranges.extend(port_ranges([one.text for one in item], name))
        if not ranges:
            raise Unreadable("no port")
        return merge_ports(ranges)

    def _options(self, line: Line) -> None:
        while self._at < len(self._words):
            if self._take("flags"):
                line.flags = self._next().text
            elif self._peek() in ("keep", "modulate", "synproxy", "no"):
                line.state = self._next().text
                if not self._take("state"):
                    raise Unreadable("%s without state" % line.state)
                if self._take("("):
                    self._state_options()
                    line.odd = True
            elif self._peek() in ("icmp-type", "icmp6-type") and not line.icmp_types:
                line.icmp_types = self._icmp_types(ICMP if self._next().text == "icmp-type" else ICMPV6)
            elif self._take("label") and line.label is None:
                line.label = self._next().text
            elif self._take("allow-opts"):
                line.allow_opts = True
            elif self._take("tag") and line.tag is None:
                line.tag = self._next().text
            elif self._peek() in ("!", "tagged") and line.tagged is None:
                line.tagged_negated = self._take("!")
                if not self._take("tagged"):
                    raise Unreadable("a ! among the options")
                line.tagged = self._next().text
            else:
                raise Unreadable("the word %s" % self._next().text)

    def _icmp_types(self, protocol: int) -> t.Tuple[t.Tuple[int, int], ...]:
        found = []
        for item in self._list():
            number = icmp_type_of(item[0].text, protocol)
            if len(item) > 1 or number is None:
                raise Unreadable("the ICMP type %s" % item[0].text)
            found.append((protocol, number))
        if self._peek() == "code":
            raise Unreadable("an ICMP code")
        return tuple(found)

    def _state_options(self) -> None:
        while not self._take(")"):
            word = self._next().text
            if word != "," and word not in _HARMLESS:
                raise Unreadable("the state option %s" % word)
