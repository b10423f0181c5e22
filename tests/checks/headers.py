# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check that each Python file and each script of this checkout opens with its licence, and each Python file with a docstring.

Reads files only. Prints one line for each file at fault and ends with 1 if there is any.
"""

from __future__ import annotations

import ast
import sys
import typing as t
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("plugins", "extensions", "tests", "roles", "playbooks")
LICENCE = (
    "# Copyright (c) 2026, holdfast.firewall contributors",
    "# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)",
    "# SPDX-License-Identifier: GPL-3.0-or-later",
)


def faults(path: Path) -> t.Iterator[str]:
    """Yield what the head of one file lacks; an empty file lacks nothing."""
    text = path.read_text(encoding="utf-8")
    if path.name == "__init__.py":
        if text:
            yield "an __init__.py is empty, so that importing one room never runs another"
        return
    if not text.strip():
        return
    lines = text.splitlines()
    if lines[0].startswith("#!"):
        lines = lines[1:]
    if tuple(lines[: len(LICENCE)]) != LICENCE:
        yield "does not open with the three licence lines (after the #! line, if it has one); see CONTRIBUTING.md"
    # A module's DOCUMENTATION says what it is for.
    documents_itself = "\nDOCUMENTATION = " in text
    if path.suffix == ".py" and not documents_itself and ast.get_docstring(ast.parse(text, str(path))) is None:
        yield "has no docstring that says what it holds and what it may touch"


def main() -> int:
    """Check every file; return the status of the check."""
    files = sorted(
        path
        for folder in FOLDERS
        for ending in ("*.py", "*.sh")
        for path in (ROOT / folder).rglob(ending)
        if "output" not in path.relative_to(ROOT).parts and "fixtures" not in path.relative_to(ROOT).parts
    )
    found = [f"{path.relative_to(ROOT)}:1: {fault}" for path in files for fault in faults(path)]
    print("\n".join(found) if found else f"{len(files)} files are right")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
