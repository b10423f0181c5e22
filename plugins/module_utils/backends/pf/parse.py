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

from ..ruleset import ALL_DIRECTIONS, BOTH_FAMILIES, Chain, Entry, Ruleset
from .filters import read_filter
from .statements import Statement, split
from .tables import PREFIX, constant_tables, table_of, tables_used
from .unreadable import Unreadable

NAME = "pf"
#: The first line of a listing when pf is off.
DISABLED = "# pf is disabled: these rules decide nothing.\n"
#: The same when other rules than those of the file are in force.
STRAYED = "# pf enforces other rules than these.\n"
#: Kinds of statements that may decide about a packet.
DECIDING = ("filter", "anchor", "antispoof", "include", "load", "other")


class Entries(t.Sequence[Entry]):
    """The entries of a file, read when the first of them is asked for: a policy, which may have thousands, does without."""

    def __init__(self, text: str, weak: bool) -> None:
        self._text = text
        self._weak = weak
        self._found: t.Optional[t.Tuple[Entry, ...]] = None

    def _all(self) -> t.Tuple[Entry, ...]:
        if self._found is None:
            found = entries_of(split(self._text))
            self._found = tuple(replace(one, weak=True) for one in found) if self._weak else found
        return self._found

    def __len__(self) -> int:
        return len(self._all())

    def __getitem__(self, number: t.Any) -> t.Any:
        return self._all()[number]

    def __eq__(self, other: object) -> bool:
        return self._all() == (other._all() if isinstance(other, Entries) else other)

    def __hash__(self) -> int:
        return hash(self._all())


def parse(text: str, ref: t.Any = None) -> Ruleset:
    """Read a pf.conf, or the lines of ``render``. Entries that are not in force decide nothing for certain, so they are weak."""
    entries = t.cast("t.Tuple[Entry, ...]", Entries(without_status(text), text.startswith(STRAYED)))
    return Ruleset((Chain(NAME, ALL_DIRECTIONS, BOTH_FAMILIES, "allow", entries, ref=ref),), text)


def without_status(text: str) -> str:
    """Return a listing less the line that says that its rules are not in force: the text of the file."""
    for status in (DISABLED, STRAYED):
        if text.startswith(status):
            return text[len(status) :]
    return text


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
