# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a policy to our block and our tuples.

Pure: touches nothing. In ``ufw-before-<direction>`` stand, before ufw's own rules: a jump to our chain (the rules that keep the host
reachable, then the rules that tuples cannot say), a jump to ufw's chain of tuples, and the default. Ours are the first tuples, numbered in
their comments and closed by one that says the default, so that tuples of the administrator stay, and do not decide.
"""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ...policy.policy import Policy
from ...policy.rule import DIRECTIONS, Rule
from ..iptables.policy_build import build_own
from ..iptables.policy_chains import DENIED_COMMENT, FILTER_CHAINS
from ..iptables.policy_lines import numbered
from ..iptables.render import Abilities
from ..iptables.words import quote
from .block import user_chains
from .files import BEFORE, CHAINS, PREFIX, USER
from .policy_split import in_block, lines_apart
from .translations import nat_part
from .tuple_rules import tuples_of
from .tuples import Tuple
from .user_file import Item, item_of

#: What the comments of our tuples start with.
MARK = "holdfast "
DEFAULT = MARK + "default"


class Parts(t.NamedTuple):
    """What a policy has of a family: the lines of our block, our tuples, and the part of the table nat."""

    block: t.List[str]
    items: t.List[Item]
    nat: t.List[str]


def block_alone(policy: Policy, direction: str) -> bool:
    """Return whether our block decides a direction alone: a tuple that says the default cannot log in the words of a policy."""
    return policy.log_denied is not None and policy.defaults[direction] != "allow"


def placed(policy: Policy, direction: str) -> t.List[t.Tuple[int, Rule, bool]]:
    """Return the rules of a direction with their number in the policy (from 0), and whether they go into the block."""
    rules = [(number, rule) for number, rule in enumerate(policy.rules) if rule.direction == direction]
    flags = in_block([rule for _number, rule in rules])
    return [(number, rule, flag or block_alone(policy, direction)) for (number, rule), flag in zip(rules, flags)]


def build(policy: Policy, can: Abilities, families: t.Sequence[int]) -> t.Dict[int, Parts]:
    """Return what a supported policy has in the files of ufw."""
    managed = [direction for direction in DIRECTIONS if policy.defaults[direction] != "unmanaged"]
    head: t.List[Rule] = []
    tail: t.Dict[str, t.List[t.Tuple[int, Rule]]] = {direction: [] for direction in managed}
    for direction in managed:
        for number, rule, blocked in placed(policy, direction):
            if blocked:
                head += lines_apart(replace(rule, comment=numbered(rule, number)))
            else:
                tail[direction].append((number, rule))
    guard = tuple(one for rule in policy.guard for one in lines_apart(rule))
    alone = replace(policy, guard=guard, rules=tuple(head), labels=(), nat_labels=(), native={})
    own = build_own(alone, can, "rules", families)
    result = {}
    for family in families:
        chains, nat = ({key[2]: lines for key, lines in own.chains.items() if key[:2] == (family, one)} for one in ("filter", "nat"))
        leading: t.List[str] = []
        for direction in managed:
            chain = FILTER_CHAINS[direction][1]
            lines = chains[chain]
            count = 2 if len(lines) > 1 and quote(DENIED_COMMENT) in lines[-2] and " -j LOG" in lines[-2] else 1
            chains[chain], last = lines[:-count], lines[-count:]
            before = "%s-before-%s" % (PREFIX[family], CHAINS[direction])
            leading.append("-A %s -j %s" % (before, chain))
            if not block_alone(policy, direction):
                leading.append("-A %s -j %s-user-%s" % (before, PREFIX[family], CHAINS[direction]))
            leading += [line.replace("-A %s " % chain, "-A %s " % before, 1) for line in last]
        declared = [":%s - [0:0]" % name for name in (*user_chains(family), *sorted(chains))] if managed else []
        block = declared + leading + [line for name in sorted(chains) for line in chains[name]]
        result[family] = Parts(block, _items(policy, family, tail), nat_part(nat))
    return result


def _items(policy: Policy, family: int, tail: t.Mapping[str, t.Sequence[t.Tuple[int, Rule]]]) -> t.List[Item]:
    items: t.List[Item] = []
    for direction, rules in tail.items():
        for number, rule in rules:
            if rule.family in (None, family):
                comment = MARK + t.cast(str, numbered(rule, number))
                items += [item_of(one, family) for one in tuples_of(rule, comment)]
        if not block_alone(policy, direction):
            items.append(item_of(Tuple(policy.defaults[direction], direction, comment=DEFAULT), family))
    return items


def policy_text(parts: t.Mapping[int, Parts]) -> str:
    """Return the text for people: what goes into which file."""
    lines: t.List[str] = []
    for family, one in parts.items():
        lines += ["# " + BEFORE[family], *one.block, *one.nat, "# " + USER[family]]
        lines += [line for item in one.items for line in item.text.splitlines() if line]
    return "\n".join(lines) + "\n"
