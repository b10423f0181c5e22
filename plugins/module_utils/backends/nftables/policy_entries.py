# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The entries of the chains in our own table, read when somebody asks for them.

Pure: touches nothing. A task that carries out a whole policy never asks, and the table may hold ten thousand rules.
"""

from __future__ import annotations

import typing as t

from ...policy.errors import HoldfastError
from ..ruleset import Entry
from .listing import Block, Table
from .policy_layout import read_laid
from .policy_lines import entries_of_lines
from .policy_program import AFTER, BEFORE, LAID

_LEADING = ("jump " + LAID, "goto " + LAID, "@" + LAID)
_COUNTING = "@hf_limit_"


class LaterEntries(t.Sequence[Entry]):
    """A tuple of entries that is made when it is first looked at."""

    def __init__(self, make: t.Callable[[], t.Sequence[Entry]]) -> None:
        self._make: t.Optional[t.Callable[[], t.Sequence[Entry]]] = make
        self._made: t.Tuple[Entry, ...] = ()

    def _entries(self) -> t.Tuple[Entry, ...]:
        if self._make is not None:
            self._made, self._make = tuple(self._make()), None
        return self._made

    def __len__(self) -> int:
        return len(self._entries())

    def __getitem__(self, index: t.Any) -> t.Any:
        return self._entries()[index]

    def __iter__(self) -> t.Iterator[Entry]:
        return iter(self._entries())

    def __eq__(self, other: object) -> bool:
        return self._entries() == tuple(t.cast("t.Iterable[Entry]", other)) if isinstance(other, (tuple, LaterEntries)) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._entries())


def entries_of_chain(block: Block, directions: t.Sequence[str], table: Table) -> t.Sequence[Entry]:
    """Return the entries of a chain of ours.

    Lines that lead into maps and chains of a compiled policy are one entry together, which says in rules what they decide.
    """
    native = ["jump %s_%s" % (block.name, name[len(LAID) :]) for name in (BEFORE, AFTER)]
    compiled = [number for number, rule in enumerate(block.rules) if leads_on(rule.text) and rule.text not in native]
    if not compiled or block.base or len(directions) != 1:
        return entries_of_lines(block.rules, directions)
    first, end = compiled[0], compiled[-1] + 1
    lines = tuple(rule.text for rule in block.rules[first:end])
    try:
        laid = Entry(lines, parts=tuple(read_laid(directions[0], lines, table)), ref=())
    except HoldfastError:
        laid = Entry(lines, ref=())
    return [*entries_of_lines(block.rules[:first], directions), laid, *entries_of_lines(block.rules[end:], directions)]


def leads_on(text: str) -> bool:
    """Return whether a line looks something up in a set or map of a compiled policy, or leads into one of its chains."""
    return LAID in text and any(word in text.replace(_COUNTING, "") for word in _LEADING)
