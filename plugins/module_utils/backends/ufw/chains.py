# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The chains in which rules of ufw stand, in the common language, and what ufw decides before them.

Pure: touches nothing.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import replace

from ...analysis.relation import covers, overlaps
from ...policy.errors import HoldfastError
from ...policy.rule import DIRECTIONS, Rule
from ..iptables.conditions import parse_line
from ..iptables.meaning import ACTIONS, build_ruleset, chain_title, rule_of
from ..iptables.protocols import ProtocolNames
from ..placement import LOOPBACK
from ..ruleset import RETURN, Chain, Entry, Ruleset
from .files import CHAINS, PREFIX
from .loading import BUILTIN
from .policy_read import is_own
from .single_lines import FIRST, PLACES, SOON, Single, direction_of, read_singles
from .state import State
from .tuple_rules import reached_by, rules_of
from .tuples import Tuple
from .words import words_of

Place = t.Tuple[int, str]
#: How ufw's lines for neighbour discovery ask for the hop limit that a receiver asks for anyway (RFC 4861, 6.1 and 7.1).
_HOP_LIMIT = re.compile(r" -m hl --hl-eq 255(?= )")
_DISCOVERY = range(133, 138)


class Line(t.NamedTuple):
    """Where an entry stands that is not a tuple: in which block of single rules, and its number there."""

    place: str
    number: int


def user_chain(family: int, direction: str) -> str:
    """Return the name of the chain that takes rules."""
    return chain_title(family, "filter", "%s-user-%s" % (PREFIX[family], CHAINS[direction]))


def ruleset_of(state: State, names: ProtocolNames) -> Ruleset:
    """Return the chains of ufw's own rules, then all others: those are seen, and take no rules."""
    chains = [_user(state, family, direction, names) for family in state.families for direction in DIRECTIONS]
    known = {chain.name for chain in chains}
    for chain in build_ruleset(state.live, "", names, {}).chains:
        if chain.name not in known and not chain.missing:
            chains.append(replace(chain, base=False, owner=None if chain.owner == "ufw" else chain.owner))
    return Ruleset(tuple(chains), state.listing())


def _user(state: State, family: int, direction: str, names: ProtocolNames) -> Chain:
    """Return the list of single rules and tuples, in the order in which they decide."""
    singles = {
        place: [
            Entry(one.lines or (one.head,), one.rule, ref=Line(place, number))
            for number, one in enumerate(all_singles(state, family, place, names))
            if direction_of(one, family) == direction
        ]
        for place in PLACES
    }
    entries = [] if is_managed(state, family, direction) else singles.pop(FIRST) + singles.pop(SOON)
    for number, item in enumerate(state.user_file(family).items):
        one = item.tuple
        if one is None or one.direction != direction:
            continue
        rules = rules_of(one, family)
        # What ufw logs has no words in the language, so that its rule is known by what it decides only.
        # A rule of a policy is no rule for itself: it comes and goes with its document.
        whole = rules[0] if len(rules) == 1 and not one.log and not is_own(one) else None
        native = (words_of(one, family),)
        entries.append(Entry(native, whole, () if whole is not None else rules, number, most=_most(one, family) if not rules else ()))
    entries += [one for rest in singles.values() for one in rest]
    default = "allow" if state.files.default(direction) == "ACCEPT" else "deny"
    return Chain(
        user_chain(family, direction), frozenset({direction}), frozenset({family}), default, tuple(entries), ref=(family, direction)
    )  # fmt: skip


def _most(one: Tuple, family: int) -> t.Tuple[Rule, ...]:
    """Return what a tuple without words in the language lets through at most; ``limit`` does so until it has counted enough."""
    return reached_by(one, family) if one.action in ("allow", "limit") else ()


def all_singles(state: State, family: int, place: str, names: ProtocolNames) -> t.List[Single]:
    """Return the single rules of a block, of all directions."""
    return read_singles(state.rule_lines(family, place), family, names, place)


