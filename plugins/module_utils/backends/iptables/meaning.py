# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of iptables in the common language: entries, chains, and a whole ruleset.

Pure: touches nothing. What the language cannot express stays native text.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from ...policy.addresses import Network
from ...policy.protocols import WITH_PORTS
from ...policy.rates import DEFAULT_BURST
from ...policy.rule import Log, Rule
from ..ruleset import RETURN, Chain, Entry, Ruleset
from .conditions import Conditions, Line, parse_line
from .intervals import addresses_of, ports_of
from .owners import chain_owner
from .protocols import ProtocolNames
from .saved import FAMILIES, SavedChain, Tables, chain_order, empty_table, is_builtin, table_order

ACTIONS = {"ACCEPT": "allow", "DROP": "deny", "REJECT": "reject"}
DIRECTIONS = {"INPUT": "in", "OUTPUT": "out", "FORWARD": "forward"}
_ESTABLISHED = frozenset({"ESTABLISHED"})


@dataclass(frozen=True)
class Place:
    """Where lines stand: the backend's pointer to an entry or a chain.

    :ivar first: the number of the first line in its chain, from 0.
    :ivar count: how many lines.
    """

    family: int
    table: str
    chain: str
    first: int = 0
    count: int = 0


def chain_title(family: int, table: str, chain: str) -> str:
    """Return a chain's name for people, unique over tables and families."""
    return "%s%s (ipv%d)" % ("" if table == "filter" else table + " ", chain, family)


def rule_of(conditions: Conditions, action: str, direction: str, family: int) -> t.Optional[Rule]:
    """Return the rule that has exactly these conditions, or None."""
    source, destination = addresses_of(conditions.source, family), addresses_of(conditions.destination, family)
    ports = ports_of(conditions.sports if conditions.reply else conditions.dports)
    others = ports_of(conditions.dports if conditions.reply else conditions.sports)
    interface, other = conditions.inbound, conditions.outbound
    if direction == "out":
        interface, other = other, interface
    if source is None or destination is None or ports is None or others != () or other is not None or len(conditions.limits) > 1:
        return None
    if ports and conditions.protocol not in WITH_PORTS:
        return None
    stateful = False
    if conditions.reply:
        if action != "allow" or conditions.states != frozenset({"RELATED", "ESTABLISHED"}):
            return None
    elif conditions.states is not None:
        if conditions.states != ({"NEW", "ESTABLISHED"} if action == "allow" else {"NEW"}):
            return None
        stateful = True
    return Rule(
        action=action, direction=direction, family=family, protocol=conditions.protocol, source=source, destination=destination,
        ports=ports, interface=interface, stateful=stateful, limit=conditions.limits[0] if conditions.limits else None,
        reply=conditions.reply,
    )  # fmt: skip


def _log_of(logged: Line, verdict: Line) -> t.Optional[Log]:
    """Return what a LOG line in front of a verdict line logs, when the two make one rule of the language."""
    if logged.target != "LOG" or logged.goto or logged.conditions is None or verdict.conditions is None or verdict.target not in ACTIONS:
        return None
    if logged.comment != verdict.comment or replace(logged.conditions, limits=()) != replace(verdict.conditions, limits=()):
        return None
    limits, shared = logged.conditions.limits, verdict.conditions.limits
    extra = limits[len(shared) :]
    if limits[: len(shared)] != shared or len(extra) > 1 or any(one.per_source or one.burst != DEFAULT_BURST for one in extra):
        return None
    if logged.options and (len(logged.options) != 2 or logged.options[0] != "--log-prefix"):
        return None
    return Log(logged.options[1] if logged.options else None, extra[0].rate if extra else None)


