# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines of one rule of the language inside a group: one, or several below a mark.

Pure: touches nothing. A mark counts only where putting the lines together and rendering them anew gives the same lines: what somebody
changed by hand below a mark is read line by line.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import replace

from ...policy.ports import PortRange, merge_ports
from ...policy.protocols import TCP
from ...policy.rule import Rule
from ..states_first import LOOPBACK, LOOPBACK_COMMENT, LOOPBACK_NAME
from .conf import Conf, Group, Statement
from .line import Line, Unreadable, read_line
from .policy_lines import plain_lines
from .render import Mark, read_mark, rule_lines, unsupported
from .tables import POLICY_PREFIX, PREFIX, Contents, TableBook, tables_in

_COMMENT = re.compile(r"^[ \t]*(#[^\n]*)$", re.MULTILINE)


class Block(t.NamedTuple):
    """Statements that belong together, their mark, and where the mark or the first of them begins."""

    mark: t.Optional[Mark]
    statements: t.List[Statement]
    start: int

    def native(self, text: str) -> t.Tuple[str, ...]:
        """Return the lines, the mark first."""
        lines = [" ".join(text[one.start : one.end].split("\n")) for one in self.statements]
        return (*([text[self.start : text.index("\n", self.start)].strip()] if self.mark is not None else []), *lines)


class Context:
    """What lines of a file mean: its tables, its variables, and its procedures that log."""

    def __init__(self, conf: Conf) -> None:
        self.conf = conf
        self.tables: Contents = tables_in(conf.text)
        self.logging = {name for name in map(_logging, conf.statements) if name is not None}

    def line(self, statement: Statement) -> Line:
        """Read a statement.

        :raises Unreadable: when the common language cannot express it.
        """
        words = self.conf.expanded(statement.words)
        if words is None:
            raise Unreadable("a variable that is not defined")
        return read_line(words, self.tables, self.logging)

    def texts(self, statements: t.Iterable[Statement]) -> t.List[str]:
        """Return statements as they are written."""
        return [self.conf.text[one.start : one.end] for one in statements]


def blocks_of(conf: Conf, group: Group) -> t.List[t.Union[Block, str]]:
    """Return the blocks of a group in the order in which they are written, and other comment lines."""
    comments = [
        (found.start(1), found.group(1).rstrip()) for found in _COMMENT.finditer(conf.text, group.opened, group.closed)
    ]  # fmt: skip
    found: t.List[t.Union[Block, str]] = []
    statements, at = group.statements, 0
    for number, (start, comment) in enumerate(comments):
        while at < len(statements) and statements[at].start < start:
            found.append(Block(None, [statements[at]], statements[at].start))
            at += 1
        mark = read_mark(comment)
        following = comments[number + 1][0] if number + 1 < len(comments) else group.closed
        own = statements[at : at + mark.lines] if mark is not None else []
        if mark is None or len(own) < mark.lines or own[-1].end > following or any(one.kind != "rule" for one in own):
            found.append(comment)
            continue
        at += mark.lines
        found.append(Block(mark, own, start))
    return found + [Block(None, [one], one.start) for one in statements[at:]]


def single_rule(context: Context, block: Block) -> t.Optional[Rule]:
    """Return the single rule whose lines a marked block is, or None."""
    rule = _joined(context, block)
    if rule is None or block.mark is None or block.mark.kind != "rule":
        return None
    both = {context.line(one).stateful for one in block.statements}
    rule = replace(rule, stateful=rule.action == "allow" and both == {True})
    written = rule_lines(rule, TableBook(PREFIX))[1:] if fits(rule) and not unsupported(rule) else []
    return rule if written == context.texts(block.statements) else None


def policy_rule(context: Context, block: Block) -> t.Optional[Rule]:
    """Return the rule of a policy whose lines a block is, or None."""
    rule = _joined(context, block)
    if rule is None:
        return None
    if rule.comment == LOOPBACK_COMMENT and rule.interface == LOOPBACK_NAME:
        rule = replace(rule, interface=LOOPBACK)
    lines = plain_lines(rule, TableBook(POLICY_PREFIX)) if fits(rule) else []
    return rule if lines == context.texts(block.statements) else None


def fits(rule: Rule) -> bool:
    """Return whether the rule's addresses are of its family, so that it can be rendered."""
    return all(side.any or side.family == rule.family for side in (rule.source, rule.destination))


def _joined(context: Context, block: Block) -> t.Optional[Rule]:
    """Return one rule for all lines of a block, as the rule of a policy that has them; None where they differ in too much."""
    found: t.List[Rule] = []
    lines: t.List[Line] = []
    for statement in block.statements:
        try:
            line = context.line(statement)
            rules = line.rules((line.direction,)) if line.direction is not None else []
        except Unreadable:
            return None
        if len(rules) != 1 or not line.final:
            return None
        found += rules
        lines.append(line)
    states = {line.stateful for line in lines}
    first = found[0]
    stateful = first.stateful if first.action != "allow" else states == {True} and first.protocol in (TCP, None)
    ports: t.List[PortRange] = [span for rule in found for span in rule.ports]
    source_ports: t.List[PortRange] = [span for rule in found for span in rule.source_ports]
    types = tuple(sorted({one for rule in found for one in rule.icmp_types}))
    return replace(
        first, stateful=stateful, ports=merge_ports(ports), source_ports=merge_ports(source_ports), icmp_types=types,
        comment=block.mark.comment if block.mark is not None and block.mark.kind == "rule" else None,
    )  # fmt: skip


def _logging(statement: Statement) -> t.Optional[str]:
    """Return the name of a procedure that does nothing but log, or None."""
    words = [one.text for one in statement.words if one.kind != "sep"]
    if statement.kind != "procedure" or len(words) != 7 or words[2:5] != ["{", "log", ":"]:
        return None
    return words[1]
