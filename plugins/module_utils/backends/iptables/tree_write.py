# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compiled steps as chains and kernel sets.

Pure: touches nothing. A table becomes one set for each thing that is done to packets: its keys exclude each other, so the order of these
sets says nothing. A split leads each packet to its cell by ``-g``; of many cells, in two steps. Each line and element carries the number
of its rule in its comment (``17: web``), for people and to give the list back in its order; no decision depends on it.
"""

from __future__ import annotations

import math
import typing as t
from dataclasses import replace

from ...policy.ports import MAX_PORT, PortRange
from ...policy.protocols import TCP
from ...policy.rule import Rule
from ..compile import axes
from ..compile.effects import Effect, effect_of
from ..compile.meeting import range_of
from ..compile.steps import Cell, Line, Shared, Split, Steps, Table
from .element_text import SETS_OF, elements_of
from .policy_chains import Laid
from .policy_lines import leading_lines, numbered, verdict_only
from .render import Abilities, match_words, rule_lines, rule_sets, verdict_lines
from .sets import Element, KernelSet, block_set, list_set

#: The kernel follows 16 jumps; the built-in chain and ours take two.
MAX_DEPTH = 13
#: So many cells are led to one after the other; more in two steps.
FEW_CELLS = 16
#: A table with fewer entries is written as lines.
SMALL_TABLE = 24


class TooDeep(Exception):
    """The chains would lead on further than the kernel follows."""


def write_steps(steps: Steps, rules: t.Sequence[Rule], family: int, can: Abilities, chain: str, names: t.Sequence[str]) -> Laid:
    """Return the chains and sets of steps for one family.

    :param chain: the main chain of the direction. :param names: of the interfaces, by number less one.
    :raises TooDeep: see there.
    """
    writer = _Writer(rules, family, can, chain, names)
    lines = writer.lines(steps, chain, True, 0)
    return Laid(lines, writer.chains, writer.sets)


class _Writer:
    """Gives names to chains and sets."""

    def __init__(self, rules: t.Sequence[Rule], family: int, can: Abilities, chain: str, names: t.Sequence[str]) -> None:
        self._rules, self._family, self._can, self._names = rules, family, can, names
        self._main = chain
        self._made: t.Dict[t.Any, str] = {}
        self._kept: t.List[t.Any] = []
        self._own: t.Dict[int, t.List[str]] = {}
        self._twins: t.Dict[Rule, int] = {}
        self.chains: t.Dict[str, t.List[str]] = {}
        self.sets: t.Dict[str, KernelSet] = {}

    def lines(self, steps: Steps, chain: str, main: bool, depth: int) -> t.List[str]:
        """Return the lines of a chain; the main one may only jump."""
        if depth > MAX_DEPTH:
            raise TooDeep
        found: t.List[str] = []
        for place, one in enumerate(steps):
            if isinstance(one, Line):
                found += self._line(one, chain, depth)
            elif isinstance(one, Table):
                found += self._table(one, chain)
            elif isinstance(one, Shared):
                found.append("-A %s -j %s" % (chain, self._once(("shared", id(one)), one, one.steps, depth)))
            elif main or place < len(steps) - 1:
                name = self._chain()
                self.chains[name] += self._split(one, name, depth + 1)
                found.append("-A %s -j %s" % (chain, name))
            else:
                found += self._split(one, chain, depth)
        return found

    # -- lines --------------------------------------------------------------------------------------------------------------

    def _line(self, one: Line, chain: str, depth: int) -> t.List[str]:
        number = one.number
        rule = self._rules[number]
        effect = effect_of(rule)
        start = "-A " + chain
        if effect is not None and not one.before:
            if number not in self._own:
                whole = replace(rule, comment=self._comment(number))
                self._own[number] = [line[4:] for line in rule_lines(whole, self._family, self._can, "X")]
                self._name_sets(rule)
            return [start + line for line in self._own[number]]
        leads = self._counting(number) if not one.before else self._guarded(one, effect, depth)
        self._name_sets(rule)
        return leading_lines(replace(rule, comment=self._comment(number)), self._family, self._can, chain, leads)

    def _comment(self, number: int) -> t.Optional[str]:
        comment = numbered(self._rules[number], number)
        return comment if comment is not None else self._rules[number].comment

    def _name_sets(self, rule: Rule) -> None:
        if len(rule.source.networks) > 1 or len(rule.destination.networks) > 1:
            self.sets.update({name: list_set(one) for name, one in rule_sets(rule).items()})

    def _counting(self, number: int) -> str:
        """Return the chain of a rule that counts packets: wherever it is written, they are counted in one place."""
        if ("count", number) not in self._made:
            rule = self._rules[number]
            same = replace(rule.identity(), family=None)
            twin = self._twins[same] = self._twins.get(same, -1) + 1
            name = self._made["count", number] = self._chain()
            self.chains[name] += verdict_only(rule, self._family, name, twin)
        return self._made["count", number]

    def _guarded(self, one: Line, effect: t.Optional[Effect], depth: int) -> str:
        """Return the chain that asks other rules first and then decides."""
        parts = tuple(
            ("shared", id(step)) if isinstance(step, Shared)
            else ("line", step.number, id(step.before)) if isinstance(step, Line) else ("other", id(step))
            for step in one.before
        )  # fmt: skip
        key = ("guarded", parts, effect if effect is not None else one.number)
        if key not in self._made:
            self._kept.append(one.before)
            name = self._made[key] = self._chain()
            self.chains[name] += self.lines(one.before, name, True, depth + 1)
            if effect is not None:
                action, reset, log = effect
                verdict = Rule(action, self._rules[0].direction, protocol=TCP if reset else None, log=log)
                self.chains[name] += verdict_only(verdict, self._family, name, 0)
            else:
                self.chains[name].append("-A %s -j %s" % (name, self._counting(one.number)))
        return self._made[key]

    def _once(self, key: t.Any, kept: t.Any, steps: Steps, depth: int) -> str:
        if key not in self._made:
            self._kept.append(kept)  # as long as it is kept, nothing else has its id
            name = self._made[key] = self._chain()
            self.chains[name] += self.lines(steps, name, False, depth + 1)
        return self._made[key]

    def _chain(self) -> str:
        name = "%s-%d" % (self._main, len(self.chains) + 1)
        self.chains[name] = []
        return name

    # -- tables -------------------------------------------------------------------------------------------------------------

    def _table(self, table: Table, chain: str) -> t.List[str]:
        if len(table.entries) < SMALL_TABLE:
            # In the order of the list, a rule's line keeps exactly those packets that its entries have.
            return [line for number in sorted({number for _key, number in table.entries}) for line in self._line(Line(number), chain, 0)]
        shape = table.shape
        conditions = Rule(
            shape.stateful or "allow", self._rules[0].direction, self._family, shape.protocol, interface=shape.interface,
            out_interface=shape.out_interface, stateful=shape.stateful is not None, ports=shape.ports or (),
        )  # fmt: skip
        groups: t.Dict[t.Optional[Effect], t.List[Element]] = {}
        kind, sides = SETS_OF[shape.fields]
        for key, number in table.entries:
            comment = self._comment(number)
            group = groups.setdefault(effect_of(self._rules[number]), [])
            group += [(value, comment) for value in elements_of(shape.fields, key, self._family, shape.protocol)]
        found: t.List[str] = []
        words = match_words(conditions, self._family, self._can)
        for effect, elements in groups.items():
            action, reset, log = t.cast(Effect, effect)
            name, made = block_set(kind, None if kind == "bitmap:port" else self._family, elements)
            self.sets[name] = made
            rule = Rule(action, conditions.direction, protocol=TCP if reset else None, log=log)
            found += verdict_lines(rule, self._family, "-A " + chain, [*words, "-m", "set", "--match-set", name, sides])
        return found

    # -- splits -------------------------------------------------------------------------------------------------------------

    def _split(self, split: Split, chain: str, depth: int) -> t.List[str]:
        """Return the lines that lead a packet to its cell, and those for packets in no cell. They are the last ones of their chain."""
        cells = [cell for cell in split.cells if self._meant(split.axis, cell)]
        if len(cells) <= FEW_CELLS or split.axis not in axes.ENDS:
            return self._ways(split.axis, cells, chain, depth) + self.lines(split.rest, chain, False, depth)
        tail: t.List[str] = []
        if split.rest:
            rest = self._once(("rest", id(split)), split, split.rest, depth)
            tail = ["-g " + rest]
        found: t.List[str] = []
        for group in _groups(split.axis, cells):
            name = self._chain()
            self.chains[name] += self._ways(split.axis, group, name, depth + 1) + ["-A %s %s" % (name, one) for one in tail]
            whole = Cell(group[0].low, group[-1].high, ())
            found.append("-A %s %s -g %s" % (chain, self._conditions(split.axis, whole), name))
        return found + ["-A %s %s" % (chain, one) for one in tail]

    def _ways(self, axis: str, cells: t.Sequence[Cell], chain: str, depth: int) -> t.List[str]:
        found = []
        for cell in cells:
            conditions = self._conditions(axis, cell)
            name = self._once(("cell", id(cell)), cell, cell.steps, depth)
            found.append("-A %s%s -g %s" % (chain, " " + conditions if conditions else "", name))
        return found

    def _meant(self, axis: str, cell: Cell) -> bool:
        """Return whether a cell has packets of this family."""
        if axis in (axes.SOURCE, axes.DESTINATION):
            return axes.place_of(axis, cell.low)[0] == self._family
        return axis != axes.FAMILY or cell.low == self._family

    def _conditions(self, axis: str, cell: Cell) -> str:
        direction = self._rules[0].direction
        rule = Rule("allow", direction, self._family, None)
        if axis in axes.ENDS:
            kind, low = axes.place_of(axis, cell.low)
            high = low + cell.high - cell.low
            if axis == axes.PORT:
                ports = (PortRange(low, high),) if (low, high) != (0, MAX_PORT) else ()
                rule = replace(rule, protocol=kind, ports=ports)
                return " ".join(match_words(rule, self._family, self._can))
            addresses = range_of(self._family, low, high)
            rule = replace(rule, source=addresses) if axis == axes.SOURCE else replace(rule, destination=addresses)
        elif axis == axes.PROTOCOL:
            rule = replace(rule, protocol=cell.low)
        elif axis != axes.FAMILY:
            name = self._names[cell.low - 1]
            leaving = axis == axes.LEAVING and direction == "forward"
            rule = replace(rule, out_interface=name) if leaving else replace(rule, interface=name)
        return " ".join(match_words(rule, self._family, self._can))


def _groups(axis: str, cells: t.Sequence[Cell]) -> t.Iterator[t.Sequence[Cell]]:
    """Yield the cells in groups of about the root of their number; none has cells of two protocols."""
    size = math.isqrt(len(cells) - 1) + 1
    start = 0
    while start < len(cells):
        kind = axes.place_of(axis, cells[start].low)[0]
        end = start + 1
        while end < len(cells) and end - start < size and axes.place_of(axis, cells[end].low)[0] == kind:
            end += 1
        yield cells[start:end]
        start = end
