# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ordered lists of which the first match decides, in the form that the questions about packets work on.

Pure: touches nothing. An item of a list is an entry and the number of the rule it comes from. An entry is a tuple of a token (what the rule
does) and ten sides (what it matches in each dimension); a side of None matches the whole cell that is looked at, any other side is sorted,
disjoint intervals inside the cell. The last entry of a list matches everything: the default.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ..policy.nat import DESTINATION_KINDS, NatRule
from ..policy.policy import Policy
from ..policy.rule import DIRECTIONS, Condition, Log, Rule, condition_words
from .boxes import (
    ARRIVING,
    DESTINATION,
    DIMENSIONS,
    FAMILY,
    LEAVING,
    PORT,
    PROTOCOL,
    SOURCE,
    Box,
    Interfaces,
    Interval,
    Sides,
    address_intervals,
    port_intervals,
    sides_of,
    whole_box,
)

#: (token, side, side, ...); the side of dimension n is at n + 1.
Entry = t.Tuple[t.Any, ...]
#: An entry, and the number of its rule: its place in ``guard + rules``, or DEFAULT.
Item = t.Tuple[Entry, int]
DEFAULT = -1

_EVERYTHING: t.Tuple[None, ...] = (None,) * DIMENSIONS


@dataclass(frozen=True)
class Effect:
    """What a rule does with the packets it matches.

    :ivar limit: it does so only while this holds (at most so often, for a program); else the packet goes on to the next rule.
    :ivar action: ``allow``, ``deny``, ``reject``, or for translations their words.
    :ivar log: how it is logged.
    """

    limit: t.Optional[Condition]
    action: str
    log: t.Optional[Log]


@dataclass(frozen=True)
class Outcome:
    """What happens to a packet: the limited rules it meets, in order, and the action above all their rates."""

    limited: t.Tuple[Effect, ...]
    final: Effect

    @property
    def always(self) -> t.Optional[str]:
        """The action that the packet meets at any rate, or None when it depends on the rate."""
        return self.final.action if all(one.action == self.final.action for one in self.limited) else None

    def describe(self) -> str:
        """Return it in a few words, for example ``allowed up to 6/minute, else denied``."""
        words = ["%s %s%s" % (past(one.action), condition_words(one.limit), _logged(one.log)) for one in self.limited]
        words.append("%s%s%s" % ("else " if words else "", past(self.final.action), _logged(self.final.log)))
        return ", ".join(words)


def past(action: str) -> str:
    """Return an action as what happens to a packet."""
    return {"allow": "allowed", "deny": "denied", "reject": "rejected"}.get(action, action)


def _logged(log: t.Optional[Log]) -> str:
    if log is None:
        return ""
    prefix = ' as "%s"' % log.prefix if log.prefix is not None else ""
    return " and logged%s%s" % (prefix, " up to %s" % log.rate if log.rate is not None else "")


class Tokens:
    """Numbers for effects, so that they are compared fast; shared by the lists that are compared.

    :ivar logs: whether logs are part of an effect.
    :ivar limited: the tokens of limited effects.
    """

    def __init__(self, logs: bool = True) -> None:
        self.logs = logs
        self.limited: t.Set[int] = set()
        self._numbers: t.Dict[t.Any, int] = {}
        self._effects: t.List[Effect] = []

    def number(self, action: str, limit: t.Optional[Condition] = None, log: t.Optional[Log] = None) -> int:
        """Return the token of an effect."""
        key = (action, limit, log if self.logs else None)
        found = self._numbers.get(key)
        if found is None:
            found = self._numbers[key] = len(self._effects)
            self._effects.append(Effect(limit, action, key[2]))
            if limit is not None:
                self.limited.add(found)
        return found

    def effect(self, token: int) -> Effect:
        """Return the effect of a token."""
        return self._effects[token]

    def idle(self, token: int, final: int) -> bool:
        """Return whether an entry makes no difference just before an unlimited one that matches all of its packets."""
        if token == final:
            return True
        one, other = self._effects[token], self._effects[final]
        return one.action == other.action and one.log is None and other.log is None

    def outcome(self, items: t.Sequence[Item]) -> Outcome:
        """Return the outcome of entries that all match everything."""
        limited: t.List[int] = []
        for item in items:
            token = item[0][0]
            if token in self.limited:
                limited.append(token)
                continue
            while limited and self.idle(limited[-1], token):
                limited.pop()
            return Outcome(tuple(self._effects[one] for one in limited), self._effects[token])
        raise ValueError("a list without a default")


def policy_list(policy: Policy, direction: str, interfaces: Interfaces, tokens: Tokens) -> t.List[Item]:
    """Return the guard, the rules and the default of one direction; native lines are not in it (see ``native_notes``)."""
    whole = whole_sides(interfaces)
    items: t.List[Item] = []
    number = 0
    for rules in (policy.guard, policy.rules):
        for rule in rules:
            if rule.direction == direction:
                entry = entry_of(rule, interfaces, whole, tokens)
                if entry is not None:
                    items.append((entry, number))
            number += 1
    action, log = default_of(policy, direction)
    items.append(((tokens.number(action, None, log), *_EVERYTHING), DEFAULT))
    return items


