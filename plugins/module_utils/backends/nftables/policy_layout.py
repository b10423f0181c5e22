# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Laying the rules of one direction out in chains, sets and maps, and reading them back.

Pure: touches nothing.
"""

from __future__ import annotations

import typing as t

from ...policy.rule import Rule
from .listing import Table
from .policy_lines import lines_of_rules, rules_of_lines
from .policy_program import Laid


def lay_out(direction: str, rules: t.Sequence[Rule], layout: str) -> Laid:
    """Return the rules of a direction as lines, chains, sets and maps; the same packets get the same verdict, limits and logs included.

    :param layout: ``rules``, ``compiled`` or ``auto`` (see ``Backend.render_policy``).
    """
    lines, sets = lines_of_rules(rules)
    return Laid(lines, sets=sets)


def read_laid(direction: str, lines: t.Sequence[str], table: Table) -> t.List[Rule]:
    """Return the rules that lines of a base chain mean, with what they lead to in the table, in the order in which they decide.

    :param lines: the lines as nft lists them, without guard, native lines and default.
    :raises HoldfastError: when a line is not of our making and the language has no words for it.
    """
    return rules_of_lines(lines, direction)
