# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Single rules that tuples cannot say, as lines of marked blocks in ``before.rules`` and ``after.rules``.

Pure: touches nothing. That of ``before.rules`` is the last of ufw's chains ``before``: behind what ufw decides by itself (known
connections, loopback), and before all tuples; that of ``after.rules`` comes behind them. A line with the rule in the words of the language
stands before the lines of each, as ufw does it with its tuples; lines that are not those of their rule were changed by hand, and mean
nothing to us.
"""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass

from ...policy.errors import HoldfastError
from ...policy.parse import parse_rule
from ...policy.rule import Rule
from ..base import GUARD_MARK, Unsupported, unsupported_scope
from ..iptables import render
from ..iptables.protocols import ProtocolNames
from .files import CHAINS, PREFIX
from .tuple_rules import MAX_TUPLES, NOT_SEEN, OWN_COMMENT, networks_apart, port_chunks, tuple_refusals

MARK = "# rule "
#: Where the blocks are: before what ``before.rules`` decides, before all tuples, and behind them.
FIRST, SOON, LATE = PLACES = ("first", "before", "after")
_KNOWN = "-A %s -m conntrack --ctstate INVALID,RELATED,ESTABLISHED -j RETURN"
_LOOPBACK = {"in": "-A %s -i lo -j RETURN", "out": "-A %s -o lo -j RETURN"}
#: iptables-restore reads lines of at most so many bytes, also those that are comments.
LONGEST = 8000
#: Counts of a source are kept by the name of a rule: it must not be that of the same rule in a policy.
_TWIN = 1000


@dataclass(frozen=True)
class Single:
    """One rule.

    :ivar head: the line that says it in the words of the language.
    :ivar lines: the lines of iptables.
    :ivar rule: what they say, or None where they were changed by hand.
    """

    head: str
    lines: t.Tuple[str, ...]
    rule: t.Optional[Rule]


def says_tuples(rule: Rule) -> bool:
    """Return whether tuples can say a rule for itself."""
    return not rule.stateful and not tuple_refusals(rule)


def parts_of(rule: Rule) -> t.Tuple[Rule, ...]:
    """Return the rules of one tuple, or one line, that a rule for itself consists of; their packets do not overlap.

    Its log and comment make no difference, so that its parts are found again with others. One that counts packets is one part.
    """
    return (rule,) if rule.limit is not None else tuple(networks_apart(rule))


def refusals(rule: Rule, can: render.Abilities) -> t.List[Unsupported]:
    """Return what cannot be carried of a rule for itself."""
    found: t.List[Unsupported] = []
    if rule.reply or rule.established:
        found.append(Unsupported("established", "True", "ufw passes known connections by itself and has no rule for them"))
    if rule.comment is not None and (OWN_COMMENT.match(rule.comment) or rule.comment.startswith(GUARD_MARK)):
        reason = "comments with the word holdfast and a number are those of the rules of a policy"
        found.append(Unsupported("comment", rule.comment, reason))
    count = 1 if rule.limit is not None else _count(rule)
    field = max((len(rule.source.networks), "source"), (len(rule.destination.networks), "destination"), (len(rule.ports), "port"))[1]
    if count > MAX_TUPLES:
        reason = "it would be %d rules of ufw, and %d is the most; name larger networks, or write several" % (count, MAX_TUPLES)
        return [*found, Unsupported(field, "%d rules" % count, reason)]
    if count > 1 and rule.log is not None and rule.log.rate is not None:
        reason = "it would be %d lines, and each would count for itself; write one rule for each" % count
        found.append(Unsupported(field, "%d rules" % count, reason))
    if says_tuples(rule):
        return found
    found += unsupported_scope(rule, NOT_SEEN)
    parts = parts_of(rule)
    wrong = [one for part in parts[:1] + parts[-1:] for one in render.unsupported(part, can) if one.field not in _scope(rule)]
    found += list(dict.fromkeys(wrong))
    if not found and any(len(single_of(part, family, can.names).head) > LONGEST for part in parts for family in part.families()):
        found.append(Unsupported("rule", "%d bytes" % LONGEST, "the line that says it would be too long for iptables; write several rules"))
    return found


def _count(rule: Rule) -> int:
    """Return how many parts a rule has."""
    sides = [1 if side.negated else max(1, len(side.networks)) for side in (rule.source, rule.destination)]
    return sides[0] * sides[1] * len(port_chunks(rule.ports)) * len(port_chunks(rule.source_ports))


def _scope(rule: Rule) -> t.Collection[str]:
    return rule.scope.words() if rule.scope is not None else ()


def single_of(rule: Rule, family: int, names: ProtocolNames, place: str = LATE) -> Single:
    """Return the lines of a supported rule for one family."""
    rule = Rule(**dict(rule.__dict__, family=family))
    chain = chain_of(place, family, rule.direction)
    lines = render.rule_lines(rule, family, render.Abilities(names), chain, _TWIN)
    return Single(MARK + json.dumps(rule.as_dict(), sort_keys=True), tuple(lines), rule)


def chain_of(place: str, family: int, direction: str) -> str:
    """Return the chain in which the lines of a block stand. The first have one of ours, so that known connections go on to ufw's."""
    return "%s-%s-%s" % ("holdfast" if place == FIRST else PREFIX[family], place, CHAINS[direction])


def block_lines(singles: t.Sequence[Single], family: int, place: str) -> t.List[str]:
    """Return the lines of a block."""
    lines: t.List[str] = []
    if place == FIRST:
        used = [direction for direction in CHAINS if any(direction_of(one, family) == direction for one in singles)]
        chains = {direction: chain_of(FIRST, family, direction) for direction in used}
        lines += [":%s - [0:0]" % chain for chain in chains.values()]
        lines += ["-A %s -j %s" % (chain_of(SOON, family, direction), chain) for direction, chain in chains.items()]
        for direction, chain in chains.items():
            lines += [line % chain for line in (_LOOPBACK.get(direction), _KNOWN) if line is not None]
    return lines + [line for one in singles for line in (one.head, *one.lines)]


def read_singles(lines: t.Sequence[str], family: int, names: ProtocolNames, place: str = LATE) -> t.List[Single]:
    """Read the lines of the block."""
    parts: t.List[t.List[str]] = []
    if place == FIRST:  # what leads there comes first
        lines = lines[next((number for number, line in enumerate(lines) if line.startswith(MARK)), len(lines)) :]
    for line in filter(str.strip, lines):
        if line.startswith(MARK) or not parts:
            parts.append([line])
        else:
            parts[-1].append(line)
    return [_read(part[0], tuple(part[1:]), family, names, place) for part in parts]


def _read(head: str, lines: t.Tuple[str, ...], family: int, names: ProtocolNames, place: str) -> Single:
    if head.startswith(MARK):
        try:
            found = single_of(parse_rule(json.loads(head[len(MARK) :])), family, names, place)
            if found.rule is not None and found.lines == lines:
                return Single(head, lines, found.rule)
        except (ValueError, TypeError, HoldfastError):
            pass
    return Single(head, lines, None)


def direction_of(one: Single, family: int) -> str:
    """Return the direction whose chain the lines stand in."""
    words = [line.split() for line in (*one.lines, one.head)]
    names = {chain_of(place, family, direction): direction for place in PLACES for direction in CHAINS}
    return next((names[line[1]] for line in words if line[:1] == ["-A"] and line[1] in names), "in")
