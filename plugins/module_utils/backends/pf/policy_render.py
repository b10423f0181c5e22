# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole policy as text of pf.conf.

Pure: touches nothing. Every rule is ``quick``, so the first match decides, down to the default of its direction, and nothing behind
our text is asked about the directions that the policy manages.

The order of the lines: which packets are forwarded (see ``policy_forwarding``); the rules and the default of ``forward``, so that what
stands behind them is about packets to and from the host; the guard; the rules of ``in`` and ``out`` in their order; their defaults. Where
forwarded packets meet these lines too (the policy leaves them alone, or raw lines stand between guard and rules), each line says what it
is about.
"""

from __future__ import annotations

import typing as t

from ...policy.policy import ANY_DIRECTION, NativeLines, Policy
from ...policy.rule import DIRECTIONS, Rule
from .dialect import Dialect
from .parse import NAME
from .policy_forwarding import passing_lines, scope_of, telling_lines
from .policy_layout import lay_out
from .policy_lines import TableBook, policy_lines
from .policy_nat import translation_lines
from .policy_parts import FORWARDING, PARTS, SUB_BEGIN, SUB_END, enclose

#: Fragments have no ports, so rules about ports need whole packets. OpenBSD puts them together by itself.
SCRUB = "scrub in all fragment reassemble"

Lines = t.List[str]


def render_parts(policy: Policy, dialect: Dialect, layout: str, anchors: t.Sequence[str] = ()) -> t.Dict[str, str]:
    """Return the text of each part of the file that the policy needs, with its marks.

    :param anchors: calls of other programs' anchors that have to come before our rules.
    """
    managed = tuple(direction for direction in DIRECTIONS if policy.defaults[direction] != "unmanaged")
    book = TableBook()
    translation = translation_lines(policy.nat, dialect, book)
    texts = {"translation": enclose("translation", book.definitions() + translation)}
    if managed:
        texts["scrub"] = enclose("scrub", [SCRUB] if dialect.old_translation else [])
        calls = [SUB_BEGIN % "anchors", *anchors, SUB_END % "anchors"] if anchors else []
        texts["filter"] = enclose("filter", calls + _filter_lines(policy, managed, dialect, book, layout))
    return {part: texts[part] for part in PARTS if texts.get(part)}


def _filter_lines(policy: Policy, managed: t.Sequence[str], dialect: Dialect, book: TableBook, layout: str) -> Lines:
    forwarding = dialect.tells_forwarding and "forward" in managed
    native = _native_lines(policy)
    scope = scope_of(policy, dialect, any(native))
    guard = [rule for rule in policy.guard if rule.direction != "forward" and not rule.established]
    lines = telling_lines(dialect, scope) if dialect.tells_forwarding else []
    if "forward" in managed and not dialect.tells_forwarding:
        lines.append(FORWARDING % policy.defaults["forward"])
    if forwarding and (scope.at_leaving or _forwards(policy)):
        lines += passing_lines(scope)
    defaults = {direction: policy_lines(_default(policy, direction), book, scope) for direction in managed}
    if forwarding and not scope.scoped:
        lines += lay_out(policy.list_for("forward"), book, layout, scope) + defaults.pop("forward")
    elif not forwarding:
        defaults.pop("forward", None)
    lines += [line for rule in guard for line in policy_lines(rule, book, scope)] + native[0]
    lines += lay_out([rule for rule in policy.rules if rule.direction != "forward" or scope.scoped], book, layout, scope)
    lines += native[1] + [line for default in defaults.values() for line in default]
    return book.definitions() + lines


def _native_lines(policy: Policy) -> t.Tuple[Lines, Lines]:
    """Return the raw lines before and after the rules, each with its marks."""
    lines = policy.native.get(NAME, NativeLines())
    found: t.List[Lines] = []
    for name, side in (("native before", lines.before), ("native after", lines.after)):
        given = list(side.get(ANY_DIRECTION, ()))
        found.append([SUB_BEGIN % name, *given, SUB_END % name] if given else [])
    return found[0], found[1]


def _forwards(policy: Policy) -> bool:
    """Return whether the policy passes any forwarded packet that opens a connection."""
    rules = policy.list_for("forward")
    return policy.defaults["forward"] == "allow" or any(rule.action == "allow" and not rule.established for rule in rules)


def _default(policy: Policy, direction: str) -> Rule:
    action = policy.defaults[direction]
    return Rule(action, direction, protocol=None, log=policy.log_denied if action != "allow" else None)
