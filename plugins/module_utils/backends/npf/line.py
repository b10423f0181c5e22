# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading one ``pass`` or ``block`` statement of npf.conf into rules of the common language.

Pure but for the service database. What cannot be expressed, or what npf is known to compile into something else than it says, raises
``Unreadable``: the line is then listed, and never guessed at.
"""

from __future__ import annotations

import ipaddress
import typing as t
from dataclasses import dataclass

from ...policy.addresses import ANY, Addresses, Network, make_addresses
from ...policy.ports import MAX_PORT, PortRange, merge_ports
from ...policy.protocols import FAMILY_OF, ICMP, ICMPV6, TCP, UDP
from ...policy.rule import Log, Rule
from .conf import Token
from .names import PROTOCOLS, icmp_type_of, port_of
from .tables import Contents

#: The directions of a line without ``in`` and ``out``: a forwarded packet meets it twice.
EVERY_DIRECTION = ("in", "out", "forward")
_SYN = ({"S"}, frozenset("SAFR"))


class Unreadable(Exception):
    """The line has something that the common language has no word for; it says what."""


@dataclass
class Line:
    """What a line says, in npf's own terms.

    :ivar syn: whether of TCP it is about the packets alone that open a connection.
    """

    action: str = "allow"
    stateful: bool = False
    direction: t.Optional[str] = None
    final: bool = False
    interface: t.Optional[str] = None
    family: t.Optional[int] = None
    protocols: t.Tuple[t.Optional[int], ...] = (None,)
    syn: bool = False
    icmp_types: t.Tuple[int, ...] = ()
    source: Addresses = ANY
    source_ports: t.Tuple[PortRange, ...] = ()
    destination: Addresses = ANY
    ports: t.Tuple[PortRange, ...] = ()
    log: bool = False

    def rules(self, directions: t.Sequence[str], interface: t.Optional[str] = None) -> t.List[Rule]:
        """Return the rules that the line says for these directions, on an interface where its group has one.

        :raises Unreadable: when it says none.
        """
        if interface is not None and self.interface not in (None, interface):
            raise Unreadable("an interface that its group is not about")
        found: t.List[Rule] = []
        for protocol in self.protocols:
            votes = {self.family, self.source.family, self.destination.family, FAMILY_OF.get(protocol or 0)} - {None}
            if len(votes) > 1:
                raise Unreadable("a mixture of families")
            for direction in directions:
                if self.direction in (None, direction) or direction == "forward":
                    found.append(self._rule(direction, next(iter(votes), None), protocol, self.interface or interface))
        if not found:
            raise Unreadable("a line that matches nothing")
        return found

    def _rule(self, direction: str, family: t.Optional[int], protocol: t.Optional[int], interface: t.Optional[str]) -> Rule:
        return Rule(
            self.action, direction, family, protocol, self.source, self.destination, self.ports, interface,
            self.stateful if self.action == "allow" else self.syn, None, Log() if self.log else None, None, False,
            self.source_ports, self.icmp_types,
        )  # fmt: skip


def read_line(words: t.Sequence[Token], tables: Contents, logging: t.Container[str] = ()) -> Line:
    """Return what a statement says, its variables expanded already.

    :param tables: the addresses of the tables that are known.
    :param logging: the procedures that do nothing but log.
    :raises Unreadable: when the common language cannot express it.
    """
    return _Reader(words, tables, logging).line()


class _Reader:
    def __init__(self, words: t.Sequence[Token], tables: Contents, logging: t.Container[str]) -> None:
        self._words = words
        self._tables = tables
        self._logging = logging
        self._at = 0
        self._line = Line()

    # -- tokens ----------------------------------------------------------------------------------------------------------------

    def _peek(self) -> t.Tuple[str, str]:
        if self._at < len(self._words):
            return self._words[self._at].kind, self._words[self._at].text
        return "end", ""

    def _take(self) -> t.Tuple[str, str]:
        token = self._peek()
        if token[0] == "end":
            raise Unreadable("it ends too early")
        self._at += 1
        return token

    def _says(self, *texts: str) -> t.Optional[str]:
        """Take a keyword or a sign if it is the next token."""
        kind, text = self._peek()
        if kind in ("word", "sign") and text in texts:
            self._at += 1
            return text
        return None

    def _list(self) -> t.List[t.Tuple[t.Tuple[str, str], ...]]:
        """Take one item, or a list of them in braces; an item is several tokens."""
        if self._says("{") is None:
            return [self._item()]
        items = [self._item()]
        while self._says("}") is None:
            if self._says(",") is None:
                raise Unreadable("a list")
            items.append(self._item())
        return items

    def _item(self) -> t.Tuple[t.Tuple[str, str], ...]:
        found = [self._take()]
        while self._peek() in (("sign", "/"), ("sign", "-")):
            found += [self._take(), self._take()]
        return tuple(found)

    # -- parts -----------------------------------------------------------------------------------------------------------------

    def line(self) -> Line:
        line = self._line
        if self._says("block"):
            kind = self._says("return", "return-rst", "return-icmp")
            line.action = "deny" if kind is None else "reject"
        elif self._says("pass") is None:
            raise Unreadable("a line that is neither pass nor block")
        else:
            kind = None
        line.stateful = self._says("stateful", "stateful-all", "stateful-ends") is not None
        line.direction = self._says("in", "out")
        line.final = self._says("final", "quick") is not None
        if self._says("on"):
            token, name = self._take()
            if token not in ("word", "string"):
                raise Unreadable("an interface by its addresses")
            line.interface = name
        if self._says("family"):
            family = self._says("inet4", "inet6")
            line.family = {"inet4": 4, "inet6": 6}.get(family or "")
            if line.family is None:
                raise Unreadable("a family")
        if self._says("proto"):
            self._protocol()
        if self._says("all") is None:
            self._hosts()
        if self._says("apply"):
            if self._take()[1] not in self._logging:
                raise Unreadable("a procedure that does more than log")
            line.log = True
        if self._peek()[0] != "end":
            raise Unreadable("the word %s" % self._peek()[1])
        self._check(kind)
        return line

    def _check(self, kind: t.Optional[str]) -> None:
        line = self._line
        if (line.ports or line.source_ports) and line.protocols == (None,):
            line.protocols = (TCP, UDP)
        if (line.ports or line.source_ports) and not set(line.protocols) <= {TCP, UDP}:
            raise Unreadable("ports of another protocol")
        if kind == "return-rst" and line.protocols != (TCP,):
            raise Unreadable("an answer to TCP alone")
        if kind == "return-icmp" and TCP in (line.protocols if line.protocols != (None,) else (TCP,)):
            raise Unreadable("an ICMP error as the answer to TCP")
        if line.action != "allow" and line.stateful:
            raise Unreadable("a block with states")
        if line.action == "allow" and line.syn and not line.stateful:
            raise Unreadable("flags of a line without states")

    def _protocol(self) -> None:
        items: t.List[t.Optional[int]] = []
        several = self._says("{") is not None
        while True:
            token, name = self._take()
            number = int(name, 0) if token == "number" else PROTOCOLS.get(name)
            if number is None or number > 255:
                raise Unreadable("the protocol %s" % name)
            items.append(number)
            if number == TCP and self._says("flags"):
                self._flags()
            if number in (ICMP, ICMPV6) and self._says("icmp-type"):
                self._type(number)
            if not several:
                break
            if self._says("}"):
                break
            if self._says(",") is None:
                raise Unreadable("a list of protocols")
        if several and (self._line.syn or self._line.icmp_types):
            raise Unreadable("options in a list of protocols")
        self._line.protocols = tuple(dict.fromkeys(items))

    def _flags(self) -> None:
        flags = self._take()[1]
        mask = self._take()[1] if self._says("/") else flags
        if set(flags) != _SYN[0] or frozenset(mask) != _SYN[1]:
            raise Unreadable("flags %s/%s" % (flags, mask))
        self._line.syn = True

    def _type(self, protocol: int) -> None:
        token, name = self._take()
        number = int(name, 0) if token == "number" else icmp_type_of(name, protocol)
        if number is None or number > 255 or self._peek() == ("word", "code"):
            raise Unreadable("the ICMP type %s" % name)
        self._line.icmp_types = (number,)

    def _hosts(self) -> None:
        line = self._line
        seen = False
        if self._says("from"):
            line.source, line.source_ports = self._side()
            seen = True
        if self._says("to"):
            line.destination, line.ports = self._side()
            seen = True
        if not seen:
            raise Unreadable("neither all nor addresses")

    def _side(self) -> t.Tuple[Addresses, t.Tuple[PortRange, ...]]:
        negated = self._says("!") is not None
        addresses = ANY
        if self._says("any") is None:
            addresses = self._addresses(negated)
        elif negated:
            raise Unreadable("the negation of everything")
        return addresses, self._ports() if self._says("port") else ()

    def _addresses(self, negated: bool) -> Addresses:
        items = self._list()
        if len(items) == 1 and items[0][0][0] == "table":
            found = self._tables.get(items[0][0][1])
            if found is None:
                raise Unreadable("the table %s, whose addresses may change" % items[0][0][1])
            return Addresses(found.networks, not found.negated) if negated else found
        networks: t.List[Network] = []
        for item in items:
            if item[0][0] != "address" or any(sign == "-" for _kind, sign in item[1:2]):
                raise Unreadable("the address %s" % item[0][1])
            try:
                networks.append(ipaddress.ip_network("".join(text for _kind, text in item), strict=False))
            except ValueError:
                raise Unreadable("the address %s" % item[0][1]) from None
        if len({one.version for one in networks}) != 1:
            raise Unreadable("addresses of both families")
        if networks[0].version == 6 and (len(networks) > 1 or negated):
            # npfctl compares word by word; in a list, and behind !, one equal word is enough for it.
            raise Unreadable("several IPv6 networks, or a negated one, which npfctl compiles into more than they are")
        if any(one.prefixlen == 0 for one in networks):
            raise Unreadable("a network of everything")
        return make_addresses(networks, negated)

    def _ports(self) -> t.Tuple[PortRange, ...]:
        items = self._list()
        ranges: t.List[PortRange] = []
        for item in items:
            words = [self._port(token) for token in item[::2]]
            if len(item) == 2 or len(words) > 2 or (len(item) == 3 and item[1][1] != "-"):
                raise Unreadable("ports")
            if words[0] > words[-1] or not 1 <= words[0] <= words[-1] <= MAX_PORT:
                raise Unreadable("a range of ports that npf takes for another one")
            ranges.append(PortRange(words[0], words[-1]))
        if len(ranges) > 1 and not all(one.single for one in ranges):
            raise Unreadable("a range beside other ports, which never matches")
        return merge_ports(ranges)

    def _port(self, token: t.Tuple[str, str]) -> int:
        if token[0] == "number":
            return int(token[1], 0)
        protocols = self._line.protocols
        port = port_of(token[1], "udp" if protocols == (UDP,) else "tcp") if token[0] in ("word", "string") else None
        if port is None:
            raise Unreadable("the port %s" % token[1])
        return port
