# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The grammar of npf.conf: what npfctl takes, with its messages, and what it refuses.

``parse_npf`` raises ``NpfError`` for what npfctl refuses and ``Crash`` for what ends it with an assertion. In strict mode also what it
takes in silence although it means something else: port 70000, a reversed range, a range beside other ports, a negation, several IPv6
networks in a list.
"""

from __future__ import annotations

import ipaddress
import socket

from .npf_rule import Address, Config, Group, Map, Protocol, Rule, Side
from .npf_scan import Token, scan

_PROTOCOLS = {
    "tcp": 6,
    "udp": 17,
    "icmp": 1,
    "ipv6-icmp": 58,
    "igmp": 2,
    "gre": 47,
    "esp": 50,
    "ah": 51,
    "sctp": 132,
    "ospf": 89,
    "carp": 112,
}
_ICMP_TYPES = {1: {"echo": 8, "echoreply": 0, "unreach": 3, "timxceed": 11}, 58: {}}
_FLAGS = "FSRPAUEW"
_PROCEDURES = {"log", "normalize", "ratelimit", "rndblock"}
_EVERYTHING_MAX = 254


class NpfError(Exception):
    """What npfctl prints to its standard error before it ends with code 1."""


class Crash(Exception):
    """An assertion of npfctl: code 134."""


def parse_npf(text: str, name: str = "stdin", strict: bool = False) -> Config:
    """Read a file."""
    return _Parser(text, name, strict).config()


def parse_rule_words(text: str) -> Rule:
    """Read one rule as ``npfctl rule NAME add`` takes it."""
    return _Parser(text, "stdin", False, nested=Config()).single()


class _Parser:
    def __init__(self, text: str, name: str, strict: bool, nested: Config | None = None) -> None:
        self._tokens = scan(text)
        self._name = name
        self._strict = strict
        self._at = 0
        self._config = nested or Config()
        self._variables: dict[str, list] = {}
        self._dynamic = nested is not None

    # -- tokens ----------------------------------------------------------------------------------------------------------------

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _error(self, message: str) -> NpfError:
        token = self._next
        near = token.text if token.kind != "SEP" else "\n"
        return NpfError("%s:%d:%d: %s near '%s'" % (self._name, token.line, token.column, message, near))

    def _take(self, *kinds: str) -> Token:
        token = self._next
        if token.kind not in kinds:
            raise self._error("syntax error")
        self._at += 1
        return token

    def _says(self, *kinds: str) -> str:
        if self._next.kind in kinds:
            self._at += 1
            return self._tokens[self._at - 1].kind
        return ""

    # -- the file --------------------------------------------------------------------------------------------------------------

    def single(self) -> Rule:
        """One rule alone."""
        rule = self._rule()
        self._take("END")
        return rule

    def config(self) -> Config:
        """The whole file."""
        while self._next.kind != "END":
            if not self._says("SEP"):
                self._line()
                if self._next.kind != "END":
                    self._take("SEP")
        if self._config.default is None:
            raise NpfError("npfctl: default group was not defined")
        return self._config

    def _line(self) -> None:
        kind = self._next.kind
        if kind == "VAR":
            name = self._take("VAR").text
            self._take("=")
            self._variables[name] = self._value()
        elif kind == "alg":
            self._at += 1
            name = self._take("STRING", "ID", "icmp").text
            if name in self._config.algs:
                raise self._error("ALG '%s' is already loaded" % name)
            self._config.algs.append(name)
        elif kind == "set":
            self._at += 1
            name = self._take("PARAM").text
            word = self._take("NUM", "on", "off").text
            if name != "bpf.jit":
                self._config.params[name] = {"on": 1, "off": 0}.get(word) if word in ("on", "off") else int(word)
        elif kind == "table":
            self._table()
        elif kind == "procedure":
            self._procedure()
        elif kind == "map":
            self._map()
        elif kind == "group":
            self._config_group(self._group(0))
        elif kind == "ruleset":
            self._config_group(self._ruleset())
        else:
            raise self._error("syntax error")

    def _config_group(self, group: Group) -> None:
        if not group.default:
            self._config.groups.append(group)
        elif self._config.default is not None:
            raise self._error("multiple default groups are not valid")
        else:
            self._config.default = group

    def _value(self) -> list:
        if not self._says("{"):
            return [self._element()]
        found = [self._element()]
        while self._says(","):
            found.append(self._element())
        self._take("}")
        return found

    def _element(self):
        token = self._next
        if token.kind in ("ID", "STRING", "VAR"):
            self._at += 1
            return self._lookup(token.text) if token.kind == "VAR" else ("name", token.text)
        if token.kind == "NUM":
            return ("ports", self._port_range())
        return ("address", self._address())

    def _lookup(self, name: str):
        if name not in self._variables:
            raise self._error("undefined variable '%s'" % name)
        found = self._variables[name]
        return found[0] if len(found) == 1 else ("several", found)

    def _table(self) -> None:
        self._at += 1
        name = self._take("TABLE").text
        self._take("type")
        kind = self._take("ipset", "hash", "lpm", "tree", "const", "cdb").kind
        kind = {"hash": "ipset", "tree": "lpm", "cdb": "const"}.get(kind, kind)
        store = self._take("STRING").text if self._says("file") else None
        self._says("dynamic")
        if name in self._config.tables:
            raise self._error("table '%s' is already defined" % name)
        if kind == "const" and store is None:
            raise self._error("table type 'const' must be loaded from a file")
        self._config.tables[name] = (kind, store)

    def _procedure(self) -> None:
        self._at += 1
        name = self._take("STRING").text
        self._take("{")
        calls = []
        while not self._says("}"):
            if self._says("SEP"):
                continue
            call = self._take("ID").text
            if call not in _PROCEDURES:
                raise self._error("unknown rule procedure '%s'" % call)
            self._take(":")
            while self._next.kind not in ("SEP", "}"):
                if self._next.kind in ("END", "INVALID"):
                    raise self._error("syntax error")
                self._at += 1
            calls.append(call)
        self._config.procedures[name] = calls

    def _group(self, level: int) -> Group:
        self._take("group")
        group = self._head()
        if group.default and level:
            raise self._error("default group can only be at the top level")
        self._take("{")
        while not self._says("}"):
            if self._says("SEP"):
                continue
            if self._next.kind == "group":
                if level >= 15:
                    raise self._error("rule nesting limit reached")
                group.items.append(self._group(level + 1))
            elif self._next.kind == "ruleset":
                group.items.append(self._ruleset())
            else:
                group.items.append(self._rule())
            if self._next.kind != "}":
                self._take("SEP")
        return group

    def _ruleset(self) -> Group:
        self._take("ruleset")
        group = self._head()
        group.dynamic = True
        return group

    def _head(self) -> Group:
        if self._says("default"):
            return Group(default=True)
        name = self._take("STRING").text
        direction = self._says("in", "out", "forw")
        return Group(name, False, direction, self._on())

    def _on(self) -> str:
        if not self._says("on"):
            return ""
        return self._interface()

    def _interface(self) -> str:
        if self._next.kind in ("ifaddrs", "inet4", "inet6"):
            self._at += 1
            self._take("(")
            name = self._interface()
            self._take(")")
            return name
        token = self._take("ID", "STRING", "VAR")
        name = token.text
        if token.kind == "VAR":
            kind, name = self._lookup(token.text)
            if kind != "name":
                raise self._error("wrong variable '%s' type for interface" % token.text)
        if not (name.isascii() and name.isalnum() and len(name) <= 17):
            raise self._error("illegitimate interface name '%s'" % name)
        if name not in self._config.interfaces:
            self._config.interfaces.append(name)
        return name

    # -- rules -----------------------------------------------------------------------------------------------------------------

    def _rule(self) -> Rule:
        rule = Rule(block=self._take("block", "pass").kind == "block")
        if rule.block:
            rule.reply = self._says("return", "return-rst", "return-icmp")
        rule.stateful = self._says("stateful", "stateful-all")
        rule.direction = self._says("in", "out")
        rule.final = bool(self._says("final", "quick"))
        rule.interface = self._on()
        if self._says("pcap-filter"):
            rule.pcap = self._take("STRING").text
        else:
            self._conditions(rule)
        if self._says("apply"):
            rule.apply = self._take("STRING").text
            if not self._dynamic and rule.apply not in self._config.procedures:
                raise self._error("rule procedure '%s' is not defined" % rule.apply)
        self._check(rule)
        return rule

    def _conditions(self, rule: Rule) -> None:
        if self._says("family"):
            rule.family = {"inet4": 4, "inet6": 6}[self._take("inet4", "inet6").kind]
        if self._says("proto"):
            rule.protocols = self._protocols()
        if self._says("all"):
            return
        if self._next.kind not in ("from", "to"):
            raise self._error("syntax error")
        if self._says("from"):
            rule.source = self._side()
        if self._says("to"):
            rule.destination = self._side()

    def _protocols(self) -> list[Protocol]:
        if not self._says("{"):
            return [self._protocol()]
        found = [self._protocol()]
        while self._says(","):
            found.append(self._protocol())
        self._take("}")
        if len(found) > 1 and any(one.flags or one.icmp for one in found):
            raise self._error("multiple protocol options with protocol filters are not yet supported")
        return found

    def _protocol(self) -> Protocol:
        token = self._take("tcp", "icmp", "ipv6-icmp", "ID", "STRING", "NUM")
        if token.kind == "NUM":
            return Protocol(int(token.text))
        if token.text not in _PROTOCOLS:
            raise self._error("unknown protocol '%s'" % token.text)
        found = Protocol(_PROTOCOLS[token.text])
        if token.kind == "tcp" and self._says("flags"):
            flags = self._flags()
            found.flags = (flags, self._flags() if self._says("/") else flags)
        if token.kind in ("icmp", "ipv6-icmp") and self._says("icmp-type"):
            found.icmp = (self._icmp_type(found.number), None)
            if self._says("code"):
                found.icmp = (found.icmp[0], int(self._take("NUM").text))
        return found

    def _flags(self) -> str:
        word = self._take("ID").text
        if any(letter not in _FLAGS for letter in word):
            raise self._error("invalid flag '%s'" % word)
        return "".join(letter for letter in "FSRPAUEW" if letter in word)

    def _icmp_type(self, protocol: int) -> int:
        token = self._take("NUM", "ID")
        if token.kind == "NUM":
            return int(token.text)
        if token.text not in _ICMP_TYPES[protocol]:
            raise self._error("unknown icmp-type %s" % token.text)
        return _ICMP_TYPES[protocol][token.text]

    def _side(self) -> Side:
        side = Side(negated=bool(self._says("!")))
        if not self._says("any"):
            if self._says("{"):
                side.addresses = self._addresses()
                while self._says(","):
                    side.addresses += self._addresses()
                self._take("}")
            else:
                side.addresses = self._addresses()
        if self._says("port"):
            if self._says("{"):
                side.ports = self._ports()
                while self._says(","):
                    side.ports += self._ports()
                self._take("}")
            else:
                side.ports = self._ports()
        return side

    def _addresses(self) -> list[Address]:
        if self._next.kind != "VAR":
            return [self._address()]
        kind, value = self._lookup(self._take("VAR").text)
        found = []
        for one, inner in value if kind == "several" else [(kind, value)]:
            if one != "address":
                raise self._error("wrong variable type for address or interface")
            found.append(inner)
        return found

    def _address(self) -> Address:
        if self._next.kind == "TABLE":
            name = self._take("TABLE").text
            if not self._dynamic and name not in self._config.tables:
                raise self._error("table '%s' is not defined" % name)
            return Address("table", name)
        if self._next.kind in ("ifaddrs", "inet4", "inet6"):
            return Address("ifaddrs", self._interface())
        word = self._take("ADDR").text
        try:
            address = ipaddress.ip_address(word)
        except ValueError:
            raise self._error("invalid address '%s'" % word) from None
        prefix = None
        if self._says("/"):
            token = self._take("NUM", "ADDR")
            prefix = int(token.text) if token.kind == "NUM" else ipaddress.ip_network("0.0.0.0/" + token.text).prefixlen
            if prefix > address.max_prefixlen:
                raise Crash('assertion "mask <= NPF_MAX_NETMASK" failed')
        if prefix == 0 and int(address):
            raise self._error("filter criterion would never match")
        return Address("net", word.lower(), prefix)

    def _ports(self) -> list[tuple[int, int]]:
        if self._next.kind == "VAR":
            kind, value = self._lookup(self._take("VAR").text)
            found = []
            for one, inner in value if kind == "several" else [(kind, value)]:
                if one not in ("ports", "name"):
                    raise self._error("wrong variable type for port range")
                found.append(inner if one == "ports" else (self._service(inner),) * 2)
            return found
        return [self._port_range()]

    def _port_range(self) -> tuple[int, int]:
        first = self._port()
        last = self._port() if self._says("-") else first
        if self._strict and first > last:
            raise self._error("stand-in: a reversed range")
        return first, last

    def _port(self) -> int:
        token = self._take("NUM", "ID", "STRING")
        if token.kind != "NUM":
            return self._service(token.text)
        if self._strict and not 1 <= int(token.text) <= 65535:
            raise self._error("stand-in: port %s would wrap" % token.text)
        return int(token.text) & 0xFFFF

    def _service(self, name: str) -> int:
        try:
            return socket.getservbyname(name)
        except OSError:
            raise self._error("invalid port name '%s' (servname not supported for ai_socktype)" % name) from None

    def _check(self, rule: Rule) -> None:
        sides = (rule.source, rule.destination)
        ports = any(side.ports for side in sides)
        if ports and any(one.number not in (6, 17) for one in rule.protocols):
            raise self._error("invalid filter options for given the protocol(s)")
        if rule.block and rule.stateful and self._strict:
            raise self._error("stand-in: a block with states")
        family = rule.family
        size = 8
        for side in sides:
            kinds = {one.kind == "table" for one in side.addresses}
            if len(kinds) > 1:
                raise Crash("assertion in npfctl_bpf_group")
            for one in side.addresses:
                if one.family is not None and family not in (None, one.family):
                    if rule.family is not None:
                        raise self._error("specified address is not of the required family %d" % {4: 2, 6: 24}[rule.family])
                    raise NpfError("npfctl: address family mismatch")
                family = family or one.family
                size += 3 if one.family == 4 else 12
            size += 3 * len(side.ports)
            if self._strict:
                self._check_strictly(side)
        if size > _EVERYTHING_MAX:
            raise NpfError("npfctl: BPF generation error: the number of instructions is over the limit")

    def _check_strictly(self, side: Side) -> None:
        if len(side.ports) > 1 and any(first != last for first, last in side.ports):
            raise self._error("stand-in: a port range beside other ports never matches")
        if side.negated:
            raise self._error("stand-in: a negation is lost in listings")
        wide = [one for one in side.addresses if one.family == 6 and (one.prefix is None or one.prefix > 32)]
        if len(side.addresses) > 1 and wide:
            raise self._error("stand-in: one equal word of an IPv6 address in a list is enough")

    # -- translations ----------------------------------------------------------------------------------------------------------

    def _map(self) -> None:
        self._at += 1
        if self._says("ruleset"):
            group = self._head()
            self._config.maps.append(Map('map ruleset "%s" on %s' % (group.name, group.interface)))
            return
        name = self._interface()
        kind = self._says("static", "dynamic") or "dynamic"
        algo = self._take("netmap", "ip-hash", "round-robin", "npt66").kind if self._says("algo") else ""
        self._says("no-ports")
        protocols = self._protocols() if self._says("proto") else []
        first = self._segment()
        arrow = self._take("->", "<-", "<->").kind
        second = self._segment()
        if self._says("pass"):
            self._conditions(Rule())
        if not first.addresses and arrow in ("<-", "<->"):
            raise self._error("inbound network segment is not specified")
        if not second.addresses and arrow in ("->", "<->"):
            raise self._error("outbound network segment is not specified")
        target = second if arrow == "->" else first
        shown = "map %s %s %s%s %s %s" % (name, kind, "algo %s " % algo if algo else "", *((_shown(first), arrow, _shown(second))))
        if target.addresses and target.addresses[0].prefix not in (None, 32, 128) and not algo:
            raise self._error("translation address, given the specified algorithm, must be a pool or a single address")
        self._config.maps.append(Map(shown + (" proto %d" % protocols[0].number if protocols else "")))

    def _segment(self) -> Side:
        side = Side()
        if not self._says("any"):
            side.addresses = self._addresses()
        if self._says("port"):
            side.ports = self._ports()
        return side


def _shown(side: Side) -> str:
    words = [one.value for one in side.addresses] or ["any"]
    return " ".join(words) + ("".join(" port %d" % first for first, _last in side.ports))
