# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cgroups of a host: what belongs to it, and how all of it ends. Touches only ``holdfast-lab/<scope>/<host>``.

Each host needs groups of its own: with ``--keep-unit`` systemd-nspawn puts its payload below the group it runs in, and two
systemd instances that share a group stop each other's services.
"""

from __future__ import annotations

import os
import shlex
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from .errors import LabError

TOP = "holdfast-lab"


def hierarchies(mountinfo: str) -> list[Path]:
    """Mount points of the hierarchies in which systemd tracks processes: cgroup2, and the named one of cgroup 1.

    :param mountinfo: text of /proc/self/mountinfo.
    """
    found = []
    for line in mountinfo.splitlines():
        before, after = line.split(" - ", 1)
        kind, options = after.split(" ", 2)[::2]
        if kind == "cgroup2" or (kind == "cgroup" and "name=systemd" in options.split(",")):
            found.append(Path(before.split()[4]))
    return found


@dataclass(frozen=True)
class Cgroup:
    """The groups of one host, one per hierarchy."""

    folders: tuple[Path, ...]

    @classmethod
    def of(cls, scope: str, host: str) -> Cgroup:
        return cls(tuple(root / TOP / scope / host for root in _roots()))

    @staticmethod
    def hosts(scope: str) -> set[str]:
        """Names of the hosts of a lab that have groups, running or not."""
        return {folder.name for root in _roots() for folder in (root / TOP / scope).glob("*") if folder.is_dir()}

    def enter(self) -> None:
        """Move this process into the groups, made when they are missing."""
        for folder in self.folders:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "cgroup.procs").write_text("0", encoding="ascii")

    def joined(self) -> list[str]:
        """Words before a command that shall run in the groups, beside the host's own system, and end with it."""
        files = []
        for folder in self.folders:
            (folder / "exec").mkdir(parents=True, exist_ok=True)
            files.append(shlex.quote(str(folder / "exec/cgroup.procs")))
        return ["sh", "-ec", "".join(f"echo 0 >{file}; " for file in files) + 'exec "$@"', "sh"]

    def pids(self) -> set[int]:
        """Processes in the groups and all groups below."""
        found: set[int] = set()
        for folder in self.folders:
            for entry in os.walk(folder):
                try:
                    found.update(int(pid) for pid in (Path(entry[0]) / "cgroup.procs").read_text(encoding="ascii").split())
                except OSError:
                    continue  # removed while we looked
        return found

    def kill(self, seconds: float = 10) -> None:
        """End every process of the host and remove the groups."""
        deadline = time.monotonic() + seconds
        while pids := self.pids() - {0}:
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            if time.monotonic() > deadline:
                raise LabError(f"processes do not end: {sorted(pids)}")
            time.sleep(0.01)
        for folder in self.folders:
            for entry in os.walk(folder, topdown=False):
                _remove(Path(entry[0]), deadline)
            for above in (folder.parent, folder.parent.parent):
                try:
                    above.rmdir()
                except OSError:
                    break  # other hosts or labs live there


def _roots() -> list[Path]:
    with open("/proc/self/mountinfo", encoding="utf-8") as mountinfo:
        roots = hierarchies(mountinfo.read())
    if not roots:
        raise LabError("no cgroup file system is mounted: systemd-nspawn needs /sys/fs/cgroup")
    return roots


def _remove(folder: Path, deadline: float) -> None:
    while folder.is_dir():
        try:
            folder.rmdir()
        except FileNotFoundError:
            return
        except OSError as error:  # busy until the kernel has buried the last process
            if time.monotonic() > deadline:
                raise LabError(f"{folder}: {error.strerror}") from error
            time.sleep(0.01)
