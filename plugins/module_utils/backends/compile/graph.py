# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A compiled layout as it is read back from a firewall: chains of items, before it is known what list of rules they mean.

Pure: touches nothing. Nothing here comes from the compiler; a backend fills it from what is live.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ...policy.rule import Rule

#: A number that a line or an element carries is a hint where its rule stood in the list; it never decides anything.
Hint = t.Optional[int]


@dataclass(frozen=True)
class Lines:
    """Rules one after the other."""

    rules: t.Tuple[t.Tuple[Rule, Hint], ...]


@dataclass(frozen=True)
class Elements:
    """Rules that exclude each other (the elements of a map of verdicts, of that name)."""

    rules: t.Tuple[t.Tuple[Rule, Hint], ...]
    name: str = ""


@dataclass(frozen=True)
class Ways:
    """Chains for the packets of some cells of an axis or a fork, which exclude each other; packets in none of them go on.

    :ivar cells: first and last coordinate, and the chain.
    :ivar final: whether a packet that comes back undecided from its chain skips the rest of this one (``goto``).
    """

    axis: str
    cells: t.Tuple[t.Tuple[int, int, str], ...]
    final: bool


@dataclass(frozen=True)
class Call:
    """A chain for the packets that a rule's conditions match (None: all); the action of ``match`` means nothing."""

    chain: str
    match: t.Optional[Rule] = None
    hint: Hint = None
    final: bool = False


Item = t.Union[Lines, Elements, Ways, Call]
#: Gives the items of a chain.
Chains = t.Callable[[str], t.Sequence[Item]]
