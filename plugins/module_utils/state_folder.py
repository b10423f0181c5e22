# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where this collection keeps what must outlive a task on a target. Touches nothing."""

from __future__ import annotations

import os


def state_root() -> str:
    """Return the state folder: below /var/lib, or /var/db where the system has that instead (the BSDs)."""
    return "/var/lib/holdfast" if os.path.isdir("/var/lib") else "/var/db/holdfast"
