# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Listed chains and maps of verdicts as items of a graph (see ``compile.graph``).

Pure: touches nothing. Reads what ``tree_write`` writes and what somebody made of it by hand; refuses every line that has no words here.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import replace

from ...analysis.boxes import Interfaces
from ...policy.addresses import Addresses
from ...policy.errors import HoldfastError
from ...policy.ports import PortRange
from ...policy.protocols import NUMBERS, TCP
from ...policy.rule import Rule
from ..compile import axes
from ..compile.graph import Call, Elements, Hint, Item, Lines, Ways
from ..compile.meeting import Inexpressible, range_of
from .element_text import Listed, listed_elements, read_addresses, read_ports
from .listing import Block, RuleLine, Table
from .names import protocol_number
from .policy_lines import entries_of_lines, unread_line

_FIELD = r"(?:ip6? [sd]addr|(?:tcp|udp|sctp) [sd]port)"
_LOOK_UP = re.compile(r"(?:(.*?) )??(%s(?: \. %s)*) vmap @(\w+)" % (_FIELD, _FIELD))
_JUMP = re.compile(r'(?:(.*) )?(jump|goto) (\w+)(?: comment "([^"]*)")?')
_BRANCH = re.compile(r'meta nfproto (?:ipv([46]))|meta l4proto ([a-z0-9-]+)|(iifname|oifname) "([^"*]+)"')
_INTERFACE = re.compile(r'\b[io]ifname "([^"]*)"')
_NUMBER = re.compile(r"([1-9]\d{0,8})(?:: (.*))?")
_NUMBERED = re.compile(r'([^"]*(?:"[^"]*"[^"]*)*?) comment "([1-9]\d{0,8})(?:: ([^"]*))?"')
_AXIS = {"saddr": axes.SOURCE, "daddr": axes.DESTINATION, "dport": axes.PORT}
#: Elements of smaller maps may stand in several maps; they are read once.
REPEATED = 4096
_ACTIONS = {"accept": "allow", "drop": "deny"}


