# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pf.conf as one chain of entries, in the order in which they decide.

Pure but for the service database. pf lets the last match decide unless a rule is ``quick``. That is the same as asking first the quick
rules in their order and then the others from the last one to the first, which is the order of the chain: so a rule without ``quick``
is neither missed nor overrated. What an anchor, an include or an ``antispoof`` does is not known here; such lines stand where a quick
rule in them would decide.
"""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ..file_listing import FileEntries, StatusLines
from ..ruleset import ALL_DIRECTIONS, BOTH_FAMILIES, Chain, Entry, Ruleset
from .filters import read_filter
from .statements import Statement, split
from .tables import PREFIX, constant_tables, table_of, tables_used
from .unreadable import Unreadable

NAME = "pf"
STATUS = StatusLines("# pf is disabled: these rules decide nothing.\n", "# pf enforces other rules than these.\n")
#: Kinds of statements that may decide about a packet.
DECIDING = ("filter", "anchor", "antispoof", "include", "load", "other")


def parse(text: str, ref: t.Any = None) -> Ruleset:
    """Read a pf.conf, or the lines of ``render``. Entries that are not in force decide nothing for certain, so they are weak."""
    plain = STATUS.without(text)
    entries = t.cast("t.Tuple[Entry, ...]", FileEntries(lambda: entries_of(split(plain)), text.startswith(STATUS.strayed)))
    return Ruleset((Chain(NAME, ALL_DIRECTIONS, BOTH_FAMILIES, "allow", entries, ref=ref),), text)


def entries_of(statements: t.Sequence[Statement]) -> t.Tuple[Entry, ...]:
    """Return what these statements decide, in the order in which they do; the ``ref`` of an entry is the number of its statement."""
    tables = constant_tables(statements)
    definitions = {name: one for one in statements for name in [table_of(one)] if name is not None and name.startswith(PREFIX)}
    policy = block_policy(statements)
    quick: t.List[Entry] = []
    last: t.List[Entry] = []
    for number, statement in enumerate(statements):
        if statement.kind not in DECIDING or (statement.kind == "filter" and statement.says("match")):
            continue
        ours = [definitions[name] for name in sorted(tables_used(statement)) if name in definitions]
        native = tuple(line for one in ours for line in one.lines) + statement.lines
        entry = Entry(native, ref=number)
        if statement.kind == "filter":
            try:
                meaning = read_filter(statement, tables, policy)
            except Unreadable:
                (quick if statement.says("quick") else last).append(entry)
                continue
            if meaning.exact and len(meaning.rules) == 1:
                entry = replace(entry, rule=meaning.rules[0])
            else:
                entry = replace(entry, parts=tuple(meaning.rules))
            (quick if meaning.quick else last).append(entry)
        else:
            quick.append(entry)
    return tuple(quick + last[::-1])


def block_policy(statements: t.Iterable[Statement]) -> str:
    """Return what a bare ``block`` does: ``drop`` or ``return``."""
    policy = "drop"
    for statement in statements:
        words = [one.text for one in statement.words or ()]
        if words[:2] == ["set", "block-policy"] and len(words) > 2:
            policy = words[2]
    return policy
