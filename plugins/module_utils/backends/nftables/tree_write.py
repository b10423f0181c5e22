# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compiled steps as chains and maps of verdicts.

Pure: touches nothing. Each line and element carries the number of its rule in its comment (``17: web``), for people and to give the list
back in its order; no decision depends on it. A look-up by ``ip saddr`` sees IPv4 packets only and one by ``tcp dport`` only TCP packets
that have a header, so what holds for other packets too stands behind the look-ups of a chain.
"""

from __future__ import annotations

import functools
import typing as t
from dataclasses import replace

from ...policy.protocols import TCP, protocol_name
from ...policy.rule import Rule
from ..compile import axes
from ..compile.effects import Effect, effect_of
from ..compile.steps import Line, Shared, Split, Steps, Table
from ..compile.tables import DESTINATION, PORT, SOURCE, SOURCE_PORT
from .element_text import address_interval, port_interval
from .names import MAX_COMMENT, OWN_TABLE, PRINTED
from .policy_program import LAID, Element, Laid, NamedSet, ProgramChain
from .render import Statement, limit_sets, matches_of, statements

_FAMILY = {4: "ip", 6: "ip6"}
_ADDRESS_WORDS = {SOURCE: "saddr", DESTINATION: "daddr"}
_PORT_WORDS = {SOURCE_PORT: "sport", PORT: "dport"}
#: The kernel follows 16 jumps; the base chain and the bundle take two.
MAX_DEPTH = 13


class TooDeep(Exception):
    """The chains would lead on further than the kernel follows."""


def write_steps(steps: Steps, rules: t.Sequence[Rule], turns: t.Sequence[int], names: t.Sequence[str]) -> Laid:
    """Return the chains and maps of steps.

    :param turns: of each rule, see ``limit_sets``. :param names: of the interfaces, by number less one.
    :raises TooDeep: see there.
    """
    writer = _Writer(rules, turns, names)
    lines = writer.lines(steps, True, 0)
    return Laid(tuple(lines), tuple(writer.chains()), tuple(writer.sets))


def numbered(rule: Rule, number: int) -> t.Optional[str]:
    """Return the comment of a rule with its number (from 1), or None when there is no room for it."""
    text = "%d" % (number + 1) if rule.comment is None else "%d: %s" % (number + 1, rule.comment)
    return text if len(text) <= MAX_COMMENT and len(text.encode("utf-8")) <= MAX_COMMENT else None


def numbered_statements(rule: Rule, comment: str) -> t.Tuple[Statement, ...]:
    """Return the lines of a rule, which counts nothing, with another comment."""
    own = 0 if rule.comment is None else len(' comment "%s"' % rule.comment)
    found = []
    for one in statements(rule, OWN_TABLE[0]):
        typed, listed = (text[: len(text) - own] for text in (one.typed, one.listed))
        found.append(Statement('%s comment "%s"' % (typed, comment), '%s comment "%s"' % (listed, comment)))
    return tuple(found)


class _Writer:
    """Gives names to chains and maps."""

    def __init__(self, rules: t.Sequence[Rule], turns: t.Sequence[int], names: t.Sequence[str]) -> None:
        self._rules = rules
        self._turns = turns
        self._names = names
        self._chains: t.Dict[str, t.List[Statement]] = {}
        self._made: t.Dict[t.Any, str] = {}
        self._kept: t.List[t.Any] = []
        self._statements: t.Dict[int, t.Tuple[Statement, ...]] = {}
        self.sets: t.List[NamedSet] = []

    def chains(self) -> t.Iterator[ProgramChain]:
        """Return the chains made so far."""
        for name, lines in self._chains.items():
            yield ProgramChain(name, tuple(lines))

    def lines(self, steps: Steps, main: bool, depth: int) -> t.List[Statement]:
        """Return the lines of a chain; the main one may only jump."""
        if depth > MAX_DEPTH:
            raise TooDeep
        found: t.List[Statement] = []
        for place, one in enumerate(steps):
            if isinstance(one, Line):
                found += self._line(one, depth)
            elif isinstance(one, Table):
                found.append(self._table(one))
            elif isinstance(one, Shared):
                found.append(_plain("jump " + self._once(("shared", id(one)), one, one.steps, depth)))
            elif main or place < len(steps) - 1:
                name = self._chain([])
                self._chains[name] = self._split(one, depth + 1)
                found.append(_plain("jump " + name))
            else:
                found += self._split(one, depth)
        return found

    def _line(self, one: Line, depth: int) -> t.Sequence[Statement]:
        rule = self._rules[one.number]
        effect = effect_of(rule)
        if effect is not None and not one.before:
            return self._own(one.number)
        chain = self._counting(one.number) if not one.before else self._guarded(one, effect, depth)
        if rule.limit is not None or rule.log is not None:
            rule = replace(rule, limit=None, log=None)
        matches = matches_of(rule, OWN_TABLE[0])
        return [_plain(" ".join([*matches, "jump", chain, 'comment "%s"' % self._comment(one.number)]))]

    def _own(self, number: int) -> t.Tuple[Statement, ...]:
        known = self._statements.get(number)
        if known is None:
            known = self._statements[number] = numbered_statements(self._rules[number], self._comment(number))
        return known

    def _comment(self, number: int) -> str:
        comment = numbered(self._rules[number], number)
        return comment if comment is not None else t.cast(str, self._rules[number].comment)

    def _counting(self, number: int) -> str:
        """Return the chain of a rule that counts packets: wherever it is written, they are counted in one place."""
        if ("count", number) not in self._made:
            rule = replace(self._rules[number], comment=None)
            turn = self._turns[number]
            self._made["count", number] = self._chain(list(statements(rule, OWN_TABLE[0], turn)))
            self.sets += [NamedSet.counting(one) for one in limit_sets(rule, turn)]
        return self._made["count", number]

    def _guarded(self, one: Line, effect: t.Optional[Effect], depth: int) -> str:
        """Return the chain that asks other rules first and then decides."""
        parts = tuple(("shared", id(step)) if isinstance(step, Shared) else ("line", step.number, id(step.before))
                      if isinstance(step, Line) else ("other", id(step)) for step in one.before)  # fmt: skip
        key = ("guarded", parts, effect if effect is not None else one.number)
        if key not in self._made:
            self._kept.append(one.before)
            lines = self.lines(one.before, True, depth + 1)
            self._made[key] = self._chain([*lines, *(self._verdict(effect) if effect else [_plain("jump " + self._counting(one.number))])])
        return self._made[key]

    def _verdict(self, effect: Effect) -> t.Tuple[Statement, ...]:
        action, reset, log = effect
        return statements(Rule(action, protocol=TCP if reset else None, log=log), OWN_TABLE[0])

    def _once(self, key: t.Any, kept: t.Any, steps: Steps, depth: int) -> str:
        if key not in self._made:
            self._kept.append(kept)  # as long as it is kept, nothing else has its id
            name = self._made[key] = self._chain([])
            self._chains[name] = self.lines(steps, False, depth + 1)
        return self._made[key]

    def _chain(self, lines: t.List[Statement]) -> str:
        name = "%s%d" % (LAID, len(self._chains) + 1)
        self._chains[name] = lines
        return name

    # -- tables -------------------------------------------------------------------------------------------------------------

    def _table(self, table: Table) -> Statement:
        shape = table.shape
        addressed = SOURCE in shape.fields or DESTINATION in shape.fields
        ported = SOURCE_PORT in shape.fields or PORT in shape.fields
        conditions = Rule(
            shape.stateful or "allow", self._rules[0].direction, None if addressed else shape.family, None if ported else shape.protocol,
            interface=shape.interface, out_interface=shape.out_interface, stateful=shape.stateful is not None, ports=shape.ports or (),
        )  # fmt: skip
        words, types = [], []
        writers: t.List[t.Callable[[int, int], str]] = []
        for name in shape.fields:
            if name in _ADDRESS_WORDS:
                family = t.cast(int, shape.family)
                words.append("%s %s" % (_FAMILY[family], _ADDRESS_WORDS[name]))
                types.append("ipv%d_addr" % family)
                writers.append(functools.partial(address_interval, family))
            else:
                words.append("%s %s" % (protocol_name(shape.protocol), _PORT_WORDS[name]))
                types.append("inet_service")
                writers.append(port_interval)
        elements = []
        verdicts: t.Dict[t.Optional[Effect], str] = {}
        for key, number in table.entries:
            effect = effect_of(self._rules[number])
            if effect not in verdicts:
                verdicts[effect] = self._element_verdict(t.cast(Effect, effect))
            text = " . ".join([write(low, high) for write, (low, high) in zip(writers, key)])
            elements.append(Element(text, verdicts[effect], self._comment(number)))
        name = self._map(types, shape.exact, elements)
        return _plain(" ".join([*matches_of(conditions, OWN_TABLE[0]), " . ".join(words), "vmap", "@" + name]))

    def _element_verdict(self, effect: Effect) -> str:
        action, _reset, log = effect
        if log is None and action != "reject":
            return "accept" if action == "allow" else "drop"
        if ("verdict", effect) not in self._made:
            self._made["verdict", effect] = self._chain(list(self._verdict(effect)))
        return "jump " + self._made["verdict", effect]

    def _map(self, types: t.Sequence[str], exact: bool, elements: t.Sequence[Element]) -> str:
        name = "%sm%d" % (LAID, len(self.sets) + 1)
        body = ["type %s : verdict" % " . ".join(types)] + ([] if exact else ["flags interval"])
        self.sets.append(NamedSet("map", name, tuple(body), tuple(elements)))
        return name

    # -- splits -------------------------------------------------------------------------------------------------------------

    def _split(self, split: Split, depth: int) -> t.List[Statement]:
        """Return the lines that lead a packet to its cell, and those for packets in no cell. They are the last ones of their chain."""
        found: t.List[Statement] = []
        ways: t.Dict[int, t.List[Element]] = {}
        for cell in split.cells:
            name = self._once(("cell", id(cell)), cell, cell.steps, depth)
            if split.axis in axes.ENDS:
                kind, low = axes.place_of(split.axis, cell.low)
                high = low + cell.high - cell.low
                key = port_interval(low, high) if split.axis == axes.PORT else address_interval(kind, low, high)
                ways.setdefault(kind, []).append(Element(key, "goto " + name))
            else:
                found.append(_plain("%s goto %s" % (self._branch(split.axis, cell.low), name)))
        for kind, elements in ways.items():
            if split.axis == axes.PORT:
                word, form = "%s dport" % protocol_name(kind), "inet_service"
            else:
                word = "%s %s" % (_FAMILY[kind], "saddr" if split.axis == axes.SOURCE else "daddr")
                form = "ipv%d_addr" % kind
            found.append(_plain("%s vmap @%s" % (word, self._map([form], False, elements))))
        return found + self.lines(split.rest, False, depth)

    def _branch(self, kind: str, coordinate: int) -> str:
        if kind == axes.FAMILY:
            return "meta nfproto ipv%d" % coordinate
        if kind == axes.PROTOCOL:
            return "meta l4proto %s" % PRINTED.get(coordinate, str(coordinate))
        return '%s "%s"' % ("iifname" if kind == axes.ARRIVING else "oifname", self._names[coordinate - 1])


def _plain(text: str) -> Statement:
    return Statement(text, text)
