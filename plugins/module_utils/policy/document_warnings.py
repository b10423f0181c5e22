# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person should know about a valid policy before it is used: rules that never decide, translations that lead nowhere.

Pure: touches nothing. Only what one look at each rule shows; the analysis engine finds all conflicts.
"""

from __future__ import annotations

import typing as t

from .addresses import Addresses, common, intervals_of
from .nat import NatRule
from .policy import Policy
from .rule import Rule

MAX_NAMED = 10
#: Pairs of a translation and a rule, and of their networks, that are compared at most; a larger policy gets no warning of this kind.
MAX_PAIRS = 500_000


def warnings_of(policy: Policy, place: str) -> t.List[str]:
    """Return warnings for people, one line each."""
    return _never_decide(policy, place) + _lead_nowhere(policy, place)


def _never_decide(policy: Policy, place: str) -> t.List[str]:
    """Rules behind one that takes every packet of their direction (and family)."""
    takers: t.Dict[t.Tuple[str, int], int] = {}
    behind: t.Dict[int, t.Dict[str, None]] = {}
    for number, rule in enumerate(policy.rules):
        if takers:
            found = [takers.get((rule.direction, family)) for family in rule.families()]
            if None not in found:
                behind.setdefault(max(t.cast("t.List[int]", found)), {})[policy.label(number)] = None
                continue
        if _takes_all(rule):
            for family in rule.families():
                takers.setdefault((rule.direction, family), number)
    warnings = []
    for number, labels in sorted(behind.items()):
        taker = policy.label(number)
        names = [label for label in labels if label != taker]
        if names:
            more = " and %d more" % (len(names) - MAX_NAMED) if len(names) > MAX_NAMED else ""
            warnings.append(
                "%s.%s takes every packet of direction %s, so what follows never decides: %s%s."
                % (place, taker, policy.rules[number].direction, ", ".join(names[:MAX_NAMED]), more)
            )
    return warnings


def _takes_all(rule: Rule) -> bool:
    return (
        rule.protocol is None and rule.source.any and rule.destination.any and not rule.stateful and rule.condition is None
        and rule.interface is None and rule.out_interface is None and not rule.established and not rule.reply
    )  # fmt: skip


def _lead_nowhere(policy: Policy, place: str) -> t.List[str]:
    """Destination translations whose packets the rules then stop: a rule sees the packet after the translation."""
    warnings = []
    for kind, direction in (("dnat", "forward"), ("redirect", "in")):
        if policy.defaults[direction] not in ("deny", "reject") or _has_native(policy, direction):
            continue
        entries = [(number, entry) for number, entry in enumerate(policy.nat) if entry.kind == kind]
        allows = [rule for rule in policy.rules if rule.direction == direction and rule.action == "allow"]
        weight = sum(1 + len(rule.source.networks) + len(rule.destination.networks) for rule in allows)
        if len(entries) * weight + len(allows) * sum(len(entry.source.networks) for number, entry in entries) > MAX_PAIRS:
            continue
        for number, entry in entries:
            if kind == "redirect" and _is_management(policy, entry):
                continue
            if not any(_may_pass(entry, rule) for rule in allows):
                label = policy.nat_labels[number] if number < len(policy.nat_labels) else "nat[%d]" % number
                warnings.append(
                    "%s.%s: no rule of direction %s allows any packet that it translates (%s); rules see the new destination."
                    % (place, label, direction, entry.describe())
                )
    return list(dict.fromkeys(warnings))


def _has_native(policy: Policy, direction: str) -> bool:
    return any(side.get(direction) or side.get("any") for lines in policy.native.values() for side in (lines.before, lines.after))


def _is_management(policy: Policy, entry: NatRule) -> bool:
    return entry.to_port in {22, *policy.management.ssh_ports, *policy.management.agent_ports}


def _may_pass(entry: NatRule, rule: Rule) -> bool:
    """Return whether one packet could be translated by the entry and match the rule; true where a short look cannot tell."""
    if None not in (entry.family, rule.family) and entry.family != rule.family:
        return False
    if None not in (entry.protocol, rule.protocol) and entry.protocol != rule.protocol:
        return False
    if None not in (entry.interface, rule.interface) and entry.interface != rule.interface:
        return False
    if rule.ports:
        first = entry.to_port
        if first is not None:
            if not any(one.first <= first <= one.last for one in rule.ports):
                return False
        elif entry.ports and not any(one.first <= two.last and two.first <= one.last for one in rule.ports for two in entry.ports):
            return False
    if entry.to_address is not None and not rule.destination.any:
        inside = any(entry.to_address in network for network in rule.destination.networks)
        if inside == rule.destination.negated:
            return False
    return _overlap(entry.source, rule.source)


def _overlap(left: Addresses, right: Addresses) -> bool:
    if left.any or right.any or left.negated or right.negated or left.family != right.family:
        return True
    return bool(common(intervals_of(left.networks), intervals_of(right.networks)))
