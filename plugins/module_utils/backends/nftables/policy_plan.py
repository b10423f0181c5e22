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

import re
import typing as t
from dataclasses import replace

from ...host import Host
from ...policy.errors import HoldfastError
from ...policy.policy import Policy
from ..base import Command, Transaction
from .listing import Block, Table, standing
from .names import HOOK_OF, OWN_TABLE, protocol_number
from .policy_alone import empty_others
from .policy_build import Draft, draft_program, name_program
from .policy_order import ordered
from .policy_predict import predict, pure_blocks
from .policy_program import Bundle, NamedSet, Program, ProgramChain
from .policy_text import TABLE, table_lines
from .ruleset import NftRuleset

#: The names that a bundle may have, by preference; all but the first are for bundles that were changed by hand. With an odd one the
#: dynamic sets get other names too, which loses their counts.
TURNS = (0, 2, 4, 6, 1, 3, 5, 7)
_PROTOCOL = re.compile(r"(\bmeta l4proto )([^\s{]+)")
_ELEMENT = re.compile(r'(?:"[^"]*"|[^,"])+')
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
        left_alone = [] if wanted is None else [HOOK_OF[one] for one, action in wanted.defaults.items() if action == "unmanaged"]
        after = empty_others(read, after, steps.switch, steps.clear, facts, frozenset(left_alone))
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
    have: Blocks = {(one.kind, one.name): one for one in live.blocks}
    drafts = draft_program(wanted, layout)
    turns = {draft.hook.hook: _turn_in_use(draft, have) for draft in drafts}
    program = name_program(drafts, turns)
    if not live.dormant and _unchanged(pure_blocks(program), have):
        return live
    blocks = predict(host, program)
    altered = _altered(program, blocks, have)
    if altered:
        # Either somebody changed a bundle by hand, or the prediction is not exact: be sure, then prepare it beside under another name.
        blocks = predict(host, program, whole=True)
        altered = _altered(program, blocks, have)
    for turn in TURNS:
        if not altered:
            break
        turns.update(dict.fromkeys(altered, turn))
        program = name_program(drafts, turns)
        blocks = predict(host, program, whole=True)
        altered = _altered(program, blocks, have)
    if altered:
        raise HoldfastError("The names of table %s are taken by other objects: %s" % (TABLE, ", ".join(sorted(altered))))
    if not live.dormant and _unchanged(blocks, have):
        return live
    if new or live.dormant:
        steps.prepare.append("add table " + TABLE)  # which also switches a dormant table on
    return _exchange(live, program, blocks, have, steps)


def _turn_in_use(draft: Draft, have: Blocks) -> int:
    """Return which name of its bundle the live base chain jumps to, 0 when it is none of them."""
    base = have.get(("chain", draft.hook.hook))
    lines = {rule.text for rule in base.rules} if base is not None else set()
    return next((turn for turn in TURNS if "jump " + draft.name(turn) in lines), 0)


def _unchanged(blocks: t.Sequence[Block], have: Blocks) -> bool:
    return len(blocks) == len(have) and all(_same(block, have.get((block.kind, block.name))) for block in blocks)


def _same(one: Block, other: t.Optional[Block]) -> bool:
    if other is None:
        return False
    if one.lines() == other.lines():
        return True
    if one.kind == "chain":
        return _numbered(one) == _numbered(other)
    return one.kind in ("set", "map") and _content(one) == _content(other)


def _numbered(block: Block) -> t.List[str]:
    """Return the lines of a chain with numbers of protocols, which the host may have names for."""
    return [_PROTOCOL.sub(lambda found: "%s%s" % (found.group(1), protocol_number(found.group(2))), line) for line in block.lines()]


def _content(block: Block) -> t.Tuple[t.List[str], t.List[str]]:
    """Return the declaration and the elements of a set or map, wherever their lines break."""
    declared = block.without_elements()
    text = " ".join(line.strip() for line in block.body[len(declared.body) :])
    return declared.lines(), sorted(element.strip() for element in _ELEMENT.findall(text[len("elements = {") : -1]))


def _altered(program: Program, blocks: t.Sequence[Block], have: Blocks) -> t.Set[str]:
    """Return the hooks whose bundle is there in part, or not as it was made."""
    wanted = {(one.kind, one.name): one for one in blocks}
    found = set()
    for base, bundle in zip(program.bases, program.bundles):
        own = _keys(bundle)
        shared = [(one.kind, one.name) for one in bundle.sets if one.shared]
        there = [key for key in own + shared if key in have]
        if not all(_same(wanted[key], have[key]) for key in there) or 0 < sum(key in have for key in own) < len(own):
            found.add(base.name)
    return found


def _keys(bundle: Bundle) -> t.List[t.Tuple[str, str]]:
    return [("chain", one.name) for one in bundle.chains] + [(one.kind, one.name) for one in bundle.sets if not one.shared]


def _exchange(live: Table, program: Program, blocks: t.Sequence[Block], have: Blocks, steps: Steps) -> Table:
    """Prepare what is not there, switch the base chains, and clear what is stale."""
    wanted = {(one.kind, one.name): one for one in blocks}
    table = _awake(live)
    sets: t.Dict[str, NamedSet] = {}
    chains: t.List[ProgramChain] = []
    for bundle in program.bundles:
        sets.update((one.name, one) for one in bundle.sets if (one.kind, one.name) not in have)
        chains += bundle.chains if ("chain", bundle.name) not in have else ()
    for base in program.bases:
        if ("chain", base.name) not in have and base.hook is not None:
            steps.prepare.append("add chain %s %s { %s }" % (TABLE, base.name, replace(base.hook, policy="accept").line()))
    if sets or chains:
        steps.prepare.extend(table_lines(list(sets.values()), chains))
    for base in program.bases:
        there = have.get(("chain", base.name))
        if there is not None and standing(there) != standing(wanted["chain", base.name]):
            steps.switch.extend(_cleared([there]))
            table = table.drop("chain", base.name)
        if not _same(wanted["chain", base.name], there):
            steps.switch.extend(_base_lines(base))
    stale = [one for one in live.blocks if (one.kind, one.name) not in wanted]
    steps.switch.extend(_cleared([one for one in stale if one.base]))
    steps.clear.extend(_cleared([one for one in stale if not one.base]))
    for one in stale:
        table = table.drop(one.kind, one.name)
    for block in blocks:
        table = table.put(block)
    return ordered(table)


def _awake(live: Table) -> Table:
    """Return the table as it is listed once it is switched on."""
    if not live.dormant:
        return live
    lines = tuple(line for line in live.preamble if not line.startswith("\tflags "))
    return replace(live, preamble=lines if any(lines) else ())


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
