# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Laying the rules of one direction out in chains, sets and maps, and reading them back.

Pure: touches nothing.
"""

from __future__ import annotations

import contextlib
import gc
import typing as t
from dataclasses import replace

from ...analysis.boxes import Interfaces
from ...policy.errors import HoldfastError
from ...policy.rule import Rule
from ..compile.flat import flat_list
from ..compile.planner import compile_rules
from ..compile.proof import difference
from ..compile.steps import LINE, Line, cost_of
from .listing import Table
from .names import OWN_TABLE
from .policy_lines import lines_of_rules, rules_of_lines, turns
from .policy_program import LAID, Laid, ProgramChain
from .policy_text import chain_block, set_block
from .render import Statement, statements
from .tree_read import ChainReader
from .tree_write import TooDeep, numbered, write_steps

#: ``auto`` compiles from so many rules of a direction on; fewer cost a packet less than a microsecond as lines.
COMPILED_FROM = 64
#: ``auto`` compiles only what then costs a packet less than this part of the lines.
GAIN = 0.6
#: What the name of the chain ends with that lists rules which decide nothing, or less than they say.
COVERED = "covered"
_UNPROVED = "the rules stay one line each: their compiled form was not proved to be equal (%s)"


def lay_out(direction: str, rules: t.Sequence[Rule], layout: str) -> Laid:
    """Return the rules of a direction as lines, chains, sets and maps; the same packets get the same verdict, limits and logs included.

    A compiled layout was read back and proved to decide like the rules; where that fails the rules stay lines, and a note says so.

    :param layout: ``rules``, ``compiled`` or ``auto`` (see ``Backend.render_policy``).
    """
    if layout == "rules" or (layout == "auto" and len(rules) < COMPILED_FROM):
        return _plain(rules)
    with _uncollected():
        return _compiled(direction, rules, layout)


def _compiled(direction: str, rules: t.Sequence[Rule], layout: str) -> Laid:
    interfaces = Interfaces.of(rules)
    steps, notes = compile_rules(rules, interfaces)
    if all(isinstance(one, Line) and not one.before for one in steps) or (layout == "auto" and cost_of(steps) > GAIN * LINE * len(rules)):
        return _plain(rules, notes)
    try:
        laid = write_steps(steps, rules, turns(rules), interfaces.names)
        del steps
        found = _flat(direction, [line.listed for line in laid.lines], _table_of(laid))
    except TooDeep:
        return _plain(rules, ["the rules stay one line each: their compiled form would nest too deep"])
    except HoldfastError as exc:
        return _plain(rules, [_UNPROVED % exc])
    reason = difference(found, rules, interfaces)
    if reason is not None:
        return _plain(rules, [_UNPROVED % reason])
    return Laid(laid.lines, (*laid.chains, *_covered(rules, found)), laid.sets, tuple(notes))


def read_laid(direction: str, lines: t.Sequence[str], table: Table) -> t.List[Rule]:
    """Return the rules that lines of a base chain mean, with what they lead to in the table, in the order in which they decide.

    The numbers in the comments of compiled rules give their order back where they can; they are believed in nothing.

    :param lines: the lines as nft lists them, without guard, native lines and default.
    :raises HoldfastError: when a line is not of our making and the language has no words for it.
    """
    if not any(" vmap @" in line or "jump " in line for line in lines):
        return rules_of_lines(lines, direction)
    with _uncollected():
        return [rule for rule, _number in _flat(direction, lines, table)]


def unproved(direction: str, rules: t.Sequence[Rule], laid: Laid) -> t.Optional[str]:
    """Return why a layout, read back from its own text, is not proved to decide like the rules; None when it is."""
    try:
        found = _flat(direction, [line.listed for line in laid.lines], _table_of(laid))
    except HoldfastError as exc:
        return str(exc)
    return difference(found, rules, Interfaces.of(rules))


@contextlib.contextmanager
def _uncollected() -> t.Iterator[None]:
    """Spare the search for garbage while many objects are made that stay: it would take as long again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.unfreeze()  # what was made counts as old now, and is not searched at once
        if enabled:
            gc.enable()


def _flat(direction: str, lines: t.Sequence[str], table: Table) -> t.List[t.Tuple[Rule, int]]:
    reader = ChainReader(direction, table, lines)
    items = reader.items_of(lines)
    return flat_list(items, reader.items, reader.interfaces, reader.rules_of(reader.beside(items, COVERED)))


def _table_of(laid: Laid) -> Table:
    blocks = [set_block(one) for one in laid.sets] + [chain_block(one) for one in laid.chains]
    return Table(*OWN_TABLE, "table %s %s {" % OWN_TABLE, blocks=tuple(blocks))


def _covered(rules: t.Sequence[Rule], found: t.Sequence[t.Tuple[Rule, int]]) -> t.Tuple[ProgramChain, ...]:
    """Return a chain that nothing leads to, with the rules that stand nowhere whole: rules before them decide some or all of their packets.

    With it the list that is read back is the list that was written.
    """
    whole = {number for rule, number in found if rule == rules[number - 1]}
    lines: t.List[Statement] = []
    for number, rule in enumerate(rules):
        if number + 1 not in whole:
            comment = numbered(rule, number)
            if comment is not None:
                lines += statements(replace(rule, comment=comment), OWN_TABLE[0])
    return (ProgramChain(LAID + COVERED, tuple(lines)),) if lines else ()


def _plain(rules: t.Sequence[Rule], notes: t.Sequence[str] = ()) -> Laid:
    lines, sets = lines_of_rules(rules)
    return Laid(lines, sets=sets, notes=tuple(notes))
