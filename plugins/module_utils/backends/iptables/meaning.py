# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of iptables in the common language: entries, chains, and a whole ruleset.

Pure: touches nothing. What the language cannot express stays native text.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from ...policy.protocols import WITH_PORTS
from ...policy.rates import DEFAULT_BURST
from ...policy.rule import Log, Rule
from ..ruleset import RETURN, Chain, Entry, Ruleset
from .conditions import EVERYTHING, Conditions, Line, parse_line
from .intervals import addresses_of, ports_of
from .owners import chain_owner
from .protocols import ProtocolNames
from .saved import FAMILIES, SavedChain, Tables, chain_order, empty_table, is_builtin, table_order
from .sets import Sets

ACTIONS = {"ACCEPT": "allow", "DROP": "deny", "REJECT": "reject"}
DIRECTIONS = {"INPUT": "in", "OUTPUT": "out", "FORWARD": "forward"}
_ESTABLISHED = frozenset({"ESTABLISHED"})
_KNOWN, _PASSING, _NEW = frozenset({"RELATED", "ESTABLISHED"}), frozenset({"NEW", "ESTABLISHED"}), frozenset({"NEW"})


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


def rule_of(
    conditions: Conditions, action: str, direction: str, family: int, log: t.Optional[Log] = None, comment: t.Optional[str] = None
) -> t.Optional[Rule]:
    """Return the rule that has exactly these conditions, or None."""
    protocol, source, destination, dports, sports, interface, other, states, reply, limits, icmp_types, blocks = conditions
    sources, destinations = addresses_of(source, family), addresses_of(destination, family)
    ports, others = ports_of(dports), ports_of(sports)
    if direction == "out":
        interface, other = other, interface
    if sources is None or destinations is None or ports is None or others is None or blocks or len(limits) > 1:
        return None
    if (other is not None and direction != "forward") or ((ports or others) and protocol not in WITH_PORTS):
        return None
    if reply:
        ports, others = others, ports
    stateful = established = False
    if states is not None:
        if states == _KNOWN:
            established = not reply
        elif reply or states != (_PASSING if action == "allow" else _NEW):
            return None
        else:
            stateful = True
    if reply and (action != "allow" or states != _KNOWN):
        return None
    return Rule(
        action, direction, family, protocol, sources, destinations, ports, interface, stateful, limits[0] if limits else None, log, comment,
        reply, others, icmp_types, other, established,
    )  # fmt: skip


def log_of(logged: Line, verdict: Line) -> t.Optional[Log]:
    """Return what a LOG line in front of a verdict line logs, when the two make one rule of the language."""
    if logged.target != "LOG" or logged.goto or logged.conditions is None or verdict.conditions is None or verdict.target not in ACTIONS:
        return None
    if logged.comment != verdict.comment or logged.conditions._replace(limits=()) != verdict.conditions._replace(limits=()):
        return None
    limits, shared = logged.conditions.limits, verdict.conditions.limits
    extra = limits[len(shared) :]
    if limits[: len(shared)] != shared or len(extra) > 1 or any(one.per_source or one.burst != DEFAULT_BURST for one in extra):
        return None
    if logged.options and (len(logged.options) != 2 or logged.options[0] != "--log-prefix"):
        return None
    return Log(logged.options[1] if logged.options else None, extra[0].rate if extra else None)


def joined_types(one: t.Optional[Rule], other: Rule) -> t.Optional[Rule]:
    """Return the rule of all ICMP types of two that are else the same, or None.

    Rules with a limit are not joined: each counts for itself.
    """
    if one is None or not one.icmp_types or one.icmp_types[-1] >= other.icmp_types[0] or other.limit is not None:
        return None
    if other.log is not None and other.log.rate is not None:
        return None
    types = one.icmp_types + other.icmp_types
    return replace(one, icmp_types=types) if replace(one, icmp_types=other.icmp_types) == other else None


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
        """Return the entries of one chain: each line, or a LOG line together with the verdict line it belongs to.

        Lines of one ICMP type each that are else the same are one entry: iptables takes one type in a line.
        """
        saved, lines = self.chains[chain], self.lines[chain]
        found: t.List[Entry] = []
        number = 0
        while number < len(lines):
            logged = lines[number].target == "LOG" and number + 1 < len(lines)
            log = log_of(lines[number], lines[number + 1]) if logged else None
            count = 1 if log is None else 2
            native = saved.rules[number : number + count]
            place = Place(self.family, "filter", chain, number, count)
            entry = self._entry(chain, lines[number + count - 1], log, directions, native, place)
            one = joined_types(found[-1].rule, entry.rule) if found and entry.rule is not None and entry.rule.icmp_types else None
            if one is not None:
                before = found.pop()
                place = replace(before.ref[0], count=before.ref[0].count + count)
                entry = replace(entry, native=before.native + native, rule=one, ref=(place,))
            found.append(entry)
            number += count
        return tuple(found)

    def _entry(
        self, chain: str, line: Line, log: t.Optional[Log], directions: t.Sequence[str], native: t.Tuple[str, ...], place: Place
    ) -> Entry:
        conditions, target = line.conditions, line.target
        if target is None or target == "LOG":
            return Entry(native, ref=(place,))
        base = is_builtin("filter", chain)
        if (target == "RETURN" and not base) or target in self.chains:
            jump = RETURN if target == "RETURN" else chain_title(self.family, "filter", target)
            match = self._jump_match(conditions, directions) if conditions is not None else None
            return Entry(native, ref=(place,), jump=jump, match=match)
        action = ACTIONS.get(target)
        if target == "RETURN":  # in a built-in chain: the policy decides
            action = ACTIONS[self.chains[chain].policy]
        if action is None or conditions is None or (target != "REJECT" and line.options):
            return Entry(native, ref=(place,))
        rules = [rule_of(conditions, action, direction, self.family, log, line.comment) for direction in directions]
        meant = [one for one in rules if one is not None]
        states = conditions.states
        established = (
            states is not None and states >= _ESTABLISHED and action == "allow" and conditions._replace(states=None) == EVERYTHING
        )  # fmt: skip
        if len(meant) == len(rules) == 1 and target != "RETURN":
            return Entry(native, meant[0], (), (place,), None, None, established)
        return Entry(native, parts=tuple(meant) if len(meant) == len(rules) else (), ref=(place,), established=established)

    def _jump_match(self, conditions: Conditions, directions: t.Sequence[str]) -> t.Optional[Rule]:
        if len(directions) != 1:
            return None
        # A new connection's first packet decides, so a jump of new packets only is a match too; the action says nothing here.
        action = "deny" if conditions.states == frozenset({"NEW"}) else "allow"
        return rule_of(conditions, action, directions[0], self.family)


def build_ruleset(saved: t.Mapping[int, Tables], listing: str, names: ProtocolNames, sets: Sets) -> Ruleset:
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


def _filter_chains(family: int, chains: t.Mapping[str, SavedChain], names: ProtocolNames, sets: Sets) -> t.List[Chain]:
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
