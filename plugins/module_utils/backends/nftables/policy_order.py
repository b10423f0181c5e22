# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One order for the blocks of our table while a policy is in it.

Pure: touches nothing. nft lists chains and sets in the order in which they were made. Bundles come and go beside each other, so that
order tells the history of a table, not what it does; and putting the old order back would mean to take base chains away.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import replace

from .listing import Block, Listing, RuleLine, Table, rank
from .names import OWN_TABLE
from .policy_program import DEFAULT_COMMENT, DENIED_COMMENT, LAID

BUNDLE = re.compile(r"%s(?:input|output|forward|prerouting|postrouting)_[0-9a-f]{8}" % LAID)
_BASES = ("input", "output", "forward", "prerouting", "postrouting")


def in_order(tables: Listing) -> Listing:
    """Return a listing with our table in this order, where a policy is in it."""
    own = tables.table(OWN_TABLE)
    return tables if own is None or not has_bundle(own) else tables.put(ordered(own))


def has_bundle(table: Table) -> bool:
    """Return whether a policy is in the table, or was prepared in it."""
    return any(BUNDLE.fullmatch(one.name) for one in table.chains())


def ordered(table: Table) -> Table:
    """Return a table with its blocks in this order: sets and maps by name, base chains as packets meet them, other chains by name."""
    return replace(table, blocks=tuple(sorted(table.blocks, key=_place)))


def default_place(rules: t.Sequence[RuleLine]) -> int:
    """Return where in a base chain the lines of a policy's default begin; the end when it has none."""
    if not rules or not rules[-1].text.endswith(' comment "%s"' % DEFAULT_COMMENT):
        return len(rules)
    logged = len(rules) > 1 and rules[-2].text.endswith(' comment "%s"' % DENIED_COMMENT)
    return len(rules) - (2 if logged else 1)


def _place(block: Block) -> t.Tuple[int, int, str]:
    known = _BASES.index(block.name) if block.name in _BASES else len(_BASES)
    return rank(block), known if block.kind == "chain" else 0, block.name
