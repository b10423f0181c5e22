# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changing a list of ipfw rules: which number a rule gets, which calls make the change, and what the list is afterwards.

Pure: touches nothing. Rules are put in before others are taken out, so that nothing is missing in between.
"""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ...policy.addresses import Addresses
from ...policy.errors import HoldfastError
from ...policy.rule import Rule
from ..base import Command
from ..ruleset import Edit, Entry
from .listing import DEFAULT_NUMBER, POLICY_PREFIX, RESERVED_SET, Line, Listing, Tables, table_name, tables_in
from .render import bodies, in_table

FIRST, STEP = 100, 10
#: Returns the form in which ipfw will list a rule.
Normalise = t.Callable[[Line], Line]
#: Table entries in one call.
CHUNK = 100


class Document:
    """The rules while they are being changed."""

    def __init__(self, listing: Listing, normalise: Normalise) -> None:
        self._old = list(listing.lines)
        self._lines: t.List[t.Tuple[t.Optional[int], Line]] = list(enumerate(listing.lines))
        self._normalise = normalise
        self._tables: Tables = {name: found for name, found in listing.tables if not name.startswith(POLICY_PREFIX)}
        self._old_tables: Tables = dict(self._tables)
        self._policy_tables = tuple((name, found) for name, found in listing.tables if name.startswith(POLICY_PREFIX))
        self._flows = listing.flows
        self._added: t.List[Line] = []
        self._typed: t.Dict[Line, Line] = {}
        self._removed: t.Set[int] = set()
        self.new_tables: t.List[str] = []

    # -- edits -------------------------------------------------------------------------------------------------------------------

    def edit(self, edit: Edit) -> None:
        """Carry out one edit.

        :raises HoldfastError: when there is no number for a rule, or the rule cannot be rendered.
        """
        if edit.rule is not None:
            self._define_tables(edit.rule)
        if edit.remove is not None and edit.rule is not None:
            self._replace(edit.remove, edit.rule)
        elif edit.remove is not None:
            self._remove(edit.remove)
        elif edit.rule is not None:
            self._put(bodies(edit.rule), self._place(edit.before))

    def put_line(self, line: Line) -> None:
        """Put a rule in with the number that it names, or at the end."""
        number = line.number or self._number_between(self._last_number(), DEFAULT_NUMBER)
        if number == DEFAULT_NUMBER:
            raise HoldfastError("ipfw: number %d belongs to the default rule" % number)
        at = next((n for n, (_index, one) in enumerate(self._lines) if one.number > number), len(self._lines))
        self._insert(at, replace(line, number=number))

    def keep_only(self, rules: t.Sequence[Rule]) -> None:
        """Take every rule out but those of the reserved set, and put these in instead, from number 100."""
        old = [(index, line) for index, line in self._lines if index is not None and line.set != RESERVED_SET]
        taken = {line.number for _index, line in self._lines}
        number = FIRST
        for rule in rules:
            while number in taken:
                number += STEP
            self._define_tables(rule)
            for body in bodies(rule):
                self.put_line(Line(number, body))
            number += STEP
        for index, _line in old:
            self._take_out(index)

    def _define_tables(self, rule: Rule) -> None:
        for side in (rule.source, rule.destination):
            self._define(side)

    def _define(self, side: Addresses) -> None:
        if in_table(side) and table_name(side) not in self._tables:
            self._tables[table_name(side)] = side.networks
            self.new_tables.append(table_name(side))

    def _place(self, before: t.Optional[Entry]) -> int:
        """Return the position at which a rule before that entry, or at the end, is put in."""
        if before is not None:
            first = self._position(before.ref[0])
            if first is not None:
                return first
        return next((n for n, (_index, one) in enumerate(self._lines) if one.number == DEFAULT_NUMBER), len(self._lines))

    def _put(self, texts: t.Sequence[str], at: int) -> None:
        low = self._lines[at - 1][1].number if at else 0
        high = self._lines[at][1].number if at < len(self._lines) else DEFAULT_NUMBER
        number = self._number_between(low, high)
        for offset, text in enumerate(texts):
            self._insert(at + offset, Line(number, text))

    def _insert(self, at: int, line: Line) -> None:
        listed = self._normalise(line)
        self._typed[listed] = line
        self._lines.insert(at, (None, listed))
        self._added.append(listed)

    def _replace(self, entry: Entry, rule: Rule) -> None:
        at = self._position(entry.ref[0])
        if at is None:
            raise HoldfastError("ipfw: the rule %s is not in this list" % " / ".join(entry.native))
        try:
            self._put(bodies(rule), at)
            self._remove(entry)
        except HoldfastError:
            # No number is free beside it: it is taken out first, and its number used again.
            number = self._lines[at][1].number
            self._remove(entry)
            for offset, text in enumerate(bodies(rule)):
                self._insert(at + offset, Line(number, text))

    def _remove(self, entry: Entry) -> None:
        for index in entry.ref:
            self._take_out(index)

    def _take_out(self, index: int) -> None:
        at = self._position(index)
        if at is not None:
            del self._lines[at]
            self._removed.add(index)

    def _position(self, index: int) -> t.Optional[int]:
        return next((n for n, (one, _line) in enumerate(self._lines) if one == index), None)

    def _last_number(self) -> int:
        return max((line.number for _index, line in self._lines if line.number < DEFAULT_NUMBER), default=0)

    def _number_between(self, low: int, high: int) -> int:
        """Return a free number: a multiple of ten where there is one, at the end the next, at the beginning the one just before."""
        if high - low < 2:
            raise HoldfastError(
                "ipfw: no rule number is free between %d and %d; renumber these rules with more room between them, and try again"
                % (low, high)
            )
        tens = range((low // STEP + 1) * STEP, high, STEP)
        if high == DEFAULT_NUMBER:
            return max(FIRST, tens[0]) if tens else low + 1
        if not tens:
            return (low + high) // 2
        return tens[-1] if low == 0 else tens[0]

    # -- outcome -----------------------------------------------------------------------------------------------------------------

    def result(self) -> Listing:
        """Return the list after the change."""
        lines = tuple(line for _index, line in self._lines)
        used = {name for line in lines for name in tables_in(line.body)}
        tables = [(name, networks) for name, networks in self._tables.items() if name in used]
        return Listing(lines, tuple(sorted([*tables, *self._policy_tables])), self._flows)

    def touched(self) -> t.List[int]:
        """Return the numbers of which rules are put in or taken out."""
        return sorted({line.number for line in self._added} | {self._old[index].number for index in self._removed})

    def commands(self) -> t.List[Command]:
        """Return the calls that make the change."""
        calls: t.List[Command] = []
        after = self.result()
        for name, networks in after.tables:
            if name not in self._old_tables and name in self._tables:
                calls.extend(table_commands(name, networks))
        emptied = {self._old[index].number for index in self._removed}
        calls.extend(Command(self._typed[line].argv()) for line in self._added if line.number not in emptied)
        gone = []
        again: t.List[Line] = []
        for number in sorted(emptied):
            gone.append(str(number))
            again.extend(line for _index, line in self._lines if line.number == number)
        if again:
            # These share their number with a rule that goes: deleting the number deletes them, too.
            for number in sorted({line.number for line in again}):
                gone.remove(str(number))
                calls.append(Command(("ipfw", "-q", "delete", str(number))))
                calls.extend(Command(self._typed.get(line, line).argv()) for line in again if line.number == number)
        for start in range(0, len(gone), CHUNK):
            calls.append(Command(("ipfw", "-q", "delete") + tuple(gone[start : start + CHUNK])))
        kept = {name for name, _networks in after.tables}
        calls.extend(Command(("ipfw", "-q", "table", name, "destroy")) for name in sorted(self._old_tables) if name not in kept)
        return calls

    def checks(self) -> t.List[Command]:
        """Return the calls that let ipfw read the new rules without passing them to the kernel."""
        return [Command(dry(self._typed[line])) for line in self._added]


def dry(line: Line) -> t.Tuple[str, ...]:
    """Return the call by which ipfw reads a rule and shows its form, and nothing else happens."""
    return line.argv("-n -S")


def table_commands(name: str, networks: t.Sequence[t.Any]) -> t.List[Command]:
    """Return the calls that make a table. Every key has a value, since a second key would be taken for the value of the first."""
    calls = [Command(("ipfw", "-q", "table", name, "create", "type", "addr"))]
    for start in range(0, len(networks), CHUNK):
        pairs = [word for one in networks[start : start + CHUNK] for word in (str(one), "0")]
        calls.append(Command(("ipfw", "-q", "table", name, "add", *pairs)))
    return calls
