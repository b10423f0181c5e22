# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From our chains, as iptables lists them or as they are rendered, back to a policy.

Pure: touches nothing. Chains that lines lead to, and sets of rules, come back as single rules in the order in which they decide.
"""

from __future__ import annotations

import re
import typing as t

from ...policy.errors import HoldfastError
from ...policy.nat import NatRule
from ...policy.policy import NativeLines, Policy
from ...policy.rule import DIRECTIONS, Log, Rule
from ..base import GUARD_MARK
from ..compile.flat import flat_list
from ..compile.graph import Lines
from .conditions import EVERYTHING, Line, parse_line
from .draft import Key
from .families import Keyed, nat_keys, native_keys, rule_keys, united
from .meaning import ACTIONS, log_of
from .policy_chains import (
    AFTER,
    BEFORE,
    DEFAULT_COMMENT,
    DENIED_COMMENT,
    FILTER_CHAINS,
    NAT_CHAINS,
    NATIVE,
    PREFIX,
    Own,
    is_own,
    jump_line,
    own_chains,
)
from .policy_nat import nat_of_line
from .protocols import ProtocolNames
from .saved import HEADINGS, SavedChain, Tables, empty_table
from .sets import Sets
from .tree_read import ChainReader

#: What only a compiled chain has: its lines then carry the numbers of their rules.
_COMPILED = re.compile(r" -[jg] %s[a-z]+-\d+\Z| --match-set hfb-" % PREFIX)


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


def says_the_same(own: Own, saved: t.Mapping[int, Tables], sets: Sets, names: ProtocolNames) -> bool:
    """Return whether the live chains are another compiled form of the same lists of rules.

    What a compiled form was read as lacks rules that nothing reaches, and so is compiled to other text.
    """
    live = own_chains(saved)
    if live == own.chains or not (_is_compiled(live) and _is_compiled(own.chains)):
        return False
    tables: t.Dict[int, Tables] = {family: {} for family in saved}
    for (family, table, name), lines in own.chains.items():
        tables[family].setdefault(table, empty_table(table))[name] = SavedChain(name, rules=tuple(lines))
    for (family, table, name), chain in own.jumps.items():
        tables[family][table][name] = SavedChain(name, rules=(jump_line(name, chain),))
    try:
        return policy_of(tables, own.sets, names) == policy_of(saved, sets, names)
    except HoldfastError:
        return False


def _is_compiled(chains: t.Mapping[Key, t.Sequence[str]]) -> bool:
    return any(_COMPILED.search(line) for lines in chains.values() for line in lines)


class _Reader:
    """Reads the chains of one family."""

    def __init__(self, family: int, tables: Tables, sets: Sets, names: ProtocolNames) -> None:
        self._family, self._tables, self._sets, self._names = family, tables, sets, names
        self._seen: t.Set[t.Tuple[str, str]] = set()

    def direction(self, direction: str) -> t.Optional[Part]:
        """Return what the chains of a direction say, or None when there are none."""
        builtin, chain = FILTER_CHAINS[direction]
        texts = self._texts("filter", builtin, chain)
        if texts is None:
            return None
        reader = ChainReader(direction, self._family, self._tables["filter"], self._names, self._sets)
        reader.numbered = any(_COMPILED.search(text) for text in texts)
        lines = [reader.line(text) for text in texts]
        if not lines or lines[-1].conditions != EVERYTHING or lines[-1].target not in ACTIONS or lines[-1].comment != DEFAULT_COMMENT:
            raise self._odd("chain %s does not end with a default" % chain)
        default = ACTIONS[lines[-1].target]
        end = len(lines) - 1
        log_denied = None
        if end and lines[end - 1].target == "LOG" and lines[end - 1].comment == DENIED_COMMENT:
            plain = Line(EVERYTHING, "ACCEPT", comment=DENIED_COMMENT)
            log_denied = log_of(lines[end - 1], plain)
            if log_denied is None:
                raise self._odd(texts[end - 1])
            end -= 1
        start = next(number for number, line in enumerate(lines) if not _is_guard(line) or number == end)
        guard = self._rules(reader, texts[:start])
        native: t.Dict[str, t.List[str]] = {}
        for place, number in ((BEFORE, start), (AFTER, end - 1)):
            if start <= number < end and lines[number] == Line(EVERYTHING, chain + place):
                native[place] = [text.partition(" ")[2].partition(" ")[2] for text in self._chain("filter", chain + place, texts[number])]
                start, end = (start + 1, end) if place == BEFORE else (start, end - 1)
        if any(_is_guard(line) for line in lines[start:end]):
            raise self._odd("the lines that keep the host reachable no longer come first in chain %s" % chain)
        rules = self._rules(reader, texts[start:end])
        self._seen.update(("filter", name) for name in reader.seen)
        return Part(guard, rules, native, default, log_denied)

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

    def _rules(self, reader: ChainReader, texts: t.Sequence[str]) -> t.List[Rule]:
        """Return the rules that lines of a main chain mean, with what they lead to, in the order in which they decide."""
        items = reader.items_of(texts)
        if all(isinstance(one, Lines) for one in items):
            return [rule for one in items for rule, _number in t.cast(Lines, one).rules]
        return [rule for rule, _number in flat_list(items, reader.items, reader.interfaces)]

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


def _is_guard(line: Line) -> bool:
    return line.comment is not None and line.comment.startswith(GUARD_MARK)
