# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changing a pf.conf: lines put in, taken out and replaced where they belong, everything else left as it is.

Pure: touches nothing.
"""

from __future__ import annotations

import re
import typing as t

from ...policy.errors import HoldfastError
from ...policy.rule import Rule
from ..ruleset import Edit, Entry
from .render import render
from .statements import SECTIONS, Statement, join, split
from .tables import PREFIX, table_of, tables_used

#: Anchors that other programs fill: their lines stay when everything else is flushed.
OTHERS_ANCHORS = re.compile(
    r"(f2b|fail2ban|com\.apple|blacklistd|blocklistd|sshguard|ftp-proxy|tftp-proxy|relayd|authpf|miniupnpd|cni-rdr|rdr)(/|\Z)"
)
_TRANSLATION = ("nat-to", "rdr-to", "binat-to", "af-to")


class Document:
    """A pf.conf that is being changed. Statements keep their first number until ``text`` is asked for."""

    def __init__(self, text: str) -> None:
        self._statements = split(text)
        count = len(self._statements)
        self._before: t.List[t.List[str]] = [[] for _one in range(count)]
        self._instead: t.Dict[int, t.List[str]] = {}
        self._end: t.List[str] = []
        self._defined = {name for one in self._statements for name in [table_of(one)] if name is not None}

    def edit(self, edit: Edit) -> None:
        """Carry out one edit.

        :raises HoldfastError: when the rule cannot be rendered.
        """
        if edit.native is not None:
            lines = [edit.native.strip()]
        elif edit.rule is not None:
            lines = self._with_tables(edit.rule)
        else:
            lines = []
        if edit.remove is not None:
            number = self._number(edit.remove)
            if lines and not self._statements[number].says("quick"):
                # It decided as the last match, and goes on to do so.
                lines[-1] = lines[-1].replace(" quick", "", 1)
            self._instead[number] = lines
        elif edit.native is not None:
            self._append(lines, SECTIONS[split(lines[0] + "\n")[0].kind])
        elif edit.before is not None and self._decides_at_once(edit.before):
            self._before[self._number(edit.before)].extend(lines)
        else:
            self._append(lines, SECTIONS["filter"])

    def flush(self) -> None:
        """Take out every rule and translation but the anchors of other programs."""
        for number, statement in enumerate(self._statements):
            if _is_rule(statement) and not belongs_to_others(statement):
                self._instead[number] = []

    def text(self) -> str:
        """Return the changed file, without tables of ours that no rule names any more."""
        pieces: t.List[str] = []
        for number, statement in enumerate(self._statements):
            pieces.extend(line + "\n" for line in self._before[number])
            if number in self._instead:
                pieces.extend(line + "\n" for line in self._instead[number])
            else:
                pieces.append(statement.text if statement.text.endswith("\n") else statement.text + "\n")
        pieces.extend(line + "\n" for line in self._end)
        return _without_orphans("".join(pieces))

    def _with_tables(self, rule: Rule) -> t.List[str]:
        lines = []
        for line in render(rule):
            name = table_of(split(line + "\n")[0])
            if name is None or name not in self._defined:
                lines.append(line)
            if name is not None:
                self._defined.add(name)
        return lines

    def _number(self, entry: Entry) -> int:
        number = entry.ref
        if not isinstance(number, int) or not 0 <= number < len(self._statements):
            raise HoldfastError("pf: the rule %s is not in this file" % " / ".join(entry.native))
        return number

    def _decides_at_once(self, entry: Entry) -> bool:
        statement = self._statements[self._number(entry)]
        return statement.kind != "filter" or statement.says("quick")

    def _append(self, lines: t.List[str], section: int) -> None:
        """Put lines before the first statement of a later section and the comment above it, or at the end."""
        at = next((n for n, one in enumerate(self._statements) if SECTIONS[one.kind] > section), len(self._statements))
        while 0 < at < len(self._statements) and self._statements[at - 1].kind == "blank":
            at -= 1
        (self._before[at] if at < len(self._statements) else self._end).extend(lines)


def _is_rule(statement: Statement) -> bool:
    if statement.kind == "filter" and statement.says("match"):
        return any(statement.says(word) for word in _TRANSLATION)  # else it marks, shapes or cleans packets
    return statement.kind in ("translation", "filter", "anchor", "antispoof", "include", "load")


def belongs_to_others(statement: Statement) -> bool:
    """Return whether a statement calls or loads an anchor that another program fills."""
    names = [one.text for one in statement.words or () if one.quoted]
    return statement.text.split()[0] in ("anchor", "nat-anchor", "rdr-anchor", "binat-anchor", "load") and bool(
        names and OTHERS_ANCHORS.match(names[0])
    )


def _without_orphans(text: str) -> str:
    statements = split(text)
    used: t.Set[str] = set()
    for statement in statements:
        if statement.kind != "table":
            used |= tables_used(statement)
    kept = []
    for statement in statements:
        name = table_of(statement)
        if name is None or not re.match(PREFIX + r"[0-9a-f]{12}\Z", name) or name in used:
            kept.append(statement)
    return join(kept)
