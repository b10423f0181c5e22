# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the lines of a chain to its entries: lines that together are one rule of the language become one entry.

Pure: touches nothing. A log line with a rate and the verdict line behind it are one rule; so are the two lines, one for each family, of a
rule with a limit per source.
"""

from __future__ import annotations

import itertools
import typing as t
from dataclasses import dataclass, replace

from ...policy.addresses import ANY
from ...policy.protocols import FAMILY_OF
from ...policy.rates import DEFAULT_BURST
from ...policy.rule import Log, Rule
from ..ruleset import RETURN, Entry
from .listing import RuleLine, TableKey
from .meaning import Meaning
from .names import FAMILIES_OF, chain_name

#: A line that stands for more combinations than this is left unread.
MAX_COMBINATIONS = 64
_TRACKED = frozenset({"established", "related"})
_OPENING = frozenset({"established", "new"})


@dataclass(frozen=True)
class Line:
    """One rule line of a chain and what it means (None: unread); ``entry`` where it is known already."""

    line: RuleLine
    meaning: t.Optional[Meaning]
    comment: t.Optional[str] = None
    entry: t.Optional[Entry] = None


def fold(lines: t.Sequence[Line], directions: t.Sequence[str], table: TableKey) -> t.Tuple[Entry, ...]:
    """Return the entries of a chain.

    :param directions: the directions whose packets walk through the chain.
    :param table: family and name of its table.
    """
    entries: t.List[Entry] = []
    at = 0
    while at < len(lines):
        pair = _pair(lines[at], lines[at + 1], directions, table) if at + 1 < len(lines) else None
        if pair is not None:
            entries.append(pair)
            at += 2
            continue
        entries.append(entry_of(lines[at], directions, table))
        at += 1
    return tuple(entries)


def entry_of(line: Line, directions: t.Sequence[str], table: TableKey) -> Entry:
    """Return the entry that a line is by itself."""
    if line.entry is not None:
        return line.entry
    native = (line.line.text,)
    ref = (line.line.handle,)
    meaning = line.meaning
    if meaning is None or meaning.verdict is None:
        return Entry(native, ref=ref)
    if meaning.verdict in ("jump", "return"):
        jump = RETURN if meaning.verdict == "return" else chain_name(*table, str(meaning.target))
        conditions = [one for direction in directions for one in _rules(meaning, direction, None)]
        return Entry(native, ref=ref, jump=jump, match=conditions[0] if len(conditions) == 1 else None)
    everything = Meaning(family=next(iter(FAMILIES_OF[table[0]])) if table[0] != "inet" else None).conditions()
    established = (
        meaning.verdict == "allow"
        and meaning.states is not None
        and "established" in meaning.states
        and replace(meaning, states=None).conditions() == everything
        and not meaning.limits
    )
    rules = [one for direction in directions for one in _rules(meaning, direction, line.comment)]
    if len(rules) == 1 and meaning.literal and _said_exactly(meaning):
        return Entry(native, rule=rules[0], ref=ref, established=established)
    return Entry(native, parts=tuple(rules), ref=ref, established=established)


def _said_exactly(meaning: Meaning) -> bool:
    """Return whether the states of a line are those that a rule of the language has."""
    if meaning.states is None or meaning.reply or meaning.states == _TRACKED:
        return True
    return meaning.states == (_OPENING if meaning.verdict == "allow" else frozenset({"new"}))


def _rules(meaning: Meaning, direction: str, comment: t.Optional[str]) -> t.List[Rule]:
    """Return the rules that together match what the line matches, none where the language has no words for it."""
    states = meaning.states
    known = states == _TRACKED and not meaning.reply
    if meaning.reply:
        if states != _TRACKED or meaning.limits or meaning.verdict != "allow" or meaning.icmp_types:
            return []
    elif states is not None and not known and "new" not in states:
        return []
    if len(meaning.limits) > 1:
        return []
    near, far = (meaning.leaves, meaning.arrives) if direction == "out" else (meaning.arrives, meaning.leaves)
    if far is not None and direction != "forward":
        return []
    choices = list(itertools.product(meaning.protocols or (None,), near or (None,), far or (None,)))
    if len(choices) > MAX_COMBINATIONS:
        return []
    return [
        Rule(
            action=meaning.verdict if meaning.verdict in ("allow", "deny", "reject") else "allow",
            direction=direction,
            family=meaning.family or FAMILY_OF.get(protocol or 0),
            protocol=protocol,
            source=meaning.source,
            destination=meaning.destination,
            ports=meaning.source_ports if meaning.reply else meaning.ports,
            interface=interface,
            stateful=states is not None and not meaning.reply and not known,
            limit=meaning.limits[0] if meaning.limits else None,
            log=meaning.log,
            comment=comment,
            reply=meaning.reply,
            source_ports=meaning.ports if meaning.reply else meaning.source_ports,
            icmp_types=meaning.icmp_types,
            out_interface=leaving,
            established=known,
        )
        for protocol, interface, leaving in choices
    ]


def _pair(first: Line, second: Line, directions: t.Sequence[str], table: TableKey) -> t.Optional[Entry]:
    """Return the entry that two neighbouring lines are together, or None."""
    one, other = first.meaning, second.meaning
    if one is None or other is None or other.verdict not in ("allow", "deny", "reject") or first.comment != second.comment:
        return None
    if one.verdict is None and one.logged:
        joined = _logged(one, other)
    elif one.verdict == other.verdict and one.set_name is not None and other.set_name is not None:
        joined = _both_families(one, other)
    else:
        return None
    if joined is None:
        return None
    alone = entry_of(Line(second.line, joined, second.comment), directions, table)
    if alone.rule is None:
        return None
    return replace(alone, native=(first.line.text, second.line.text), ref=(first.line.handle, second.line.handle))


def _logged(one: Meaning, other: Meaning) -> t.Optional[Meaning]:
    """Join a log line and the verdict line behind it."""
    if one.log is None or other.logged or one.conditions() != other.conditions():
        return None
    if one.set_name is not None or other.set_name is not None:
        return None
    extra = one.limits[len(other.limits) :]
    if one.limits[: len(other.limits)] != other.limits or len(extra) > 1 or (extra and extra[0].burst != DEFAULT_BURST):
        return None
    return replace(other, logged=True, log=Log(one.log.prefix, extra[0].rate if extra else None))


def _both_families(one: Meaning, other: Meaning) -> t.Optional[Meaning]:
    """Join the lines for IPv4 and IPv6 of a limit per source."""
    if one.set_name is None or other.set_name is None or (one.family, other.family) != (4, 6) or one.set_name[:-1] != other.set_name[:-1]:
        return None
    plain = replace(other, family=None, set_name=None)
    if replace(one, family=None, set_name=None) != plain or not (one.source == one.destination == ANY):
        return None
    return plain
