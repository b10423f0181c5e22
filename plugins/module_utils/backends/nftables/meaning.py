# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the statements of one rule line mean in the terms of the language.

Pure: touches nothing. The statements are those of nft's JSON (libnftables-json(5), schema version 1). A line is read whole or not at
all: one condition that is not known here makes the line unread.
"""

from __future__ import annotations

import ipaddress
import typing as t
from dataclasses import dataclass, field

from ...policy.addresses import ANY, Addresses, Network, make_addresses
from ...policy.ports import MAX_PORT, MIN_PORT, PortRange, merge_ports
from ...policy.protocols import FAMILY_OF, NUMBERS
from ...policy.rates import UNITS, Limit, Rate, canonical
from ...policy.rule import Log
from .names import FAMILIES_OF, ICMP_NUMBERS, LIMIT_SET, protocol_number

Statement = t.Mapping[str, t.Any]
Elements = t.Mapping[str, t.Sequence[t.Any]]
_ACTIONS = {"accept": "allow", "drop": "deny", "reject": "reject"}
#: Named sets with more elements are not looked into.
MAX_ELEMENTS = 2048


class Unread(Exception):
    """A line holds something that the language has no words for, or that is not known here."""


@dataclass
class Meaning:
    """The conditions of a line, each None or empty where there is none, and what it does.

    :ivar protocols: the protocols it matches, None for any.
    :ivar literal: whether the line says its conditions itself (a named set may change under it) and needs one rule to be said.
    :ivar states: the connection states it matches, None for any.
    :ivar reply: whether it matches only the reply direction of a connection.
    :ivar set_name: the dynamic set of a limit per source.
    :ivar verdict: ``allow``, ``deny``, ``reject``, ``jump``, ``return`` or None.
    """

    family: t.Optional[int] = None
    protocols: t.Optional[t.Tuple[int, ...]] = None
    source: Addresses = ANY
    destination: Addresses = ANY
    ports: t.Tuple[PortRange, ...] = ()
    source_ports: t.Tuple[PortRange, ...] = ()
    icmp_types: t.Tuple[int, ...] = ()
    arrives: t.Optional[t.Tuple[str, ...]] = None
    leaves: t.Optional[t.Tuple[str, ...]] = None
    states: t.Optional[t.FrozenSet[str]] = None
    reply: bool = False
    limits: t.List[Limit] = field(default_factory=list)
    set_name: t.Optional[str] = None
    logged: bool = False
    log: t.Optional[Log] = None
    verdict: t.Optional[str] = None
    target: t.Optional[str] = None
    literal: bool = True
    nothing: bool = False

    def conditions(self) -> t.Tuple[t.Any, ...]:
        """Return what decides whether a packet matches, limits left out."""
        return (
            self.family, self.protocols, self.source, self.destination, self.ports, self.source_ports, self.icmp_types, self.arrives,
            self.leaves, self.states, self.reply,
        )  # fmt: skip


def understand(statements: t.Sequence[Statement], family: str, elements: Elements) -> Meaning:
    """Read the statements of a rule in a table of a family; ``elements`` are those of the table's sets that do not change by themselves.

    :raises Unread: see there.
    """
    meaning = Meaning()
    if len(FAMILIES_OF[family]) == 1:
        meaning.family = next(iter(FAMILIES_OF[family]))
    acting = False
    for statement in statements:
        word, value = next(iter(statement.items()))
        if meaning.verdict is not None:
            raise Unread
        if word == "match":
            if acting:
                raise Unread  # what stands before was done to more packets than the rule matches
            _match(meaning, value, elements)
        elif word == "counter":
            continue
        elif word == "limit":
            meaning.limits.append(_limit(value))
            acting = True
        elif word == "set":
            _count_per_source(meaning, value)
            acting = True
        elif word == "log":
            if meaning.logged:
                raise Unread
            meaning.logged = acting = True
            meaning.log = Log(value.get("prefix") if isinstance(value, dict) else None)
        else:
            _verdict(meaning, word, value)
    if meaning.protocols is not None and meaning.family is None:
        fixed = {FAMILY_OF.get(number) for number in meaning.protocols}
        if len(fixed) == 1:
            meaning.family = fixed.pop()
    if meaning.family is not None and any(FAMILY_OF.get(one, meaning.family) != meaning.family for one in meaning.protocols or ()):
        raise Unread  # ICMP in IPv6 packets: no such traffic, and no word for it
    if meaning.nothing:
        raise Unread
    return meaning


def _verdict(meaning: Meaning, word: str, value: t.Any) -> None:
    if word in _ACTIONS:
        meaning.verdict = _ACTIONS[word]
        kind = value.get("type") if isinstance(value, dict) else None
        if kind == "tcp reset":
            _protocols(meaning, (NUMBERS["tcp"],))  # nft may leave the match out of a listing
        elif kind in ("icmp", "icmpv6"):
            _family(meaning, 4 if kind == "icmp" else 6)
    elif word in ("jump", "goto"):
        meaning.verdict, meaning.target = "jump", value["target"]
    elif word == "return":
        meaning.verdict = "return"
    else:
        raise Unread


def _match(meaning: Meaning, match: t.Mapping[str, t.Any], elements: Elements) -> None:
    left, operator, right = match["left"], match["op"], match["right"]
    if not isinstance(left, dict) or len(left) != 1:
        raise Unread
    kind, value = next(iter(left.items()))
    if kind == "ct" and isinstance(value, dict) and set(value) <= {"key", "family"}:
        _match_connection(meaning, value["key"], operator, right)
        return
    if isinstance(right, str) and right.startswith("@"):
        right = _named(right[1:], elements)
        meaning.literal = False
    if kind == "meta":
        _match_meta(meaning, value["key"], operator, right)
    elif kind == "payload" and "field" in value:
        _match_payload(meaning, value["protocol"], value["field"], operator, right)
    else:
        raise Unread


def _named(name: str, elements: Elements) -> t.Dict[str, t.Any]:
    values = elements.get(name)
    if values is None or len(values) > MAX_ELEMENTS:
        raise Unread
    return {"set": list(values)}


def _match_connection(meaning: Meaning, key: str, operator: str, right: t.Any) -> None:
    if key == "direction" and operator == "==" and right == "reply":
        meaning.reply = True
    elif key == "state" and operator in ("in", "==") and meaning.states is None:
        if operator == "==" and not (isinstance(right, dict) and "set" in right):
            raise Unread  # exactly these bits: nft writes it for nothing usual
        values = right.get("|", right.get("set")) if isinstance(right, dict) else right
        values = [values] if isinstance(values, str) else values
        if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
            raise Unread
        meaning.states = frozenset(values)
    else:
        raise Unread


def _match_meta(meaning: Meaning, key: str, operator: str, right: t.Any) -> None:
    if key in ("iifname", "iif", "oifname", "oif") and operator == "==":
        names = _members(right)
        side = "arrives" if key.startswith("i") else "leaves"
        if getattr(meaning, side) is not None or not all(isinstance(one, str) and not one.endswith("*") for one in names):
            raise Unread
        setattr(meaning, side, tuple(sorted(names)))
    elif key == "nfproto" and operator in ("==", "!=") and right in ("ipv4", "ipv6"):
        _family(meaning, 4 if (right == "ipv4") == (operator == "==") else 6)
    elif key == "protocol" and operator == "==" and right in ("ip", "ip6"):
        _family(meaning, 4 if right == "ip" else 6)
    elif key == "l4proto" and operator == "==":
        _protocols(meaning, _numbers(right))
    else:
        raise Unread


def _match_payload(meaning: Meaning, protocol: str, name: str, operator: str, right: t.Any) -> None:
    if protocol in ("ip", "ip6") and name in ("saddr", "daddr"):
        family = 4 if protocol == "ip" else 6
        side = "source" if name == "saddr" else "destination"
        if operator not in ("==", "!=") or not getattr(meaning, side).any:
            raise Unread
        addresses = make_addresses([one for value in _members(right) for one in _networks(value, family)], operator == "!=")
        if any(one.prefixlen == 0 for one in addresses.networks):
            if addresses.negated:
                raise Unread
            addresses = ANY
        _family(meaning, family)
        setattr(meaning, side, addresses)
    elif protocol == "ip" and name == "protocol" and operator == "==":
        _family(meaning, 4)
        _protocols(meaning, _numbers(right))
    elif protocol in ("tcp", "udp", "sctp", "th") and name in ("dport", "sport"):
        if protocol != "th":
            _protocols(meaning, (NUMBERS[protocol],))
        elif meaning.protocols is None or not set(meaning.protocols) <= {NUMBERS["tcp"], NUMBERS["udp"], NUMBERS["sctp"]}:
            raise Unread
        side = "ports" if name == "dport" else "source_ports"
        if getattr(meaning, side):
            raise Unread
        found = _ports(operator, right)
        if found == (PortRange(MIN_PORT, MAX_PORT),) and operator != "==":
            return
        setattr(meaning, side, found)
        if not found:
            meaning.nothing = True
    elif protocol in ("icmp", "icmpv6") and name == "type" and operator == "==" and not meaning.icmp_types:
        number = NUMBERS[protocol]
        _protocols(meaning, (number,))
        _family(meaning, FAMILY_OF[number])
        meaning.icmp_types = _icmp_types(number, right)
    else:
        raise Unread


def _icmp_types(protocol: int, right: t.Any) -> t.Tuple[int, ...]:
    numbers: t.Set[int] = set()
    for one in _members(right):
        first, last = one["range"] if isinstance(one, dict) and "range" in one else (one, one)
        first, last = (ICMP_NUMBERS[protocol].get(end, end) if isinstance(end, str) else end for end in (first, last))
        if not isinstance(first, int) or not isinstance(last, int) or not 0 <= first <= last <= 255:
            raise Unread
        numbers.update(range(first, last + 1))
    return tuple(sorted(numbers))


def _family(meaning: Meaning, family: int) -> None:
    if meaning.family is not None and meaning.family != family:
        meaning.nothing = True
    meaning.family = family


def _protocols(meaning: Meaning, numbers: t.Tuple[int, ...]) -> None:
    if meaning.protocols is not None:
        numbers = tuple(one for one in meaning.protocols if one in numbers)
        if not numbers:
            meaning.nothing = True
    meaning.protocols = numbers


def _members(right: t.Any) -> t.List[t.Any]:
    """Return the elements of a set, without their comments and timeouts, or the single value."""
    if not (isinstance(right, dict) and "set" in right):
        return [right]
    members = right["set"] if isinstance(right["set"], list) else [right["set"]]
    if not members:
        raise Unread
    return [one["elem"]["val"] if isinstance(one, dict) and "elem" in one else one for one in members]


def _numbers(right: t.Any) -> t.Tuple[int, ...]:
    numbers = []
    for one in _members(right):
        number = protocol_number(one) if isinstance(one, (str, int)) else None
        if number is None:
            raise Unread
        numbers.append(number)
    return tuple(sorted(set(numbers)))


def _networks(value: t.Any, family: int) -> t.List[Network]:
    try:
        if isinstance(value, str):
            found: t.List[Network] = [ipaddress.ip_network(value)]
        elif isinstance(value, dict) and "prefix" in value:
            found = [ipaddress.ip_network("%s/%d" % (value["prefix"]["addr"], value["prefix"]["len"]))]
        elif isinstance(value, dict) and "range" in value:
            first, last = (ipaddress.ip_address(one) for one in value["range"])
            found = list(ipaddress.summarize_address_range(first, last))
        else:
            raise Unread
    except (ValueError, TypeError):
        raise Unread from None
    if any(one.version != family for one in found):
        raise Unread
    return found


def _ports(operator: str, right: t.Any) -> t.Tuple[PortRange, ...]:
    ranges = []
    for one in _members(right):
        first, last = one["range"] if isinstance(one, dict) and "range" in one else (one, one)
        if not isinstance(first, int) or not isinstance(last, int) or last < MIN_PORT:
            raise Unread
        ranges.append(PortRange(max(first, MIN_PORT), last))
    if operator == "==":
        return merge_ports(ranges)
    if operator == "!=":
        gaps, start = [], MIN_PORT
        for span in merge_ports(ranges):
            if span.first > start:
                gaps.append(PortRange(start, span.first - 1))
            start = span.last + 1
        if start <= MAX_PORT:
            gaps.append(PortRange(start, MAX_PORT))
        return tuple(gaps)
    number = ranges[0].last
    low, high = {"<": (MIN_PORT, number - 1), "<=": (MIN_PORT, number), ">": (number + 1, MAX_PORT), ">=": (number, MAX_PORT)}[operator]
    return (PortRange(low, high),) if low <= high else ()


def _limit(value: t.Mapping[str, t.Any], per_source: bool = False) -> Limit:
    if value.get("inv") or value.get("rate_unit", "packets") != "packets" or value.get("per") not in UNITS:
        raise Unread
    return Limit(canonical(Rate(value["rate"], UNITS[value["per"]])), value.get("burst", 5), per_source)


def _count_per_source(meaning: Meaning, value: t.Mapping[str, t.Any]) -> None:
    """Read the update of one of our own dynamic sets."""
    name = value.get("set", "").lstrip("@")
    counts = value.get("stmt") or []
    element = value.get("elem", {}).get("payload", {}) if isinstance(value.get("elem"), dict) else {}
    if not name.startswith(LIMIT_SET) or value.get("op") != "update" or len(counts) != 1 or "limit" not in counts[0] or meaning.limits:
        raise Unread
    if element.get("field") != "saddr" or element.get("protocol") not in ("ip", "ip6"):
        raise Unread
    family = 4 if element["protocol"] == "ip" else 6
    if not name.endswith("_v%d" % family):
        raise Unread
    _family(meaning, family)
    meaning.set_name = name
    meaning.limits.append(_limit(counts[0]["limit"], per_source=True))
