# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the usual lines of an ``inet`` table in one step.

Pure: touches nothing. A line in the form in which ``render`` writes it becomes its rule; every other line is left to ``grammar`` and
``meaning``, which say the same of these lines, only slower (a table of ours may have ten thousand of them).
"""

from __future__ import annotations

import ipaddress
import re
import socket
import typing as t

from ...policy.addresses import ANY, Addresses, Network, make_addresses
from ...policy.ports import MAX_PORT, MIN_PORT, PortRange, merge_ports
from ...policy.protocols import FAMILY_OF, NUMBERS
from ...policy.rates import UNITS, Limit, Rate, canonical
from ...policy.rule import Log, Rule
from .names import ICMP_NUMBERS, protocol_number

_LINE = re.compile(
    r'(?:iifname "([^"*]+)" )?(?:oifname "([^"*]+)" )?(?:meta nfproto (!= )?ipv([46]) )?'
    r"(?:(ip6?) saddr (!= )?(\{[^}]*\}|[0-9a-f][0-9a-f.:/-]*|::[0-9a-f.:/-]*) )?"
    r"(?:(ip6?) daddr (!= )?(\{[^}]*\}|[0-9a-f][0-9a-f.:/-]*|::[0-9a-f.:/-]*) )?"
    r"(?:(tcp|udp|sctp) sport (\{[^}]*\}|[\d-]+) )?(?:(tcp|udp|sctp) dport (\{[^}]*\}|[\d-]+) )?"
    r"(?:meta l4proto ([a-z0-9-]+) )?(?:(icmp|icmpv6) type (\{[^}]*\}|[a-z0-9-]+) )?"
    r"(?:ct state (new|established,new|established,related) )?"
    r"(?:limit rate (\d+)/(second|minute|hour|day)(?: burst (\d+) packets)? )?"
    r'(log (?:prefix "([^"]*)" )?)?'
    r"(accept|drop|reject(?: with (?:tcp reset|icmp port-unreachable|icmpv6 port-unreachable))?)"
    r'(?: comment "([^"]*)")?'
)
_ACTIONS = {"a": "allow", "d": "deny", "r": "reject"}
_SHOWN = {"allow": "established,new", "deny": "new", "reject": "new"}


def usual_rule(text: str, direction: str) -> t.Optional[Rule]:
    """Return the rule that a line means for the packets of a direction, or None when it is not one of the usual lines."""
    found = _LINE.fullmatch(text)
    if found is None:
        return None
    (
        arrives, leaves, other, nfproto, source_word, source_not, source, destination_word, destination_not, destination, sport_word, sport,
        dport_word, dport, protocol_word, icmp_word, icmp_types, state, rate, unit, burst, logged, prefix, verdict, comment,
    ) = found.groups()  # fmt: skip
    action = _ACTIONS[verdict[0]]
    if (leaves is not None and direction == "in") or (arrives is not None and direction == "out"):
        return None
    if state is not None and state not in (_SHOWN[action], "established,related"):
        return None
    families = {word == "ip6" for word in (source_word, destination_word) if word is not None}
    if nfproto is not None:
        families.add((nfproto == "6") is (other is None))
    protocols = {NUMBERS[word] for word in (sport_word, dport_word, icmp_word) if word is not None}
    if protocol_word is not None:
        number = protocol_number(protocol_word)
        if number is None:
            return None
        protocols.add(number)
    kind = verdict[12:16]
    if kind == "tcp ":
        protocols.add(NUMBERS["tcp"])
    elif kind:
        families.add(kind == "icmp" and verdict[16] == "v")
    protocol = next(iter(protocols), None)
    fixed = FAMILY_OF.get(t.cast(int, protocol))
    if fixed is not None:
        families.add(fixed == 6)
    if len(families) > 1 or len(protocols) > 1:
        return None
    near, far = (leaves, None) if direction == "out" else (arrives, leaves)
    ports, source_ports = _ports(dport), _ports(sport)
    sides = _addresses(source, source_word, source_not), _addresses(destination, destination_word, destination_not)
    types = _icmp_types(icmp_types, protocol)
    if ports is None or source_ports is None or types is None or None in sides:
        return None
    return Rule(
        action, direction, (6 if families.pop() else 4) if families else None, protocol, t.cast(Addresses, sides[0]),
        t.cast(Addresses, sides[1]), ports, near, state is not None and state != "established,related",
        None if rate is None else Limit(canonical(Rate(int(rate), UNITS[unit])), 5 if burst is None else int(burst)),
        None if logged is None else Log(prefix), comment, False, source_ports, types, far, state == "established,related",
    )  # fmt: skip


def _members(text: str) -> t.List[str]:
    return text[2:-2].split(", ") if text[0] == "{" else [text]


def _addresses(text: t.Optional[str], word: t.Optional[str], negated: t.Optional[str]) -> t.Optional[Addresses]:
    if text is None:
        return ANY
    networks: t.List[Network] = []
    try:
        for member in _members(text):
            if "-" in member:
                first, last = (ipaddress.ip_address(end) for end in member.split("-"))
                networks += ipaddress.summarize_address_range(first, last)
            else:
                networks.append(_network(member, word == "ip6"))
    except (ValueError, TypeError, OSError):
        return None
    if any(one.prefixlen == 0 or one.version != (6 if word == "ip6" else 4) for one in networks):
        return None
    if len(networks) == 1:
        return Addresses((networks[0],), negated is not None)
    return make_addresses(networks, negated is not None)


def _network(text: str, six: bool) -> Network:
    address, _slash, length = text.partition("/")
    if six:
        number = int.from_bytes(socket.inet_pton(socket.AF_INET6, address), "big")
        return ipaddress.IPv6Network((number, int(length) if length else 128))
    number = int.from_bytes(socket.inet_pton(socket.AF_INET, address), "big")
    return ipaddress.IPv4Network((number, int(length) if length else 32))


def _ports(text: t.Optional[str]) -> t.Optional[t.Tuple[PortRange, ...]]:
    if text is None:
        return ()
    ranges = []
    for member in _members(text):
        first, dash, last = member.partition("-")
        if not first.isdigit() or (dash and not last.isdigit()):
            return None
        low, high = int(first), int(last) if dash else int(first)
        if not MIN_PORT <= low <= high <= MAX_PORT:
            return None
        ranges.append(PortRange(low, high))
    return tuple(ranges) if len(ranges) == 1 else merge_ports(ranges)


def _icmp_types(text: t.Optional[str], protocol: t.Optional[int]) -> t.Optional[t.Tuple[int, ...]]:
    if text is None:
        return ()
    names = ICMP_NUMBERS[t.cast(int, protocol)]
    numbers = set()
    for member in _members(text):
        number = int(member) if member.isdigit() else names.get(member)
        if number is None or number > 255:
            return None
        numbers.add(number)
    return tuple(sorted(numbers))
