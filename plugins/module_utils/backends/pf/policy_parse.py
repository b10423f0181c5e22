# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the text of a policy back into the policy.

Pure but for the service database. Reads what ``policy_render`` writes, and what ``pfctl -sr`` and ``pfctl -sn`` list of it (without raw
lines and comments of translations, which only the file has). A line that says no rule of the language is an error: somebody put it there.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import replace

from ...policy.errors import HoldfastError
from ...policy.policy import ANY_DIRECTION, NativeLines, Policy
from ...policy.protocols import TCP
from ...policy.rule import DIRECTIONS, Log, Rule
from ..base import GUARD_MARK
from .dialect import Dialect
from .edit import belongs_to_others
from .filters import rules_of
from .line import Line, read_line
from .parse import NAME
from .policy_forwarding import FORWARD, GONE, HOST, told_apart
from .policy_layout import JOINED, members_of, parted
from .policy_lines import KNOWN_COMMENT, LOOPBACK_COMMENT
from .policy_nat_parse import NatReader
from .policy_parts import FORWARDING, SUB_BEGIN, SUB_END, SUBPARTS, cut
from .render import LOOPBACK, LOOPBACK_NAME
from .statements import Statement, split
from .tables import Contents, constant_tables
from .unreadable import Unreadable
from .usual_line import UsualLines

_FORWARDING = re.compile(re.escape(FORWARDING).replace("%s", r"(allow|deny|reject)") + r"\s*\Z")
_JOINED = re.compile(r" (from|to) <(%s\w+)>" % JOINED)
_SCRUB = re.compile(r"scrub in all fragment reassemble\s*\Z")


def parse_policy(text: str, dialect: Dialect) -> Policy:
    """Return the policy that text says.

    :param dialect: whose text it is, which says whether it has to tell forwarded packets apart.
    :raises HoldfastError: for a line that is not of a policy, with the line.
    """
    _rest, parts = cut(text)
    return _Reader("".join(parts.values()) if parts else text, dialect).policy()


class _Reader:
    def __init__(self, text: str, dialect: Dialect) -> None:
        self._dialect = dialect
        self._statements = split(text)
        self._tables: Contents = constant_tables(self._statements)
        self._members = members_of(one.text for one in self._statements if one.kind == "blank" and JOINED in one.text)
        self._usual = UsualLines(self._tables)
        self._nat = NatReader(self._tables)
        self._rules: t.List[Rule] = []
        #: For each rule its line, and whether this says that it is not about forwarded packets.
        self._origin: t.List[t.Tuple[Statement, bool]] = []
        self._telling: t.List[Statement] = []
        self._leaves = False
        self._forwarding: t.Optional[str] = None
        self._native: t.Dict[str, t.List[str]] = {"native before": [], "native after": []}

    def policy(self) -> Policy:
        """Read everything."""
        inside: t.Optional[str] = None
        for statement in self._statements:
            mark = statement.text.strip() if statement.kind == "blank" else ""
            if inside is not None:
                if mark == SUB_END % inside:
                    inside = None
                elif inside in self._native and statement.kind != "blank":
                    self._native[inside].append(statement.text.strip())
                elif statement.kind != "blank" and not (statement.kind == "anchor" and belongs_to_others(statement)):
                    raise _refused(statement, "it is no anchor of another program")
                continue
            inside = next((name for name in SUBPARTS if mark == SUB_BEGIN % name), None)
            if inside is None and statement.kind == "blank":
                forwarding = _FORWARDING.match(mark)
                if forwarding is not None:
                    self._forwarding = forwarding.group(1)
            elif inside is None:
                self._read(statement)
        return self._made()

    # -- lines -----------------------------------------------------------------------------------------------------------------

    def _read(self, statement: Statement) -> None:
        if statement.kind == "table" or (statement.kind == "scrub" and _SCRUB.match(statement.text)):
            return
        try:
            if statement.kind == "translation":
                self._nat.read_old(statement)
            elif statement.kind == "filter":
                usual = self._usual.read(statement.text)
                if usual is None:
                    self._read_filter(statement)
                else:
                    self._add(statement, *usual)
            else:
                raise Unreadable("a line that is no rule")
        except Unreadable as exc:
            raise _refused(statement, str(exc)) from None

    def _read_filter(self, statement: Statement) -> None:
        if statement.says("match") and (statement.says("nat-to") or statement.says("rdr-to")):
            self._nat.read_new(statement)
            return
        if statement.says("tag") and not statement.says("quick"):
            if not self._nat.is_frame(statement):
                self._telling.append(statement)
            return
        line = read_line(statement, self._tables)
        if line.tag == GONE and line.tagged == FORWARD and not line.tagged_negated:
            self._leaves = True
            return
        for rule, scoped in rules_of_line(line):
            self._add(statement, rule, scoped)

    def _add(self, statement: Statement, rule: Rule, scoped: bool) -> None:
        if rule.comment == LOOPBACK_COMMENT and rule.interface == LOOPBACK_NAME:
            rule = replace(rule, interface=LOOPBACK)
        found = [rule]
        joined = _JOINED.search(statement.text) if self._members else None
        if joined is not None and joined.group(2) in self._members:
            found = parted(rule, "source" if joined.group(1) == "from" else "destination", self._members[joined.group(2)])
        for one in found:
            self._rules.append(one)
            self._origin.append((statement, scoped))

    # -- the whole -------------------------------------------------------------------------------------------------------------

    def _made(self) -> Policy:
        last = {rule.direction: number for number, rule in enumerate(self._rules)}
        defaults = dict.fromkeys(DIRECTIONS, "unmanaged")
        for direction, number in last.items():
            rule = self._rules[number]
            if replace(rule, log=None) != Rule(rule.action, direction, protocol=None):
                raise _refused(self._origin[number][0], "the last line of direction %s has to be its default" % direction)
            defaults[direction] = rule.action
        self._check_forwarding(defaults, last)
        if self._forwarding is not None:
            defaults["forward"] = self._forwarding
        rules = [rule for number, rule in enumerate(self._rules) if last[rule.direction] != number]
        before, after = (tuple(self._native[name]) for name in ("native before", "native after"))
        native = NativeLines({ANY_DIRECTION: before} if before else {}, {ANY_DIRECTION: after} if after else {})
        return Policy(
            rules=tuple(rule for rule in rules if not _is_guard(rule)),
            defaults=defaults,
            nat=tuple(self._nat.rules()),
            native={NAME: native} if before or after else {},
            log_denied=self._log_denied(defaults, last),
            guard=tuple(_guard([rule for rule in rules if _is_guard(rule)], defaults)),
        )

    def _log_denied(self, defaults: t.Mapping[str, str], last: t.Mapping[str, int]) -> t.Optional[Log]:
        logs = {self._rules[number].log for direction, number in last.items() if defaults[direction] != "allow"}
        quiet = all(self._rules[number].log is None for direction, number in last.items() if defaults[direction] == "allow")
        if len(logs) > 1 or not quiet:
            raise HoldfastError("The defaults of a policy are logged alike where they deny, and not where they allow")
        return logs.pop() if logs else None

    def _check_forwarding(self, defaults: t.Mapping[str, str], last: t.Mapping[str, int]) -> None:
        """Refuse lines of one direction that would also decide about packets of another.

        :raises HoldfastError: for the first such line.
        """
        if not self._telling:
            if self._rules and ((self._dialect.tells_forwarding and self._forwarding is None) or "forward" in last):
                raise HoldfastError("The lines that tell forwarded packets from those of the host are missing")
            return
        if not told_apart(self._telling):
            raise _refused(self._telling[0], "the lines that tell forwarded packets from those of the host were changed")
        for number, rule in enumerate(self._rules):
            statement, scoped = self._origin[number]
            if rule.direction == "in" and not scoped and number < last.get("forward", len(self._rules)):
                raise _refused(statement, "it would also decide about forwarded packets")
            if rule.direction == "out" and not scoped and defaults["forward"] == "unmanaged":
                raise _refused(statement, "it would also decide about forwarded packets")
            if rule.direction == "forward" and rule.action == "allow" and not self._leaves:
                raise _refused(statement, "no line lets the packet leave")


