# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Putting a policy's chains and jumps into tables, live or from a file, and taking them out again.

Pure: touches nothing but the draft.

A family's tables are one input of iptables-restore, and each table in it is one transaction: of one family, a packet meets the old rules
or the new ones. IPv4 and IPv6 cannot change at the same instant, and need not: no packet belongs to both, so while one family has the
new rules and the other still the old ones, every packet is judged by one whole policy. Of one family, the filter table comes first, and
the nat table first when both go: so at no time are the translations of a policy in force without its filter.
"""

from __future__ import annotations

import re
import typing as t

from .draft import Draft, Key
from .flush import targets
from .owners import chain_owner, is_foreign, rule_owner
from .policy_chains import Own, is_own, jump_line, jump_place, own_chains, own_target
from .saved import BUILTIN, Tables, is_builtin

#: Targets by which the administrator's lines in tables of other purposes decide about packets.
_DECIDING = re.compile(r" -j (?:DROP|REJECT)\b")


def put_own(draft: Draft, own: Own, alone: bool) -> None:
    """Edit a draft so that of ours it has exactly this.

    :param alone: whether the administrator's entries go where the policy decides; those of other programs stay.
    """
    for family, tables in draft.saved.items():
        for table in ("filter", "nat"):
            if table not in tables and not any(key[:2] == (family, table) for key in own.chains):
                continue
            for key in sorted(key for key in own.chains if key[:2] == (family, table)):
                draft.fill(key, own.chains[key])
            for name in tables.get(table, {}):
                if is_own(name) and (family, table, name) not in own.chains:
                    draft.drop((family, table, name))
                elif not is_own(name) and not is_builtin(table, name):
                    _lead_nowhere(draft, (family, table, name))
            for name in BUILTIN[table]:
                key = (family, table, name)
                # An unmanaged direction is left as it is.
                _lead(draft, key, own.jumps.get(key), alone and (table == "nat" or key in own.jumps))
        if alone:
            _empty_others(draft, family, tables)
    draft.backwards = not own.chains


def own_of(family: int, tables: Tables) -> Own:
    """Return what the tables of a family have of ours."""
    jumps: t.Dict[Key, str] = {}
    for table in ("filter", "nat"):
        for name, chain in tables.get(table, {}).items():
            for target in filter(None, map(own_target, chain.rules)) if is_builtin(table, name) else ():
                jumps[family, table, name] = target
    return Own(own_chains({family: tables}), jumps, {})


def _lead(draft: Draft, key: Key, target: t.Optional[str], emptied: bool) -> None:
    """Let a built-in chain lead to our chain from the right place, and from nowhere else."""
    items = draft.chain(key)
    jump = jump_line(key[2], target) if target is not None else None
    for item in items:
        if own_target(item.line) is None and emptied and not is_foreign(rule_owner(item.line)):
            item.removed = True
    rest = [item for item in items if not item.removed and own_target(item.line) is None]
    place = jump_place([item.line for item in rest])
    before = set(map(id, rest[:place]))
    passed = 0
    stands = False
    for item in items:
        if own_target(item.line) is not None:
            stays = item.line == jump and passed == place and not stands
            stands = stands or stays
            item.removed = not stays
        elif id(item) in before:
            passed += 1
        elif not item.removed:
            passed = -1
    if jump is not None and not stands:
        draft.insert(key, [jump], rest[place].number if place < len(rest) else None)


def _lead_nowhere(draft: Draft, key: Key) -> None:
    for number, item in enumerate(draft.chain(key)):
        if own_target(item.line) is not None:
            draft.remove(key, number, 1)


def _empty_others(draft: Draft, family: int, tables: Tables) -> None:
    """Remove the administrator's chains that nothing leads to any more, and what decides in tables of other purposes."""
    for table in tables:
        if table not in ("filter", "nat"):
            for name, chain in tables[table].items():
                if is_foreign(chain_owner(name)):
                    continue
                for number, line in enumerate(chain.rules):
                    if _DECIDING.search(line) and not is_foreign(rule_owner(line)):
                        draft.remove((family, table, name), number, 1)
            continue
        chains = {name for name in tables[table] if not is_builtin(table, name) and not is_own(name)}
        staying = {name for name in chains if is_foreign(chain_owner(name))}
        left = [key for key in draft.items if key[:2] == (family, table) and key[2] not in chains and key not in draft.dropped]
        todo = [target for key in left for line in draft.lines(key) for target in targets(line)] + sorted(staying)
        seen: t.Set[str] = set()
        while todo:
            name = todo.pop()
            if name in chains and name not in seen:
                seen.add(name)
                todo.extend(target for line in draft.lines((family, table, name)) for target in targets(line))
        for name in sorted(chains - seen):
            draft.drop((family, table, name))
