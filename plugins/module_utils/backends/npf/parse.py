# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An npf.conf as one chain of entries, in the order in which they decide.

Pure but for the service database. npf asks group after group, the default group last. Inside a group the last match decides unless a rule
is ``final``; a match is never given up at the next group or dynamic ruleset. So of each stretch between two of these the final rules are
asked first, in their order, and then the others from the last one to the first. What a dynamic ruleset does is not known here.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ..file_listing import FileEntries, StatusLines
from ..ruleset import ALL_DIRECTIONS, BOTH_FAMILIES, Chain, Entry, Ruleset
from .blocks import Block, Context, blocks_of, policy_rule, single_rule
from .conf import Conf, Group
from .line import EVERY_DIRECTION, Unreadable
from .policy_text import GROUP

NAME = "npf"
STATUS = StatusLines("# npf is switched off: these rules decide nothing.\n", "# npf enforces other rules than these.\n")
# The beginning of a group, perhaps of the default one; a group in a comment or in quotes is none.
_GROUP = re.compile(r'"[^"\n]*"|#[^\n]*|(?:^|(?<=[;}]))[ \t]*(?P<group>group)[ \t]+(?P<default>default\b)?', re.MULTILINE)
# Lines of ``render``, which stand in no group.
_BARE = re.compile(r"(?:.*\n)*?[ \t]*(?:pass|block)\b")


@dataclass(frozen=True)
class Place:
    """Where an entry stands: the numbers of its statements, its stretch of its group, and whether it is final."""

    numbers: t.Tuple[int, ...]
    start: int
    group: t.Optional[int] = None
    stretch: int = 0
    final: bool = True


def parse(text: str, ref: t.Any = None) -> Ruleset:
    """Read an npf.conf, or the lines of ``render``. Entries that are not in force decide nothing for certain, so they are weak."""
    plain = STATUS.without(text)
    if not has_groups(plain) and _BARE.match(plain):
        entries: t.Any = entries_of(Conf(bare_lines(plain)))
    else:
        entries = FileEntries(lambda: entries_of(Conf(plain)), text.startswith(STATUS.strayed))
    return Ruleset((Chain(NAME, ALL_DIRECTIONS, BOTH_FAMILIES, "allow", entries, ref=ref),), text)


def has_groups(text: str) -> bool:
    """Return whether a text has a group, as every file with rules has."""
    return any(found.group("group") for found in _GROUP.finditer(text))


def has_default_group(text: str) -> bool:
    """Return whether a text has the group without which npfctl takes none."""
    return any(found.group("default") for found in _GROUP.finditer(text))


def bare_lines(text: str) -> str:
    """Return lines of ``render``, which stand in no group, as a file."""
    conf = Conf(text)
    first = min((one.start for one in conf.statements if one.kind == "rule"), default=len(text))
    line = text.rfind("\n", 0, first) + 1
    # The mark of the first rule stands right above it.
    above = text.rfind("\n", 0, max(line - 1, 0)) + 1
    if text[above:line].strip().startswith(("# rule", "# default")):
        line = above
    return "%sgroup default {\n%s%s}\n" % (text[:line], text[line:], "" if text.endswith("\n") else "\n")


def entries_of(conf: Conf) -> t.Tuple[Entry, ...]:
    """Return what a file decides, in the order in which it does."""
    context = Context(conf)
    found: t.List[Entry] = []
    for one in conf.tops:
        if not isinstance(one, Group) and one.kind in ("ruleset", "other"):
            found.append(Entry((_line(conf, one.start, one.end),), ref=Place((one.number,), one.start)))
    ruled = {id(group): number for number, group in enumerate(conf.groups)}
    for group in conf.groups:
        found += _group_entries(context, group, ruled[id(group)])
    # A ruleset between the groups is asked where it stands, before the default group.
    if any(entry.ref.group is None for entry in found):
        last = conf.groups[-1].start if conf.groups and conf.groups[-1].default else len(conf.text)
        starts = {number: group.start if not group.default else last for number, group in enumerate(conf.groups)}
        found.sort(key=lambda entry: entry.ref.start if entry.ref.group is None else starts[entry.ref.group])
        normal = [entry for entry in found if entry.ref.group is None or not conf.groups[entry.ref.group].default]
        found = normal + [entry for entry in found if entry not in normal]
    return tuple(found)


def _group_entries(context: Context, group: Group, number: int) -> t.List[Entry]:
    found: t.List[Entry] = []
    finals: t.List[Entry] = []
    others: t.List[Entry] = []
    stretch = 0
    for block in blocks_of(context.conf, group):
        if isinstance(block, str):
            continue
        if block.statements[0].kind in ("ruleset", "group", "other"):
            native = (_line(context.conf, block.statements[0].start, block.statements[0].end),)
            found += finals + others[::-1]
            place = Place(tuple(one.number for one in block.statements), block.start, number, stretch)
            found.append(Entry(native, ref=place))
            finals, others = [], []
            stretch += 1
            continue
        for entry in _entries(context, group, block, number, stretch):
            (finals if entry.ref.final else others).append(entry)
    return found + finals + others[::-1]


def _entries(context: Context, group: Group, block: Block, number: int, stretch: int) -> t.Iterator[Entry]:
    """Yield the entry of a block, or those of its lines."""
    if block.mark is not None and group.everywhere:
        rule = (policy_rule if group.name == GROUP else single_rule)(context, block)
        if rule is not None:
            place = Place(tuple(one.number for one in block.statements), block.start, number, stretch)
            yield Entry(block.native(context.conf.text), rule=rule, ref=place)
            return
    for statement in block.statements:
        native = (_line(context.conf, statement.start, statement.end),)
        try:
            line = context.line(statement)
            if group.odd:
                raise Unreadable("a group whose head is not known")
            if group.direction is not None and line.direction not in (None, group.direction):
                raise Unreadable("a direction that its group is not about")
            place = Place((statement.number,), statement.start, number, stretch, line.final)
            if group.direction is not None:
                line.direction = group.direction
            directions = EVERY_DIRECTION if line.direction is None else (line.direction,)
            rules = line.rules(directions, group.interface)
        except Unreadable:
            words = [one.text for one in statement.words if one.kind == "word"]
            yield Entry(native, ref=Place((statement.number,), statement.start, number, stretch, "final" in words or "quick" in words))
            continue
        if len(rules) == 1:
            yield Entry(native, rule=rules[0], ref=place)
        else:
            yield Entry(native, parts=tuple(rules), ref=place)


def _line(conf: Conf, start: int, end: int) -> str:
    return " ".join(conf.text[start:end].split())
