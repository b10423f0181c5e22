# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removing all rules, less those that other programs keep.

Pure: touches nothing. Chains of other programs stay as they are, with the rules of built-in chains that lead into them, in their order,
and with the administrator's own chains that they lead to. Policies stay.
"""

from __future__ import annotations

import re
import typing as t

from .draft import Draft, Key
from .owners import chain_owner, is_foreign, rule_owner
from .saved import Tables, is_builtin

_TARGET = re.compile(r" -[jg] (\S+)")


def flush(draft: Draft, keep: t.Mapping[Key, t.Sequence[str]]) -> None:
    """Edit a draft so that only other programs' rules and ``keep`` (lines for each chain) are left."""
    for family, tables in draft.saved.items():
        for table, chains in tables.items():
            staying = kept_chains(table, tables)
            for name, chain in chains.items():
                key = (family, table, name)
                if is_builtin(table, name):
                    foreign = [line for line in chain.rules if is_foreign(rule_owner(line))]
                    draft.replace(key, foreign + [line for line in keep.get(key, ()) if line not in foreign])
                elif name not in staying:
                    draft.drop(key)
    for key, lines in keep.items():
        if draft.saved_chain(key) is None:
            draft.replace(key, lines)


def kept_chains(table: str, tables: Tables) -> t.Set[str]:
    """Return the chains, not built in, that a flush leaves alone."""
    chains = tables[table]
    todo = [name for name in chains if not is_builtin(table, name) and is_foreign(chain_owner(name))]
    for name, chain in chains.items():
        if is_builtin(table, name):
            todo.extend(target for line in chain.rules if is_foreign(rule_owner(line)) for target in targets(line))
    staying: t.Set[str] = set()
    while todo:
        name = todo.pop()
        if name in chains and name not in staying and not is_builtin(table, name):
            staying.add(name)
            todo.extend(target for line in chains[name].rules for target in targets(line))
    return staying


def targets(line: str) -> t.List[str]:
    """Return what a line may jump to; quoted text is left out."""
    return t.cast(t.List[str], _TARGET.findall(re.sub(r'"(?:[^"\\]|\\.)*"', '""', line)))


def own_content(tables: Tables, table: str) -> t.Dict[str, t.Tuple[str, ...]]:
    """Return the chains of a table with what is not kept by other programs; their chains and the rules that lead there are left out."""
    result: t.Dict[str, t.Tuple[str, ...]] = {}
    for name, chain in tables.get(table, {}).items():
        if is_builtin(table, name) or not is_foreign(chain_owner(name)):
            result[name] = tuple(line for line in chain.rules if not is_foreign(rule_owner(line)))
    return result