class ChainReader:
    """The chains of our table that packets of one direction walk through.

    :param lines: more lines than those of the table's chains that will be asked about.
    """

    def __init__(self, direction: str, table: Table, lines: t.Sequence[str] = ()) -> None:
        self._direction = direction
        self._blocks: t.Dict[t.Tuple[str, str], Block] = {(one.kind, one.name): one for one in table.blocks}
        self._chains: t.Dict[str, t.List[Item]] = {}
        self._lines: t.Dict[str, t.Tuple[Rule, Hint]] = {}
        self._elements_read: t.Dict[t.Tuple[t.Any, ...], t.Tuple[Rule, Hint]] = {}
        texts = (*lines, *(rule.text for block in table.chains() for rule in block.rules))
        #: Every interface that a line names.
        self.interfaces = Interfaces(tuple(sorted({name for text in texts if "ifname" in text for name in _INTERFACE.findall(text)})))

    def items(self, name: str) -> t.List[Item]:
        """Return the items of a chain.

        :raises HoldfastError: when it is missing, or a line of it has no words here.
        """
        if name not in self._chains:
            self._chains[name] = self.items_of([rule.text for rule in self._block("chain", name).rules])
        return self._chains[name]

    def items_of(self, lines: t.Sequence[str]) -> t.List[Item]:
        """Return the items of lines that stand in one chain."""
        found: t.List[Item] = []
        waiting: t.List[str] = []
        for text in lines:
            item = self._leading(text)
            if item is None:
                waiting.append(text)
                continue
            if waiting:
                found.append(self._rules(waiting))
                waiting = []
            found.append(item)
        if waiting:
            found.append(self._rules(waiting))
        return found

    def beside(self, items: t.Sequence[Item], ending: str) -> t.List[str]:
        """Return the lines of the chain named like those that some items lead to, but for its ending; none where there is no such chain."""
        for item in items:
            if isinstance(item, (Call, Ways)):
                leads = item.chain if isinstance(item, Call) else item.cells[0][2]
            elif isinstance(item, Elements) and item.name:
                leads = item.name
            else:
                continue
            block = self._blocks.get(("chain", leads.rpartition("_")[0] + "_" + ending))
            if block is not None:
                return [rule.text for rule in block.rules]
        return []

    def rules_of(self, lines: t.List[str]) -> t.List[t.Tuple[Rule, Hint]]:
        """Return the rules of plain lines, with the numbers that they carry.

        :raises HoldfastError: when a line is no rule.
        """
        return list(self._rules(lines).rules)

    def _leading(self, text: str) -> t.Optional[Item]:
        """Return the item of a line that leads to chains or maps, None for other lines."""
        if text.endswith('"') and " comment " in text and " jump " not in text and not text.startswith("jump "):
            return None
        found = _LOOK_UP.fullmatch(text)
        if found is not None:
            return self._look_up(text, *found.groups())
        found = _JUMP.fullmatch(text)
        if found is None:
            return None
        conditions, verb, chain, comment = found.groups()
        if verb == "goto" and conditions is not None:
            return self._branch(text, conditions, chain)
        match = None
        hint: Hint = None
        if conditions is not None or comment is not None:
            hint, said = split_number(comment)
            match = self._conditions(conditions, text, said)
        return Call(chain, match, hint, verb == "goto")

    def _rules(self, lines: t.List[str]) -> Lines:
        found: t.List[t.Tuple[Rule, Hint]] = []
        new: t.List[str] = []
        for text in lines:
            known = self._lines.get(text)
            if known is None:
                new.append(text)
                continue
            found += self._fresh(new)
            new = []
            found.append(known)
        return Lines((*found, *self._fresh(new)))

    def _fresh(self, lines: t.Sequence[str]) -> t.List[t.Tuple[Rule, Hint]]:
        found = []
        bare = [_without_number(text) for text in lines]
        at = 0
        for entry in entries_of_lines([RuleLine(text) for text, _hint in bare], (self._direction,)):
            if entry.rule is None:
                raise unread_line(entry.native[0])
            found.append((entry.rule, bare[at][1]))
            at += len(entry.native)
        if len(found) == len(lines):
            self._lines.update(zip(lines, found))
        return found

    def _conditions(self, text: t.Optional[str], line: str, comment: t.Optional[str] = None) -> Rule:
        """Return a rule with some conditions and a comment; its action says which states a stateful one means."""
        if text is None:
            return Rule("allow", self._direction, protocol=None, comment=comment)
        verdict = "drop" if re.search(r"\bct state new\b", text) else "accept"
        entries = entries_of_lines([RuleLine(_commented("%s %s" % (text, verdict), comment))], (self._direction,))
        if len(entries) != 1 or entries[0].rule is None or entries[0].rule.limit is not None or entries[0].rule.log is not None:
            raise unread_line(line)
        return entries[0].rule

    # -- forks and maps -----------------------------------------------------------------------------------------------------

    def _branch(self, text: str, conditions: str, chain: str) -> Item:
        found = _BRANCH.fullmatch(conditions)
        if found is None:
            raise unread_line(text)
        family, protocol, side, name = found.groups()
        if family is not None:
            return Ways(axes.FAMILY, ((int(family), int(family), chain),), True)
        if protocol is not None:
            number = protocol_number(protocol)
            if number is None:
                raise unread_line(text)
            return Ways(axes.PROTOCOL, ((number, number, chain),), True)
        if self._direction == ("out" if side == "iifname" else "in"):
            raise unread_line(text)
        number = self.interfaces.number(name)
        return Ways(axes.ARRIVING if side == "iifname" else axes.LEAVING, ((number, number, chain),), True)

    def _look_up(self, text: str, conditions: t.Optional[str], key: str, name: str) -> Item:
        elements = listed_elements(self._block("map", name))
        fields = tuple(tuple(one.split(" ")) for one in key.split(" . "))
        leading = {verdict.split(" ")[0] for _key, _comment, verdict in elements} - {"accept", "drop"}
        if leading and len(fields) == 1 and conditions is None and all(verdict.startswith("goto ") for _k, _c, verdict in elements):
            return self._ways(text, fields[0], elements)
        try:
            return self._elements(name, text[: text.rindex(" vmap ")], self._conditions(conditions, text), fields, elements)
        except (ValueError, Inexpressible):
            raise HoldfastError("Map %s has elements that were not written by a policy" % name) from None

    def _ways(self, text: str, field: t.Tuple[str, ...], elements: t.Sequence[Listed]) -> Item:
        word, side = field
        if side not in _AXIS:
            raise unread_line(text)
        kind = {"ip": 4, "ip6": 6}.get(word) or NUMBERS[word]
        cells = []
        for key, _comment, verdict in elements:
            try:
                low, high = read_ports(key) if side == "dport" else read_addresses(kind, key)
            except ValueError:
                raise unread_line("%s : %s" % (key, verdict)) from None
            start = t.cast(int, axes.coordinate_of(_AXIS[side], kind, low))
            cells.append((start, start + high - low, verdict.split(" ")[1]))
        return Ways(_AXIS[side], tuple(sorted(cells)), True)

    def _elements(
        self, name: str, where: str, match: Rule, fields: t.Sequence[t.Tuple[str, ...]], elements: t.Sequence[Listed]
    ) -> Elements:
        """Return the rules of a map whose elements decide; ``where`` is what stands before it in its line.

        :raises ValueError, Inexpressible: when an element does not.
        """
        words: t.Dict[str, t.Any] = {}
        readers: t.List[t.Tuple[str, t.Callable[[str], t.Any]]] = []
        for word, side in fields:
            if side.endswith("addr"):
                family = 4 if word == "ip" else 6
                words["family"] = family
                readers.append(("source" if side == "saddr" else "destination", _AddressReader(family)))
            else:
                words["protocol"] = NUMBERS[word]
                readers.append(("ports" if side == "dport" else "source_ports", _read_port_range))
        if len({name for name, _read in readers}) != len(readers) or any(
            getattr(match, name) not in (None, value) for name, value in words.items()
        ):
            raise ValueError
        found: t.List[t.Tuple[Rule, Hint]] = []
        effects: t.Dict[str, Rule] = {}
        read_again = len(elements) <= REPEATED
        for element in elements:
            known = self._elements_read.get((where, element)) if read_again else None
            if known is None:
                key, comment, verdict = element
                hint, said = split_number(comment)
                parts = key.split(" . ")
                if len(parts) != len(readers):
                    raise ValueError
                if verdict not in effects:
                    effects[verdict] = self._effect(match, words, verdict)
                effect = effects[verdict]
                values = {name: read(part) for (name, read), part in zip(readers, parts)}
                rule = Rule(
                    effect.action, self._direction, words.get("family", match.family), words.get("protocol", match.protocol),
                    values.get("source", match.source), values.get("destination", match.destination), values.get("ports", match.ports),
                    match.interface, match.stateful, None, effect.log, said, False, values.get("source_ports", match.source_ports),
                    match.icmp_types, match.out_interface,
                )  # fmt: skip
                known = (rule, hint)
                if read_again:
                    self._elements_read[where, element] = known
            found.append(known)
        return Elements(tuple(found), name)

    def _effect(self, match: Rule, words: t.Mapping[str, t.Any], verdict: str) -> Rule:
        """Return a rule with the action and log of an element.

        :raises ValueError, Inexpressible: when the element does not decide, or not all that its conditions match.
        """
        effect = Rule(_ACTIONS[verdict], self._direction, protocol=None) if verdict in _ACTIONS else self._final(verdict)
        if match.reply or match.established or (match.stateful and (match.action == "allow") != (effect.action == "allow")):
            raise Inexpressible
        if effect.protocol is not None and words.get("protocol", match.protocol) != effect.protocol:
            raise Inexpressible
        return effect

    def _final(self, verdict: str) -> Rule:
        """Return the rule of a chain that decides every packet that comes to it."""
        items = self.items(verdict.split(" ")[1])
        if len(items) != 1 or not isinstance(items[0], Lines) or len(items[0].rules) != 1:
            raise ValueError
        rule, _hint = items[0].rules[0]
        bare = Rule(rule.action, rule.direction, protocol=TCP if rule.action == "reject" and rule.protocol == TCP else None, log=rule.log)
        if replace(rule, comment=None) != bare or (rule.log is not None and rule.log.rate is not None):
            raise ValueError
        return rule

    def _block(self, kind: str, name: str) -> Block:
        block = self._blocks.get((kind, name))
        if block is None:
            raise HoldfastError("%s %s of our nftables table is missing" % (kind.capitalize(), name))
        return block


