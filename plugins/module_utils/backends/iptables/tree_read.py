# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our chains and sets as items of a graph (see ``compile.graph``).

Pure: touches nothing. Reads what ``tree_write`` writes and what somebody made of it by hand; refuses every line that has no words here.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import replace

from ...analysis.boxes import Interfaces
from ...policy.addresses import ANY, Addresses
from ...policy.errors import HoldfastError
from ...policy.rule import Log, Rule
from ..compile import axes
from ..compile.graph import Call, Elements, Hint, Item, Lines, Ways
from ..compile.meeting import meet
from .conditions import EVERYTHING, Conditions, Line, parse_line
from .element_text import fields_of
from .meaning import ACTIONS, joined_types, log_of, rule_of
from .policy_chains import AFTER, BEFORE, COUNT, is_own
from .policy_lines import number_of
from .protocols import ProtocolNames
from .saved import HEADINGS, SavedChain
from .sets import Sets

_INTERFACE = re.compile(r" -[io] (\S+)")
_NEW = frozenset({"NEW"})
_RULES = t.List[t.Tuple[Rule, Hint]]


class ChainReader:
    """The chains of ours that packets of one direction and family walk through.

    :ivar seen: the chains that were read. :ivar numbered: whether comments start with the numbers of rules.
    """

    def __init__(self, direction: str, family: int, chains: t.Mapping[str, SavedChain], names: ProtocolNames, sets: Sets) -> None:
        self._direction, self._family, self._chains, self._names, self._sets = direction, family, chains, names, sets
        self._items: t.Dict[str, t.List[Item]] = {}
        self._parsed: t.Dict[str, Line] = {}
        self.seen: t.Set[str] = set()
        self.numbered = True
        texts = [text for name, chain in chains.items() if is_own(name) for text in chain.rules if " -i " in text or " -o " in text]
        #: Every interface that a line of ours names (or a comment, which does no harm).
        self.interfaces = Interfaces(tuple(sorted({name for text in texts for name in _INTERFACE.findall(text)})))

    def line(self, text: str) -> Line:
        """Return one line, read."""
        body = text.partition(" ")[2].partition(" ")[2]
        if body not in self._parsed:
            self._parsed[body] = parse_line(text, self._family, self._names, self._sets)
        return self._parsed[body]

    def items(self, name: str) -> t.List[Item]:
        """Return the items of a chain.

        :raises HoldfastError: when it is missing, or a line of it has no words here.
        """
        if name not in self._items:
            chain = self._chains.get(name)
            if chain is None:
                raise self.odd("there is no chain %s" % name)
            self.seen.add(name)
            self._items[name] = self.items_of(chain.rules, False)
        return self._items[name]

    def items_of(self, texts: t.Sequence[str], main: bool = True) -> t.List[Item]:
        """Return the items of lines that stand in one chain.

        :param main: whether this is the chain of the direction itself, where a line without conditions is a rule and no mere verdict.
        """
        found: t.List[Item] = []
        rules: _RULES = []
        counting: t.Optional[t.Tuple[str, Rule]] = None
        number = 0
        while number < len(texts):
            text, line = texts[number], self.line(texts[number])
            before, counting = counting, None
            log: t.Optional[Log] = None
            if line.target == "LOG":
                after = self.line(texts[number + 1]) if number + 1 < len(texts) else line
                log = log_of(line, after)
                if log is None:
                    raise self.odd(text)
                number += 1
                line = after
            number += 1
            if line.conditions is None or line.target is None or (line.options and line.target != "REJECT"):
                raise self.odd(text)
            action = ACTIONS.get(line.target)
            if action is not None and not line.goto and not line.conditions.blocks:
                rule, hint = self._rule(line, line.conditions, action, log, text)
                if rules and hint is not None and rules[-1][1] is not None and hint < rules[-1][1]:
                    found.append(Lines(tuple(rules)))  # another part of the list: what a small table was, or what stands behind one
                    rules = []
                verdict = not main and line.comment is None and line.conditions._replace(limits=()) == EVERYTHING
                self._add(rules, (replace(rule, family=None) if verdict else rule, hint))
                continue
            if COUNT in line.target and not line.goto:
                match, rule = self._counted(line, text)
                joined = joined_types(before[1], match) if before is not None and before[0] == line.target else None
                if joined is not None:
                    match = joined
                    rules.pop()
                rules.append((replace(rule, icmp_types=match.icmp_types), None))
                counting = (line.target, match)
                continue
            if rules:
                found.append(Lines(tuple(rules)))
                rules = []
            if action is not None and not line.goto:
                found.append(self._elements(line, action, log, text))
            else:
                self._lead(found, line, text)
        if rules:
            found.append(Lines(tuple(rules)))
        return self._within_groups(found)

    def odd(self, text: str) -> HoldfastError:
        """Return the error for what a policy does not write."""
        return HoldfastError("In our chains of %s, this was not written by a policy: %s" % (HEADINGS[self._family][2:], text))

    # -- rules --------------------------------------------------------------------------------------------------------------

    def _rule(self, line: Line, conditions: Conditions, action: str, log: t.Optional[Log], text: str) -> t.Tuple[Rule, Hint]:
        hint, comment = number_of(line.comment) if self.numbered else (None, line.comment)
        rule = rule_of(conditions, action, self._direction, self._family, log, comment)
        if rule is None:
            raise self.odd(text)
        return rule, hint

    def _counted(self, line: Line, text: str) -> t.Tuple[Rule, Rule]:
        """Return the conditions of a line that leads to where packets of several lines are counted, and the rule that they make."""
        match, _hint = self._match(line, text)
        chain = t.cast(str, line.target)
        items = self.items(chain) if chain in self._chains else []
        if len(items) != 1 or not isinstance(items[0], Lines) or len(items[0].rules) != 1:
            raise self.odd(text)
        verdict = meet(match, items[0].rules[0][0])
        if verdict is None or match.limit is not None:
            raise self.odd(text)
        return match, replace(verdict, comment=match.comment)

    def _match(self, line: Line, text: str) -> t.Tuple[Rule, Hint]:
        """Return the conditions of a line that leads on, as a rule; its action says which states a stateful one means."""
        conditions = t.cast(Conditions, line.conditions)
        return self._rule(line, conditions, "deny" if conditions.states == _NEW else "allow", None, text)

    def _add(self, rules: _RULES, pair: t.Tuple[Rule, Hint]) -> None:
        one = joined_types(rules[-1][0], pair[0]) if rules and pair[0].icmp_types and rules[-1][1] == pair[1] else None
        if one is not None:
            rules[-1] = (one, pair[1])
        else:
            rules.append(pair)

    def _elements(self, line: Line, action: str, log: t.Optional[Log], text: str) -> Elements:
        """Return the rules of a set whose elements decide."""
        conditions = t.cast(Conditions, line.conditions)
        rule, hint = self._rule(line, conditions._replace(blocks=()), action, log, text)
        special = rule.limit is not None or rule.reply or rule.icmp_types or hint is not None or rule.comment is not None
        if special or len(conditions.blocks) > 1:
            raise self.odd(text)
        name, sides = conditions.blocks[0]
        block = self._sets[name]
        found: _RULES = []
        known: t.Dict[str, Addresses] = {}
        for value, said in block.elements:
            fields = fields_of(block.kind, sides, value, self._family, known)
            if fields is None or any(getattr(rule, field) not in _FREE and getattr(rule, field) != one for field, one in fields.items()):
                raise self.odd("add %s %s" % (name, value))
            number, comment = number_of(said)
            get = fields.get
            found.append(
                (
                    Rule(
                        rule.action, rule.direction, rule.family, get("protocol", rule.protocol), get("source", rule.source),
                        get("destination", rule.destination), get("ports", rule.ports), rule.interface, rule.stateful, None, rule.log,
                        comment, False, get("source_ports", rule.source_ports), (), rule.out_interface, rule.established,
                    ),
                    number,
                )
            )  # fmt: skip
        return Elements(tuple(found))

    # -- chains -------------------------------------------------------------------------------------------------------------

    def _lead(self, found: t.List[Item], line: Line, text: str) -> None:
        """Add the item of a line that leads to a chain of ours."""
        chain, conditions = t.cast(str, line.target), t.cast(Conditions, line.conditions)
        if not is_own(chain) or chain.endswith((BEFORE, AFTER)) or chain not in self._chains or conditions.blocks or conditions.limits:
            raise self.odd(text)
        if conditions == EVERYTHING and line.comment is None:
            found.append(Call(chain, None, None, line.goto))
            return
        if line.goto:
            cell = self._cell(conditions)
            if cell is None or line.comment is not None:
                raise self.odd(text)
            axis, low, high = cell
            before = found[-1] if found else None
            apart = isinstance(before, Ways) and not any(low <= last and first <= high for first, last, _chain in before.cells)
            if isinstance(before, Ways) and before.axis == axis and apart:
                found[-1] = Ways(axis, (*before.cells, (low, high, chain)), True)
            else:
                found.append(Ways(axis, ((low, high, chain),), True))
            return
        match, hint = self._match(line, text)
        before = found[-1] if found else None
        if isinstance(before, Call) and before.chain == chain and before.hint == hint and before.match is not None and match.icmp_types:
            one = joined_types(before.match, match)
            if one is not None:
                found[-1] = Call(chain, one, hint)
                return
        found.append(Call(chain, match, hint))

    def _cell(self, conditions: Conditions) -> t.Optional[t.Tuple[str, int, int]]:
        """Return the axis and the coordinates that some conditions ask for, when they ask for nothing else."""
        for axis, name in ((axes.SOURCE, "source"), (axes.DESTINATION, "destination"), (axes.PORT, "dports")):
            value = getattr(conditions, name)
            if not value:
                continue
            protocol = conditions.protocol if axis == axes.PORT else None
            if conditions != EVERYTHING._replace(**{name: value, "protocol": protocol}):
                return None
            negated, intervals = value[0]
            if negated or len(value) > 1 or len(intervals) > 1:
                return None
            start = axes.coordinate_of(axis, protocol if protocol is not None else self._family, intervals[0][0])
            return None if start is None else (axis, start, start + intervals[0][1] - intervals[0][0])
        if conditions == EVERYTHING._replace(protocol=conditions.protocol):
            return axes.PROTOCOL, t.cast(int, conditions.protocol), t.cast(int, conditions.protocol)
        for axis, name in ((axes.ARRIVING, "inbound"), (axes.LEAVING, "outbound")):
            value = getattr(conditions, name)
            if value is not None and conditions == EVERYTHING._replace(**{name: value}):
                number = self.interfaces.number(value)
                return axis, number, number
        return None

    def _within_groups(self, items: t.List[Item]) -> t.List[Item]:
        """Put the cells that chains only lead on to in their place: many cells are led to in two steps."""
        tail = items[1:] if items and isinstance(items[0], Ways) else None
        if tail is None or (tail and not (len(tail) == 1 and isinstance(tail[0], Call) and tail[0].match is None and tail[0].final)):
            return items
        ways = t.cast(Ways, items[0])
        cells: t.List[t.Tuple[int, int, str]] = []
        for low, high, chain in ways.cells:
            inner = self.items(chain)
            head = inner[0] if inner else None
            if isinstance(head, Ways) and head.axis == ways.axis and head.final and inner[1:] == tail:
                cells += [(max(low, first), min(high, last), name) for first, last, name in head.cells if first <= high and last >= low]
            else:
                cells.append((low, high, chain))
        return [Ways(ways.axis, tuple(cells), True), *tail]


#: What a field is that asks for nothing.
_FREE: t.Tuple[t.Any, ...] = (None, (), ANY)
