# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From rich rules, ports and services back to rules of the common language.

Pure: touches nothing. What cannot be said gives None, never a wider rule.
"""

from __future__ import annotations

import ipaddress
import typing as t
from dataclasses import replace

from ...policy.addresses import ANY, Addresses, make_addresses
from ...policy.errors import HoldfastError, PolicyError
from ...policy.ports import MAX_PORT, MIN_PORT, PortRange, merge_ports
from ...policy.protocols import FAMILY_OF, ICMP, ICMPV6, NUMBERS, WITH_PORTS
from ...policy.rates import Limit, Rate, parse_rate
from ...policy.rule import Log, Rule
from .names import ICMP_NAMES
from .render import rich_rules
from .rich import Match, RichRule

_ACTIONS = {"accept": "allow", "drop": "deny", "reject": "reject"}
_FAMILIES = {None: None, "ipv4": 4, "ipv6": 6}
_NUMBERS = dict(NUMBERS, **{"ipv6-icmp": ICMPV6})
#: The ICMP types of a name, by protocol.
_TYPES = {protocol: {name: number for number, name in names.items()} for protocol, names in ICMP_NAMES.items()}


class Books:
    """What names in rules stand for: sets (None for one that cannot be said) and services."""

    def __init__(
        self, sets: t.Optional[t.Mapping[str, t.Optional[Addresses]]] = None, services: t.Optional[t.Mapping[str, t.Any]] = None
    ) -> None:
        self.sets = dict(sets or {})
        self.services = dict(services or {})


def rules_of_rich(rich: RichRule, direction: str, books: Books) -> t.Optional[t.Tuple[Rule, ...]]:
    """Return what a rich rule means, or None where the language has no words for it."""
    try:
        return _rules(rich, direction, books)
    except (_Unsaid, HoldfastError):
        return None


class _Unsaid(Exception):
    """A part of a rule has no words."""


def _rules(rich: RichRule, direction: str, books: Books) -> t.Tuple[Rule, ...]:
    action = "reject" if rich.element == "icmp-block" else _ACTIONS.get(rich.action or "")
    if action is None or rich.element in ("masquerade", "forward-port") or (rich.log is not None and rich.limit is not None):
        raise _Unsaid
    family = _FAMILIES[rich.family]
    source, destination = (_addresses(one, books) for one in (rich.source, rich.destination))
    versions = {one for one in (family, source.family, destination.family) if one is not None}
    if len(versions) > 1:
        raise _Unsaid
    log = None
    if rich.log is not None:
        log = Log(rich.log.prefix, _rate(rich.log.limit) if rich.log.limit else None)
    base = Rule(
        action, direction, versions.pop() if versions else None, None, source, destination,
        limit=Limit(_rate(rich.limit)) if rich.limit else None, log=log,
    )  # fmt: skip
    return _elements(base, rich, books)


def _elements(base: Rule, rich: RichRule, books: Books) -> t.Tuple[Rule, ...]:
    if rich.element is None:
        return (base,)
    if rich.element in ("port", "source-port"):
        return (_with_port(base, rich.word("port"), rich.word("protocol"), rich.element == "source-port"),)
    if rich.element == "protocol":
        return (_with_protocol(base, rich.word("value")),)
    if rich.element in ("icmp-type", "icmp-block"):
        return icmp_rules(base, rich.word("name"))
    found = service_rules(base, books.services.get(rich.word("name")))
    if found is None or (len(found) > 1 and (base.limit is not None or (base.log is not None and base.log.rate is not None))):
        raise _Unsaid
    return found


def icmp_rules(base: Rule, name: str) -> t.Tuple[Rule, ...]:
    """Return the rules of a named ICMP type: one for each family that has it."""
    found = []
    for protocol in (ICMP, ICMPV6):
        number = _TYPES[protocol].get(name)
        family = FAMILY_OF[protocol]
        if number is not None and base.family in (None, family):
            found.append(replace(base, family=family, protocol=protocol, icmp_types=(number,)))
    if not found or (len(found) > 1 and (base.limit is not None or base.log is not None)):
        raise _Unsaid
    return tuple(found)


def service_rules(base: Rule, service: t.Optional[t.Mapping[str, t.Any]]) -> t.Optional[t.Tuple[Rule, ...]]:
    """Return the rules of a service, or None where it has parts that the language cannot say (helpers, other services)."""
    if service is None or service.get("modules") or service.get("includes") or service.get("helpers"):
        return None
    bases = [base]
    for version, key in ((4, "ipv4"), (6, "ipv6")):
        given = (service.get("destination") or {}).get(key)
        if given:
            bases = [replace(base, family=version, destination=make_addresses([ipaddress.ip_network(given, strict=False)]))]
    if len(service.get("destination") or {}) > 1 or (
        bases != [base] and (not base.destination.any or base.family not in (None, bases[0].family))
    ):
        return None
    found: t.List[Rule] = []
    for one in bases:
        found += [_with_port(one, port, protocol, False) for port, protocol in service.get("ports") or []]
        found += [_with_port(one, port, protocol, True) for port, protocol in service.get("source_ports") or []]
        found += [_with_protocol(one, protocol) for protocol in service.get("protocols") or []]
    return tuple(found)


def port_rule(base: Rule, port: str, protocol: str, source: bool = False) -> t.Optional[Rule]:
    """Return the rule of a port of a zone, or None."""
    try:
        return _with_port(base, port, protocol, source)
    except _Unsaid:
        return None


def protocol_rule(base: Rule, protocol: str) -> t.Optional[Rule]:
    """Return the rule of a protocol of a zone, or None."""
    try:
        return _with_protocol(base, protocol)
    except _Unsaid:
        return None


def block_rules(base: Rule, name: str) -> t.Tuple[Rule, ...]:
    """Return the rules of an ICMP type that a zone blocks; none where the type has no number here."""
    try:
        return icmp_rules(base, name)
    except _Unsaid:
        return ()


def merged(found: t.Sequence[RichRule], direction: str, books: Books) -> t.Optional[Rule]:
    """Return the one rule that these rich rules are the parts of, or None where they are not."""
    rules = []
    for rich in found:
        one = rules_of_rich(rich, direction, books)
        if one is None or len(one) != 1:
            return None
        rules.append(one[0])
    if len(rules) == 1:
        return rules[0]
    families = {one.family for one in rules}
    first = replace(
        rules[0],
        family=None if families == {4, 6} else rules[0].family,
        ports=merge_ports(span for one in rules for span in one.ports),
        source_ports=merge_ports(span for one in rules for span in one.source_ports),
        icmp_types=tuple(sorted({number for one in rules for number in one.icmp_types})),
    )
    return first if [replace(one, priority=0) for one in found] == list(rich_rules(first)) else None


def _addresses(match: t.Optional[Match], books: Books) -> Addresses:
    if match is None:
        return ANY
    if match.address is not None:
        try:
            network = ipaddress.ip_network(match.address, strict=False)
        except ValueError:
            raise _Unsaid from None
        return make_addresses([network], match.invert)
    known = books.sets.get(match.ipset or "")
    if known is None or known.any:
        raise _Unsaid
    return replace(known, negated=match.invert)


def _rate(text: str) -> Rate:
    try:
        return parse_rate(text, "limit")
    except PolicyError:
        raise _Unsaid from None


def _with_port(base: Rule, port: str, protocol: str, source: bool) -> Rule:
    number = _NUMBERS.get(protocol)
    first, dash, last = port.partition("-")
    if number not in WITH_PORTS or not first.isdigit() or (dash and not last.isdigit()):
        raise _Unsaid
    span = PortRange(int(first), int(last) if dash else int(first))
    if not MIN_PORT <= span.first <= span.last <= MAX_PORT:
        raise _Unsaid
    return replace(base, protocol=number, **{"source_ports" if source else "ports": (span,)})  # type: ignore[arg-type]


def _with_protocol(base: Rule, word: str) -> Rule:
    number = int(word) if word.isdigit() and int(word) < 256 else _NUMBERS.get(word)
    family = FAMILY_OF.get(number or 0)
    if number is None or (family is not None and base.family not in (None, family)):
        raise _Unsaid
    return replace(base, protocol=number, family=base.family if family is None else family)