class _AddressReader:
    """Reads the addresses of a family."""

    def __init__(self, family: int) -> None:
        self._family = family
        self._known: t.Dict[str, Addresses] = {}

    def __call__(self, text: str) -> Addresses:
        # Many rules name the same addresses, and each object of its own takes half a kilobyte.
        known = self._known.get(text)
        if known is None:
            known = self._known[text] = range_of(self._family, *read_addresses(self._family, text))
        return known


def _read_port_range(text: str) -> t.Tuple[PortRange, ...]:
    low, high = read_ports(text)
    if low < 1:
        raise ValueError(text)
    return (PortRange(low, high),)


def _without_number(text: str) -> t.Tuple[str, Hint]:
    """Return a line without the number at the head of its comment, and the number."""
    found = _NUMBERED.fullmatch(text)
    if found is None:
        return text, None
    line, number, said = found.groups()
    return _commented(line, said), int(number)


def _commented(line: str, comment: t.Optional[str]) -> str:
    return line if comment is None else '%s comment "%s"' % (line, comment)


def split_number(comment: t.Optional[str]) -> t.Tuple[Hint, t.Optional[str]]:
    """Return the number at the head of a comment, and the rest."""
    found = _NUMBER.fullmatch(comment) if comment is not None else None
    return (int(found.group(1)), found.group(2)) if found is not None else (None, comment)
