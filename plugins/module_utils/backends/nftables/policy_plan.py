# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The transaction that makes a policy the one in our table, and the listing after it.

Asks nft how it lists what is new (see ``policy_predict``), changes nothing. Up to three loads, each one transaction of the kernel:

1. prepare: the new bundles, which no packet reaches yet,
2. switch: the lines of the base chains, so that all directions change at one instant,
3. clear: what nothing leads to any more.

Between them packets are decided by the old policy or by the new one, whole.
"""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ...host import Host
from ...policy.policy import Policy
from ..base import Command, Transaction
from .listing import Block, Table
from .names import OWN_TABLE
from .parse import NftRuleset
from .policy_alone import empty_others
from .policy_build import build_program
from .policy_predict import predict, pure_blocks
from .policy_program import Bundle, NamedSet, Program, ProgramChain
from .policy_text import TABLE, table_lines

Blocks = t.Dict[t.Tuple[str, str], Block]
_EMPTY = Table(*OWN_TABLE, "table %s {" % TABLE)


class Steps(t.NamedTuple):
    """The lines of the three loads."""

    prepare: t.List[str]
    switch: t.List[str]
    clear: t.List[str]


def plan_policy(host: Host, read: NftRuleset, wanted: t.Optional[Policy], layout: str, alone: bool) -> Transaction:
    """Return the transaction; without commands when the host enforces the policy already."""
    steps = Steps([], [], [])
    after = read.tables
    live = read.tables.table(OWN_TABLE)
    if wanted is None:
        table = _remove(live, live is not None and live is read.tables.tables[-1], steps)
        after = after.drop(OWN_TABLE) if table is None else after.put(table)
    else:
        after = after.put(_replace(host, live or _EMPTY, live is None, wanted, layout, steps))
    facts: t.Dict[str, t.Any] = {"added": [], "removed": []}
    if alone:
        after = empty_others(read, after, steps.switch, steps.clear, facts)
    loads = ["\n".join(lines) + "\n" for lines in steps if lines]
    if not loads or after.text() == read.listing:
        return Transaction((), read.listing)
    return Transaction(
        commands=tuple(Command(("nft", "-f", "-"), text) for text in loads),
        after=after.text(),
        persist=facts,
        checks=(Command(("nft", "-c", "-f", "-"), "".join(loads)),),
    )


def _remove(live: t.Optional[Table], last: bool, steps: Steps) -> t.Optional[Table]:
    """Take everything of ours away; returns what stays of the table.

    A table that comes back comes back behind the others, so only the last one is removed whole: undoing it is exact then.
    """
    if live is None:
        return None
    if last:
        steps.switch.append("delete table " + TABLE)
        return None
    if live.blocks:
        steps.switch.extend(_cleared(live.blocks))
    return replace(live, blocks=())


def _replace(host: Host, live: Table, new: bool, wanted: Policy, layout: str, steps: Steps) -> Table:
    """Put a policy into our table; returns the table as it will be."""
    program = build_program(wanted, layout)
    have: Blocks = {(one.kind, one.name): one for one in live.blocks}
    if _unchanged(pure_blocks(program), have):
        return live
    blocks = predict(host, program)
    altered = _altered(program, blocks, have)
    if altered:
        # Either somebody changed a bundle by hand, or the prediction is not exact: be sure, then prepare it beside under another name.
        blocks = predict(host, program, whole=True)
        altered = _altered(program, blocks, have)
    if altered:
        program = build_program(wanted, layout, altered)
        blocks = predict(host, program, whole=True)
    if _unchanged(blocks, have):
        return live
    if new:
        steps.prepare.append("add table " + TABLE)
    if live.dormant or _altered(program, blocks, have) or _clashes(program, blocks, have):
        return _rebuild(live, program, blocks, steps)
    return _exchange(live, program, blocks, have, steps)


def _unchanged(blocks: t.Sequence[Block], have: Blocks) -> bool:
    return len(blocks) == len(have) and all(_same(block, have.get((block.kind, block.name))) for block in blocks)


def _same(one: Block, other: t.Optional[Block]) -> bool:
    return other is not None and one.lines() == other.lines()


def _altered(program: Program, blocks: t.Sequence[Block], have: Blocks) -> t.FrozenSet[str]:
    """Return the hooks whose bundle is there in part, or not as it was made."""
    wanted = {(one.kind, one.name): one for one in blocks}
    found = set()
    for base, bundle in zip(program.bases, program.bundles):
        keys = _keys(bundle)
        if any(key in have for key in keys) and not all(_same(wanted[key], have.get(key)) for key in keys):
            found.add(base.name)
    return frozenset(found)


def _clashes(program: Program, blocks: t.Sequence[Block], have: Blocks) -> bool:
    """Return whether something has a name that is needed and cannot become what is needed."""
    wanted = {(one.kind, one.name): one for one in blocks}
    for base in program.bases:
        there = have.get(("chain", base.name))
        if there is not None and _standing(there) != _standing(wanted["chain", base.name]):
            return True
    return any(
        one.shared and (one.kind, one.name) in have and not _same(wanted[one.kind, one.name], have[one.kind, one.name])
        for one in program.sets()
    )  # fmt: skip


def _standing(base: Block) -> t.List[str]:
    """Return what cannot be changed of a base chain while it stands: everything but its policy."""
    return [line.partition(" policy ")[0] for line in base.body]


def _keys(bundle: Bundle) -> t.List[t.Tuple[str, str]]:
    return [("chain", one.name) for one in bundle.chains] + [(one.kind, one.name) for one in bundle.sets if not one.shared]


def _exchange(live: Table, program: Program, blocks: t.Sequence[Block], have: Blocks, steps: Steps) -> Table:
    """Prepare what is not there, switch the base chains, and clear what is stale."""
    wanted = {(one.kind, one.name): one for one in blocks}
    sets: t.Dict[str, NamedSet] = {}
    chains: t.List[ProgramChain] = []
    for bundle in program.bundles:
        fresh = not all(key in have for key in _keys(bundle))
        sets.update((one.name, one) for one in bundle.sets if (one.kind, one.name) not in have)
        chains += bundle.chains if fresh else ()
    for base in program.bases:
        if ("chain", base.name) not in have and base.hook is not None:
            steps.prepare.append("add chain %s %s { %s }" % (TABLE, base.name, replace(base.hook, policy="accept").line()))
    if sets or chains:
        steps.prepare.extend(table_lines(list(sets.values()), chains))
    for base in program.bases:
        if not _same(wanted["chain", base.name], have.get(("chain", base.name))):
            steps.switch.extend(_base_lines(base))
    for block in live.chains():
        if block.base and ("chain", block.name) not in wanted:
            steps.switch.extend(["flush chain %s %s" % (TABLE, block.name), "delete chain %s %s" % (TABLE, block.name)])
    stale = [one for one in live.blocks if (one.kind, one.name) not in wanted]
    steps.clear.extend(_cleared([one for one in stale if not one.base]))
    table = live
    for one in stale:
        table = table.drop(one.kind, one.name)
    for block in blocks:
        table = table.put(block)
    return table


def _rebuild(live: Table, program: Program, blocks: t.Sequence[Block], steps: Steps) -> Table:
    """Take the content of the table away and make it anew in one load: for tables that were changed by hand in strange ways."""
    names = {base.name for base in program.bases}
    wanted = {(one.kind, one.name): one for one in blocks}
    kept = [
        one for one in live.blocks
        if one.base and one.name in names and _standing(one) == _standing(wanted["chain", one.name]) and not live.dormant
    ]  # fmt: skip
    steps.switch.append("flush table " + TABLE)
    steps.switch.extend(_cleared([one for one in live.blocks if one not in kept]))
    if live.dormant:
        steps.switch.extend(["delete table " + TABLE])
    steps.switch.extend(table_lines(program.sets(), program.chains()))
    table = replace(live, blocks=tuple(kept), preamble=() if live.dormant else live.preamble)
    for block in blocks:
        table = table.put(block)
    return table


def _base_lines(base: ProgramChain) -> t.List[str]:
    lines = [] if base.hook is None else ["add chain %s %s { %s }" % (TABLE, base.name, base.hook.line())]
    lines.append("flush chain %s %s" % (TABLE, base.name))
    return lines + ["add rule %s %s %s" % (TABLE, base.name, line.typed) for line in base.lines]


def _cleared(blocks: t.Sequence[Block]) -> t.List[str]:
    """Return the lines that delete blocks, whatever refers to what among them."""
    chains = [one for one in blocks if one.kind == "chain"]
    others = [one for one in blocks if one.kind != "chain"]
    lines = ["flush chain %s %s" % (TABLE, one.name) for one in chains if one.rules]
    lines += ["flush map %s %s" % (TABLE, one.name) for one in others if one.kind == "map"]
    lines += ["delete %s %s %s" % ("set" if one.kind == "meter" else one.kind, TABLE, one.name) for one in others]
    return lines + ["delete chain %s %s" % (TABLE, one.name) for one in chains]
