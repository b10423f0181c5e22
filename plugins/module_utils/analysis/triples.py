# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Conflicts of intent between plain port rules: what rules say about the same port, protocol and direction, whatever their order.

Pure: touches nothing. A plain rule has no other conditions than a port, a protocol, a direction and a source. Rules are compared where they
name the same port or the same range, in each address family by itself; which packets they share is the matter of ``pairs``.

- open_and_restricted: one allow has any source, another one is restricted to some. The open one makes the restriction idle.
- allow_and_deny: one allows and one denies or rejects.
- several_sources: two rules name different sources.

Rules that say the same are one rule. The time is proportional to the number of rules.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ..policy.policy import Policy
from ..policy.ports import PortRange
from ..policy.protocols import protocol_name
from ..policy.rule import Rule

OPEN_AND_RESTRICTED, ALLOW_AND_DENY, SEVERAL_SOURCES = "open_and_restricted", "allow_and_deny", "several_sources"
KINDS = (OPEN_AND_RESTRICTED, ALLOW_AND_DENY, SEVERAL_SOURCES)

_Key = t.Tuple[str, t.Optional[int], t.Optional[PortRange]]


@dataclass(frozen=True)
class Triple:
    """One conflict: the rules (numbers in ``policy.rules``) that disagree about a port, a protocol and a direction.

    :ivar first: the rules of one side (the open ones, those that allow; all of them where there are no sides).
    :ivar second: the rules of the other side.
    """

    kind: str
    port: t.Optional[PortRange]
    protocol: t.Optional[int]
    direction: str
    first: t.Tuple[int, ...]
    second: t.Tuple[int, ...] = ()

    def rules(self) -> t.Tuple[int, ...]:
        """Return all rules, in the order of the list."""
        return tuple(sorted(self.first + self.second))

    def words(self) -> str:
        """Return the triple in words."""
        what = protocol_name(self.protocol)
        return "%s %s %s" % (self.direction, what, "port %s" % self.port if self.port is not None else "without a port")


def find_triples(policy: Policy) -> t.List[Triple]:
    """Return all conflicts, by the first rule that takes part."""
    groups: t.Dict[_Key, t.List[int]] = {}
    rules = policy.rules
    for number, rule in enumerate(rules):
        if _plain(rule):
            for port in rule.ports or (None,):
                groups.setdefault((rule.direction, rule.protocol, port), []).append(number)
    found: t.List[Triple] = []
    for key, numbers in groups.items():
        if len(numbers) > 1:
            found.extend(_conflicts(policy, key, numbers))
    found.sort(key=lambda one: (one.rules()[0], KINDS.index(one.kind), one.port.first if one.port else 0, one.rules()))
    return found


def _conflicts(policy: Policy, key: _Key, numbers: t.Sequence[int]) -> t.List[Triple]:
    """Return the conflicts of one triple; what both address families have in common is told once."""
    direction, protocol, port = key
    found: t.Dict[t.Tuple[str, t.Tuple[int, ...], t.Tuple[int, ...]], Triple] = {}
    families = (4, 6) if any(policy.rules[number].family is not None for number in numbers) else (4,)
    for family in families:
        members = [number for number in numbers if policy.rules[number].family in (None, family)]
        for kind, first, second in _sides(policy, _distinct(policy, members)):
            found[(kind, first, second)] = Triple(kind, port, protocol, direction, first, second)
    return list(found.values())


def _sides(policy: Policy, numbers: t.Sequence[int]) -> t.Iterator[t.Tuple[str, t.Tuple[int, ...], t.Tuple[int, ...]]]:
    rules = policy.rules
    allows = [number for number in numbers if rules[number].action == "allow"]
    if len(allows) != len(numbers):
        others = [number for number in numbers if rules[number].action != "allow"]
        if allows and _labels_differ(policy, allows, others):
            yield ALLOW_AND_DENY, tuple(allows), tuple(others)
    opened = [number for number in allows if rules[number].source.any]
    if opened and len(opened) != len(allows):
        restricted = [number for number in allows if not rules[number].source.any]
        if _labels_differ(policy, opened, restricted):
            yield OPEN_AND_RESTRICTED, tuple(opened), tuple(restricted)
    by_source = {rules[number].source: number for number in reversed(numbers) if not rules[number].source.any}
    if len(by_source) > 1:
        one_each = sorted(by_source.values())
        if _labels_differ(policy, one_each[:1], one_each[1:]):
            yield SEVERAL_SOURCES, tuple(one_each), ()


def _distinct(policy: Policy, numbers: t.Sequence[int]) -> t.List[int]:
    """Return the first of each rules that say the same."""
    seen: t.Dict[t.Tuple[t.Any, ...], int] = {}
    for number in numbers:
        rule = policy.rules[number]
        seen.setdefault((rule.action, rule.source, rule.stateful), number)
    return list(seen.values())


def _labels_differ(policy: Policy, first: t.Sequence[int], second: t.Sequence[int]) -> bool:
    labels = {policy.label(number) for number in first}
    return len(labels) > 1 or any(policy.label(number) not in labels for number in second)


def _plain(rule: Rule) -> bool:
    return (
        rule.destination.any
        and rule.interface is None
        and rule.out_interface is None
        and rule.condition is None
        and not rule.source_ports
        and not rule.icmp_types
        and not rule.reply
        and not rule.established
    )
