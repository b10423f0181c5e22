# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the stand-ins, and gives a test one posed host of its own."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "simulators" / "bsd"))

INTERFACES = {"em0": ["192.0.2.10/24", "2001:db8::10/64"], "em1": ["10.0.0.1/24"], "lo0": ["127.0.0.1/8", "::1/128"]}


class PosedHost:
    """A stand-in host in a folder; ``run`` is one command on it, ``reboot`` a new boot id."""

    def __init__(self, folder: Path, flavour: str) -> None:
        self.state = folder / "state"
        self.root = folder / "root"
        self.flavour = flavour
        self.strict = False
        self.boot = 1
        self.state.mkdir()
        (self.state / "interfaces.json").write_text(json.dumps(INTERFACES), encoding="utf-8")

    @property
    def environ(self) -> dict:
        return {
            "HOLDFAST_STANDIN_STATE": str(self.state),
            "HOLDFAST_STANDIN_ROOT": str(self.root),
            "HOLDFAST_STANDIN_FLAVOUR": self.flavour,
            "HOLDFAST_STANDIN_BOOT_ID": "boot-%d" % self.boot,
            "HOLDFAST_STANDIN_STRICT": "1" if self.strict else "",
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        }

    def run(self, *argv: str, stdin: str = ""):
        from holdfast_standin.commands import call

        return call(list(argv), stdin, self.environ)

    def write(self, name: str, text: str) -> None:
        path = Path(str(self.root) + name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def reboot(self) -> None:
        self.boot += 1


@pytest.fixture
def posed(tmp_path):
    """Makes posed hosts: ``posed("openbsd")``."""
    count = []

    def make(flavour: str = "freebsd", pf: bool = True) -> PosedHost:
        count.append(1)
        folder = tmp_path / str(len(count))
        folder.mkdir()
        host = PosedHost(folder, flavour)
        if pf and flavour.startswith("freebsd"):
            assert host.run("kldload", "pf").rc == 0
        return host

    return make
