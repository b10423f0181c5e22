# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many rules that differ in one thing only as one rule: with a table of addresses, a list of ports, or a table of flows.

Pure: touches nothing. A rule joins an earlier one only where no rule between the two does something else to a packet that it matches, so
that the order of decision stays as it is. Comments of rules that are joined are lost, since the entries of ipfw's tables have none.
"""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ...analysis.boxes import Interfaces, TooComplex, sides_of, whole_box
from ...analysis.index import Index
from ...policy.addresses import ANY, Addresses, make_addresses
from ...policy.ports import merge_ports
from ...policy.protocols import TCP, WITH_PORTS
from ...policy.rule import DIRECTIONS, Rule
from .listing import Flow
from .policy_words import FlowRule, Item
from .render import MAX_PORTS

SOURCE, DESTINATION, PORTS, FLOWS = "source", "destination", "ports", "flows"
#: Fewer rules than this are not worth a table of flows.
FEW = 8
#: Entries that one rule may bring into a table of flows.
MAX_FLOWS = 64
#: In so many rules for one direction they are looked for within parts of this size.
PART = 20000

Key = t.Tuple[t.Any, ...]


class _Group:
    """Rules that are joined, and the place of the first of them."""

    __slots__ = ("first", "key", "rules")

    def __init__(self, key: Key, first: int) -> None:
        self.key = key
        self.first = first
        self.rules: t.List[Rule] = []


def compiled(rules: t.Sequence[Rule]) -> t.List[Item]:
    """Return fewer rules that match the same packets in the same order of decision; directions one after the other."""
    found: t.List[Item] = []
    for direction in DIRECTIONS:
        same = [rule for rule in rules if rule.direction == direction]
        for start in range(0, len(same), PART):
            found += _compiled(same[start : start + PART])
    return found


def _compiled(rules: t.List[Rule]) -> t.List[Item]:
    keys = _keys(rules)
    if not any(key is not None for key in keys):
        return list(rules)
    try:
        conflicts = _conflicts(rules)
    except TooComplex:
        return list(rules)
    groups: t.List[_Group] = []
    latest: t.Dict[Key, _Group] = {}
    for place, (rule, key) in enumerate(zip(rules, keys)):
        group = latest.get(key) if key is not None else None
        if group is None or conflicts(place) >> group.first & (1 << place - group.first) - 1:
            group = _Group(key or (), place)
            groups.append(group)
            if key is not None:
                latest[key] = group
        group.rules.append(rule)
    return [item for group in groups for item in _joined(group)]


def _conflicts(rules: t.Sequence[Rule]) -> t.Callable[[int], int]:
    """Return what tells for a rule, by its place, which others do something else to a packet that both match, as a set of bits.

    :raises TooComplex: when that cannot be told.
    """
    effects = [(rule.action, rule.log, rule.action == "reject" and rule.protocol == TCP) for rule in rules]
    if len(set(effects)) == 1:
        return lambda place: 0
    alike: t.Dict[t.Any, int] = {}
    for place, effect in enumerate(effects):
        alike[effect] = alike.get(effect, 0) | 1 << place
    interfaces = Interfaces.of(rules)
    sides = [sides_of(rule, interfaces) for rule in rules]
    if any(one is None for one in sides):
        raise TooComplex("a rule that matches nothing")
    found = [one for one in sides if one is not None]
    index = Index(found, [high for _low, high in whole_box(interfaces)])
    return lambda place: index.meeting(found[place]) & ~alike[effects[place]]


def _keys(rules: t.Sequence[Rule]) -> t.List[t.Optional[Key]]:
    """Return for each rule what it shares with those it may be joined with; None where it stays alone."""
    choices = [_choices(rule) for rule in rules]
    counts: t.Dict[Key, int] = {}
    for found in choices:
        for key in found:
            counts[key] = counts.get(key, 0) + 1
    keys: t.List[t.Optional[Key]] = []
    for found in choices:
        best = max(found, key=lambda key: counts[key], default=None)
        plain = max((key for key in found if key[0] != FLOWS), key=lambda key: counts[key], default=None)
        if plain is not None and counts[plain] >= FEW:
            best = plain
        elif best is not None and (counts[best] < 2 or (best[0] == FLOWS and counts[best] < FEW)):
            best = plain if plain is not None and counts[plain] > 1 else None
        keys.append(best)
    return keys


def _choices(rule: Rule) -> t.List[Key]:
    """Return the ways in which a rule may be joined with others: what they must have in common."""
    if rule.reply or rule.established or rule.limit is not None:
        return []
    source, destination = rule.source, rule.destination
    common = (
        rule.action, rule.family, rule.protocol, rule.interface, rule.out_interface, rule.stateful, rule.log, rule.source_ports,
        rule.icmp_types,
    )  # fmt: skip
    ways: t.List[Key] = []
    if source.networks and not source.negated:
        ways.append((SOURCE, common, destination, rule.ports))
    if destination.networks and not destination.negated:
        ways.append((DESTINATION, common, source, rule.ports))
    if rule.ports:
        ways.append((PORTS, common, source, destination))
    if _flows_fit(rule):
        tcp = rule.stateful and rule.protocol == TCP
        ways.append((FLOWS, rule.action, rule.interface, rule.out_interface, rule.stateful, tcp, rule.log, destination))
    return ways


def _flows_fit(rule: Rule) -> bool:
    if rule.protocol not in WITH_PORTS or rule.action == "reject" or rule.source_ports or not rule.ports or rule.destination.networks:
        return False
    hosts = rule.source.networks
    if not hosts or rule.source.negated or any(one.prefixlen != one.max_prefixlen for one in hosts):
        return False
    return all(one.first == one.last for one in rule.ports) and len(hosts) * len(rule.ports) <= MAX_FLOWS


def _joined(group: _Group) -> t.List[Item]:
    rules = group.rules
    first = rules[0]
    if len(rules) == 1:
        return [first]
    whole = first if all(rule.comment == first.comment for rule in rules) else replace(first, comment=None)
    if group.key[0] == FLOWS:
        flows = {flow for rule in rules for flow in _flows(rule)}
        return [FlowRule(replace(whole, family=None, protocol=None, source=ANY, ports=(), comment=None), tuple(sorted(flows)))]
    if group.key[0] == PORTS:
        ports = merge_ports(one for rule in rules for one in rule.ports)
        room = MAX_PORTS - len(first.source_ports)
        return [replace(whole, ports=ports[start : start + room]) for start in range(0, len(ports), room)]
    if group.key[0] == SOURCE:
        return [replace(whole, source=_together([rule.source for rule in rules]))]
    return [replace(whole, destination=_together([rule.destination for rule in rules]))]


def _together(addresses: t.Iterable[Addresses]) -> Addresses:
    return make_addresses([network for one in addresses for network in one.networks])


def _flows(rule: Rule) -> t.Iterator[Flow]:
    for host in rule.source.networks:
        for port in rule.ports:
            yield Flow(host.version, int(host.network_address), t.cast(int, rule.protocol), port.first)
