# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands by name: ``call`` for tests, ``main`` for programs."""

import os
import sys

from . import netsh
from .cmdlets import remove
from .registry import run_reg, run_sc
from .store import Store

NAMES = {"netsh": netsh.run, "powershell": remove, "reg": run_reg, "sc": run_sc}


def call(argv, environ):
    """Run a command; returns its code and what it says."""
    name = os.path.basename(argv[0].replace("\\", "/")).lower()
    name = name[:-4] if name.endswith(".exe") else name
    if name not in NAMES:
        return 1, "'%s' is not recognized as an internal or external command,\noperable program or batch file.\n" % argv[0]
    return NAMES[name](Store(environ), list(argv[1:]))


def main(argv):
    """Run a command as a program."""
    code, said = call(argv, os.environ)
    sys.stdout.write(said)
    return min(code, 255)
