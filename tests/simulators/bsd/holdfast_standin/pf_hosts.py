# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The matching part of a rule: interfaces, families, protocols, hosts, ports, users, TCP flags, ICMP types."""

from __future__ import annotations

import grp
import ipaddress
import pwd

from . import pf_lexer
from .net_names import protocol_number, service_port
from .pf_names import (
    ALL_TCP_FLAGS,
    ICMP6_CODES,
    ICMP6_TYPES,
    ICMP_CODES,
    ICMP_TYPES,
    INTERFACE_NAME_MAX,
    TABLE_NAME_MAX,
    TCP_FLAGS,
    TOS_NAMES,
)
from .pf_reader import TokenReader
from .pf_rule import ANY, Address, Port, network, replace

_MODES = ("network", "broadcast", "peer")


class HostReader(TokenReader):
    """Grammar of what a rule matches on."""

    # interfaces, family, protocol

    def interface_list(self) -> list:
        """``on IF``, ``on ! IF``, ``on { IF, IF }``, as ``(name, negated)``; empty without ``on``."""
        return self.one_or_list(self._interface_item) if self.take("on") else []

    def _interface_item(self) -> list:
        negated = bool(self.take("!"))
        return [(self.interface_name(), negated)]

    def interface_name(self) -> str:
        """An interface name; it need not exist."""
        if self.flavour.name == "openbsd" and self.take("any"):
            return "any"
        name = self.string()
        if len(name) > INTERFACE_NAME_MAX:
            self.fail("interface name too long")
        return name

    def family(self) -> int:
        """4, 6, or 0 when not said."""
        if self.take("inet"):
            return 4
        return 6 if self.take("inet6") else 0

    def protocol_list(self) -> list:
        """``proto P`` or ``proto { P, P }`` as numbers; empty without ``proto``."""
        return self.one_or_list(self._protocol_item) if self.take("proto") else []

    def _protocol_item(self) -> list:
        if self.peek().kind == pf_lexer.NUMBER:
            number = self.number()
            if number < 0 or number > 255:
                self.fail("protocol outside range")
        else:
            name = self.string()
            found = protocol_number(name)
            if found is None:
                self.fail("unknown protocol %s" % name)
            number = found
        if number == 0:
            self.fail("proto 0 cannot be used")
        return [number]

    # hosts

    def from_to(self) -> tuple:
        """``all``, or ``from … to …`` with either part missing: ``(sources, source ports, destinations, destination ports)``."""
        if self.take("all"):
            return [], [], [], []
        sources, source_ports, destinations, destination_ports = [], [], [], []
        if self.take("from"):
            sources, source_ports = self._ip_and_port()
        if self.at("os"):
            self.syntax_error()
        if self.take("to"):
            destinations, destination_ports = self._ip_and_port()
            if any(host.kind == "urpf-failed" for host in destinations):
                self.fail('"urpf-failed" is not permitted in a destination address')
        return sources, source_ports, destinations, destination_ports

    def _ip_and_port(self) -> tuple:
        hosts = [] if self.at("port") else self.ip_spec()
        ports = self.one_or_list(self._port_item) if self.take("port") else []
        return hosts, ports

    def ip_spec(self) -> list:
        """A host, ``any`` (the empty list) or a list, which may hold lists."""
        if self.take("any"):
            return []
        if not self.take("{"):
            return self._negatable_host()
        self.skip_newlines()
        found = self.ip_spec()
        self.skip_newlines()
        while not self.take("}"):
            self.take(",")
            more = self.ip_spec()
            if self.strict and (not more or not found):
                self.fail("strict: 'any' beside other addresses in a list does not mean any")
            if self.flavour.any_takes_a_list:
                found = found + more if found and more else ([] if not found else more)
            else:
                found = found + more
            self.skip_newlines()
        return found

    def _negatable_host(self) -> list:
        negated = bool(self.take("!"))
        if self.take("no-route"):
            return [Address("no-route", negated=negated)]
        if self.take("urpf-failed"):
            return [Address("urpf-failed", negated=negated)]
        return [replace(host, negated=negated) for host in self.host()]

    def host(self) -> list:
        """One host specification without a sign; a name of an interface may stand for several addresses."""
        if self.take("<"):
            name = self.string()
            self.expect(">")
            if len(name) > TABLE_NAME_MAX:
                self.fail("table name '%s' too long" % name)
            return [Address("table", 0, name)]
        if self.take("("):
            return [self._dynamic_interface()]
        token = self.peek()
        if token.kind == pf_lexer.NUMBER:
            self.advance()
            self.expect("/")
            return self._plain_host("%s/%d" % (token.text, self.number()))
        text = self.string()
        if self.take("-"):
            return self._range(text, self.string())
        if self.take("/"):
            text = "%s/%d" % (text, self.number())
        return self._plain_host(text)

    def _dynamic_interface(self) -> Address:
        text = self.string()
        self.expect(")")
        if not text[:1].isalpha():
            self.fail("invalid interface name '%s'" % text)
        name, *modifiers = text.split(":")
        for modifier in modifiers:
            if modifier not in (*_MODES, "0"):
                self.fail("interface %s has bad modifier" % text)
        if len(set(modifiers) & set(_MODES)) > 1:
            self.fail("illegal combination of interface modifiers")
        if len(name) > INTERFACE_NAME_MAX:
            self.fail("interface name too long")
        bits = 128
        if self.take("/"):
            bits = self.number()
            if bits < 0 or bits > 128:
                self.fail("bit number too big")
        return Address("dynif", 0, name, bits, modifiers=tuple(modifiers))

    def _range(self, first: str, last: str) -> list:
        low, high = self._plain_host(first), self._plain_host(last)
        ends = low + high
        if len(ends) != 2 or low[0].family != high[0].family or any(end.kind != "net" or end.bits != _width(end.family) for end in ends):
            self.fail("invalid address range")
        return [Address("range", low[0].family, low[0].text, _width(low[0].family), high[0].text)]

    def _plain_host(self, text: str) -> list:
        found = self._lookup(text)
        if not found:
            self.stderr.append("no IP address found for %s" % text)
            self.fail("could not parse host specification")
        return found

    def _lookup(self, text: str) -> list:
        """Interface addresses, or an address with an optional prefix length; names of hosts are never resolved here."""
        base, slash, length = text.partition("/")
        name, *modifiers = base.split(":")
        if all(modifier in (*_MODES, "0") for modifier in modifiers) and self.interfaces.exists(name):
            if slash and set(modifiers) & {"network", "broadcast"}:
                self.stderr.append("network or broadcast lookup, but extra netmask given")
                return []
            found = [network(*each) for each in self.interfaces.lookup(name, tuple(modifiers))]
            return [network(each.family, each.text, int(length)) for each in found] if slash else found
        if slash and not 0 <= int(length) <= 128:
            return []
        octets = base.split(".")
        if slash and len(octets) < 4 and all(part.isdigit() for part in octets):
            base = ".".join(octets + ["0"] * (4 - len(octets)))
        try:
            address = ipaddress.ip_address(base)
        except ValueError:
            return []
        if "%" in base:
            return []
        width = _width(address.version)
        bits = int(length) if slash else width
        if bits > width:
            if self.flavour.name == "openbsd":
                return [Address("net", address.version, str(address), bits)]
            return []
        return [network(address.version, str(address), bits)]

    # ports

    def _port_item(self) -> list:
        operator = self._unary_operator()
        low, high, is_range = self._port_text(self.number_or_string())
        if operator:
            if is_range:
                self.fail("':' cannot be used with an other port operator")
            return [Port(operator, low, low)]
        if self.peek().kind == pf_lexer.PORTBINARY:
            operator = self.advance().text
            second, _unused, second_is_range = self._port_text(self.number_or_string())
            if is_range or second_is_range:
                self.fail("':' cannot be used with an other port operator")
            self._check_range(operator, low, second)
            return [Port(operator, low, second)]
        if is_range:
            self._check_range(":", low, high)
        return [Port(":", low, high) if is_range else Port("=", low, low)]

    def _check_range(self, operator: str, low: int, high: int) -> None:
        empty = low > high or (operator == "><" and low == high)
        if empty and self.flavour.checks_port_ranges:
            self.fail("invalid port range")
        if empty and self.strict:
            self.fail("strict: port range %d %s %d matches nothing" % (low, operator, high))

    def _unary_operator(self) -> str:
        if self.take("="):
            return "="
        if self.take("!"):
            self.expect("=")
            return "!="
        for sign in "<>":
            if self.take(sign):
                return sign + "=" if self.take("=") else sign
        return ""

    def _port_text(self, text: str) -> tuple:
        first, colon, second = text.partition(":")
        low = self._service(first)
        return (low, self._service(second), True) if colon else (low, low, False)

    def _service(self, text: str) -> int:
        if text.isdigit():
            if int(text) > 65535:
                self.fail("illegal port value %s" % text)
            return int(text)
        port = service_port(text)
        if port is None:
            self.fail("unknown port %s" % text)
        return port

    def port_or_star(self) -> tuple:
        """The port of a redirection: ``8080``, ``8000:8100`` or ``8000:*``; gives low and high (0 when open)."""
        text = self.number_or_string()
        if text.endswith(":*"):
            return self._service(text[:-2]), 0
        low, high, is_range = self._port_text(text)
        return low, high if is_range else 0

    # users, flags, ICMP

    def id_list(self, kind: str) -> list:
        """Users or groups as ``Port``-like conditions on numbers; 0xffffffff stands for unknown."""
        return self.one_or_list(lambda: self._id_item(kind))

    def _id_item(self, kind: str) -> list:
        operator = self._unary_operator()
        first = self._id(kind)
        if operator:
            if first == 0xFFFFFFFF and operator not in ("=", "!="):
                self.fail("%s unknown requires operator = or !=" % kind)
            return [Port(operator, first, first)]
        if self.peek().kind == pf_lexer.PORTBINARY:
            operator = self.advance().text
            second = self._id(kind)
            if 0xFFFFFFFF in (first, second):
                self.fail("%s unknown requires operator = or !=" % kind)
            return [Port(operator, first, second)]
        return [Port("=", first, first)]

    def _id(self, kind: str) -> int:
        if self.peek().kind == pf_lexer.NUMBER:
            number = self.number()
            if number < 0 or number >= 0x7FFFFFFF:
                self.fail("illegal %s value %d" % ("uid" if kind == "user" else "gid", number))
            return number
        name = self.string()
        if name == "unknown":
            return 0xFFFFFFFF
        try:
            return pwd.getpwnam(name).pw_uid if kind == "user" else grp.getgrnam(name).gr_gid
        except KeyError:
            self.fail("unknown %s %s" % (kind, name))

    def tcp_flags(self) -> tuple:
        """What follows ``flags``: ``S/SA``, ``/SA`` or ``any``, as two bit sets."""
        if self.take("any"):
            return 0, 0
        first = 0 if self.at("/") else self._flag_set()
        self.expect("/")
        return first, self._flag_set()

    def _flag_set(self) -> int:
        text = self.string()
        bits = 0
        for letter in text:
            if letter not in TCP_FLAGS:
                self.fail("bad flags %s" % text)
            bits |= 1 << TCP_FLAGS.index(letter)
        return bits or ALL_TCP_FLAGS

    def icmp_list(self, family: int) -> list:
        """What follows ``icmp-type`` (family 4) or ``icmp6-type`` (6): ``(protocol, type, code or None)``."""
        return self.one_or_list(lambda: self._icmp_item(family))

    def _icmp_item(self, family: int) -> list:
        word = "icmp" if family == 4 else "icmp6"
        names, codes = (ICMP_TYPES, ICMP_CODES) if family == 4 else (ICMP6_TYPES, ICMP6_CODES)
        if self.peek().kind == pf_lexer.NUMBER:
            number = self.number()
            if number < 0 or number > 255:
                self.fail("illegal %s-type %d" % (word, number))
            if number == 255 and self.strict:
                self.fail("strict: %s-type 255 is kept as any type" % word)
        else:
            name = self.string()
            if name not in names or (name == "listenrepv2" and not self.flavour.has_listener_reports):
                self.fail("unknown %s-type %s" % (word, name))
            number = names[name]
        code: int | None = None
        if self.take("code"):
            if self.peek().kind == pf_lexer.NUMBER:
                code = self.number()
                if code < 0 or code > 255:
                    self.fail("illegal icmp-code %d" % code)
            else:
                name = self.string()
                code = codes.get((name, number))
                if code is None:
                    self.fail("unknown %s-code %s" % (word, name))
        return [(1 if family == 4 else 58, None if number == 255 else number, code)]

    def tos(self) -> int:
        """A type of service: a name, a decimal number or a hexadecimal one."""
        token = self.peek()
        value = 256
        if token.kind == pf_lexer.NUMBER:
            value = self.number()
        else:
            text = self.string()
            if text in TOS_NAMES:
                value = TOS_NAMES[text]
            elif text.startswith("0x") and all(digit in "0123456789abcdefABCDEF" for digit in text[2:]) and len(text) > 2:
                value = int(text, 16)
        if value < 0 or value > 255:
            self.fail("illegal tos value %s" % token.text)
        return value


def _width(family: int) -> int:
    return 32 if family == 4 else 128


__all__ = ["ANY", "HostReader"]
