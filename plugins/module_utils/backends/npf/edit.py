# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changing an npf.conf: lines put in, taken out and replaced where they decide, everything else left as it is.

Pure: touches nothing. A line in a group with an interface or a direction is about no other packets. So a rule goes into such a group only
where it is about these packets alone; otherwise it goes into a group of ours in front of it, which is refused where it would pass entries
that decide a part of its packets otherwise.
"""

from __future__ import annotations

import re
import typing as t

from ...analysis.relation import overlaps
from ...policy.errors import HoldfastError
from ...policy.rule import Rule
from ..ruleset import Edit, Entry
from .conf import Conf, Group
from .parse import Place, entries_of
from .render import PROCEDURE, procedure_line, rule_lines
from .tables import PREFIX, TableBook, is_own, table_lines

#: The group of ours for single rules that have to be asked before a group of the administrator.
RULES_GROUP = "hf_rules"
_DEFAULT_GROUP = "group default {\n%s}\n"


class Document:
    """An npf.conf that is being changed: insertions and deletions by their place in the first text."""

    def __init__(self, text: str) -> None:
        self._conf = Conf(text)
        self._entries: t.Optional[t.Tuple[Entry, ...]] = None
        self._insertions: t.List[t.Tuple[int, str]] = []
        self._deletions: t.List[t.Tuple[int, int]] = []
        self._book = TableBook(PREFIX)
        self._log = False
        self._new_default: t.List[str] = []

    # -- edits -----------------------------------------------------------------------------------------------------------------

    def edit(self, edit: Edit) -> None:
        """Carry out one edit.

        :raises HoldfastError: when the rule cannot be rendered, or cannot stand where it has to.
        """
        lines: t.List[str] = []
        if edit.native is not None:
            lines = [edit.native.strip()]
        elif edit.rule is not None:
            lines = rule_lines(edit.rule, self._book)
            self._log = self._log or edit.rule.log is not None
        if edit.remove is not None:
            place = self._place(edit.remove)
            if lines:
                if not place.final:
                    lines = [line.replace(" final", "", 1) if not line.startswith("#") else line for line in lines]
                self._insert_before(place.start, lines)
            self._remove(place)
        elif edit.native is not None and not re.match(r"(pass|block)\b", edit.native.strip()):
            self._insert_top(lines)
        elif edit.before is not None:
            self._put_before(edit.before, lines, edit.rule)
        else:
            self._put_last(lines, edit.rule)

    def flush(self) -> None:
        """Take out every rule and translation; groups, dynamic rulesets, tables, procedures and settings stay."""
        for statement in self._conf.statements:
            if statement.kind in ("rule", "map") or (statement.kind == "group" and statement.group is not None):
                self._delete(statement.start, statement.end)

    def text(self) -> str:
        """Return the changed file, without tables and procedures of ours that no rule names any more."""
        if self._new_default:
            self._insertions.append((len(self._conf.text), _DEFAULT_GROUP % "".join("\t%s\n" % line for line in self._new_default)))
        text = _changed(self._conf.text, self._insertions, self._deletions)
        return with_definitions(text, self._book, self._log)

    # -- places ----------------------------------------------------------------------------------------------------------------

    def _place(self, entry: Entry) -> Place:
        if not isinstance(entry.ref, Place):
            raise HoldfastError("npf: the rule %s is not in this file" % " / ".join(entry.native))
        return entry.ref

    def _all(self) -> t.Tuple[Entry, ...]:
        if self._entries is None:
            self._entries = entries_of(self._conf)
        return self._entries

    def _put_before(self, entry: Entry, lines: t.List[str], rule: t.Optional[Rule]) -> None:
        place = self._place(entry)
        if place.group is None:
            raise HoldfastError("npf: a rule cannot be put before %s, which another program fills" % " / ".join(entry.native))
        group = self._conf.groups[place.group]
        if rule is None or group.everywhere or _fits(rule, group):
            self._insert_before(self._offset(place, group), lines)
            return
        self._refuse_passing(entry, place, group, rule)
        head = 'group "%s" {' % RULES_GROUP
        self._insertions.append(
            (_line_start(self._conf.text, group.start), "\n".join([head, *("\t" + line for line in lines), "}"]) + "\n")
        )

    def _refuse_passing(self, entry: Entry, place: Place, group: Group, rule: Rule) -> None:
        """Refuse to put a rule in front of a whole group where an entry before ``entry`` decides a part of its packets otherwise."""
        for one in self._all():
            if one is entry or one == entry:
                return
            if one.ref.group != place.group:
                continue
            if _differs(one, rule):
                raise HoldfastError(
                    "The rule %s has to stand before '%s' and behind '%s', in the group of npf.conf that is about %s alone. "
                    "Name that in the rule (interface, direction), or write a rule for each"
                    % (rule.describe(), " / ".join(entry.native), " / ".join(one.native), group.interface or group.direction)
                )

    def _offset(self, place: Place, group: Group) -> int:
        """Return where a final line decides just before the entry of that place."""
        if place.final:
            return place.start
        same = [one.ref for one in self._all() if one.ref.group == place.group and one.ref.stretch == place.stretch and one.ref.numbers]
        finals = [one for one in same if one.final and self._conf.statements[one.numbers[0]].kind == "rule"]
        if not finals:
            return min(one.start for one in same if self._conf.statements[one.numbers[0]].kind == "rule")
        last = max(finals, key=lambda one: one.start)
        behind = self._conf.statements[last.numbers[-1]].end
        following = [one.start for one in group.statements if one.start > behind]
        if not following:
            return group.closed
        # The mark of a following rule stays with its lines.
        starts = [one.start for one in same if one.start > behind]
        return min(following + starts)

    def _put_last(self, lines: t.List[str], rule: t.Optional[Rule]) -> None:
        """Put lines where they decide after every other entry, as far as the difference matters."""
        groups = self._conf.groups
        default = groups[-1] if groups and groups[-1].default else None
        if default is None:
            self._new_default += lines
            return
        own = [one for one in self._all() if one.ref.group == len(groups) - 1]
        rules = [one for one in own if self._conf.statements[one.ref.numbers[0]].kind == "rule"]
        last = [one for one in rules if one.ref.stretch == max((other.ref.stretch for other in own), default=0)]
        weak = [one for one in last if not one.ref.final]
        opposed = rule is not None and any(_differs(one, rule) for one in weak)
        if opposed:
            lines = [line if line.startswith("#") else line.replace(" final", "", 1) for line in lines]
            self._insert_before(min(one.ref.start for one in last), lines)
        elif weak and not any(one.ref.final for one in last):
            self._insert_before(min(one.ref.start for one in last), lines)
        else:
            self._insert_before(default.closed, lines)

    # -- text ------------------------------------------------------------------------------------------------------------------

    def _insert_before(self, offset: int, lines: t.Sequence[str]) -> None:
        text = self._conf.text
        start = _line_start(text, offset)
        before = text[start:offset]
        if not before.strip():
            indent = before if offset < len(text) and text[offset] != "}" else before + "\t"
            self._insertions.append((start, "".join("%s%s\n" % (indent, line) for line in lines)))
        else:
            self._insertions.append((offset, "\n" + "".join("\t%s\n" % line for line in lines) + "\t"))

    def _insert_top(self, lines: t.Sequence[str]) -> None:
        first = self._conf.first_asked
        self._insertions.append((_line_start(self._conf.text, len(self._conf.text) if first is None else first), "\n".join(lines) + "\n"))

    def _remove(self, place: Place) -> None:
        statements = [self._conf.statements[number] for number in place.numbers]
        start = min(place.start, statements[0].start)
        if start < statements[0].start:
            self._delete(start, self._conf.text.index("\n", start))
        for statement in statements:
            self._delete(statement.start, statement.end)

    def _delete(self, start: int, end: int) -> None:
        """Take out a stretch, with its whole line where it is alone there, else with the semicolon behind it."""
        text = self._conf.text
        first = _line_start(text, start)
        rest = re.compile(r"[ \t]*(#[^\n]*)?(\n|\Z)").match(text, end)
        if not text[first:start].strip() and rest is not None:
            self._deletions.append((first, rest.end()))
            return
        behind = re.compile(r"[ \t]*;").match(text, end)
        self._deletions.append((start, behind.end() if behind is not None else end))


def with_definitions(text: str, book: TableBook, log: bool) -> str:
    """Return a file with the definitions of single rules that it needs, and without those that nothing needs any more."""
    conf = Conf(text)
    used = {one.text for statement in conf.statements for one in statement.words if one.kind == "table" and statement.kind != "table"}
    applied = any(one.text == PROCEDURE for statement in conf.statements for one in statement.words if statement.kind == "rule")
    defined: t.Set[str] = set()
    deletions: t.List[t.Tuple[int, int]] = []
    for one in conf.tops:
        if isinstance(one, Group):
            if one.name == RULES_GROUP and not one.statements:
                deletions.append((_line_start(text, one.start), _line_end(text, one.end)))
            continue
        name = one.words[1].text if len(one.words) > 1 else ""
        if one.kind == "procedure" and name == PROCEDURE:
            defined.add(PROCEDURE)
            if not applied:
                deletions.append((_line_start(text, one.start), _line_end(text, one.end)))
        elif one.kind == "table" and is_own(name) and name.startswith(PREFIX):
            defined.add(name)
            if name not in used:
                start = _line_start(text, one.start)
                above = _line_start(text, max(start - 1, 0))
                told = text[above:start].startswith("# table %s: " % name)
                deletions.append((above if told else start, _line_end(text, one.end)))
    lines = [
        line for name, addresses in book.known.items() if name in used and name not in defined for line in table_lines(name, addresses)
    ]
    if log and applied and PROCEDURE not in defined:
        lines.insert(0, procedure_line(PROCEDURE))
    first = conf.first_asked
    insertions = []
    if lines:
        insertions.append((_line_start(text, len(text) if first is None else first), "\n".join(lines) + "\n"))
    return _changed(text, insertions, deletions)


def _differs(entry: Entry, rule: Rule) -> bool:
    """Return whether an entry may decide a part of a rule's packets otherwise."""
    if entry.meanings():
        return any(one.action != rule.action and overlaps(one, rule) for one in entry.meanings())
    words = entry.native[0].split()[:2]
    action = "allow" if words[:1] == ["pass"] else "reject" if words[-1].startswith("return") else "deny"
    return words[:1] not in (["pass"], ["block"]) or action != rule.action


