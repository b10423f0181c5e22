# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one-way road through ``plugins/module_utils``: which room may import which, and that no room leans on Ansible.

Reads the source, imports nothing of it.
"""

from __future__ import annotations

import ast
import sys
import typing as t
from dataclasses import dataclass
from pathlib import Path

import pytest

COLLECTION = Path(__file__).resolve().parents[2]
ROOMS = COLLECTION / "plugins" / "module_utils"

# Who may import whom, beside itself. A room is a folder, or one file, in plugins/module_utils; a name with a dot is a part of a room.
# A new room gets a line here.
MAY_IMPORT: dict[str, frozenset[str]] = {
    "policy": frozenset(),
    "analysis": frozenset({"policy"}),
    "host": frozenset({"policy.errors"}),
    "backends": frozenset({"policy", "analysis", "host"}),
    "state_folder": frozenset(),
    "code_version": frozenset(),
    "kept_code": frozenset({"code_version"}),
    "change": frozenset({"policy", "analysis", "host", "backends", "state_folder", "code_version"}),
    "gateways": frozenset({"policy", "analysis"}),
    "layers": frozenset({"policy", "analysis"}),
    "site": frozenset({"policy", "analysis", "gateways"}),
    "ledger": frozenset({"policy", "analysis"}),
}
# The one port to a machine wraps an AnsibleModule or a connection; everything else is tested and used without Ansible.
MAY_IMPORT_ANSIBLE = frozenset({"host"})
OURS = ("ansible_collections", "holdfast", "firewall")
STANDARD_LIBRARY: frozenset[str] | None = getattr(sys, "stdlib_module_names", None)  # Python 3.10 and later


@dataclass(frozen=True)
class Import:
    """One import: the line it stands on and the absolute dotted name."""

    line: int
    name: tuple[str, ...]


def imports_of(source: str, module: tuple[str, ...]) -> t.Iterator[Import]:
    """Yield every import in ``source``, also inside functions; ``module`` is the dotted name of the file, for relative imports."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(node.lineno, tuple(alias.name.split(".")))
        elif isinstance(node, ast.ImportFrom):
            start = module[: len(module) - node.level] if node.level else ()
            base = start + tuple((node.module or "").split(".") if node.module else ())
            for alias in node.names:
                yield Import(node.lineno, (*base, alias.name))


def faults_in(source: str, path: tuple[str, ...]) -> t.Iterator[str]:
    """Yield what the imports of one file break, as ``file:line: message``.

    ``path`` is relative to ``plugins/module_utils``, for example ``("backends", "nftables.py")``.
    """
    room = path[0][: -len(".py")] if len(path) == 1 else path[0]
    module = (*OURS, "plugins", "module_utils", *path[:-1], path[-1][: -len(".py")])
    place = "/".join(("plugins/module_utils", *path))
    if room not in MAY_IMPORT:
        yield f"{place}:1: the room {room!r} is unknown; say in tests/unit/test_import_directions.py what it may import"
        return
    for found in imports_of(source, module):
        where = f"{place}:{found.line}:"
        if found.name[: len(OURS)] == OURS:
            inner = found.name[len(OURS) :]
            if inner[:2] != ("plugins", "module_utils"):
                yield f"{where} imports {'.'.join(inner)}, which is not shipped to managed nodes"
                continue
            target = inner[2:]
            allowed = MAY_IMPORT[room]
            if target[:1] != (room,) and not allowed.intersection((".".join(target[:1]), ".".join(target[:2]))):
                known = ", ".join(sorted(allowed)) or "no other room"
                yield f"{where} imports {'.'.join(target)}, but {room} may import {known} only"
        elif found.name[0] in ("ansible", "ansible_collections"):
            if room not in MAY_IMPORT_ANSIBLE:
                yield f"{where} imports {'.'.join(found.name)}, but only {', '.join(MAY_IMPORT_ANSIBLE)} may know Ansible"
        elif found.name[0] == "importlib":
            yield f"{where} imports importlib; Ansible ships only what it finds by reading literal import statements"
        elif STANDARD_LIBRARY is not None and found.name[0] not in STANDARD_LIBRARY:
            yield f"{where} imports {found.name[0]}, which is not in Python's standard library, so a managed node need not have it"


