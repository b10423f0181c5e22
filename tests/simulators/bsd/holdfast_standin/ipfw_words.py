# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the words of an ipfw rule: addresses, ports, interfaces, ICMP types.  With the real tool's carelessness, unless ``strict``.

Accepted in silence although wrong: a port above 65535 (it wraps), a reversed range, a prefix length that is no number (it means any).
"""

from __future__ import annotations

import ipaddress
import re
import socket

from .ipfw_rule import DATAERR, NOHOST, USAGE, Insn, IpfwError
from .net_names import PROTOCOLS, protocol_number, protocol_text, service_port

_PORT_NAME = re.compile(r"(?:[A-Za-z0-9_.]|\\.)*")
_OBJECT_NAME = re.compile(r"[A-Za-z0-9_.-]{1,63}\Z")
RESERVED = frozenset("altq // diverted dst-port src-port established keep-state frag icmptypes in out ip6 any to via {".split())
ICMP_CODES = {
    "net": 0,
    "host": 1,
    "protocol": 2,
    "port": 3,
    "needfrag": 4,
    "srcfail": 5,
    "net-unknown": 6,
    "host-unknown": 7,
    "isolated": 8,
    "net-prohib": 9,
    "host-prohib": 10,
    "tosnet": 11,
    "toshost": 12,
    "filter-prohib": 13,
    "host-precedence": 14,
    "precedence-cutoff": 15,
}
ICMP6_CODES = {"no-route": 0, "admin-prohib": 1, "address": 3, "port": 4}
TCP_FLAG_BITS = {"syn": 0x02, "fin": 0x01, "ack": 0x10, "psh": 0x08, "rst": 0x04, "urg": 0x20}
LIMIT_MASKS = ("dst-addr", "src-addr", "dst-port", "src-port")
ACTIONS = {
    "accept": "allow",
    "pass": "allow",
    "allow": "allow",
    "permit": "allow",
    "count": "count",
    "deny": "deny",
    "drop": "deny",
    "reject": "reject",
    "reset": "reset",
    "reset6": "reset6",
    "abort": "abort",
    "abort6": "abort6",
    "unreach": "unreach",
    "unreach6": "unreach6",
    "skipto": "skipto",
    "nat": "nat",
    "fwd": "fwd",
    "forward": "fwd",
    "check-state": "check-state",
    "//": "//",
}
NOT_IMPLEMENTED_ACTIONS = frozenset(
    """pipe queue divert tee netgraph ngtee reass setfib setdscp call return tcp-setmss eaction nat64clat
    nat64lsn nat64stl nptv6 setmark""".split()
)
FLAGS_ONLY = {
    "frag": "frag",
    "fragment": "frag",
    "estab": "established",
    "established": "established",
    "verrevpath": "verrevpath",
    "versrcreach": "versrcreach",
    "antispoof": "antispoof",
    "ipv6": "ip6",
    "ip6": "ip6",
    "ipv4": "ip4",
    "ip4": "ip4",
}
NOT_IMPLEMENTED_OPTIONS = frozenset(
    """jail bridged layer2 diverted diverted-loopback diverted-output fib ipoptions ipopts iplen ipid
    ipprecedence dscp iptos ipttl ipversion ipver sockarg tcpdatalen tcpoptions tcpopts tcpseq tcpack tcpwin tcpmss MAC mac mac-type ipsec
    ext6hdr flow-id lookup defer-immediate-action defer-action mark""".split()
)


def abbreviates(word: str, full: str, warnings: list[str]) -> bool:
    """Whether ``word`` is ``full`` or its beginning; the real tool takes a beginning with a warning."""
    if not full.startswith(word):
        return False
    if word != full:
        warnings.append("DEPRECATED: '%s' matched '%s' as a sub-string" % (word, full))
    return True


def good_name(name: str) -> bool:
    """Whether a table or state may have this name."""
    return bool(_OBJECT_NAME.match(name))


def c_number(text: str, base: int = 10) -> tuple[int, str]:
    """``strtol``: the number at the start of ``text`` and what follows it; (0, text) if there is none."""
    pattern = r"[+-]?(0[xX][0-9a-fA-F]+|\d+)" if base == 0 else r"[+-]?\d+"
    found = re.match(pattern, text)
    if not found:
        return 0, text
    digits = found.group(0)
    if base == 0 and digits.lstrip("+-").startswith("0") and len(digits.lstrip("+-")) > 1:
        plain = digits.lower().lstrip("+-")
        value = int(plain, 16) if plain.startswith("0x") else int(re.match(r"[0-7]*", plain).group(0) or "0", 8)
        return value, text[len(digits) :]
    return int(digits), text[len(digits) :]


def protocol(word: str, warnings: list[str], compat: bool) -> tuple[Insn | None, int] | None:
    """The instruction (``None`` for ``ip``) and the number that decides how ports and addresses are read; ``None`` if no protocol."""
    if (word and abbreviates(word, "all", warnings)) or word == "ip":
        return None, 0
    if word == "ip4" or (compat and word == "ipv4"):
        return Insn("ip4"), 0
    if word == "ip6" or (compat and word == "ipv6"):
        return Insn("ip6"), PROTOCOLS["ipv6"]
    number, rest = c_number(word)
    if rest or number <= 0:
        found = protocol_number(word)
        if found is None:
            return None
        number = found
    return Insn("proto", (number & 0xFF,)), number


def _one_port(text: str, proto: int) -> tuple[int, str] | None:
    if not text:
        return None
    if text[0].isdigit():
        return c_number(text, 0)
    name = _PORT_NAME.match(text).group(0)
    port = service_port(name.replace("\\", ""), protocol_text(proto) if proto in (6, 17) else None)
    return None if port is None else (port, text[len(name) :])


def ports(text: str, proto: int, warnings: list[str], strict: bool) -> tuple | None:
    """A port list as ``((low, high), …)``, or ``None`` if the text is none."""
    if text in RESERVED:
        return None
    found = []
    rest = text
    while True:
        first = _one_port(rest, proto)
        if first is None:
            return None
        low, after = first
        high = low
        if after.startswith("-"):
            second = _one_port(after[1:], proto)
            if second is None or (second[1] and not second[1].startswith(",")):
                return None
            high, after = second
        elif after and not after.startswith(","):
            warnings.append("port list: invalid separator <%s> in <%s>" % (after[0], rest))
            return None
        if strict and (low > 65535 or high > 65535):
            raise IpfwError(DATAERR, "strict: port %d is above 65535 and would wrap" % max(low, high))
        if strict and low > high:
            raise IpfwError(DATAERR, "strict: reversed port range %d-%d" % (low, high))
        found.append((low & 0xFFFF, high & 0xFFFF))
        if not after:
            return tuple(found)
        rest = after[1:]


def address(word: str, proto: int, negated: bool, warnings: list[str], strict: bool, force: int = 0) -> tuple | None:
    """Arguments of a ``src`` or ``dst`` instruction: ``("me",)``, ``("me6",)``, ``("table", name, value)``, ``("nets", family, …)``.

    ``None`` means any.  ``force`` (4 or 6) is for the options ``src-ip`` and ``src-ip6``.
    """
    if word == "any" or (not force and proto != PROTOCOLS["ipv6"] and word and abbreviates(word, "any", warnings)):
        if strict and negated:
            raise IpfwError(DATAERR, "strict: 'not any' negates what follows")
        return None
    if word.startswith("table("):
        return table_reference(word)
    host = re.split("[/,]", word)[0]
    if force != 4 and (force == 6 or proto == PROTOCOLS["ipv6"] or word == "me6" or _is_v6(host)):
        if word in ("me", "me6"):
            return ("me6",)
        return _v6_list(word, negated, strict)
    if word and abbreviates(word, "me", warnings):
        return ("me",)
    return _v4_list(word, negated, strict)


def table_reference(word: str) -> tuple:
    """``table(NAME[,VALUE])``."""
    inner, closing, _rest = word[6:].partition(")")
    if not closing:
        raise IpfwError(DATAERR, "forgotten parenthesis: '%s'" % word)
    name, comma, value = inner.partition(",")
    if not good_name(name) or name == "all":
        raise IpfwError(DATAERR, "Invalid table name: %s" % name)
    return ("table", name, c_number(value, 0)[0]) if comma else ("table", name)


def _is_v6(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).version == 6 and "%" not in text
    except ValueError:
        return False


def _v6_list(word: str, negated: bool, strict: bool) -> tuple | None:
    found = []
    entries = word.split(",")
    for entry in entries:
        host, slash, width = entry.partition("/")
        if not _is_v6(host):
            raise IpfwError(DATAERR, 'bad address "%s"' % host)
        bits = _width(width, strict) if slash else 128
        if bits > 128 or bits < 0:
            raise IpfwError(DATAERR, "bad width \"%s''" % width)
        if bits == 0:
            if negated and len(entries) == 1:
                raise IpfwError(DATAERR, "not any never matches")
            continue
        net = ipaddress.ip_network("%s/%d" % (host, bits), strict=False)
        found.append((str(net.network_address), bits))
    return ("nets", 6, tuple(found)) if found else None


def _v4_list(word: str, negated: bool, strict: bool) -> tuple | None:
    if "{" in word:
        raise IpfwError(USAGE, "stand-in: address sets with braces are not implemented: %s" % word)
    found = []
    entries = word.split(",")
    for entry in entries:
        at = re.search("[/:]", entry)
        host, mask = (entry[: at.start()], entry[at.end() :]) if at else (entry, "")
        base = _v4_host(host)
        if not at:
            bits = 32
        elif entry[at.start()] == ":":
            bits = _mask_bits(mask)
        else:
            bits = _width(mask, strict)
            if bits > 32 or bits < 0:
                raise IpfwError(DATAERR, "bad width ``%s''" % mask)
        if bits == 0:
            if negated and len(entries) == 1:
                raise IpfwError(DATAERR, "not any never matches")
            return None
        net = ipaddress.ip_network("%s/%d" % (base, bits), strict=False)
        found.append((str(net.network_address), bits))
    return ("nets", 4, tuple(found))


def _v4_host(text: str) -> str:
    try:
        if not text or any(char.isspace() for char in text):
            raise OSError(text)
        return socket.inet_ntoa(socket.inet_aton(text))
    except OSError:
        raise IpfwError(NOHOST, "hostname ``%s'' unknown" % text) from None


def _mask_bits(text: str) -> int:
    try:
        return ipaddress.ip_network("0.0.0.0/%s" % socket.inet_ntoa(socket.inet_aton(text))).prefixlen
    except (OSError, ValueError):
        raise IpfwError(DATAERR, "bad netmask ``%s''" % text) from None


def _width(text: str, strict: bool) -> int:
    number, rest = c_number(text)
    if strict and (rest or not text):
        raise IpfwError(DATAERR, "strict: prefix length %r is no number and would mean any" % text)
    return number


def interface(word: str) -> tuple | None:
    """Arguments of ``via``, ``recv``, ``xmit``; ``None`` for any."""
    if word == "any":
        return None
    if word.startswith("table("):
        return table_reference(word)[:2]
    if word[:1].isdigit():
        try:
            return ("address", socket.inet_ntoa(socket.inet_aton(word)))
        except OSError:
            raise IpfwError(DATAERR, "bad ip address ``%s''" % word) from None
    return ("name", word[:15])


def icmp_types(text: str, family: int) -> tuple:
    """Numbers separated by commas; names and ranges are refused."""
    word = "ICMP" if family == 4 else "ICMP6"
    found = set()
    rest = text
    while rest:
        rest = rest[1:] if rest.startswith(",") else rest
        number, rest = c_number(rest, 0)
        if rest and not rest.startswith(","):
            raise IpfwError(DATAERR, "invalid %s type" % word)
        number &= 0xFF
        if number > (31 if family == 4 else 201):
            raise IpfwError(DATAERR, "%s type out of range" % word)
        found.add(number)
    return tuple(sorted(found))


def tcp_flags(text: str) -> tuple[int, int]:
    """``syn,!ack`` as the bits that must be set and the bits that must be clear."""
    bits = [0, 0]
    for word in text.split(","):
        name = word.lstrip("!")
        if name not in TCP_FLAG_BITS:
            raise IpfwError(DATAERR, "invalid flag %s" % word)
        bits[word.startswith("!")] |= TCP_FLAG_BITS[name]
    return bits[0], bits[1]


def reply_code(word: str, family: int) -> int:
    """The code after ``unreach`` or ``unreach6``."""
    codes = ICMP_CODES if family == 4 else ICMP6_CODES
    number, rest = c_number(word, 0)
    if not rest and word and 0 <= number < 256:
        return number
    if word not in codes:
        raise IpfwError(DATAERR, "unknown %s unreachable code ``%s''" % ("ICMP" if family == 4 else "ICMPv6", word))
    return codes[word]


def argument(word: str | None, what: str) -> int:
    """A number from 1 to 65534 behind a word such as ``skipto`` or ``limit``."""
    if word is None:
        raise IpfwError(USAGE, "missing argument for %s" % what)
    if not word[:1].isdigit():
        raise IpfwError(DATAERR, "illegal argument for %s" % what)
    number, _rest = c_number(word)
    if not 0 < number < 65535:
        raise IpfwError(DATAERR, "illegal argument for %s" % what)
    return number