def _fits(rule: Rule, group: Group) -> bool:
    """Return whether a rule is about packets of a group alone."""
    if group.odd or (group.interface is not None and rule.interface != group.interface):
        return False
    return group.direction is None or rule.direction == group.direction


def _changed(text: str, insertions: t.Sequence[t.Tuple[int, str]], deletions: t.Sequence[t.Tuple[int, int]]) -> str:
    pieces: t.List[str] = []
    at = 0
    waiting = sorted(enumerate(insertions), key=lambda one: (one[1][0], one[0]))
    cuts = sorted(deletions)
    for _number, (offset, new) in waiting:
        while cuts and cuts[0][0] < offset:
            start, end = cuts.pop(0)
            pieces.append(text[at : max(start, at)])
            at = max(at, end)
        pieces.append(text[at : max(offset, at)])
        at = max(at, offset)
        pieces.append(new)
    for start, end in cuts:
        pieces.append(text[at : max(start, at)])
        at = max(at, end)
    return "".join(pieces) + text[at:]


def _line_start(text: str, offset: int) -> int:
    return text.rfind("\n", 0, offset) + 1


def _line_end(text: str, offset: int) -> int:
    end = text.find("\n", offset)
    return len(text) if end < 0 else end + 1


def without_rules(text: str) -> str:
    """Return an administrator's file less rules and translations."""
    document = Document(text)
    document.flush()
    return document.text()


def place_part(text: str, part: str) -> str:
    """Return an administrator's file with our part in front of the first group, above the comments right before that."""
    if not part:
        return text
    if text and not text.endswith("\n"):
        text += "\n"
    first = Conf(text).first_asked
    at = len(text) if first is None else _line_start(text, first)
    while first is not None and at > 0 and re.match(r"[ \t]*#(?! (table|holdfast))", text[_line_start(text, at - 1) : at]):
        at = _line_start(text, at - 1)
    return text[:at] + part + text[at:]


def loads_icmp(text: str) -> bool:
    """Return whether a file loads the helper for ICMP."""
    words = [tuple(one.text for one in statement.words) for statement in Conf(text).statements if statement.kind == "alg"]
    return ("alg", "icmp") in words


def has_default(text: str) -> bool:
    """Return whether a file has a default group."""
    return any(group.default for group in Conf(text).groups)
