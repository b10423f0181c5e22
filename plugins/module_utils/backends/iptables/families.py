# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of IPv4 and of IPv6 as one list again: what both say at the same place is said once.

Pure: touches nothing.
"""

from __future__ import annotations

import typing as t
from collections import Counter
from dataclasses import replace

from ...policy.nat import NatRule
from ...policy.protocols import FAMILY_OF
from ...policy.rule import Rule

#: A member of a list of one family, and what it would be for both families; None where it belongs to its family.
Keyed = t.Tuple[t.Any, t.Any]


def of_family(rule: Rule, family: t.Optional[int]) -> Rule:
    """Return the rule for a family (None: both); faster than ``dataclasses.replace``."""
    return Rule(
        rule.action, rule.direction, family, rule.protocol, rule.source, rule.destination, rule.ports, rule.interface, rule.stateful,
        rule.limit, rule.log, rule.comment, rule.reply, rule.source_ports, rule.icmp_types, rule.out_interface, rule.established,
    )  # fmt: skip


def rule_keys(rules: t.Sequence[Rule]) -> t.List[Keyed]:
    """Return rules with what they would be for both families."""
    return [(rule, of_family(rule, None) if _has_no_family(rule) else None) for rule in rules]


def _has_no_family(rule: Rule) -> bool:
    return not rule.source.networks and not rule.destination.networks and rule.protocol not in FAMILY_OF


def nat_keys(rules: t.Sequence[NatRule]) -> t.List[Keyed]:
    """Return translations with what they would be for both families."""
    return [
        (rule, replace(rule, family=None) if rule.source.any and rule.destination.any and rule.to_address is None else None)
        for rule in rules
    ]


def native_keys(lines: t.Sequence[str], family: int) -> t.List[Keyed]:
    """Return raw lines, marked with their family, with what they would be for both."""
    return [("-%d %s" % (family, line), line) for line in lines]


def united(lists: t.Mapping[int, t.Sequence[Keyed]]) -> t.List[t.Any]:
    """Return one list of all members, each family's in its order."""
    if len(lists) < 2:
        return [one for members in lists.values() for one, _key in members]
    four, six = lists[4], lists[6]
    left = [Counter(key for _one, key in members if key is not None) for members in (four, six)]
    found: t.List[t.Any] = []
    at = [0, 0]
    while at[0] < len(four) or at[1] < len(six):
        one = four[at[0]] if at[0] < len(four) else None
        other = six[at[1]] if at[1] < len(six) else None
        if one is not None and other is not None and one[1] is not None and one[1] == other[1]:
            found.append(one[1])
            sides: t.Tuple[int, ...] = (0, 1)
        elif one is not None and (other is None or one[1] is None or not left[1][one[1]]):
            found.append(one[0])
            sides = (0,)
        elif other is not None and (one is None or other[1] is None or not left[0][other[1]]):
            found.append(other[0])
            sides = (1,)
        else:  # both come again, in another order
            found.append(t.cast(Keyed, one)[0])
            sides = (0,)
        for side in sides:
            key = (four, six)[side][at[side]][1]
            if key is not None:
                left[side][key] -= 1
            at[side] += 1
    return found