def default_of(policy: Policy, direction: str) -> t.Tuple[str, t.Optional[Log]]:
    """Return what happens to packets that no rule matches: the action and how it is logged.

    A direction that the policy leaves alone (``unmanaged``) is allowed by it, whatever other rules on the host say.
    """
    action = policy.defaults[direction]
    if action in ("allow", "unmanaged"):
        return "allow", None
    return action, policy.log_denied


def entry_of(rule: Rule, interfaces: Interfaces, whole: Sides, tokens: Tokens) -> t.Optional[Entry]:
    """Return the entry of a rule in the cell of its direction, or None when it matches no packet."""
    sides = sides_of(rule, interfaces)
    if sides is None:
        return None
    token = tokens.number(rule.action, rule.condition, rule.log)
    return (token, None, *[None if side == full else side for side, full in zip(sides[1:], whole[1:])])


def translation_list(nat: t.Sequence[NatRule], destination: bool, interfaces: Interfaces, tokens: Tokens) -> t.List[Item]:
    """Return the translations of destinations (dnat, redirect), or those of sources, as a list; the default translates nothing."""
    whole = whole_sides(interfaces)
    items: t.List[Item] = []
    for number, one in enumerate(nat):
        if (one.kind in DESTINATION_KINDS) != destination:
            continue
        sides = translation_sides(one, interfaces)
        token = tokens.number(translation_words(one))
        items.append(((token, *[None if side == full else side for side, full in zip(sides, whole)]), number))
    items.append(((tokens.number("not translated"), *_EVERYTHING), DEFAULT))
    return items


def translation_sides(one: NatRule, interfaces: Interfaces) -> Sides:
    """Return which packets a translation matches, of any direction and state."""
    sides = list(whole_sides(interfaces))
    sides[ARRIVING if one.kind in DESTINATION_KINDS else LEAVING] = interfaces.side(one.interface)
    if one.family is not None:
        sides[FAMILY] = ((0, 0),) if one.family == 4 else ((1, 1),)
    if one.protocol is not None:
        sides[PROTOCOL] = ((one.protocol, one.protocol),)
    sides[SOURCE], sides[DESTINATION] = address_intervals(one.source), address_intervals(one.destination)
    sides[PORT] = port_intervals(one.ports)
    return tuple(sides)


def translation_words(one: NatRule) -> str:
    """Return what a translation does, in words; two that do the same have the same words."""
    if one.kind == "masquerade":
        return "masqueraded"
    target = str(one.to_address) if one.to_address is not None else "this host"
    port = " port %d" % one.to_port if one.to_port is not None else ""
    return "%s %s%s" % ("source becomes" if one.kind == "snat" else "sent to", target, port)


def whole_sides(interfaces: Interfaces) -> Sides:
    """Return the sides of all packets."""
    return tuple((one,) for one in whole_box(interfaces))


def whole_cell(interfaces: Interfaces, direction: t.Optional[str] = None) -> Box:
    """Return the box of all packets, or of those of one direction."""
    whole = whole_box(interfaces)
    if direction is None:
        return whole
    number = DIRECTIONS.index(direction)
    return ((number, number), *whole[1:])


def clip(items: t.Sequence[Item], dimension: int, low: int, high: int, limited: t.AbstractSet[int]) -> t.List[Item]:
    """Return what is left of a list in the part of its cell from ``low`` to ``high``; it ends at the first entry that decides all of it."""
    place = dimension + 1
    found: t.List[Item] = []
    for item in items:
        side = item[0][place]
        if side is None:
            found.append(item)
            continue
        first, last = side[0][0], side[-1][1]
        if first > high or last < low:
            continue
        if len(side) == 1:
            if low <= first and last <= high and not (low == first and last == high):
                found.append(item)
                continue
            part: t.Optional[t.Tuple[Interval, ...]] = (
                None if first <= low and last >= high else ((first if first > low else low, last if last < high else high),)
            )
        else:
            part = tuple((max(a, low), min(b, high)) for a, b in side if a <= high and b >= low)
            if not part:
                continue
            if part == ((low, high),):
                part = None
        entry = item[0][:place] + (part,) + item[0][place + 1 :]
        found.append((entry, item[1]))
        if part is None and entry[0] not in limited and entry[1:] == _EVERYTHING:
            break
    return found


def trim(items: t.List[Item], tokens: Tokens) -> None:
    """Drop the entries before the last one that do what the last one does."""
    final = items[-1][0][0]
    while len(items) > 1 and tokens.idle(items[-2][0][0], final):
        del items[-2]


def entries_meet(one: Entry, other: Entry) -> bool:
    """Return whether two entries match a common packet."""
    for place in range(1, DIMENSIONS + 1):
        mine, theirs = one[place], other[place]
        if mine is not None and theirs is not None and mine is not theirs and not intervals_meet(mine, theirs):
            return False
    return True


def intervals_meet(one: t.Sequence[Interval], other: t.Sequence[Interval]) -> bool:
    """Return whether sorted, disjoint intervals have a number in common."""
    i = j = 0
    while i < len(one) and j < len(other):
        if one[i][1] < other[j][0]:
            i += 1
        elif other[j][1] < one[i][0]:
            j += 1
        else:
            return True
    return False
