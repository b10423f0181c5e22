# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one error of the lab: a sentence for the person at the keyboard. Touches nothing."""

from __future__ import annotations


class LabError(Exception):
    """What went wrong and what to do next; the command line prints it alone, without a traceback."""
