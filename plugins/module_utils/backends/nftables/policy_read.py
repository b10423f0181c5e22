# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From our table, as nft lists it or as it is rendered, back to a policy.

Pure: touches nothing. Rules that single tasks put into our base chains, before or behind the jump to the bundle, are read as rules of the
policy; replies and known connections belong to the guard, since the language has no words for them.
"""

from __future__ import annotations

import re
import typing as t

from ...policy.errors import HoldfastError
from ...policy.nat import NatRule
from ...policy.policy import NativeLines, Policy
from ...policy.rule import DIRECTIONS, Log, Rule
from ..base import GUARD_MARK
from .grammar import read_rule
from .listing import Block, Table, parse_listing
from .meaning import Unread, understand
from .names import HOOK_OF, OWN_TABLE
from .policy_build import NATIVE
from .policy_entries import leads_on
from .policy_layout import read_laid
from .policy_lines import rules_of_lines
from .policy_nat import HOOKS, nat_of_line
from .policy_program import AFTER, BEFORE, DEFAULT_COMMENT, DENIED_COMMENT, LAID
from .ruleset import hook_of

_BUNDLE = re.compile(r"^jump (%s(?:input|output|forward|prerouting|postrouting)_[0-9a-f]{8})$" % LAID)
_ACTIONS = {"accept": "allow", "drop": "deny", "reject": "reject"}
_HEAD = re.compile(r"^(add|flush) table \S+ \S+$")


def policy_of_text(text: str) -> Policy:
    """Return the policy that a rendered text says, or the one of ours in a listing.

    :raises HoldfastError: when there is none, or a part of it was not written by a policy and has no words in one.
    """
    table = parse_listing("\n".join(line for line in text.split("\n") if not _HEAD.match(line))).table(OWN_TABLE)
    if table is None:
        raise HoldfastError("There is no table %s %s in this text, so there is no policy in it" % OWN_TABLE)
    return policy_of_table(table)


def holds_policy(table: t.Optional[Table]) -> bool:
    """Return whether our table decides anything."""
    if table is None:
        return False
    return any(one.rules or (hook_of(one) or ("",) * 4)[3] == "drop" for one in table.chains())


def policy_of_table(table: Table) -> Policy:
    """Return the policy in our table.

    :raises HoldfastError: see ``policy_of_text``.
    """
    reader = _Reader(table)
    for direction in DIRECTIONS:
        reader.read_direction(direction)
    for hook in HOOKS:
        reader.read_translations(hook)
    reader.refuse_strangers()
    native = {NATIVE: NativeLines(reader.before, reader.after)} if reader.before or reader.after else {}
    return Policy(
        rules=tuple(reader.rules), defaults=reader.defaults, nat=tuple(reader.nat), native=native, log_denied=reader.log_denied,
        guard=tuple(reader.guard),
    )  # fmt: skip


class _Reader:
    """Collects the parts of a policy from the chains of the table."""

    def __init__(self, table: Table) -> None:
        self._blocks = {(one.kind, one.name): one for one in table.blocks}
        self._table = table
        self.rules: t.List[Rule] = []
        self.guard: t.List[Rule] = []
        self.nat: t.List[NatRule] = []
        self.defaults: t.Dict[str, str] = {}
        self.before: t.Dict[str, t.Tuple[str, ...]] = {}
        self.after: t.Dict[str, t.Tuple[str, ...]] = {}
        self.log_denied: t.Optional[Log] = None
        self._known: t.Set[str] = set()

    def read_direction(self, direction: str) -> None:
        """Read the base chain of a direction and what it leads to."""
        base = self._base(HOOK_OF[direction], "filter")
        if base is None:
            self.defaults[direction] = "unmanaged"
            return
        self.defaults[direction] = "deny" if (hook_of(base) or ("",) * 4)[3] == "drop" else "allow"
        plain: t.List[str] = []
        decided = False
        for line in (rule.text for rule in base.rules):
            if decided:
                raise HoldfastError("A line stands behind the default of chain %s %s %s: %s" % (*OWN_TABLE, base.name, line))
            bundle = _BUNDLE.match(line)
            if bundle is not None:
                self._sort(rules_of_lines(plain, direction))
                plain = []
                self._read_bundle(bundle.group(1), direction)
            elif line.endswith('comment "%s"' % DENIED_COMMENT):
                self.log_denied = _log_of_line(line)
            elif line.endswith('comment "%s"' % DEFAULT_COMMENT):
                self.defaults[direction] = _default_of_line(line)
                decided = True
            else:
                plain.append(line)
        self._sort(rules_of_lines(plain, direction))

    def read_translations(self, hook: str) -> None:
        """Read the translations of a hook."""
        base = self._base(hook, "nat")
        for line in [] if base is None else [rule.text for rule in base.rules]:
            bundle = _BUNDLE.match(line)
            lines = [line] if bundle is None else [rule.text for rule in self._chain(bundle.group(1)).rules]
            self.nat += [nat_of_line(one, hook) for one in lines]

    def refuse_strangers(self) -> None:
        """Refuse base chains that a policy does not have: what they decide would be missed.

        :raises HoldfastError: see there.
        """
        for block in self._table.chains():
            if block.base and block.name not in self._known:
                raise HoldfastError("Chain %s %s %s was not made by a policy" % (*OWN_TABLE, block.name))
        if self._table.dormant:
            raise HoldfastError("Table %s %s is switched off (dormant), so nothing in it decides" % OWN_TABLE)

    def _read_bundle(self, name: str, direction: str) -> None:
        lines = [rule.text for rule in self._chain(name).rules]
        start = 0
        while start < len(lines) and ' comment "' + GUARD_MARK in lines[start]:
            start += 1
        self._sort(rules_of_lines(lines[:start], direction))
        end = len(lines)
        before, after = (name + "_" + one[len(LAID) :] for one in (BEFORE, AFTER))
        if lines[start:end] and lines[start] == "jump " + before:
            self.before[direction] = tuple(rule.text for rule in self._chain(before).rules)
            start += 1
        if lines[start:end] and lines[end - 1] == "jump " + after:
            self.after[direction] = tuple(rule.text for rule in self._chain(after).rules)
            end -= 1
        laid = lines[start:end]
        if any(map(leads_on, laid)):
            self._sort(read_laid(direction, laid, self._table))
        else:
            self._sort(rules_of_lines(laid, direction))

    def _sort(self, rules: t.Iterable[Rule]) -> None:
        for rule in rules:
            known = rule.reply or rule.established or (rule.comment or "").startswith(GUARD_MARK)
            (self.guard if known else self.rules).append(rule)

    def _base(self, hook: str, kind: str) -> t.Optional[Block]:
        block = self._blocks.get(("chain", hook))
        if block is None:
            return None
        facts = hook_of(block)
        if facts is None or facts[:2] != (kind, hook):
            raise HoldfastError("Chain %s %s %s is not a %s chain of hook %s, as a policy makes it" % (*OWN_TABLE, hook, kind, hook))
        self._known.add(hook)
        return block

    def _chain(self, name: str) -> Block:
        block = self._blocks.get(("chain", name))
        if block is None:
            raise HoldfastError("Chain %s %s %s is missing" % (*OWN_TABLE, name))
        return block


def _log_of_line(line: str) -> Log:
    found, _comment = read_rule(line)
    try:
        meaning = understand(found, OWN_TABLE[0], {})
    except Unread:
        meaning = None
    if meaning is None or meaning.log is None or len(meaning.limits) > 1 or meaning.verdict is not None:
        raise HoldfastError("This line of table %s %s does not log as a policy does: %s" % (*OWN_TABLE, line))
    return Log(meaning.log.prefix, meaning.limits[0].rate if meaning.limits else None)


def _default_of_line(line: str) -> str:
    word = line.split(" ", 1)[0]
    if word not in _ACTIONS or line != '%s comment "%s"' % (word, DEFAULT_COMMENT):
        raise HoldfastError("This line of table %s %s does not say a default as a policy does: %s" % (*OWN_TABLE, line))
    return _ACTIONS[word]
