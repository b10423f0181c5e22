# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a stand-in keeps what a real host would: the kernel's state, keyed by the boot, in one folder.

Environment:

- ``HOLDFAST_STANDIN_STATE``: the folder, default ``/var/db/holdfast-standin``.
- ``HOLDFAST_STANDIN_ROOT``: prefix of ``/etc``, ``/boot`` and ``/dev``; default none, or ``root`` in the state folder when that is given,
  so that a test cannot touch the real files.
- ``HOLDFAST_STANDIN_FLAVOUR``: else the file ``flavour`` of the folder, else freebsd.
- ``HOLDFAST_STANDIN_STRICT``: ``1`` refuses what the real tools accept in silence although it is wrong.
- ``HOLDFAST_STANDIN_BOOT_ID``: else the boot id of the Linux kernel.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

from . import interfaces
from .flavour import Flavour, parse_flavour

_DEFAULT_FOLDER = "/var/db/holdfast-standin"


class Host:
    """The stand-in host as one command sees it."""

    def __init__(self, environ: dict | None = None) -> None:
        """Read the environment; the state folder is made if it is missing."""
        environ = dict(os.environ if environ is None else environ)
        given = environ.get("HOLDFAST_STANDIN_STATE", "")
        self.state_dir = Path(given or _DEFAULT_FOLDER)
        self.root = environ.get("HOLDFAST_STANDIN_ROOT", given + "/root" if given else "").rstrip("/")
        self.environ = dict(environ, HOLDFAST_STANDIN_STATE=str(self.state_dir), HOLDFAST_STANDIN_ROOT=self.root)
        self.strict = environ.get("HOLDFAST_STANDIN_STRICT") == "1"
        self._boot_id = environ.get("HOLDFAST_STANDIN_BOOT_ID", "")
        self.state_dir.mkdir(parents=True, exist_ok=True)
        self.flavour = self._read_flavour(environ.get("HOLDFAST_STANDIN_FLAVOUR", ""))

    def _read_flavour(self, spec: str) -> Flavour:
        path = self.state_dir / "flavour"
        if not spec and path.exists():
            spec = path.read_text(encoding="utf-8").strip()
        return parse_flavour(spec or "freebsd")

    def path(self, name: str) -> Path:
        """A path of the posed host on this machine."""
        return Path(self.root + name)

    def read_file(self, name: str) -> str | None:
        """Text of a file named on a command line or in a configuration; ``None`` if it cannot be read.

        The prefix applies only to what lies under it; scratch files of a test are found as they are named.
        """
        for candidate in (self.path(name), Path(name)):
            try:
                return candidate.read_text(encoding="utf-8")
            except OSError:
                continue
        return None

    def show_device(self, present: bool) -> None:
        """Make ``/dev/pf`` be there or not, as scripts look for it."""
        device = self.path("/dev/pf")
        if present and not device.exists():
            device.parent.mkdir(parents=True, exist_ok=True)
            device.touch(0o600)
        elif not present and device.exists():
            device.unlink()

    def boot_id(self) -> str:
        """A text that differs after a reboot."""
        if self._boot_id:
            return self._boot_id
        try:
            return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        except OSError:
            return "unknown"

    def interfaces(self) -> interfaces.Interfaces:
        """The interfaces of the host."""
        return interfaces.load(self.state_dir)

    @contextlib.contextmanager
    def kernel(self) -> Iterator[dict]:
        """The kernel's state, locked; changes are saved when the block ends without an exception."""
        with open(self.state_dir / "lock", "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            kernel = self._load()
            yield kernel
            temporary = self.state_dir / "kernel.json.new"
            temporary.write_text(json.dumps(kernel, indent=1, sort_keys=True), encoding="utf-8")
            temporary.replace(self.state_dir / "kernel.json")

    def _load(self) -> dict:
        try:
            kernel = json.loads((self.state_dir / "kernel.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            kernel = {}
        return kernel if kernel.get("boot_id") == self.boot_id() else self._fresh()

    def _fresh(self) -> dict:
        return {
            "boot_id": self.boot_id(),
            "booted": False,
            "boot_time": _process_one_start(),
            "modules": [],
            "sysctl": {},
            "kenv": {},
            "pf": {"enabled": False, "since": 0, "rules": {"": []}, "tables": {}, "options": {}, "tokens": []},
            "ipfw": {},
            "launchd": {},
        }


def _process_one_start() -> float:
    """Seconds since the epoch at which the (container's) process 1 started."""
    try:
        ticks = int(Path("/proc/1/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[19])
        for line in Path("/proc/stat").read_text(encoding="ascii").splitlines():
            if line.startswith("btime "):
                return int(line.split()[1]) + ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        pass
    return time.time()