@dataclass(frozen=True)
class _Family:
    """The filter table of one family, its lines read."""

    family: int
    chains: t.Mapping[str, SavedChain]
    lines: t.Mapping[str, t.Tuple[Line, ...]]

    def directions(self) -> t.Dict[str, t.Set[str]]:
        """Return the directions whose packets can reach each chain."""
        reached: t.Dict[str, t.Set[str]] = {name: set() for name in self.chains}
        for start, direction in DIRECTIONS.items():
            todo = [start]
            while todo:
                name = todo.pop()
                if name in reached and direction not in reached[name]:
                    reached[name].add(direction)
                    todo.extend(line.target for line in self.lines[name] if line.target is not None and line.target in self.chains)
        return reached

    def entries(self, chain: str, directions: t.Sequence[str]) -> t.Tuple[Entry, ...]:
        """Return the entries of one chain: each line, or a LOG line together with the verdict line it belongs to."""
        saved, lines = self.chains[chain], self.lines[chain]
        found: t.List[Entry] = []
        number = 0
        while number < len(lines):
            log = _log_of(lines[number], lines[number + 1]) if number + 1 < len(lines) else None
            count = 1 if log is None else 2
            native = saved.rules[number : number + count]
            place = Place(self.family, "filter", chain, number, count)
            found.append(self._entry(chain, lines[number + count - 1], log, directions, native, place))
            number += count
        return tuple(found)

    def _entry(
        self, chain: str, line: Line, log: t.Optional[Log], directions: t.Sequence[str], native: t.Tuple[str, ...], place: Place
    ) -> Entry:
        plain = Entry(native, ref=(place,))
        if line.target is None or line.target == "LOG":
            return plain
        conditions = line.conditions
        base = is_builtin("filter", chain)
        if (line.target == "RETURN" and not base) or line.target in self.chains:
            jump = RETURN if line.target == "RETURN" else chain_title(self.family, "filter", line.target)
            match = self._jump_match(conditions, directions) if conditions is not None else None
            return replace(plain, jump=jump, match=match)
        action = ACTIONS.get(line.target)
        if line.target == "RETURN":  # in a built-in chain: the policy decides
            action = ACTIONS[self.chains[chain].policy]
        if action is None or conditions is None or (line.target != "REJECT" and line.options):
            return plain
        rules = [rule_of(conditions, action, direction, self.family) for direction in directions]
        meant = [replace(one, log=log, comment=line.comment) for one in rules if one is not None]
        only_state = replace(conditions, states=None) == Conditions()
        established = action == "allow" and only_state and conditions.states is not None and conditions.states >= _ESTABLISHED
        if len(meant) == len(rules) == 1 and line.target != "RETURN":
            return replace(plain, rule=meant[0], established=established)
        return replace(plain, parts=tuple(meant) if len(meant) == len(rules) else (), established=established)

    def _jump_match(self, conditions: Conditions, directions: t.Sequence[str]) -> t.Optional[Rule]:
        if len(directions) != 1:
            return None
        # A new connection's first packet decides, so a jump of new packets only is a match too; the action says nothing here.
        action = "deny" if conditions.states == frozenset({"NEW"}) else "allow"
        return rule_of(conditions, action, directions[0], self.family)


def build_ruleset(
    saved: t.Mapping[int, Tables], listing: str, names: ProtocolNames, sets: t.Mapping[str, t.Tuple[Network, ...]]
) -> Ruleset:
    """Return all chains of all families.

    :param saved: the tables of each family that the host has.
    :param listing: the text that they make.
    """
    chains: t.List[Chain] = []
    for family in FAMILIES:
        if family in saved:
            chains.extend(_filter_chains(family, saved[family].get("filter", {}), names, sets))
            for table in table_order(saved[family]):
                if table != "filter":
                    chains.extend(_other_chains(family, table, saved[family][table]))
    return Ruleset(tuple(chains), listing)


def _filter_chains(
    family: int, chains: t.Mapping[str, SavedChain], names: ProtocolNames, sets: t.Mapping[str, t.Tuple[Network, ...]]
) -> t.List[Chain]:
    present = set(chains)
    known = dict(empty_table("filter"), **chains)
    lines = {name: tuple(parse_line(text, family, names, sets) for text in one.rules) for name, one in known.items()}
    table = _Family(family, known, lines)
    directions = table.directions()
    return [
        Chain(
            name=chain_title(family, "filter", name),
            directions=frozenset(directions[name]),
            families=frozenset({family}),
            default="allow" if known[name].policy != "DROP" else "deny",
            entries=table.entries(name, sorted(directions[name])),
            base=is_builtin("filter", name),
            owner=None if is_builtin("filter", name) else chain_owner(name),
            missing=name not in present,
            ref=Place(family, "filter", name),
        )
        for name in chain_order("filter", known)
    ]


def _other_chains(family: int, table: str, chains: t.Mapping[str, SavedChain]) -> t.List[Chain]:
    """Return the chains of a table that does not filter: native text only, and no place for rules of the language."""
    return [
        Chain(
            name=chain_title(family, table, name),
            directions=frozenset(),
            families=frozenset({family}),
            default="allow" if chains[name].policy != "DROP" else "deny",
            entries=tuple(Entry((text,), ref=(Place(family, table, name, number, 1),)) for number, text in enumerate(chains[name].rules)),
            base=False,
            owner=None if is_builtin(table, name) else chain_owner(name),
            ref=Place(family, table, name),
        )
        for name in chain_order(table, chains)
    ]
