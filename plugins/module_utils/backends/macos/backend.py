# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The application firewall of macOS, with pf for ports.

Touches nothing yet.
"""

from __future__ import annotations

from ..base import Backend, Sighting


class Macos(Backend):
    """The application firewall of macOS, with pf for ports."""

    NAME = "macos"

    def sight(self) -> Sighting:
        return Sighting(self.NAME, False, False, "not on this host")
