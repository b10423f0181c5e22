# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Laying the rules of one direction out in lines, chains and kernel sets.

Pure: touches nothing.
"""

from __future__ import annotations

import typing as t

from ...analysis.boxes import DIMENSIONS, AddressSides, Interfaces, Sides, sides_of, whole_box
from ...policy.errors import HoldfastError
from ...policy.rule import Rule
from ..compile.flat import flat_list
from ..compile.planner import Planner, halved
from ..compile.proof import difference
from ..compile.steps import Line, Shared, Split, Steps, Table
from ..compile.tables import Shape
from .element_text import fits
from .families import of_family
from .policy_chains import Laid
from .policy_lines import lines_of_rules, numbered
from .render import Abilities
from .saved import SavedChain
from .sets import BLOCK, KernelSet
from .tree_read import ChainReader
from .tree_write import FEW_CELLS, TooDeep, write_steps

#: ``auto`` compiles from so many rules of a direction on; fewer cost a packet less than a microsecond as lines.
COMPILED_FROM = 64
#: ``auto`` compiles only what then costs a packet less than this part of the lines.
GAIN = 0.6
#: What looking a packet up in a set costs, in lines.
LOOK_UP = 6


def lay_out(rules: t.Sequence[Rule], family: int, can: Abilities, chain: str, layout: str) -> Laid:
    """Return the rules of a direction; the same packets get the same verdict, limits and logs included.

    A compiled layout was read back and proved to decide like the rules; where that fails the rules stay lines.

    :param rules: those that apply to the family.
    :param chain: the main chain of the direction; the names of further chains start with its name.
    :param layout: ``rules``, ``compiled`` or ``auto`` (see ``Backend.render_policy``).
    """
    if layout == "rules" or not rules or (layout == "auto" and len(rules) < COMPILED_FROM):
        return _plain(rules, family, can, chain)
    mine = [rule if rule.family is not None else of_family(rule, family) for rule in rules]
    interfaces = Interfaces.of(mine)
    steps = _compiled(mine, interfaces, can)
    if all(isinstance(one, Line) and not one.before for one in steps) or (layout == "auto" and cost_of(steps) > GAIN * len(rules)):
        return _plain(rules, family, can, chain)
    try:
        laid = write_steps(steps, mine, family, can, chain, interfaces.names)
    except TooDeep:
        return _plain(rules, family, can, chain)
    if not laid.chains and not any(BLOCK.match(name) for name in laid.sets):
        return _plain(rules, family, can, chain)  # tables so small that they became lines
    return laid if unproved(mine, family, can, laid) is None else _plain(rules, family, can, chain)


def unproved(rules: t.Sequence[Rule], family: int, can: Abilities, laid: Laid) -> t.Optional[str]:
    """Return why a layout, read back from its own text, is not proved to decide like the rules; None when it is."""
    chains = {name: SavedChain(name, rules=tuple(lines)) for name, lines in laid.chains.items()}
    reader = ChainReader(rules[0].direction, family, chains, can.names, laid.sets)
    interfaces = Interfaces.of(rules)
    reader.interfaces = interfaces
    try:
        found = flat_list(reader.items_of(laid.lines), reader.items, interfaces)
    except HoldfastError as exc:
        return exc.msg
    return difference(found, rules, interfaces)


def _compiled(rules: t.Sequence[Rule], interfaces: Interfaces, can: Abilities) -> Steps:
    """Return the steps for a first-match list, with tables of such rules only as a set of the host can hold."""
    addresses = AddressSides()
    sides = [sides_of(rule, interfaces, addresses) for rule in rules]
    nothing: Sides = ((),) * DIMENSIONS
    planner = Planner(rules, [one or nothing for one in sides], [high for _low, high in whole_box(interfaces)])
    kinds = can.kinds if can.sets else frozenset()
    planner.shapes = [
        shape if shape is not None and one is not None and _is_element(rule, number, shape, one, kinds) else None
        for number, (rule, shape, one) in enumerate(zip(rules, planner.shapes, sides))
    ]
    return halved(planner, [number for number, one in enumerate(sides) if one is not None], [])


def _is_element(rule: Rule, number: int, shape: Shape, sides: Sides, kinds: t.FrozenSet[str]) -> bool:
    comment = rule.comment
    if comment is not None and ('"' in comment or numbered(rule, number) is None):
        return False
    return fits(shape.fields, sides, kinds)


def cost_of(steps: Steps) -> float:
    """Return about how many lines a packet passes that no rule decides but one that asks most others first."""
    total = dearest = 0.0
    for one in steps:
        if isinstance(one, Line):
            total += 1
            dearest = max(dearest, cost_of(one.before))
        elif isinstance(one, Table):
            total += LOOK_UP
        elif isinstance(one, Shared):
            total += 1 + cost_of(one.steps)
        else:
            total += _leading(one) + max([cost_of(cell.steps) for cell in one.cells] + [cost_of(one.rest)])
    return total + dearest


def _leading(split: Split) -> float:
    count = len(split.cells)
    return count if count <= FEW_CELLS else 2 * count**0.5


def _plain(rules: t.Sequence[Rule], family: int, can: Abilities, chain: str) -> Laid:
    sets: t.Dict[str, KernelSet] = {}
    chains: t.Dict[str, t.List[str]] = {}
    return Laid(lines_of_rules(rules, family, can, chain, sets, chains), chains, sets)
