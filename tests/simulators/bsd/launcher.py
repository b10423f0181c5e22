# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs one stand-in command: ``launcher.py pfctl -sr``.  Started isolated, so it adds its own folder to the import path."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from holdfast_standin.commands import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
