# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a whole task of ``backend``: what is to become of which firewall.

Pure: touches nothing. The control node reads it before it opens a connection, the target reads it again.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from .bounds import check_bounds
from .errors import PolicyError
from .parse import check_keys, parse_bool, parse_choice
from .task_words import SHARED, TaskWords, parse_task_words

STATES = ("enabled", "disabled", "restarted", "status")
OPTIONS = ("state", "install", *SHARED)


@dataclass(frozen=True)
class BackendRequest:
    """What one task of ``backend`` asks for.

    :ivar install: whether the firewall is installed where it is missing.
    """

    state: str = "enabled"
    install: bool = False
    words: TaskWords = field(default_factory=TaskWords)


def parse_backend_request(args: t.Any) -> BackendRequest:
    """Read the arguments of a task.

    :raises PolicyError: at the first argument that is not valid; nothing has been touched.
    """
    check_bounds(args, "backend task")
    check_keys(args, OPTIONS, "backend task")
    given = {key: value for key, value in args.items() if value is not None}
    state = parse_choice(given.get("state", "enabled"), STATES, "state")
    install = parse_bool(given.get("install", False), "install")
    if install and state == "status":
        raise PolicyError("install", install, "no install with state status", "status only looks; leave install out")
    return BackendRequest(state, install, parse_task_words(given))
