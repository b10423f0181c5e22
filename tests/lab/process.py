# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands and process identities. Runs what it is told to run."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Sequence

from .errors import LabError

# Program -> Debian package that brings it.
REQUIRED = {
    "systemd-nspawn": "systemd-container",
    "mmdebstrap": "mmdebstrap",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
}

# Users' search paths often lack the folders of the administrator's programs.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def require_tools(find: Callable[[str], Any] = lambda program: shutil.which(program, path=PATH), uid: int | None = None) -> None:
    """Raise LabError with one line if this machine cannot run a lab."""
    if (os.geteuid() if uid is None else uid) != 0:
        raise LabError("the lab makes containers and network namespaces: run it as root, for example with sudo")
    missing = [program for program in REQUIRED if not find(program)]
    if missing:
        packages = " ".join(sorted({REQUIRED[program] for program in missing}))
        raise LabError(f"{', '.join(missing)} not found: apt-get install {packages}")


def run(argv: Sequence[str], *, check: bool = True, shown: Sequence[str] | None = None, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command, text in and out, and raise LabError with its own words if it fails (unless ``check`` is false).

    ``shown`` is what errors call the command; ``options`` go to subprocess.run; standard input is empty unless ``input`` is among them.
    """
    name = shlex.join(argv if shown is None else shown)
    if "input" not in options:
        options.setdefault("stdin", subprocess.DEVNULL)
    try:
        done = subprocess.run(list(argv), capture_output=True, text=True, check=False, **options)
    except OSError as error:
        raise LabError(f"{argv[0]}: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise LabError(f"no end after {error.timeout:g} s: {name}") from error
    if check and done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or "it said nothing")[-2000:]
        raise LabError(f"exit status {done.returncode} from: {name}\n{said}")
    return done


def run_plain(argv: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
    """Like run, with the administrator's search path and the plain locale."""
    return run(argv, env={**os.environ, "PATH": PATH, "LC_ALL": "C.UTF-8"}, **options)


def run_in_root(root: Path, argv: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a program of the root file system below ``root``."""
    return run_plain(["chroot", str(root), *argv])


@dataclass(frozen=True)
class Identity:
    """A process for good: a process id is used again, a process id with its start time is not.

    :ivar start: clock ticks since boot, field 22 of /proc/PID/stat.
    """

    pid: int
    start: int

    @classmethod
    def of(cls, pid: int) -> Identity | None:
        """The living process with this id, or None (a zombie does not live)."""
        fields = stat_fields(pid)
        return cls(pid, int(fields[19])) if fields and fields[0] not in "ZX" else None

    def alive(self) -> bool:
        return Identity.of(self.pid) == self


def parent(pid: int) -> int | None:
    """Process id of the parent, or None if there is no such process."""
    fields = stat_fields(pid)
    return int(fields[1]) if fields else None


def stat_fields(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the third (state) on; empty if there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
            # The second field is the command name in brackets, which may hold blanks and brackets itself.
            return stat.read().rpartition(")")[2].split()
    except OSError:
        return []
