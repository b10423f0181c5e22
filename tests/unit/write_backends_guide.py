# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the examples and the support table of the guide to the backends anew: ``python tests/unit/write_backends_guide.py``."""

from __future__ import annotations

import importlib

if __name__ == "__main__":
    importlib.import_module("conftest")  # lets this checkout be imported by its name
    importlib.import_module("ansible_collections.holdfast.firewall.tests.unit.backends_guide").write()
