# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that every task has which changes a firewall: which one, what stays open, and how the change is confirmed.

Pure: touches nothing.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .parse import parse_choice, parse_single_ports
from .request import BACKENDS, CONFIRM, DEFAULT_WINDOW, parse_window

SHARED = ("backend", "agent_ports", "confirm", "confirm_within")


@dataclass(frozen=True)
class TaskWords:
    """What was given for them.

    :ivar backend: ``auto`` or a backend's name.
    :ivar agent_ports: TCP ports of agents that are kept open like SSH.
    :ivar confirm_within: seconds until the target restores the old rules by itself.
    """

    backend: str = "auto"
    agent_ports: t.Tuple[int, ...] = ()
    confirm: str = "auto"
    confirm_within: int = DEFAULT_WINDOW

    @property
    def attended(self) -> bool:
        """Whether the task confirms its change itself."""
        return self.confirm == "auto"


def parse_task_words(given: t.Mapping[str, t.Any]) -> TaskWords:
    """Read these options; others are not looked at.

    :raises PolicyError: at the first that is not valid.
    """
    return TaskWords(
        backend=parse_choice(given.get("backend", "auto"), ("auto", *BACKENDS), "backend"),
        agent_ports=parse_single_ports(given.get("agent_ports"), "agent_ports"),
        confirm=parse_choice(given.get("confirm", "auto"), CONFIRM, "confirm"),
        confirm_within=parse_window(given.get("confirm_within", DEFAULT_WINDOW), "confirm_within"),
    )
