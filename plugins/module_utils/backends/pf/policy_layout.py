# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines of a list of rules: one for each rule.

Pure: touches nothing.
"""

from __future__ import annotations

import typing as t

from ...policy.rule import Rule
from .policy_lines import TableBook, policy_line


def lay_out(rules: t.Sequence[Rule], book: TableBook, layout: str, scoped: bool = False) -> t.List[str]:
    """Return the lines of rules, in the order in which they decide.

    :param layout: ``rules``, ``compiled`` or ``auto`` (see ``Backend.render_policy``).
    :param scoped: see ``policy_line``.
    """
    return [policy_line(rule, book, scoped) for rule in rules if not rule.established]
