# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of the guide to the backends that are written from the backends themselves, each between two marks.

Reads and writes the guide.
"""

from __future__ import annotations

from pathlib import Path
from typing import Dict

from ansible_collections.holdfast.firewall.tests.unit.backend_examples import examples
from ansible_collections.holdfast.firewall.tests.unit.support_table import table

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "docsite" / "rst" / "backends.rst"
BEGIN, END = ".. begin: %s\n", ".. end: %s\n"


def made() -> Dict[str, str]:
    """Return the parts as they should be."""
    return {**examples(), "the support table": table()}


def written() -> Dict[str, str]:
    """Return the parts as they are; those without marks are not there."""
    text = GUIDE.read_text(encoding="utf-8")
    found = {}
    for name in made():
        _before, begin, rest = text.partition(BEGIN % name)
        part, end, _behind = rest.partition(END % name)
        if begin and end:
            found[name] = part.strip("\n") + "\n"
    return found


def write() -> None:
    """Write the parts anew, between their marks."""
    text = GUIDE.read_text(encoding="utf-8")
    for name, part in made().items():
        before, begin, rest = text.partition(BEGIN % name)
        _old, end, behind = rest.partition(END % name)
        if begin and end:
            text = "%s%s\n%s\n%s%s" % (before, begin, part, end, behind)
    GUIDE.write_text(text, encoding="utf-8")
