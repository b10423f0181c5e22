# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules as plain lines of our own table, in the ``inet`` family, and listed lines as rules.

Pure: touches nothing.
"""

from __future__ import annotations

import typing as t
from collections import Counter
from dataclasses import replace

from ...policy.errors import HoldfastError
from ...policy.rule import Rule
from ..ruleset import Entry
from .fold import Line, fold
from .grammar import read_rule
from .listing import RuleLine
from .meaning import Unread, understand
from .names import OWN_TABLE
from .policy_program import NamedSet
from .render import Statement, limit_sets, statements
from .usual_line import usual_rule

_KNOWN = Rule("allow", protocol=None, established=True)


def lines_of_rules(rules: t.Sequence[Rule]) -> t.Tuple[t.Tuple[Statement, ...], t.Tuple[NamedSet, ...]]:
    """Return the lines of rules, one after the other, and the dynamic sets that they name."""
    lines: t.List[Statement] = []
    sets: t.List[NamedSet] = []
    for rule, turn in zip(rules, turns(rules)):
        lines += statements(rule, OWN_TABLE[0], turn)
        if rule.limit is not None:
            sets += [NamedSet.counting(one) for one in limit_sets(rule, turn)]
    return tuple(lines), tuple(sets)


def turns(rules: t.Sequence[Rule]) -> t.List[int]:
    """Return for each rule how many times the same rule with a limit per source stands before it (see ``render.limit_sets``)."""
    seen: t.Counter[Rule] = Counter()
    found = []
    for rule in rules:
        turn = 0
        if rule.limit is not None and rule.limit.per_source:
            key = rule.identity()
            turn = seen[key]
            seen[key] += 1
        found.append(turn)
    return found


def rules_of_lines(lines: t.Sequence[str], direction: str) -> t.List[Rule]:
    """Return the rules that lines mean, each line read by itself (a log line and its verdict, and limits per source, are one rule).

    :raises HoldfastError: when the language has no words for a line.
    """
    rules = []
    for entry in entries_of_lines([RuleLine(text) for text in lines], (direction,)):
        if entry.rule is None:
            raise unread_line(entry.native[0])
        rules.append(entry.rule)
    return rules


def unread_line(text: str) -> HoldfastError:
    """Return the error for a line of our table that cannot be read back."""
    return HoldfastError("This line of table %s %s was not written by a policy and has no words in one: %s" % (*OWN_TABLE, text))


def entries_of_lines(lines: t.Sequence[RuleLine], directions: t.Sequence[str]) -> t.List[Entry]:
    """Return the entries of a chain of ours that packets of these directions walk through."""
    entries: t.List[Entry] = []
    waiting: t.List[Line] = []
    for line in lines:
        rule = usual_rule(line.text, directions[0]) if len(directions) == 1 else None
        if rule is not None and not waiting:
            entries.append(_entry(line, rule))
            continue
        found, comment = read_rule(line.text)
        try:
            waiting.append(Line(line, understand(found, OWN_TABLE[0], {}), comment))
        except Unread:
            waiting.append(Line(line, None, comment))
        if rule is not None:
            # A line that is not usual may be one rule with the usual one behind it.
            entries += fold(waiting, directions, OWN_TABLE)
            waiting = []
    return entries + list(fold(waiting, directions, OWN_TABLE))


def _entry(line: RuleLine, rule: Rule) -> Entry:
    known = rule.established and rule.action == "allow" and replace(rule, comment=None, log=None, direction="in") == _KNOWN
    return Entry((line.text,), rule=rule, ref=(line.handle,), established=known)
