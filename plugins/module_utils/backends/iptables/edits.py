# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Edits of the language carried into a draft of tables, live or from a file.

Pure: touches nothing. Each edit leaves facts (JSON-able) of what it did, for the file that is loaded at boot.
"""

from __future__ import annotations

import typing as t

from ..ruleset import Edit, Entry
from .draft import Draft
from .meaning import Place
from .render import Abilities, rule_lines, rule_sets
from .sets import KernelSet, list_set

Change = t.Dict[str, t.Any]


def edit_rule(draft: Draft, edit: Edit, can: Abilities, sets: t.Dict[str, KernelSet]) -> t.List[Change]:
    """Remove, put or replace a rule of the language.

    :param sets: is given the address sets that the rule's lines name.
    """
    changes = remove_entry(draft, edit.remove)
    if edit.rule is None:
        return changes
    place = t.cast(Place, edit.chain.ref)
    key = (place.family, place.table, place.chain)
    lines = rule_lines(edit.rule, place.family, can, place.chain)
    sets.update({name: list_set(one) for name, one in rule_sets(edit.rule).items()})
    beside = edit.remove or edit.before
    draft.insert(key, lines, beside.ref[0].first if beside is not None else None)
    return changes + [{"family": key[0], "table": key[1], "chain": key[2], "put": lines}]


def remove_entry(draft: Draft, entry: t.Optional[Entry]) -> t.List[Change]:
    """Remove the lines of an entry, in each family that it stands in."""
    changes: t.List[Change] = []
    for place in t.cast(t.Tuple[Place, ...], entry.ref) if entry is not None else ():
        key = (place.family, place.table, place.chain)
        saved = draft.saved_chain(key)
        lines = list(saved.rules[place.first : place.first + place.count]) if saved is not None else []
        draft.remove(key, place.first, place.count)
        changes.append({"family": key[0], "table": key[1], "chain": key[2], "remove": lines})
    return changes
