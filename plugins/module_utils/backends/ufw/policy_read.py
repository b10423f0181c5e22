# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From our block and our tuples back to a policy.

Pure: touches nothing. Rules come back in the order of the document, which their numbers tell, as long as that decides like the order in
which they stand.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import replace

from ...policy.errors import HoldfastError
from ...policy.nat import NatRule
from ...policy.policy import Policy
from ...policy.rule import DIRECTIONS, Log, Rule
from ..iptables.families import nat_keys, of_family, rule_keys, united
from ..iptables.policy_chains import FILTER_CHAINS, NAT_CHAINS, jump_line
from ..iptables.policy_lines import number_of
from ..iptables.policy_nat import nat_side
from ..iptables.policy_read import policy_of
from ..iptables.protocols import ProtocolNames
from ..iptables.saved import SavedChain, empty_table
from .files import CHAINS, PREFIX, USER
from .policy_split import commute
from .policy_text import DEFAULT, MARK
from .translations import read_nat
from .tuple_rules import joined, rules_of
from .tuples import Tuple

_FOREIGN = re.compile(r"by fail2ban", re.IGNORECASE)

Numbered = t.Tuple[int, Rule]


def is_own(one: t.Optional[Tuple]) -> bool:
    """Return whether a tuple is one of a policy."""
    if one is None or one.comment is None or not one.comment.startswith(MARK):
        return False
    return one.comment == DEFAULT or number_of(one.comment[len(MARK) :])[0] is not None


def is_foreign(one: t.Optional[Tuple]) -> bool:
    """Return whether another program keeps a tuple."""
    return one is not None and one.comment is not None and _FOREIGN.match(one.comment) is not None


def policy_of_parts(
    parts: t.Mapping[int, t.Tuple[t.Sequence[str], t.Sequence[t.Optional[Tuple]]]], names: ProtocolNames
) -> t.Optional[Policy]:
    """Return the policy that the lines of our blocks and all tuples say, or None when there is none.

    :raises HoldfastError: when a part of it was not written by a policy and has no words in one.
    """
    if not any(block or any(map(is_own, tuples)) for block, tuples in parts.values()):
        return None
    found = {family: _Family(family, block, names) for family, (block, _tuples) in sorted(parts.items())}
    heads = list(found.values())
    if any(one.policy.defaults != heads[0].policy.defaults or one.policy.log_denied != heads[0].policy.log_denied for one in heads):
        raise HoldfastError("Our blocks for IPv4 and IPv6 do not have the same defaults; one was changed by hand")
    rules: t.List[Rule] = []
    guard: t.List[Rule] = []
    for direction in DIRECTIONS:
        if heads[0].policy.defaults[direction] != "unmanaged":
            lists = {family: one.rules(direction, parts[family][1]) for family, one in found.items()}
            rules += _in_order_of_document(lists)
            guard += united({
                family: rule_keys(_joined_guard([rule for rule in one.policy.guard if rule.direction == direction]))
                for family, one in found.items()
            })  # fmt: skip
    log: t.Optional[Log] = heads[0].policy.log_denied
    nat: t.List[NatRule] = []
    for side in NAT_CHAINS:
        nat += united({family: nat_keys([rule for rule in one.policy.nat if nat_side(rule) == side]) for family, one in found.items()})
    return Policy(rules=tuple(rules), defaults=heads[0].policy.defaults, nat=tuple(nat), guard=tuple(guard), log_denied=log)


