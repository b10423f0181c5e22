# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Flushing: every rule that no other program keeps goes, and with it the chains, sets and objects that served only such rules.

Pure: touches nothing. Tables and base chains stay, with their hooks and policies; our own table goes when nothing stays in it and it
is the last one (a table that comes back comes back at the end, so removing another would not be undone exactly).
"""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ...policy.errors import HoldfastError
from ...policy.rule import Rule
from ..base import Transaction
from ..ruleset import Edit
from .listing import Block, RuleLine, Table, referred
from .names import DIRECTION_OF, OWN_TABLE, chain_name
from .owners import keeps
from .render import limit_sets, statements
from .ruleset import ChainRef, NftRuleset, hook_of
from .transaction import Ask, Script, ask_forms


def plan_flush(ruleset: NftRuleset, keep: t.Mapping[str, t.Sequence[Rule]], ask: Ask) -> Transaction:
    """Return the transaction that flushes; ``keep`` are the rules that chains of these names hold afterwards.

    :raises HoldfastError: when a chain would be left that drops everything before it reaches a chain of a direction.
    """
    script = Script(ruleset.tables)
    edits = [Edit(chain, rule=rule) for chain in ruleset.chains for rule in keep.get(chain.name, ()) if chain.changeable]
    for edit in edits:
        if edit.chain.missing:
            script.ensure_chain(edit.chain)
        for one in limit_sets(t.cast(Rule, edit.rule)):
            script.ensure_set(edit.chain.ref[:2], one)
    wanted = [(edit, line) for edit in edits for line in statements(t.cast(Rule, edit.rule), edit.chain.ref[0])]
    sets = [limit_sets(t.cast(Rule, edit.rule)) for edit in edits]
    forms = ask_forms(ask, [(edit.chain.ref[:2], line) for edit, line in wanted], edits, sets)
    new: t.Dict[ChainRef, t.List[t.Tuple[str, str]]] = {}
    for edit, line in wanted:
        new.setdefault(edit.chain.ref, []).append((line.typed, next(forms)))
    for table in script.after.tables:
        if ruleset.owners.get(table.key, "holdfast" if table.key == OWN_TABLE else None) in (None, "holdfast"):
            flush_table(script, table, new)
    return script.transaction(ruleset.listing)


def flush_table(
    script: Script, table: Table, new: t.Mapping[ChainRef, t.Sequence[t.Tuple[str, str]]], spared: t.FrozenSet[str] = frozenset()
) -> None:
    """Add to the script what flushes one table; ``new`` are the lines (typed and listed) that its chains hold afterwards.

    ``spared`` are hooks whose base chains stay as they are, with all that they use.

    :raises HoldfastError: see ``plan_flush``.
    """
    kept_chains = {one.name for one in table.blocks if keeps(one)} | {one.name for one in table.chains() if _spares(one, spared)}
    kept_rules = {
        block.name: [rule for rule in block.rules if referred(rule.text) & kept_chains]
        for block in table.chains() if block.base and block.name not in kept_chains
    }  # fmt: skip
    needed = _needed(table, kept_chains, kept_rules)
    refs = [(table.family, table.name, name) for name in kept_rules]
    needed |= {name for ref in refs for typed, _listed in new.get(ref, ()) for name in referred(typed)}
    empty = not needed and not any(kept_rules.values()) and not any(new.get(ref) for ref in refs)
    if table.key == OWN_TABLE and empty and table is script.after.tables[-1]:
        script.removes.append("delete table %s %s" % table.key)
        script.after = script.after.drop(table.key)
        return
    for block in table.chains():
        ref: ChainRef = (table.family, table.name, block.name)
        if block.name in kept_rules:
            _refuse_shutting(table, block)
            _refill(script, ref, block, kept_rules[block.name], new.get(ref, ()))
        elif block.name not in kept_chains and block.name not in needed and block.rules:
            script.removes.append("flush chain %s %s %s" % ref)
    current = t.cast(Table, script.after.table(table.key))
    chains = [one for one in current.blocks if one.kind == "chain"]
    for block in [one for one in current.blocks if one.kind != "chain"] + chains:
        if block.name in needed or block.name in kept_chains or block.name in kept_rules:
            continue
        if block.kind == "map":
            script.drops.append("flush map %s %s %s" % (*table.key, block.name))  # its elements may hold on to chains
        script.drops.append("delete %s %s %s %s" % (block.kind, *table.key, block.name))
        current = current.drop(block.kind, block.name)
    script.after = script.after.put(current)


def _spares(block: Block, spared: t.FrozenSet[str]) -> bool:
    facts = hook_of(block)
    return facts is not None and facts[1] in spared


def _needed(table: Table, kept_chains: t.Set[str], kept_rules: t.Mapping[str, t.Sequence[RuleLine]]) -> t.Set[str]:
    """Return the names of everything that kept chains and rules refer to, directly or not."""
    blocks = {one.name: one for one in table.blocks}
    waiting = set(kept_chains)
    for rules in kept_rules.values():
        for rule in rules:
            waiting |= referred(rule.text)
    needed: t.Set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in blocks and name not in needed:
            needed.add(name)
            waiting |= blocks[name].references() - needed
    return needed


def _refuse_shutting(table: Table, block: Block) -> None:
    """Refuse to empty a chain that drops by default where there is no direction to keep management open in (prerouting, ingress)."""
    facts = hook_of(block)
    if facts is not None and facts[1] not in DIRECTION_OF and facts[3] == "drop" and block.rules:
        raise HoldfastError(
            "Chain %s drops by default at hook %s; without its rules nothing reaches this host, so nothing was flushed. "
            "Give the chain the policy accept first, or remove it" % (chain_name(table.family, table.name, block.name), facts[1])
        )


def _refill(script: Script, ref: ChainRef, block: Block, kept: t.Sequence[RuleLine], new: t.Sequence[t.Tuple[str, str]]) -> None:
    """Leave the kept rules in a base chain, and put the new ones behind them."""
    wanted = [rule.text for rule in kept] + [listed for _typed, listed in new]
    if wanted == [rule.text for rule in block.rules]:
        return
    gone = [rule for rule in block.rules if rule not in kept]
    if not kept and block.rules:
        script.creates.append("flush chain %s %s %s" % ref)
    else:
        script.removes += ["delete rule %s %s %s handle %s" % (*ref, rule.handle) for rule in gone]
    script.adds += ["add rule %s %s %s %s" % (*ref, typed) for typed, _listed in new]
    table = t.cast(Table, script.after.table(ref[:2]))
    rules = (*kept, *(RuleLine(listed) for _typed, listed in new))
    script.after = script.after.put(table.put(replace(block, rules=rules)))
    script.note(script.removed, ref, [rule.text for rule in gone])
    script.note(script.added, ref, [listed for _typed, listed in new])
