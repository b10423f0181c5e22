# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A BSD host of stand-in commands for unit tests, with its files below a temporary folder."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.placement import place_absent, place_present
from ansible_collections.holdfast.firewall.plugins.module_utils.host import Host, Result
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.parse import parse_rule

SIMULATORS = Path(__file__).resolve().parents[5] / "simulators" / "bsd"
sys.path.insert(0, str(SIMULATORS))

from holdfast_standin.commands import NAMES, call  # noqa: E402

INTERFACES = '{"lo0": ["127.0.0.1/8", "::1/128"], "em0": ["192.0.2.10/24", "2001:db8::10/64"], "em1": ["198.51.100.1/24"]}'


@functools.lru_cache(maxsize=None)
def programs(flavour: str) -> str:
    """Install the commands as programs, for scripts; returns a search path that finds them first."""
    folder = tempfile.mkdtemp(prefix="holdfast-standin-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    subprocess.run(["sh", str(SIMULATORS / "install.sh"), folder, flavour], check=True)
    return "%s/usr/sbin:%s/usr/bin:%s" % (folder, folder, os.environ["PATH"])


class StandinHost(Host):
    """Commands run in this process; every call is counted in ``calls``."""

    def __init__(self, folder: Path, flavour: str = "freebsd", root: bool = True) -> None:
        self.folder = folder
        self.root = folder / "root"
        self.environ = {
            "HOLDFAST_STANDIN_STATE": str(folder), "HOLDFAST_STANDIN_ROOT": str(self.root), "HOLDFAST_STANDIN_FLAVOUR": flavour,
            "HOLDFAST_STANDIN_STRICT": "1", "HOLDFAST_STANDIN_BOOT_ID": "one", "PATH": programs(flavour), "LC_ALL": "C",
        }  # fmt: skip
        self.flavour = flavour
        self.superuser = root
        self.calls: list[tuple[str, ...]] = []
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "interfaces.json").write_text(INTERFACES, encoding="utf-8")

    def run(self, argv, stdin=None, timeout=60.0):
        self.calls.append(tuple(argv))
        if argv[0] not in NAMES or not self.which(argv[0]):
            return Result(127, "", "%s: not found" % argv[0])
        if not self.superuser and argv[0] in ("pfctl", "ipfw"):
            said = "pfctl: /dev/pf: Permission denied" if argv[0] == "pfctl" else "ipfw: socket: Operation not permitted"
            return Result(1, "", said + "\n")
        answer = call(list(argv), stdin or "", self.environ)
        return Result(answer.rc, answer.out, answer.err)

    def must(self, *argv, stdin=None):
        """Run a command that has to succeed, for the set-up of a test."""
        return self.checked(argv, stdin)

    def reboot(self):
        """Forget the kernel's state; the next command finds what the boot brings back."""
        self.environ["HOLDFAST_STANDIN_BOOT_ID"] += "+"

    def _path(self, path):
        return self.root / path.lstrip("/")

    def read(self, path):
        try:
            return self._path(path).read_bytes().decode("utf-8", "surrogateescape")
        except OSError:
            return None

    def write(self, path, text, mode=0o600):
        self._path(path).parent.mkdir(parents=True, exist_ok=True)
        self._path(path).write_bytes(text.encode("utf-8", "surrogateescape"))
        self._path(path).chmod(mode)

    def remove(self, path):
        self._path(path).unlink(missing_ok=True)

    def exists(self, path):
        return self._path(path).exists()

    def which(self, program):
        system = self.flavour.partition("-")[0]
        there = {"freebsd": set(NAMES) - {"rcctl", "launchctl"}, "openbsd": {"pfctl", "sysctl", "rcctl", "uname"},
                 "macos": {"pfctl", "sysctl", "launchctl", "uname"}}[system]  # fmt: skip
        return "/sbin/" + program if program in there else None

    def is_root(self):
        return self.superuser

    def shell(self, script: str, folder: Path):
        """Run a restore script as the timer would: a real shell, the commands as programs, the files in ``$DIR``."""
        text = script.replace("/etc/holdfast", str(self._path("/etc/holdfast"))).replace("/dev/pf", str(self._path("/dev/pf")))
        return subprocess.run(["sh", "-c", text], env=dict(self.environ, DIR=str(folder)), capture_output=True, text=True, check=False)

    def restore(self, snapshot):
        """Restore a snapshot; returns the finished process."""
        folder = self.folder / "pending"
        folder.mkdir(exist_ok=True)
        for name, text in snapshot.files.items():
            (folder / name).write_text(text, encoding="utf-8")
        return self.shell(snapshot.script, folder)


def rule(action="allow", **words):
    """One rule of the language."""
    return parse_rule(dict(words, action=action))


def present(backend, *wanted):
    """Place a rule and apply it, as a task does; returns (before, transaction, snapshot)."""
    return _change(backend, lambda ruleset: place_present(backend, ruleset, wanted[0]).edits)


def absent(backend, unwanted):
    """Remove a rule and apply that."""
    return _change(backend, lambda ruleset: place_absent(backend, ruleset, unwanted).edits)


def _change(backend, edits):
    ruleset = backend.read()
    transaction = backend.plan(ruleset, edits(ruleset))
    backend.validate(transaction)
    snapshot = backend.snapshot(ruleset, transaction)
    backend.apply(transaction)
    return ruleset, transaction, snapshot
