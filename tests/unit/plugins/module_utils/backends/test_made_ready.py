# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The process that a task leaves on a target imports nothing: the archive with the code is gone by then. Reads the source, runs nothing."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

BACKENDS = Path(__file__).resolve().parents[5] / "plugins" / "module_utils" / "backends"
#: What the process that stays calls; the contract's own live_text reads the rules and takes ours from them.
CALLED = ("apply", "persist", "live_text", "read", "own_listing")
#: Windows is changed from the control node, where the code stays.
NAMES = sorted(path.parent.name for path in BACKENDS.glob("*/backend.py") if path.parent.name != "windows")


def methods_of(source):
    """The methods of all classes of a file, by name."""
    classes = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
    return {node.name: node for one in classes for node in one.body if isinstance(node, ast.FunctionDef)}


def imported_in(method):
    """The modules that a method imports when it is called."""
    found = set()
    for node in ast.walk(method):
        if isinstance(node, ast.ImportFrom):
            found |= {node.module} if node.module else {alias.name for alias in node.names}
    return found


def reached(methods, names):
    """These methods, and those of the same object that they call."""
    found, waiting = set(), [name for name in names if name in methods]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        for node in ast.walk(methods[name]):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self" and node.attr in methods:
                waiting.append(node.attr)
    return found


def left_out(source):
    """What is imported only when the code is gone."""
    methods = methods_of(source)
    called = [name for name in CALLED if name != "read" or "live_text" not in methods]
    needed = {module for name in reached(methods, called) for module in imported_in(methods[name])}
    return needed - (imported_in(methods["make_ready"]) if "make_ready" in methods else set())


@pytest.mark.parametrize("name", NAMES)
def test_what_a_left_process_needs_is_imported_before(name):
    assert left_out((BACKENDS / name / "backend.py").read_text(encoding="utf-8")) == set()


@pytest.mark.parametrize("name", NAMES)
def test_nothing_beneath_a_backend_imports_later(name):
    for path in sorted((BACKENDS / name).glob("*.py")):
        if path.name != "backend.py":
            functions = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.FunctionDef)]
            assert [one.name for one in functions if imported_in(one)] == [], path.name


def test_a_forgotten_import_is_found():
    source = "class A:\n    def persist(self):\n        self._more()\n    def _more(self):\n        from .files import write\n"
    assert left_out(source) == {"files"}
    assert left_out(source + "    def make_ready(self):\n        from . import files\n") == set()
