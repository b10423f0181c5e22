# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading listed lines of our own table, in the ``inet`` family, into rules.

Pure: touches nothing.
"""

from __future__ import annotations

import typing as t

from ...policy.errors import HoldfastError
from ...policy.rule import Rule
from .fold import Line, fold
from .grammar import read_rule
from .listing import RuleLine
from .meaning import Unread, understand
from .names import OWN_TABLE


def rules_of_lines(lines: t.Sequence[str], direction: str) -> t.List[Rule]:
    """Return the rules that lines mean, each line read by itself (a log line and its verdict, and limits per source, are one rule).

    :raises HoldfastError: when the language has no words for a line.
    """
    read = []
    for text in lines:
        found, comment = read_rule(text)
        try:
            read.append(Line(RuleLine(text), understand(found, OWN_TABLE[0], {}), comment))
        except Unread:
            read.append(Line(RuleLine(text), None, comment))
    rules = []
    for entry in fold(read, (direction,), OWN_TABLE):
        if entry.rule is None:
            raise HoldfastError(
                "This line of table %s %s was not written by a policy and has no words in one: %s" % (*OWN_TABLE, entry.native[0])
            )
        rules.append(entry.rule)
    return rules
