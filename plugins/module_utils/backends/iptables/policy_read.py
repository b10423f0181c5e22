# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From our chains, as iptables lists them or as they are rendered, back to a policy.

Pure: touches nothing. Chains that lines lead to, and sets of rules, come back as single rules in the order in which they decide.
"""

from __future__ import annotations

import typing as t

from ...policy.errors import HoldfastError
from ...policy.nat import NatRule
from ...policy.policy import NativeLines, Policy
from ...policy.rule import DIRECTIONS, Log, Rule
from ..base import GUARD_MARK
from .conditions import EVERYTHING, Conditions, Line, parse_line
from .elements import both, element_conditions
from .families import Keyed, nat_keys, native_keys, rule_keys, united
from .intervals import addresses_of, ports_of
from .meaning import ACTIONS, joined_types, log_of, rule_of
from .policy_chains import AFTER, BEFORE, DEFAULT_COMMENT, DENIED_COMMENT, FILTER_CHAINS, NAT_CHAINS, NATIVE, is_own, jump_line
from .policy_nat import nat_of_line
from .protocols import ProtocolNames
from .saved import HEADINGS, Tables
from .sets import Sets

#: The states that packets of known connections are in; where those have passed, no packet of these is left.
_KNOWN = frozenset({"ESTABLISHED", "RELATED"})


class Part(t.NamedTuple):
    """What the chains of one direction and family say; ``native`` has the raw lines by the suffix of their chain."""

    guard: t.List[Rule]
    rules: t.List[Rule]
    native: t.Dict[str, t.List[str]]
    default: str
    log_denied: t.Optional[Log]


def policy_of(saved: t.Mapping[int, Tables], sets: Sets, names: ProtocolNames) -> t.Optional[Policy]:
    """Return the policy of ours in some tables, or None when there is none.

    :raises HoldfastError: when a part of it was not written by a policy and has no words in one.
    """
    if not any(is_own(name) for tables in saved.values() for chains in tables.values() for name in chains):
        return None
    readers = {family: _Reader(family, tables, sets, names) for family, tables in sorted(saved.items())}
    defaults: t.Dict[str, str] = {}
    rules: t.List[Rule] = []
    guard: t.List[Rule] = []
    before: t.Dict[str, t.Tuple[str, ...]] = {}
    after: t.Dict[str, t.Tuple[str, ...]] = {}
    logs: t.List[t.Optional[Log]] = []
    for direction in DIRECTIONS:
        parts = {family: reader.direction(direction) for family, reader in readers.items()}
        found = {family: part for family, part in parts.items() if part is not None}
        if not found:
            defaults[direction] = "unmanaged"
            continue
        if len(found) != len(parts) or len({part.default for part in found.values()}) > 1:
            raise HoldfastError(
                "The chains of IPv4 and IPv6 for direction %s do not have the same default; one was changed by hand" % direction
            )
        defaults[direction] = next(iter(found.values())).default
        if defaults[direction] != "allow":
            logs += [part.log_denied for part in found.values()]
        guard += united({family: rule_keys(part.guard) for family, part in found.items()})
        rules += united({family: rule_keys(part.rules) for family, part in found.items()})
        for place, lines in ((BEFORE, before), (AFTER, after)):
            texts: t.Dict[int, t.List[Keyed]] = {family: native_keys(part.native.get(place, ()), family) for family, part in found.items()}
            if any(texts.values()):
                lines[direction] = tuple(united(texts))
    if len(set(logs)) > 1:
        raise HoldfastError("The chains do not log what they deny in the same way; one was changed by hand")
    translations: t.List[NatRule] = []
    for side in NAT_CHAINS:
        translations += united({family: nat_keys(reader.translations(side)) for family, reader in readers.items()})
    for reader in readers.values():
        reader.refuse_strangers()
    return Policy(
        rules=tuple(rules), defaults=defaults, nat=tuple(translations), guard=tuple(guard), log_denied=logs[0] if logs else None,
        native={NATIVE: NativeLines(before, after)} if before or after else {},
    )  # fmt: skip


class _Reader:
    """Reads the chains of one family."""

    def __init__(self, family: int, tables: Tables, sets: Sets, names: ProtocolNames) -> None:
        self._family, self._tables, self._sets, self._names = family, tables, sets, names
        self._seen: t.Set[t.Tuple[str, str]] = set()
        self._known_passed = False

    def direction(self, direction: str) -> t.Optional[Part]:
        """Return what the chains of a direction say, or None when there are none."""
        builtin, chain = FILTER_CHAINS[direction]
        texts = self._texts("filter", builtin, chain)
        if texts is None:
            return None
        lines = [self._line(text) for text in texts]
        if not lines or lines[-1].conditions != EVERYTHING or lines[-1].target not in ACTIONS or lines[-1].comment != DEFAULT_COMMENT:
            raise self._odd("chain %s does not end with a default" % chain)
        default = ACTIONS[t.cast(str, lines[-1].target)]
        end = len(lines) - 1
        log_denied = None
        if end and lines[end - 1].target == "LOG" and lines[end - 1].comment == DENIED_COMMENT:
            plain = Line(EVERYTHING, "ACCEPT", comment=DENIED_COMMENT)
            log_denied = log_of(lines[end - 1], plain)
            if log_denied is None:
                raise self._odd(texts[end - 1])
            end -= 1
        native: t.Dict[str, t.List[str]] = {}
        rules: t.List[Rule] = []
        start = 0
        self._known_passed = False
        for number in range(end + 1):
            place = next((one for one in (BEFORE, AFTER) if number < end and lines[number] == Line(EVERYTHING, chain + one)), None)
            if place is None and number < end:
                continue
            rules += self._rules(direction, texts[start:number], lines[start:number], EVERYTHING, 0)
            start = number + 1
            if place is not None:
                if place in native or any(rule for rule in rules if place == BEFORE and not _is_guard(rule)):
                    raise self._odd(texts[number])
                native[place] = [text.partition(" ")[2].partition(" ")[2] for text in self._chain("filter", chain + place, texts[number])]
                if place == AFTER and number != end - 1:
                    raise self._odd(texts[number + 1])
        guard = [rule for rule in rules if _is_guard(rule)]
        if any(_is_guard(rule) for rule in rules[len(guard) :]):
            raise self._odd("the lines that keep the host reachable no longer come first in chain %s" % chain)
        return Part(guard, rules[len(guard) :], native, default, log_denied)

    def translations(self, side: str) -> t.List[NatRule]:
        """Return the translations of one side."""
        builtin, chain = NAT_CHAINS[side]
        texts = self._texts("nat", builtin, chain)
        return [nat_of_line(self._line(text), text, side, self._family) for text in texts or ()]

    def refuse_strangers(self) -> None:
        """Refuse chains of our name that nothing leads to.

        :raises HoldfastError: see there.
        """
        for table, chains in self._tables.items():
            for name in chains:
                if is_own(name) and (table, name) not in self._seen:
                    raise self._odd("nothing leads to chain %s of table %s" % (name, table))

    # -- lines --------------------------------------------------------------------------------------------------------------

    def _rules(self, direction: str, texts: t.Sequence[str], lines: t.Sequence[Line], context: Conditions, depth: int) -> t.List[Rule]:
        """Return the rules that lines mean for the packets of a context, in their order."""
        found: t.List[Rule] = []
        number = 0
        while number < len(lines):
            line = lines[number]
            log = None
            if line.target == "LOG" and number + 1 < len(lines):
                log = log_of(line, lines[number + 1])
                if log is None:
                    raise self._odd(texts[number])
                number += 1
                line = lines[number]
            text = texts[number]
            number += 1
            if line.conditions is None or line.target is None or line.goto:
                raise self._odd(text)
            action = ACTIONS.get(line.target)
            if action is None:
                if not is_own(line.target) or line.target.endswith((BEFORE, AFTER)) or depth > len(self._tables["filter"]):
                    raise self._odd(text)
                inner = self._chain("filter", line.target, text)
                within = both(context, line.conditions)
                if within is not None:
                    found += self._rules(direction, inner, [self._line(one) for one in inner], within, depth + 1)
                continue
            if line.options and line.target != "REJECT":
                raise self._odd(text)
            for conditions, comment in self._members(line, text):
                meant = conditions if context is EVERYTHING else both(context, conditions)
                rule = self._rule(meant, action, direction, log, comment, text) if meant is not None else None
                if rule is None:
                    continue
                one = joined_types(found[-1], rule) if rule.icmp_types and found else None
                if one is not None:
                    found[-1] = one
                else:
                    found.append(rule)
                if rule.established and meant == EVERYTHING._replace(states=_KNOWN) and action == "allow":
                    self._known_passed = True
        return found

    def _rule(
        self, conditions: Conditions, action: str, direction: str, log: t.Optional[Log], comment: t.Optional[str], text: str
    ) -> t.Optional[Rule]:
        rule = rule_of(conditions, action, direction, self._family, log, comment)
        if rule is None and conditions.states is not None and self._known_passed and not conditions.reply:
            left = conditions.states - _KNOWN
            if not left:
                return None
            rule = rule_of(conditions._replace(states=left | _ALSO[action]), action, direction, self._family, log, comment)
        if rule is None and not self._impossible(conditions):
            raise self._odd(text)
        return rule

    def _impossible(self, conditions: Conditions) -> bool:
        """Return whether no packet can meet the conditions: parts of a split that a rule does not reach."""
        return (
            addresses_of(conditions.source, self._family) is None or addresses_of(conditions.destination, self._family) is None
            or ports_of(conditions.dports) is None or ports_of(conditions.sports) is None
        )  # fmt: skip

    def _members(self, line: Line, text: str) -> t.Iterator[t.Tuple[Conditions, t.Optional[str]]]:
        """Yield the conditions of a line, one after the other for the elements of a set of rules."""
        conditions = t.cast(Conditions, line.conditions)
        if not conditions.blocks:
            yield conditions, line.comment
            return
        if len(conditions.blocks) > 1:
            raise self._odd(text)
        name, sides = conditions.blocks[0]
        block = self._sets[name]
        base = conditions._replace(blocks=())
        for value, comment in block.elements:
            fields = element_conditions(block.kind, sides, value, self._family)
            if fields is None:
                raise self._odd("add %s %s" % (name, value))
            whole = both(base, EVERYTHING._replace(**fields))
            if whole is not None:
                yield whole, comment

    def _line(self, text: str) -> Line:
        return parse_line(text, self._family, self._names, self._sets)

    def _chain(self, table: str, name: str, text: str) -> t.Sequence[str]:
        chain = self._tables.get(table, {}).get(name)
        if chain is None:
            raise self._odd("%s (there is no such chain)" % text)
        self._seen.add((table, name))
        return chain.rules

    def _texts(self, table: str, builtin: str, chain: str) -> t.Optional[t.Sequence[str]]:
        """Return the lines of a chain that a built-in chain leads to."""
        chains = self._tables.get(table, {})
        if chain not in chains:
            return None
        if jump_line(builtin, chain) not in chains[builtin].rules:
            raise self._odd("chain %s does not lead to chain %s any more" % (builtin, chain))
        return self._chain(table, chain, "")

    def _odd(self, text: str) -> HoldfastError:
        return HoldfastError("In our chains of %s, this was not written by a policy: %s" % (HEADINGS[self._family][2:], text))


_ALSO: t.Dict[str, t.FrozenSet[str]] = {"allow": frozenset({"ESTABLISHED"}), "deny": frozenset(), "reject": frozenset()}


def _is_guard(rule: Rule) -> bool:
    return rule.comment is not None and rule.comment.startswith(GUARD_MARK)
