# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was read of nftables, and the words of its base chains.

Pure: touches nothing. Apart from the parser, since confirming a change needs no more than this.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

from ..ruleset import Ruleset
from .listing import Block, Listing, TableKey
from .names import PRIORITIES

_HOOK = re.compile(r"\t\ttype (\S+) hook (\S+) .*?priority ([^;]+);(?: policy (\w+);)?")
#: Family, table and chain.
ChainRef = t.Tuple[str, str, str]


@dataclass(frozen=True)
class NftRuleset(Ruleset):
    """A ruleset with the listing it was read from, for planning changes."""

    tables: Listing = field(default_factory=Listing)
    owners: t.Mapping[TableKey, t.Optional[str]] = field(default_factory=dict)


def hook_of(block: Block) -> t.Optional[t.Tuple[str, str, int, str]]:
    """Return type, hook, priority and policy of a base chain; None for other chains."""
    return hook_words(block) if block.base else None


def hook_words(block: Block) -> t.Tuple[str, str, int, str]:
    """Return the same for a chain that is known to be a base chain."""
    for line in block.body:
        found = _HOOK.match(line)
        if found:
            return found.group(1), found.group(2), _priority(found.group(3)), found.group(4) or "accept"
    return "", "", 0, "accept"


def _priority(text: str) -> int:
    words = text.split()
    if words[0] in PRIORITIES:
        offset = int("".join(words[1:])) if len(words) > 1 else 0
        return PRIORITIES[words[0]] + offset
    try:
        return int("".join(words))
    except ValueError:
        return 0
