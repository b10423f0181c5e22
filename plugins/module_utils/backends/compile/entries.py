# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rule on its way from a chain to the list: where it stands, and what must be asked before it.

Pure: touches nothing.
"""

from __future__ import annotations

import typing as t

from ...analysis.boxes import Sides
from ...policy.protocols import TCP
from ...policy.rule import Rule
from .axes import Region
from .effects import Effect, effect_of
from .graph import Hint, Item

#: Where an entry stands: lists are ascending. First its number, where it carries one that fits, then its order among equals.
Key = t.Tuple[int, int]


class Asked:
    """Items that decide before a rule, for the packets that the rule matches; read when it is known for which packets."""

    def __init__(self, items: t.Sequence[Item], read: t.Callable[[t.Sequence[Item], Region], t.List[Entry]]) -> None:
        self._items = items
        self._read = read
        self._known: t.Dict[t.Tuple[t.Any, ...], t.List[Entry]] = {}

    def entries(self, region: Region) -> t.List[Entry]:
        """Return the entries, for packets of a region."""
        key = tuple(sorted(region.items()))
        if key not in self._known:
            self._known[key] = self._read(self._items, region)
        return self._known[key]


class Entry:
    """One rule of a list.

    :ivar hint: the number that it carries.
    :ivar asked: what decides before it, in order.
    :ivar origin: of a rule that counts packets: where its counter is. The same rule with two counters is two rules.
    """

    __slots__ = ("asked", "effect", "hint", "key", "origin", "rule", "sides")

    def __init__(self, key: Key, hint: Hint, rule: Rule, sides: Sides, asked: t.Tuple[Asked, ...] = (), origin: t.Hashable = None) -> None:
        self.key = key
        self.hint = hint
        self.rule = rule
        self.sides = sides
        self.asked = asked
        #: None when it may not change places with any entry that shares packets with it.
        own = effect_of(rule)
        self.effect: t.Optional[Effect] = None if asked else own
        self.origin = origin if own is None else None

    def kind(self) -> t.Tuple[t.Any, ...]:
        """Return what the parts of one rule have in common, which stand at one place."""
        rule = self.rule
        reset = rule.action == "reject" and rule.protocol == TCP
        return (self.key, rule.action, reset, rule.limit, rule.log, rule.comment, self.origin, *map(id, self.asked))

    def at(self, key: Key) -> Entry:
        """Return it at another place."""
        return self if key == self.key else Entry(key, self.hint, self.rule, self.sides, self.asked, self.origin)


def in_order(entries: t.Iterable[t.Optional[Entry]]) -> t.List[Entry]:
    """Return entries that decide one after the other with ascending keys; a number that does not fit gives way."""
    found: t.List[Entry] = []
    last = (-1, 0)
    for entry in entries:
        if entry is None:
            continue
        if entry.key <= last:
            entry = entry.at((last[0], last[1] + 1))
        found.append(entry)
        last = entry.key
    return found
