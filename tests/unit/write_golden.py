# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write what each backend makes of the forty cases anew: ``python tests/unit/write_golden.py``; read the difference before it is kept."""

from __future__ import annotations

import importlib

if __name__ == "__main__":
    importlib.import_module("conftest")  # lets this checkout be imported by its name
    importlib.import_module("ansible_collections.holdfast.firewall.tests.unit.golden_cases").write()
