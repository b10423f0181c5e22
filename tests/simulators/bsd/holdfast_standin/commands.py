# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which stand-in commands a flavour has, and how a name on the command line reaches its code."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Callable
from dataclasses import dataclass

from . import boot
from .store import Host

NAMES = (
    "daemon", "ipfw", "kenv", "kldload", "kldstat", "kldunload", "launchctl", "npfctl", "pfctl", "rcctl", "service",
    "socketfilterfw", "sysctl", "sysrc", "uname",
)  # fmt: skip


def _find(name: str) -> Callable[[Host, list[str]], int]:
    """The code of one command; only what it needs is imported, because every command is a process of its own."""
    if name == "pfctl":
        from .pfctl import main as found
    elif name == "npfctl":
        from .npfctl import main as found
    elif name == "ipfw":
        from .ipfw import main as found
    elif name in ("kldload", "kldunload", "kldstat", "kenv"):
        from . import kernel_modules

        found = {
            "kldload": kernel_modules.kldload,
            "kldunload": kernel_modules.kldunload,
            "kldstat": kernel_modules.kldstat,
            "kenv": kernel_modules.kenv,
        }[name]
    elif name == "sysctl":
        from .sysctl_tree import main as found
    elif name == "sysrc":
        from .rcconf import sysrc as found
    elif name == "service":
        from .rc_scripts import service as found
    elif name == "launchctl":
        from .launchd import launchctl as found
    elif name == "socketfilterfw":
        from .application_firewall import socketfilterfw as found
    else:
        from . import small_commands

        found = {"uname": small_commands.uname, "daemon": small_commands.daemon, "rcctl": small_commands.rcctl}[name]
    return found


@dataclass(frozen=True)
class Completed:
    """What a command that was run in this process answered."""

    rc: int
    out: str
    err: str


def call(argv: list[str], stdin: str = "", environ: dict | None = None) -> Completed:
    """Run one command in this process, for tests that run many: ``call(["pfctl", "-nf", "-"], text, {"HOLDFAST_STANDIN_STATE": …})``."""
    if argv[0] == "daemon":
        raise ValueError("daemon forks: run it as a process")
    out, err = io.StringIO(), io.StringIO()
    before = sys.stdin
    sys.stdin = io.StringIO(stdin)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            rc = _run(argv, Host(environ))
    finally:
        sys.stdin = before
    return Completed(rc, out.getvalue(), err.getvalue())


def main(argv: list[str]) -> int:
    """``argv``: the command's name, then its words."""
    if not argv or argv[0] not in NAMES:
        raise SystemExit("stand-in: no such command; there are %s" % ", ".join(NAMES))
    return _run(argv, Host())


def _run(argv: list[str], host: Host) -> int:
    if argv[0] not in ("uname", "daemon"):
        boot.ensure_booted(host)
    return _find(argv[0])(host, argv[1:])
