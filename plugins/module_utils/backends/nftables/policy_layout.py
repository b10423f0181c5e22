# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Laying the rules of one direction out in chains, sets and maps, and reading them back.

Pure: touches nothing.
"""

from __future__ import annotations

import typing as t

from ...analysis.boxes import Interfaces, sides_of
from ...policy.errors import HoldfastError
from ...policy.rule import Rule
from ..compile.flat import flat_list
from ..compile.graph import Lines
from ..compile.planner import compile_rules
from ..compile.proof import difference
from ..compile.steps import LINE, Line, cost_of
from .listing import Table
from .names import OWN_TABLE
from .policy_lines import lines_of_rules, rules_of_lines, turns
from .policy_program import Laid
from .policy_text import chain_block, set_block
from .tree_read import ChainReader
from .tree_write import TooDeep, write_steps

#: ``auto`` compiles from so many rules of a direction on; fewer cost a packet less than a microsecond as lines.
COMPILED_FROM = 64
#: ``auto`` compiles only what then costs a packet less than this part of the lines.
GAIN = 0.6


def lay_out(direction: str, rules: t.Sequence[Rule], layout: str) -> Laid:
    """Return the rules of a direction as lines, chains, sets and maps; the same packets get the same verdict, limits and logs included.

    A compiled layout was read back and proved to decide like the rules; where that fails the rules stay lines, and a note says so.

    :param layout: ``rules``, ``compiled`` or ``auto`` (see ``Backend.render_policy``).
    """
    if layout == "rules" or (layout == "auto" and len(rules) < COMPILED_FROM):
        return _plain(rules)
    interfaces = Interfaces.of(rules)
    steps, notes = compile_rules(rules, [sides_of(rule, interfaces) for rule in rules], interfaces)
    if all(isinstance(one, Line) and not one.before for one in steps) or (
        layout == "auto" and cost_of(steps) > GAIN * LINE * len(rules)
    ):
        return _plain(rules, notes)
    try:
        laid = write_steps(steps, rules, turns(rules), interfaces.names)
    except TooDeep:
        return _plain(rules, ["the rules stay one line each: their compiled form would nest too deep"])
    reason = unproved(direction, rules, laid)
    if reason is not None:
        return _plain(rules, ["the rules stay one line each: their compiled form was not proved to be equal (%s)" % reason])
    return Laid(laid.lines, laid.chains, laid.sets, tuple(notes))


def read_laid(direction: str, lines: t.Sequence[str], table: Table) -> t.List[Rule]:
    """Return the rules that lines of a base chain mean, with what they lead to in the table, in the order in which they decide.

    The numbers in the comments of compiled rules give their order back where they can; they are believed in nothing.

    :param lines: the lines as nft lists them, without guard, native lines and default.
    :raises HoldfastError: when a line is not of our making and the language has no words for it.
    """
    reader = ChainReader(direction, table)
    items = reader.items_of(lines)
    if all(isinstance(one, Lines) for one in items):
        return rules_of_lines(lines, direction)
    return [rule for rule, _number in flat_list(items, reader.items, reader.interfaces)]


def unproved(direction: str, rules: t.Sequence[Rule], laid: Laid) -> t.Optional[str]:
    """Return why a layout, read back from its own text, is not proved to decide like the rules; None when it is."""
    blocks = [set_block(one) for one in laid.sets] + [chain_block(one) for one in laid.chains]
    table = Table(*OWN_TABLE, "table %s %s {" % OWN_TABLE, blocks=tuple(blocks))
    reader = ChainReader(direction, table)
    interfaces = Interfaces.of(rules)
    try:
        found = flat_list(reader.items_of([line.listed for line in laid.lines]), reader.items, interfaces)
    except HoldfastError as exc:
        return str(exc)
    return difference(found, rules, interfaces)


def _plain(rules: t.Sequence[Rule], notes: t.Sequence[str] = ()) -> Laid:
    lines, sets = lines_of_rules(rules)
    return Laid(lines, sets=sets, notes=tuple(notes))
