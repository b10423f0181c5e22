# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rules of a policy tuples say, and which our block has to, so that the first match decides as in the document.

Pure: touches nothing. Our block comes before all tuples. A rule that a tuple cannot say goes there, and with it every earlier rule that
decides a part of its packets otherwise; all others are tuples.
"""

from __future__ import annotations

import typing as t

from ...analysis.relation import overlaps
from ...policy.addresses import make_addresses
from ...policy.protocols import TCP
from ...policy.rule import Rule
from ..iptables.sets import needs_set
from .tuple_rules import MAX_TUPLES, count_of, port_chunks, tuple_refusals

#: With more rules than this in the block, all earlier ones go there too: comparing each with each takes too long.
MOST_COMPARED = 100


def is_tuple(rule: Rule) -> bool:
    """Return whether tuples can say a rule of a policy exactly."""
    return not rule.stateful and not tuple_refusals(rule) and count_of(rule) <= MAX_TUPLES


def in_block(rules: t.Sequence[Rule]) -> t.List[bool]:
    """Return, for each rule of a direction in order, whether it goes into the block."""
    result = [not is_tuple(rule) for rule in rules]
    chosen: t.List[Rule] = []
    for number in range(len(rules) - 1, -1, -1):
        if not result[number] and chosen:
            result[number] = len(chosen) > MOST_COMPARED or any(not commute(rules[number], other) for other in chosen)
        if result[number]:
            chosen.append(rules[number])
    return result


def commute(one: Rule, other: Rule) -> bool:
    """Return whether it makes no difference which of two rules comes first."""
    return (_effect(one) is not None and _effect(one) == _effect(other)) or not overlaps(one, other)


def _effect(rule: Rule) -> t.Optional[t.Tuple[str, bool]]:
    if rule.limit is not None or rule.log is not None:
        return None
    return (rule.action, rule.action == "reject" and rule.protocol == TCP)


def lines_apart(rule: Rule) -> t.List[Rule]:
    """Return the rules of one line each that a rule of the block becomes where its lists are too long; their packets do not overlap.

    A rule that counts packets is one line, or is refused.
    """
    if rule.limit is not None or (rule.log is not None and rule.log.rate is not None):
        return [rule]
    found = [rule]
    for field in ("source", "destination"):
        addresses = getattr(rule, field)
        if needs_set(addresses) and not addresses.negated:
            found = [_with(one, field, make_addresses([network])) for one in found for network in addresses.networks]
    for field in ("ports", "source_ports"):
        chunks = port_chunks(getattr(rule, field))
        if len(chunks) > 1:
            found = [_with(one, field, chunk) for one in found for chunk in chunks]
    return found


def _with(rule: Rule, field: str, value: t.Any) -> Rule:
    return Rule(**dict(rule.__dict__, **{field: value}))
