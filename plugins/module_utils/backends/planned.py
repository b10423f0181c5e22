# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A ruleset as it will be, so that several rules are placed one after the other and still become one transaction.

Pure: touches nothing. Each rule is judged against what the rules before it have made of the chains. What comes out are edits of the ruleset
that was read: every new rule stands before an entry which is there now and stays, or at the end.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from ..policy.errors import HoldfastError
from ..policy.rule import Rule
from .ruleset import Chain, Edit, Entry, Ruleset


@dataclass
class _Item:
    """One entry of a chain that is being planned.

    :ivar known: the entry that was read, or None for a new one.
    :ivar rule: what is put here, new or in the place of ``known``.
    """

    entry: Entry
    known: t.Optional[Entry] = None
    rule: t.Optional[Rule] = None


class PlannedRuleset:
    """A ruleset, and what has been decided to change of it."""

    def __init__(self, ruleset: Ruleset) -> None:
        self._ruleset = ruleset
        self._chains: t.Dict[str, Chain] = {chain.name: chain for chain in ruleset.chains}
        self._items: t.Dict[str, t.List[_Item]] = {}
        self._gone: t.List[t.Tuple[Chain, Entry]] = []

    @property
    def ruleset(self) -> Ruleset:
        """The ruleset as it will be; what reads it must not ask for the pointers of new entries."""
        chains = [
            replace(chain, entries=tuple(item.entry for item in self._items[name])) if name in self._items else chain
            for name, chain in self._chains.items()
        ]
        return replace(self._ruleset, chains=tuple(chains))

    def carry_out(self, edits: t.Iterable[Edit]) -> None:
        """Make edits that were planned against ``ruleset``."""
        for edit in edits:
            if edit.native is not None:
                raise HoldfastError("Raw rules cannot be planned together with others")
            items = self._of(edit.chain)
            if edit.remove is not None and edit.rule is not None:
                item = items[_place(items, edit.remove)]
                item.entry, item.rule = _entry(edit.rule), edit.rule
            elif edit.remove is not None:
                item = items.pop(_place(items, edit.remove))
                if item.known is not None:
                    self._gone.append((self._chains[edit.chain.name], item.known))
            elif edit.rule is not None:
                at = len(items) if edit.before is None else _place(items, edit.before)
                items.insert(at, _Item(_entry(edit.rule), rule=edit.rule))

    def edits(self) -> t.List[Edit]:
        """Return the edits of the ruleset that was read: additions, then replacements, then removals."""
        added: t.List[Edit] = []
        replaced: t.List[Edit] = []
        for name, items in self._items.items():
            chain = self._chains[name]
            before: t.Optional[Entry] = None
            new: t.List[Edit] = []
            for item in reversed(items):
                if item.known is None:
                    new.append(Edit(chain, rule=item.rule, before=before))
                else:
                    before = item.known
                    if item.rule is not None:
                        replaced.append(Edit(chain, rule=item.rule, remove=item.known))
            added += reversed(new)
        return added + replaced + [Edit(chain, remove=entry) for chain, entry in self._gone]

    def _of(self, chain: Chain) -> t.List[_Item]:
        if chain.name not in self._items:
            known = self._chains.setdefault(chain.name, chain)
            self._items[chain.name] = [_Item(entry, known=entry) for entry in known.entries]
        return self._items[chain.name]


def _entry(rule: Rule) -> Entry:
    return Entry((rule.describe(),), rule=rule)


def _place(items: t.Sequence[_Item], entry: Entry) -> int:
    """Return where an entry stands: the very one, else one that says the same."""
    found = next((number for number, item in enumerate(items) if item.entry is entry), None)
    if found is None:
        found = next((number for number, item in enumerate(items) if item.entry == entry), None)
    if found is None:
        raise HoldfastError("The rule %s was to be changed twice in one task" % " / ".join(entry.native))
    return found
