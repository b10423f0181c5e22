# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Laying the rules of one direction out in lines, chains and kernel sets.

Pure: touches nothing.
"""

from __future__ import annotations

import typing as t

from ...policy.rule import Rule
from .policy_lines import lines_of_rules
from .render import Abilities
from .sets import KernelSet


class Laid(t.NamedTuple):
    """The rules of one direction and family.

    :ivar lines: of the main chain, between the guard and the default.
    :ivar chains: further chains that the lines lead to.
    :ivar sets: the kernel sets that lines name.
    """

    lines: t.List[str]
    chains: t.Dict[str, t.List[str]]
    sets: t.Dict[str, KernelSet]


def lay_out(rules: t.Sequence[Rule], family: int, can: Abilities, chain: str, layout: str) -> Laid:
    """Return the rules of a direction; the same packets get the same verdict, limits and logs included.

    :param chain: the main chain of the direction; the names of further chains start with its name.
    :param layout: ``rules``, ``compiled`` or ``auto`` (see ``Backend.render_policy``).
    """
    sets: t.Dict[str, KernelSet] = {}
    return Laid(lines_of_rules(rules, family, can, chain, sets), {}, sets)