def is_managed(state: State, family: int, direction: str) -> bool:
    """Return whether a policy decides all packets of a direction: tuples then come before single rules, and those do not decide."""
    return any(line.startswith("-A %s-before-%s " % (PREFIX[family], CHAINS[direction])) for line in state.block(family))


def decided_before(ruleset: Ruleset, rule: Rule, family: int, names: ProtocolNames) -> t.Tuple[t.List[str], t.List[str]]:
    """Return the lines that decide all, and those that decide a part of a rule's packets otherwise before ufw comes to its own rules.

    Single rules of ours are not counted: the rule was placed among them.
    """
    whole: t.List[str] = []
    part: t.List[str] = []
    start = chain_title(family, "filter", BUILTIN[rule.direction])
    end = ruleset.chain(user_chain(family, rule.direction))
    ours = {line for entry in (end.entries if end is not None else ()) if isinstance(entry.ref, Line) for line in entry.native}
    _walk(ruleset, start, rule, user_chain(family, rule.direction), whole, part, set(), names)
    return [line for line in whole if line not in ours], [line for line in part if line not in ours]


def _walk(
    ruleset: Ruleset, name: str, rule: Rule, end: str, whole: t.List[str], part: t.List[str], seen: t.Set[str], names: ProtocolNames
) -> bool:
    """Go through a chain as a packet of the rule does; returns whether the end was met."""
    chain = ruleset.chain(name)
    if chain is None or name in seen or (chain.owner not in (None, "holdfast")):
        return False
    for entry in chain.entries:
        if entry.jump == end:
            return True
        if entry.jump == RETURN:
            return False  # what follows is for a part of the packets only
        if entry.jump is not None:
            if entry.match is None or not covers(entry.match, rule):
                continue
            if _walk(ruleset, entry.jump, rule, end, whole, part, seen | {name}, names):
                return True
            continue
        for one in entry.meanings() or _discovery(entry, rule.direction, names):
            if one.action == rule.action or one.established or entry.established or one.interface in LOOPBACK or one.condition is not None:
                continue
            if covers(one, rule):
                whole += entry.native
            elif overlaps(one, rule):
                part += entry.native
    return False


def _discovery(entry: Entry, direction: str, names: ProtocolNames) -> t.Tuple[Rule, ...]:
    """Return what a line for neighbour discovery means to packets that a receiver does not drop anyway."""
    line = parse_line(_HOP_LIMIT.sub("", entry.native[0]), 6, names, {})
    if line.conditions is None or not line.conditions.icmp_types or not set(line.conditions.icmp_types) <= set(_DISCOVERY):
        return ()
    found = rule_of(line.conditions, ACTIONS[line.target], direction, 6) if line.target in ACTIONS else None
    return (found,) if found is not None else ()


def refuse_defeated(rule: Rule, family: int, whole: t.Sequence[str], part: t.Sequence[str]) -> t.List[str]:
    """Return what a person should know of a rule that is put among ufw's own.

    :param whole: lines that decide all of its packets otherwise before.
    :param part: lines that decide a part of them otherwise.
    :raises HoldfastError: when it would have no effect.
    """
    if whole:
        why = "the policy of this host decides that: change its document" if "holdfast" in whole[0] else "change it there"
        raise HoldfastError(
            "The rule would have no effect, so nothing was changed: ufw comes to its own rules only after /etc/ufw/before%s.rules, "
            "which has %s; %s" % ("6" if family == 6 else "", whole[0], why)
        )
    return ["%s: decided before by %s" % (rule.describe(), line) for line in part[:5]]


def passes(chain: Chain, need: Rule) -> bool:
    """Return whether a chain lets all packets of a rule through."""
    for entry in chain.entries:
        for one in entry.meanings():
            if covers(one, need):
                return one.action == "allow"
    return chain.default == "allow"