def rules_of_line(line: Line) -> t.List[t.Tuple[Rule, bool]]:
    """Return the rules of a line, each with whether the line says that it is not about forwarded packets.

    :raises Unreadable: for a line that no policy has.
    """
    if not line.quick or line.odd or line.tag is not None or line.state in ("modulate", "synproxy") or len(line.directions) != 1:
        raise Unreadable("no policy has such a line")
    direction, scoped = _scope(line)
    found = [(rule, scoped) for one in line.protocols for rule in rules_of(line, one, (direction,), _stateful(line, one))]
    if not found:
        raise Unreadable("a line that matches nothing")
    return found


def _scope(line: Line) -> t.Tuple[str, bool]:
    """Return the direction of a line, and whether it says that it is not about forwarded packets."""
    direction = line.directions[0]
    if line.tagged is None:
        return direction, False
    if direction == "in" and line.tagged == FORWARD and not line.tagged_negated:
        return "forward", False
    if (direction, line.tagged, line.tagged_negated) in (("in", HOST, False), ("out", FORWARD, True)):
        return direction, True
    raise Unreadable("tagged %s" % line.tagged)


def _stateful(line: Line, protocol: t.Optional[int]) -> bool:
    """Return whether a line is about the first packets of connections alone."""
    flags = protocol in (TCP, None)
    if line.action == "allow" and line.state != "no":
        if line.flags not in (None, "any", "S/SA"):
            raise Unreadable("flags %s" % line.flags)
        return flags and line.flags != "any"
    if line.flags not in (None, "any", "S/SA") or (line.flags == "S/SA" and line.action == "allow"):
        raise Unreadable("flags %s" % line.flags)
    return flags and line.flags == "S/SA"


def _is_guard(rule: Rule) -> bool:
    return rule.comment is not None and rule.comment.startswith(GUARD_MARK)


def _guard(rules: t.Sequence[Rule], defaults: t.Mapping[str, str]) -> t.Iterator[Rule]:
    """Yield the guard with the known connections, for which pf has no line."""
    for direction in DIRECTIONS:
        own = [rule for rule in rules if rule.direction == direction]
        at = next((number for number, rule in enumerate(own) if rule.comment != LOOPBACK_COMMENT), len(own))
        yield from own[:at]
        if defaults[direction] != "unmanaged":
            yield Rule("allow", direction, protocol=None, established=True, comment=KNOWN_COMMENT)
        yield from own[at:]


def _refused(statement: Statement, why: str) -> HoldfastError:
    return HoldfastError("This line is not one that a policy has written (%s): %s" % (why, " ".join(statement.text.split())))
