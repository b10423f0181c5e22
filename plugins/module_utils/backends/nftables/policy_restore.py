# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Putting an old policy back as exactly as a new one comes into force: prepared, switched, cleared.

Pure: builds text. The files may be loaded whatever part of the change was made: what is there already is not prepared once more.
"""

from __future__ import annotations

import typing as t
from dataclasses import replace

from .listing import Block, Table, declared, head, standing, whole
from .policy_order import has_bundle

#: The kinds whose command ``create`` is written in the same way.
_CREATED = ("chain", "set", "map")


class RestoreSteps(t.NamedTuple):
    """The lines of the three loads; ``prepare`` is empty when everything is there, and is refused when it was loaded already."""

    prepare: t.List[str]
    switch: t.List[str]
    clear: t.List[str]


def restore_steps(before: t.Optional[Table], after: t.Optional[Table]) -> t.Optional[RestoreSteps]:
    """Return how the old policy of our table comes back, or None where there was or will be no policy, or the table was changed by hand
    in ways that these steps do not undo.
    """
    if before is None or after is None or not has_bundle(before) or before.preamble != after.preamble:
        return None
    gone = [one for one in before.blocks if after.block(one.kind, one.name) is None]
    new = [one for one in after.blocks if before.block(one.kind, one.name) is None]
    for one in before.blocks:
        now = after.block(one.kind, one.name)
        if now is not None and now.lines() != one.lines() and (not one.base or standing(now) != standing(one)):
            return None
    lost = [one for one in gone if not one.base]
    if lost and all(one.kind not in _CREATED for one in lost):
        return None
    return RestoreSteps(
        _prepare(before, lost),
        _switch(before, [one for one in before.chains() if one.base], [one for one in new if one.base]),
        _clear(before, [one for one in new if not one.base]),
    )


def _prepare(table: Table, gone: t.Sequence[Block]) -> t.List[str]:
    if not gone:
        return []
    first = next(one for kind in _CREATED for one in gone if one.kind == kind)
    body = "" if first.kind == "chain" else " { %s; }" % "; ".join(line.strip() for line in first.without_elements().body)
    # Refused when it is there, and with it the whole file.
    lines = ["create %s %s %s %s%s" % (first.kind, *table.key, first.name, body), *head(table)]
    for block in gone:
        lines += whole(block.without_elements() if block.dynamic else block)
    return [*lines, "}"]


def _switch(table: Table, bases: t.Sequence[Block], new: t.Sequence[Block]) -> t.List[str]:
    lines = head(table)
    for block in [*bases, *new]:
        lines += replace(block, rules=()).lines()
    lines.append("}")
    lines += ["flush chain %s %s %s" % (*table.key, one.name) for one in [*bases, *new]]
    lines += ["delete chain %s %s %s" % (*table.key, one.name) for one in new]
    return lines + ["add rule %s %s %s %s" % (*table.key, one.name, rule.text) for one in bases for rule in one.rules]


def _clear(table: Table, new: t.Sequence[Block]) -> t.List[str]:
    if not new:
        return []
    lines = head(table)
    for block in new:
        lines += declared(block).lines()
    lines.append("}")
    lines += ["flush chain %s %s %s" % (*table.key, one.name) for one in new if one.kind == "chain"]
    lines += ["flush map %s %s %s" % (*table.key, one.name) for one in new if one.kind == "map"]
    order = sorted(new, key=lambda one: one.kind == "chain")
    return lines + ["delete %s %s %s %s" % (one.kind, *table.key, one.name) for one in order]
