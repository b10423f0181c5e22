# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Putting the parts of a policy into a pf.conf, each into its section.

Pure: touches nothing. Our rules decide first: they stand before everything of the administrator that decides, but behind the anchors of
other programs that the file begins its section with, so that what these block stays blocked. Anchors of other programs that would come
behind ours are called from ours as well.
"""

from __future__ import annotations

import re
import typing as t

from ...policy.errors import HoldfastError
from ...policy.policy import Policy
from ...policy.rule import Rule
from .dialect import Dialect
from .edit import Document, belongs_to_others
from .parse import DECIDING
from .policy_forwarding import scope_of
from .statements import SECTIONS, Statement, Word, join, split

_LOOPBACK = re.compile(r"lo[0-9]*\Z|none\Z")


def without_rules(text: str) -> str:
    """Return an administrator's file less filter rules and translations; options, macros, tables and others' anchors stay."""
    document = Document(text)
    document.flush()
    return document.text()


def place(text: str, parts: t.Mapping[str, str], dialect: Dialect) -> str:
    """Return an administrator's file with the parts of a policy in it.

    :raises HoldfastError: when the file cannot have them where they have to be.
    """
    statements = split(text)
    if "filter" in parts:
        _refuse_skipping(statements)
    filters = _filter_index(statements, dialect)
    indices = {"filter": filters, "translation": _translation_index(statements) if dialect.old_translation else filters}
    if not any(_starts(one, "set", "reassemble") for one in statements):
        indices["scrub"] = _scrub_index(statements)
    pieces: t.List[str] = []
    for number in range(len(statements) + 1):
        pieces += [parts[part] for part in ("scrub", "translation", "filter") if part in parts and indices.get(part) == number]
        if number < len(statements):
            pieces.append(join([statements[number]]))
    return "".join(pieces)


def anchors_behind(text: str, dialect: Dialect) -> t.List[str]:
    """Return the calls of other programs' anchors that stand where our rules have decided already, with their macros expanded."""
    statements = split(text)
    behind = statements[_filter_index(statements, dialect) :]
    calls = [one for one in behind if one.kind == "anchor" and belongs_to_others(one) and not one.says("{") and one.words is not None]
    return list(dict.fromkeys(" ".join(_written(word) for word in one.words or ()) for one in calls))


def refuse_translating(text: str, policy: Policy, dialect: Dialect) -> None:
    """Refuse a file that translates packets before rules which need the addresses of before see them.

    :raises HoldfastError: with the line and the rule.
    """
    statements = split(text)
    if not dialect.old_translation:
        statements = statements[: _filter_index(statements, dialect)]
    leaving = scope_of(policy, dialect, False).at_leaving
    asks = next((rule for rule in policy.rules if _asks_for_source(rule, leaving)), None)
    late = next((rule for rule in policy.rules if rule.out_interface is not None), None)
    for one in statements:
        source, destination = _changes(one)
        if source and asks is not None and not belongs_to_others(one):
            raise HoldfastError(
                "pf.conf has the line '%s', which changes the source of packets before pf asks about them as they leave, so this rule "
                "would not see its source: %s. Move the translation into the policy, or leave the source out"
                % (_line(one), asks.describe())
            )
        if destination and leaving and late is not None:
            raise HoldfastError(
                "pf.conf has the line '%s'; pf knows by which interface a packet leaves only after that, so this rule cannot be kept "
                "exactly: %s. Name the destination in the rule instead of the interface" % (_line(one), late.describe())
            )


def _asks_for_source(rule: Rule, leaving: bool) -> bool:
    if rule.direction != "out" and not (leaving and rule.direction == "forward"):
        return False
    return not rule.source.any or bool(rule.source_ports)


def _changes(statement: Statement) -> t.Tuple[bool, bool]:
    """Return whether a statement may change the source of packets, and whether it may change their destination."""
    first = statement.text.split()[:1]
    if statement.kind == "translation":
        return first in (["nat"], ["binat"], ["nat-anchor"], ["binat-anchor"]), first in (
            ["rdr"],
            ["binat"],
            ["rdr-anchor"],
            ["binat-anchor"],
        )
    if statement.kind != "filter":
        return False, False
    both = statement.says("binat-to") or statement.says("af-to")
    return both or statement.says("nat-to"), both or statement.says("rdr-to")


def _written(word: Word) -> str:
    return '"%s"' % word.text if word.quoted else word.text


def _filter_index(statements: t.Sequence[Statement], dialect: Dialect) -> int:
    """Return where our filter rules go: before the first line that may decide."""
    for number, one in enumerate(statements):
        if one.kind not in DECIDING or (one.kind == "filter" and one.says("match")) or belongs_to_others(one):
            continue
        later = next((other for other in statements[number:] if 0 < SECTIONS[other.kind] < SECTIONS["filter"]), None)
        if later is None or not dialect.old_translation:
            return _above_comments(statements, number)
        raise HoldfastError(
            "pf.conf has the line '%s', which may decide about packets, before '%s': a policy cannot come first there. Move it behind the "
            "options and translations, or use state: overridden, which takes it out" % (_line(one), _line(later))
        )
    return len(statements)


def _translation_index(statements: t.Sequence[Statement]) -> int:
    for number, one in enumerate(statements):
        if SECTIONS[one.kind] >= SECTIONS["translation"] and not (one.kind == "translation" and belongs_to_others(one)):
            return _above_comments(statements, number)
    return len(statements)


def _scrub_index(statements: t.Sequence[Statement]) -> int:
    """Return the end of the section: the first line that matches counts, and the administrator's come first."""
    for number, one in enumerate(statements):
        if SECTIONS[one.kind] > SECTIONS["scrub"]:
            return _above_comments(statements, number)
    return len(statements)


def _above_comments(statements: t.Sequence[Statement], number: int) -> int:
    while number > 0 and statements[number - 1].kind == "blank":
        number -= 1
    return number


def _refuse_skipping(statements: t.Sequence[Statement]) -> None:
    """Refuse interfaces whose packets pf passes unasked.

    :raises HoldfastError: with the line.
    """
    for one in statements:
        if _starts(one, "set", "skip"):
            names = [word.text for word in (one.words or ())[3:] if word.text not in ("{", "}", ",")]
            ignored = [name for name in names if not _LOOPBACK.match(name)]
            if ignored or one.words is None:
                raise HoldfastError(
                    "pf.conf has the line '%s': pf asks no rule about packets on %s, so the policy would have no effect there. "
                    "Take it out, or leave only the loopback interface in it" % (_line(one), ", ".join(ignored) or "these interfaces")
                )


def _starts(statement: Statement, *words: str) -> bool:
    return statement.kind == "set" and tuple(statement.text.split()[: len(words)]) == words


def _line(statement: Statement) -> str:
    return " ".join(statement.text.split())