def test_every_import_follows_the_one_way_road() -> None:
    files = sorted(ROOMS.rglob("*.py"))
    assert files, f"no Python file in {ROOMS}"
    faults = [fault for file in files for fault in faults_in(file.read_text(encoding="utf-8"), file.relative_to(ROOMS).parts)]
    assert not faults, "\n" + "\n".join(faults)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        pytest.param("policy/rule.py", "from ..analysis.packets import PacketSet", id="policy-to-analysis"),
        pytest.param("policy/rule.py", "from ..host import Host", id="policy-to-host"),
        pytest.param("analysis/packets.py", "from ..backends.base import Backend", id="analysis-to-backends"),
        pytest.param("analysis/packets.py", "from ..host import Host", id="analysis-to-host"),
        pytest.param("backends/nftables.py", "from ..change.plan import Plan", id="backends-to-change"),
        pytest.param("backends/pf/parse.py", "from ...change import plan", id="deeper-relative-import"),
        pytest.param("backends/pf/parse.py", "from ... import change", id="import-of-a-whole-room"),
        pytest.param("host.py", "from .backends.base import Backend", id="host-to-backends"),
        pytest.param("host.py", "from .policy.rule import Rule", id="host-to-policy-beside-its-errors"),
        pytest.param("gateways/http.py", "from ..backends.base import Backend", id="gateways-to-backends"),
        pytest.param(
            "policy/rule.py",
            "from ansible_collections.holdfast.firewall.plugins.module_utils.change.plan import Plan",
            id="absolute-import",
        ),
        pytest.param(
            "policy/rule.py",
            "import ansible_collections.holdfast.firewall.plugins.module_utils.change.plan",
            id="absolute-import-statement",
        ),
        pytest.param(
            "change/plan.py", "from ansible_collections.holdfast.firewall.plugins.plugin_utils.arming import Arming", id="controller-code"
        ),
        pytest.param("backends/nftables.py", "from ansible.module_utils.basic import AnsibleModule", id="ansible"),
        pytest.param("change/plan.py", "def plan():\n    from ansible.errors import AnsibleError", id="ansible-inside-a-function"),
        pytest.param("change/plan.py", "import importlib", id="dynamic-import"),
        pytest.param(
            "change/plan.py", "import requests", id="third-party", marks=pytest.mark.skipif(STANDARD_LIBRARY is None, reason="Python 3.10")
        ),
        pytest.param("helpers/text.py", "", id="unknown-room"),
    ],
)
def test_a_forbidden_import_is_reported_with_its_line(path: str, source: str) -> None:
    faults = list(faults_in(f"\n{source}\n" if source else "", tuple(path.split("/"))))
    line = 2 + source.count("\n") if source else 1
    assert [fault.split(": ")[0] for fault in faults] == [f"plugins/module_utils/{path}:{line}"]


@pytest.mark.parametrize(
    ("path", "source"),
    [
        pytest.param("policy/rule.py", "from .errors import PolicyError", id="own-room"),
        pytest.param("policy/rule.py", "from __future__ import annotations\nimport ipaddress, typing as t", id="standard-library"),
        pytest.param("analysis/packets.py", "from ..policy.rule import Rule", id="analysis-to-policy"),
        pytest.param("backends/nftables.py", "from ..host import Host\nfrom ..analysis import packets", id="backends-to-host-and-analysis"),
        pytest.param("backends/pf/parse.py", "from ...policy.rule import Rule\nfrom .grammar import Token", id="deeper-relative-import"),
        pytest.param("backends/pf/__init__.py", "from .parse import parse", id="package-to-its-own-part"),
        pytest.param("change/plan.py", "from ..backends.base import Backend\nfrom .. import host", id="change-to-all-before-it"),
        pytest.param("host.py", "from .policy.errors import PolicyError", id="host-to-errors"),
        pytest.param("host.py", "from ansible.module_utils.basic import AnsibleModule", id="host-to-ansible"),
    ],
)
def test_an_allowed_import_is_not_reported(path: str, source: str) -> None:
    assert list(faults_in(source, tuple(path.split("/")))) == []
