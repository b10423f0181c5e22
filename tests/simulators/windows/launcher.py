# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs one stand-in command: ``launcher.py netsh advfirewall show allprofiles``, or a part of a host (machine.py).

Started isolated, so it adds its folder to the path.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from windows_standin import commands, machine

if __name__ == "__main__":
    sys.exit((machine if sys.argv[1] in machine.ROLES else commands).main(sys.argv[1:]))