class _Family:
    """What the block of a family says."""

    def __init__(self, family: int, block: t.Sequence[str], names: ProtocolNames) -> None:
        self._family = family
        self._tuples_decide: t.Set[str] = set()
        at = block.index("*nat") if "*nat" in block else len(block)
        nat, odd = read_nat(block[at:])
        if odd:
            raise self._odd(odd[0])
        chains = empty_table("filter")
        lines: t.Dict[str, t.List[str]] = {}
        for line in block[:at]:
            if line.startswith(":"):
                name = line[1:].split()[0]
                if name.startswith("holdfast-"):
                    lines.setdefault(name, [])
            elif line.startswith("-A "):
                lines.setdefault(line.split()[1], []).append(line)
            elif line.strip():
                raise self._odd(line)
        for direction in DIRECTIONS:
            builtin, chain = FILTER_CHAINS[direction]
            word = CHAINS[direction]
            before = "%s-before-%s" % (PREFIX[family], word)
            leading = lines.pop(before, [])
            if not leading and chain not in lines:
                continue
            if not leading or leading[0] != "-A %s -j %s" % (before, chain) or chain not in lines:
                raise self._odd("%s does not lead to %s first" % (before, chain))
            rest = leading[1:]
            if rest and rest[0] == "-A %s -j %s-user-%s" % (before, PREFIX[family], word):
                self._tuples_decide.add(direction)
                rest = rest[1:]
            lines[chain] += [line.replace("-A %s " % before, "-A %s " % chain, 1) for line in rest]
            chains[builtin] = SavedChain(builtin, "ACCEPT", (jump_line(builtin, chain),))
        for name, texts in lines.items():
            if not name.startswith("holdfast-"):
                raise self._odd(texts[0])
            chains[name] = SavedChain(name, rules=tuple(texts))
        self.policy = policy_of({family: {"filter": chains, "nat": nat}}, {}, names) or Policy(
            defaults=dict.fromkeys(DIRECTIONS, "unmanaged")
        )

    def rules(self, direction: str, tuples: t.Sequence[t.Optional[Tuple]]) -> t.List[Numbered]:
        """Return the rules of a direction with their numbers: those of the block, then those of the tuples, in the order of their numbers
        where that decides the same.
        """
        head = []
        for rule in self.policy.rules:
            if rule.direction == direction:
                number, comment = number_of(rule.comment)
                if number is None:
                    raise self._odd(rule.describe())
                head.append((number, replace(rule, comment=comment)))
        head = _merged(head)
        tail = _merged(self._of_tuples(direction, tuples)) if direction in self._tuples_decide else []
        in_order = all(commute(one, other) for before, other in head for number, one in tail if number < before)
        both = head + tail
        return sorted(both, key=lambda one: one[0]) if in_order else both

    def _of_tuples(self, direction: str, tuples: t.Sequence[t.Optional[Tuple]]) -> t.List[Numbered]:
        found: t.List[Numbered] = []
        last = 0
        for one in tuples:
            if one is None or one.direction != direction or is_foreign(one):
                continue
            if is_own(one) and one.comment == DEFAULT:
                return found
            rules = rules_of(one, self._family)
            if not rules or one.log:
                raise self._odd(one.line(self._family))
            for rule in rules:
                if is_own(one):
                    number, comment = number_of(t.cast(str, one.comment)[len(MARK) :])
                    last = t.cast(int, number)
                    rule = replace(rule, comment=comment)
                found.append((last, rule))
        raise self._odd(
            "%s has no rule with the comment %r that closes the list of direction %s" % (USER[self._family], DEFAULT, direction)
        )

    def _odd(self, text: str) -> HoldfastError:
        return HoldfastError("In ufw's files for IPv%d, this was not written by a policy: %s" % (self._family, text))


def _in_order_of_document(lists: t.Mapping[int, t.Sequence[Numbered]]) -> t.List[Rule]:
    """Return the rules of both families as one list, in the order of their numbers where that leaves each family's own order."""
    found: t.List[Rule] = united({family: rule_keys([rule for _number, rule in one]) for family, one in lists.items()})
    numbers: t.Dict[Rule, t.List[int]] = {}
    for one in lists.values():
        for number, rule in one:
            for known in (rule, of_family(rule, None)):
                numbers.setdefault(known, []).append(number)
    in_order = sorted(found, key=lambda rule: max(numbers[rule]))
    return in_order if all(_of(family, in_order) == _of(family, found) for family in lists) else found


def _of(family: int, rules: t.Sequence[Rule]) -> t.List[Rule]:
    return [rule for rule in rules if rule.family in (None, family)]


def _joined_guard(rules: t.Sequence[Rule]) -> t.List[Rule]:
    """Return the rules of a guard with those joined that stand in several lines for their length only."""
    numbers = {comment: number for number, comment in enumerate(dict.fromkeys(rule.comment for rule in rules))}
    return [rule for _number, rule in _merged([(numbers[rule.comment], rule) for rule in rules])]


def _merged(pairs: t.Sequence[Numbered]) -> t.List[Numbered]:
    """Return rules with the parts of one rule joined."""
    found: t.List[Numbered] = []
    at = 0
    while at < len(pairs):
        end = at
        while end < len(pairs) and pairs[end][0] == pairs[at][0]:
            end += 1
        one = joined([rule for _number, rule in pairs[at:end]])
        found += [(pairs[at][0], one)] if one is not None else pairs[at:end]
        at = end
    return found
