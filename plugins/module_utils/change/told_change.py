# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a result tells of a change: the commands that make it, and the live rules before and after.

Pure: touches nothing.
"""

from __future__ import annotations

import typing as t

from ..backends.base import Backend, Command, Transaction
from ..backends.ruleset import Ruleset

#: Lines of a command's input that a result shows; the rest is counted.
SHOWN_LINES = 200


def told_commands(transaction: Transaction) -> t.List[str]:
    """Return the commands of a change as a person would type them, a long input cut, with the number of its lines."""
    return [_shortened(command) for command in transaction.commands]


def live_diff(backend: Backend, ruleset: Ruleset, transaction: Transaction) -> t.Dict[str, str]:
    """Return the live rules before and after a change, in the form of Ansible's ``diff``."""
    header = "%s (live)" % backend.NAME
    return {"before_header": header, "after_header": header, "before": ruleset.listing, "after": transaction.after}


def _shortened(command: Command) -> str:
    lines = command.stdin.splitlines() if command.stdin is not None else []
    if len(lines) <= SHOWN_LINES:
        return command.shown()
    head = "\n".join(lines[:SHOWN_LINES])
    return Command(command.argv, "%s\n# ... and %d more lines" % (head, len(lines) - SHOWN_LINES)).shown()
