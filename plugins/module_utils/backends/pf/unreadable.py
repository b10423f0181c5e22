# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is raised for a line of pf.conf that the common language has no words for.

Pure: touches nothing.
"""

from __future__ import annotations


class Unreadable(Exception):
    """The line has a word that the common language has no word for; it says which."""
