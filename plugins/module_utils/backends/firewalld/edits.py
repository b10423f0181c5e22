# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Edits of single rules: where each goes in our policies of firewalld, and what goes out of a zone.

Pure: touches nothing. What has to decide before the rules of zones goes to the end of our first policy, what comes behind them into our
last one. Where an entry of a zone would have to stay in front of a rule that goes before it, the rule is refused.
"""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ...analysis.relation import covers, overlaps
from ...policy.errors import HoldfastError
from ...policy.rule import Rule
from ..ruleset import Chain, Edit, Entry
from .names import CONTINUE, FIRST, LAST
from .objects import Content, Item, OwnPolicy
from .policy_text import rule_item
from .render import normalise, sets_of
from .rich import parse_rich
from .state import Place, State

#: Kinds of items that end a whole policy: what is put at its end goes before them.
_TAIL = ("after", "denied", "default")


class Draft:
    """Our policies while they are edited."""

    def __init__(self, state: State) -> None:
        self._state = state
        #: The items by policy, each with the entry of the list that it was read as.
        self._items: t.Dict[str, t.List[t.Tuple[Item, t.Optional[int]]]] = {}
        self._targets: t.Dict[str, t.Tuple[str, str]] = {}
        for policy in state.own:
            self._items[policy.name] = [(item, number) for number, item in enumerate(policy.items)]
            self._targets[policy.name] = (policy.direction, policy.target)
        self.sets: t.Dict[str, Content] = {name: one for name, one in state.sets.items() if one is not None}
        #: What goes out of zones: zone, setting and value.
        self.cut: t.List[t.Tuple[str, str, t.Any]] = []

    def edit(self, edit: Edit) -> None:
        """Carry out one edit.

        :raises HoldfastError: where that is not possible without overruling somebody.
        """
        direction = next(iter(edit.chain.directions))
        if edit.rule is not None:
            self.sets.update(sets_of(edit.rule))
            self._insert(edit, direction, rule_item(edit.rule), edit.rule)
        elif edit.native is not None:
            self._insert(edit, direction, Item((parse_rich(edit.native),)), None)
        if edit.remove is not None:
            self._remove(edit.remove)

    def policies(self) -> t.List[OwnPolicy]:
        """Return what our policies are now; one without rules and without a decision of its own is gone."""
        found = []
        for name, items in self._items.items():
            direction, target = self._targets[name]
            if items or target != CONTINUE:
                found.append(OwnPolicy(name, direction, target, tuple(item for item, _number in items)))
        return found

    def _remove(self, entry: Entry) -> None:
        place = entry.ref
        if isinstance(place, Place) and place.kind == "own":
            self._items[place.name] = [one for one in self._items[place.name] if one[1] != place.number]
        elif isinstance(place, Place) and place.kind == "zone":
            self.cut.append((place.name, place.setting, place.value))
        else:
            raise HoldfastError("This rule belongs to firewalld or another program and is not removed here: %s" % "; ".join(entry.native))

    def _insert(self, edit: Edit, direction: str, item: Item, rule: t.Optional[Rule]) -> None:
        target = edit.remove if edit.remove is not None else edit.before
        place = target.ref if target is not None else None
        behind = isinstance(place, Place) and place.name == LAST[direction] and edit.remove is None
        if behind and rule is not None and _has_to_be_first(edit.chain, rule):
            self._append(FIRST[direction], direction, item)
        elif isinstance(place, Place) and place.kind == "own":
            items = self._items[place.name]
            at = next((number for number, one in enumerate(items) if one[1] == place.number), len(items))
            items.insert(at, (item, None))
        elif target is not None or self._whole(direction):
            if target is not None and rule is not None:
                _refuse_overruling(edit.chain, target, rule)
            self._append(FIRST[direction], direction, item)
        else:
            first = rule is not None and _has_to_be_first(edit.chain, rule)
            self._append((FIRST if first else LAST)[direction], direction, item)

    def _whole(self, direction: str) -> bool:
        return self._targets.get(FIRST[direction], (direction, CONTINUE))[1] != CONTINUE

    def _append(self, name: str, direction: str, item: Item) -> None:
        self._targets.setdefault(name, (direction, CONTINUE))
        items = self._items.setdefault(name, [])
        at = len(items)
        while at and items[at - 1][0].kind in _TAIL:
            at -= 1
        items.insert(at, (item, None))


def _has_to_be_first(chain: Chain, rule: Rule) -> bool:
    """Return whether a zone, whichever interfaces it has, decides otherwise about what the rule is for.

    :raises HoldfastError: where it also has an exception that would have to stay in front of the rule.
    """
    beaten, exceptions = [], []
    for entry in chain.entries:
        for one in entry.ref.means if isinstance(entry.ref, Place) else ():
            if (one.action == "allow") == (rule.action == "allow") or not overlaps(one, rule):
                continue
            if covers(one, rule) or (rule.action != "allow" and not covers(rule, one)):
                beaten.append(entry)
            elif covers(rule, one):
                exceptions.append(entry)
    if beaten and exceptions:
        raise _overruled(exceptions[0])
    return bool(beaten)


def _refuse_overruling(chain: Chain, before: Entry, rule: Rule) -> None:
    """Refuse to go before everything of others where something in front of ``before`` decides a part of the rule otherwise."""
    for entry in chain.entries:
        if entry is before or entry == before:
            return
        if isinstance(entry.ref, Place) and entry.ref.kind == "own" and entry.ref.name == FIRST[rule.direction]:
            continue
        if any(one.action != rule.action and overlaps(one, rule) for one in entry.meanings()):
            raise _overruled(entry)


def _overruled(entry: Entry) -> HoldfastError:
    return HoldfastError(
        "The rule has to decide before the rules of zones, and there it would also overrule this one, which decides a part of its packets "
        "otherwise: %s. Make the rule narrower, or remove that one" % "; ".join(entry.native)
    )


def emptied(state: State, keep: t.Mapping[str, t.Sequence[Rule]]) -> Draft:
    """Return a draft without anything of ours but rules to keep, by list."""
    draft = Draft(replace(state, own=()))
    for name, rules in keep.items():
        direction = name.rpartition(" ")[2]
        for rule in rules:
            if rule.reply or rule.established or rule.interface is not None:
                continue  # firewalld passes loopback and known connections by itself
            draft.edit(Edit(Chain(name, frozenset({direction}), frozenset({4, 6})), rule=normalise(rule)))
    return draft
