# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Putting the old rules back: one nft file that undoes the difference between two listings.

Pure: builds text. The file loads whether or not the change was made. Only chains that the change touches are written; what
the change created goes. A table, chain or set that stays is never deleted, so that the order of a listing stays too, unless the change
deleted something in front of what stayed: then the table's content is built anew, in its old order, in the same transaction.
"""

from __future__ import annotations

import typing as t
from dataclasses import replace

from .listing import Block, Listing, Table, declared, head, standing, whole
from .names import OWN_TABLE
from .policy_order import has_bundle
from .policy_restore import restore_steps


def restore_files(before: Listing, after: Listing) -> t.Dict[str, str]:
    """Return the files of a restore: ``restore.nft`` for all tables, and one for each table in case that one is refused.

    Where a policy of ours comes back, the same in steps is tried first: ``prepare.nft``, ``switch.nft``, ``clear.nft``.
    """
    parts = {}
    for table in after.tables:
        if before.table(table.key) is None:
            parts[table.key] = ["add table %s %s" % table.key, "delete table %s %s" % table.key]
    for table in before.tables:
        now = after.table(table.key)
        if now is None:
            parts[table.key] = ["add table %s %s" % table.key, "delete table %s %s" % table.key, *_restorable(table).lines()]
        elif now.lines() != table.lines():
            parts[table.key] = _undo(table, now)
    files = {"restore.nft": _joined(parts.values())}
    if len(parts) > 1:
        files.update({"restore-%d.nft" % number: _joined([part]) for number, part in enumerate(parts.values())})
    steps = restore_steps(before.table(OWN_TABLE), after.table(OWN_TABLE)) if OWN_TABLE in parts else None
    if steps is not None:
        others = [part for key, part in parts.items() if key != OWN_TABLE]
        files["switch.nft"] = _joined([steps.switch, *others])
        if steps.prepare:
            files["prepare.nft"] = _joined([steps.prepare])
        if steps.clear:
            files["clear.nft"] = _joined([steps.clear])
    return files


def restore_script(files: t.Iterable[str]) -> str:
    """Return the shell text that loads the files."""
    names = set(files)
    lines = ["status=1"]
    if "switch.nft" in names:
        if "prepare.nft" in names:
            lines.append('nft -f "$DIR/prepare.nft" 2>/dev/null')
        loads = ['nft -f "$DIR/%s"' % name for name in ("switch.nft", "clear.nft") if name in names]
        lines.append("%s && status=0" % " && ".join(loads))
    lines.append('[ "$status" -eq 0 ] || { nft -f "$DIR/restore.nft" && status=0; }')
    single = sorted(name for name in names if name.startswith("restore-"))
    if single:
        # One table may have gone meanwhile; the others still come back.
        lines.append('if [ "$status" -ne 0 ]; then')
        lines += ['    nft -f "$DIR/%s"' % name for name in single]
        lines.append("fi")
    return "\n".join([*lines, '[ "$status" -eq 0 ]']) + "\n"


def _joined(parts: t.Iterable[t.Sequence[str]]) -> str:
    return "".join("\n".join(part) + "\n" for part in parts)


def _undo(table: Table, now: Table) -> t.List[str]:
    lines = _undo_blocks(table, now)
    if table.preamble != now.preamble and table.dormant:
        lines += [*head(table), *(line for line in table.preamble if line.startswith("\tflags ")), "}"]
    return lines


def _undo_blocks(table: Table, now: Table) -> t.List[str]:
    moved = [one for one in table.chains() if one.base and standing(one) != standing(now.block("chain", one.name) or one)]
    gone = [one for one in table.blocks if now.block(one.kind, one.name) is None or one in moved]
    new = [one for one in now.blocks if table.block(one.kind, one.name) is None]
    touched = [one for one in table.chains() if one in gone or _differs(one, now.block("chain", one.name))]
    if not _ends_with(table, gone) and not has_bundle(table):
        return _rebuild(table, new, moved)
    lines = head(table)
    for block in [*gone, *(one for one in touched if one not in gone), *new]:
        if block.kind == "chain" or block in new:
            lines += _bare(block, moved).lines()
    lines.append("}")
    lines += ["flush chain %s %s %s" % (*table.key, one.name) for one in moved]
    lines += ["delete chain %s %s %s" % (*table.key, one.name) for one in moved]
    touched = [one for one in touched if one not in moved]
    lines += ["flush chain %s %s %s" % (*table.key, one.name) for one in [*touched, *(one for one in new if one.kind == "chain")]]
    lines += ["delete %s %s %s %s" % (one.kind, *table.key, one.name) for one in sorted(new, key=lambda one: one.kind == "chain")]
    lines += head(table)
    for block in _restorable(table).blocks:
        original = table.block(block.kind, block.name)
        if original in gone or original in touched:
            lines += whole(block)
    return [*lines, "}"]


def _bare(block: Block, moved: t.Sequence[Block]) -> Block:
    """Return a block as it is declared so that it can be deleted, whether it is there or not, and as what."""
    return replace(block, body=(), rules=()) if block in moved else declared(block)


def _rebuild(table: Table, new: t.Sequence[Block], moved: t.Sequence[Block]) -> t.List[str]:
    """Build the content of a table anew, in its old order."""
    everything = [*table.blocks, *new]
    lines = head(table)
    for block in everything:
        lines += _bare(block, moved).lines()
    lines += ["}", "flush table %s %s" % table.key]
    lines += ["flush map %s %s %s" % (*table.key, one.name) for one in everything if one.kind == "map"]
    lines += ["delete %s %s %s %s" % (one.kind, *table.key, one.name) for one in everything if one.kind != "chain"]
    lines += ["delete chain %s %s %s" % (*table.key, one.name) for one in everything if one.kind == "chain"]
    lines += head(table)
    for block in _restorable(table).blocks:
        lines += whole(block)
    return [*lines, "}"]


def _ends_with(table: Table, gone: t.Sequence[Block]) -> bool:
    """Return whether what is gone was listed behind everything of its kind that stays, so that adding it again keeps the order."""
    for chains in (False, True):
        same = [one in gone for one in table.blocks if (one.kind == "chain") is chains]
        if same != sorted(same):
            return False
    return True


def _differs(block: Block, now: t.Optional[Block]) -> bool:
    return now is None or now.lines() != block.lines()


def _restorable(table: Table) -> Table:
    """Return the table without what only rules put into sets: counts that begin anew."""
    return replace(table, blocks=tuple(one.without_elements() if one.dynamic else one for one in table.blocks))
