# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``launchctl`` of macOS and the jobs of the system domain: a job with RunAtLoad is started when it is loaded, in a session of its own.

A job is loaded or not, and runs or not; unloading it ends its process group. Property lists are refused as launchd refuses them: when they
are no jobs, when others than their owner may write them, or when their label is loaded already.
"""

from __future__ import annotations

import contextlib
import os
import plistlib
import signal
import stat
import subprocess
import time
from pathlib import Path

from .outcome import Outcome
from .store import Host

_USAGE = "Usage: launchctl <subcommand> ... | help [subcommand]"
_FAILED = "Bootstrap failed: 5: Input/output error"
#: Seconds that the start of the host waits for jobs that end by themselves, so that what follows finds what they did.
BOOT_PATIENCE = 5.0


def read_job(path: Path) -> dict | None:
    """Return a property list that is a job; None for anything else."""
    try:
        job = plistlib.loads(path.read_bytes())
        arguments = job.get("ProgramArguments") or [job["Program"]]
        if not isinstance(job["Label"], str) or not job["Label"] or not all(isinstance(word, str) for word in arguments):
            return None
    except (OSError, KeyError, ValueError, AttributeError, plistlib.InvalidFileException):
        return None
    return dict(job, ProgramArguments=list(arguments))


def writable_by_others(path: Path) -> bool:
    """Return whether launchd would call the file's permissions dubious."""
    return bool(path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH))


def load_job(host: Host, path: Path, out: Outcome, patience: float = 0.0) -> bool:
    """Load one property list and start it where it says so; false if it is no job or is loaded already."""
    job = read_job(path)
    if job is None or writable_by_others(path):
        return False
    label = job["Label"]
    with host.kernel() as kernel:
        if label in kernel["launchd"]:
            return False
        kernel["launchd"][label] = {"path": str(path), "pid": 0}
    if not job.get("RunAtLoad"):
        return True
    try:
        child = subprocess.Popen(
            job["ProgramArguments"], env=host.environ, cwd="/", start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    except OSError as error:
        out.stderr.append("%s: %s" % (label, error))
        return True
    with host.kernel() as kernel:
        if label in kernel["launchd"]:
            kernel["launchd"][label]["pid"] = child.pid
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(patience)
    return True


def _running(pid: int) -> bool:
    if pid <= 1:
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    try:
        return Path("/proc/%d/stat" % pid).read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0] != "Z"
    except (OSError, IndexError):
        return False


def _end(pid: int) -> None:
    """End a job's process group as launchd does: TERM, then KILL."""
    if not _running(pid):
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if os.getpgid(pid) == os.getpgrp():
            return  # a job that unloads itself; it ends by itself
        os.killpg(pid, signal.SIGTERM)
        for _attempt in range(20):
            if not _running(pid):
                break
            time.sleep(0.05)
        os.killpg(pid, signal.SIGKILL)


def launchctl(host: Host, argv: list[str]) -> int:
    """``load|unload [-w] FILE``, ``bootstrap system FILE``, ``bootout system/LABEL|system FILE``, ``list [LABEL]``, ``print .../LABEL``."""
    out = Outcome()
    if not argv:
        return out.fail(_USAGE, 1).emit()
    action, words = argv[0], [word for word in argv[1:] if word not in ("-w", "-F")]
    if action in ("list", "print"):
        _show(host, action, words, out)
    elif action in ("bootstrap", "bootout", "load", "unload") and os.geteuid() != 0:
        out.fail("%s failed: 1: Operation not permitted" % ("Boot-out" if action == "bootout" else "Bootstrap"), 1)
    elif action in ("bootstrap", "load"):
        _load(host, action, words, out)
    elif action in ("bootout", "unload"):
        _unload(host, action, words, out)
    else:
        out.fail("Unrecognized subcommand: %s\n%s" % (action, _USAGE), 64)
    return out.emit()


def _show(host: Host, action: str, words: list[str], out: Outcome) -> None:
    with host.kernel() as kernel:
        jobs = dict(kernel["launchd"])
    if action == "list" and not words:
        out.stdout.append("PID\tStatus\tLabel")
        for label, job in sorted(jobs.items()):
            out.stdout.append("%s\t0\t%s" % (job["pid"] if _running(job["pid"]) else "-", label))
        return
    domain, _slash, label = words[0].rpartition("/") if words else ("", "", "")
    if action == "print" and domain != "system":
        out.fail("Unrecognized target specifier.\n%s" % _USAGE, 64)
    elif label not in jobs:
        out.fail('Could not find service "%s" in domain for system' % label, 113)
    elif action == "list":
        out.stdout += ["{", '\t"Label" = "%s";' % label, "};"]
    else:
        state = "running" if _running(jobs[label]["pid"]) else "not running"
        out.stdout += ["system/%s = {" % label, "\tpath = %s" % jobs[label]["path"], "\tstate = %s" % state, "}"]


def _load(host: Host, action: str, words: list[str], out: Outcome) -> None:
    if action == "bootstrap":
        if len(words) < 2 or words[0] != "system":
            out.fail("Usage: launchctl bootstrap <domain-target> [service-path, service-path2, ...]", 64)
            return
        words = words[1:]
    for name in words:
        path = _path(host, name)
        if path is None or not load_job(host, path, out):
            # load complains and returns 0; bootstrap returns the code.
            out.fail(_FAILED if action == "bootstrap" else "Load failed: 5: Input/output error", 5 if action == "bootstrap" else 0)


def _unload(host: Host, action: str, words: list[str], out: Outcome) -> None:
    if action == "bootout":
        if not words or words[0].partition("/")[0] != "system" or (words[0] == "system" and len(words) < 2):
            out.fail("Usage: launchctl bootout <domain-target> [service-path, service-path2, ...]", 64)
            return
        words = words[1:] if words[0] == "system" else [words[0].partition("/")[2]]
    for name in words:
        path = _path(host, name)
        job = read_job(path) if path is not None else None
        with host.kernel() as kernel:
            found = kernel["launchd"].pop(job["Label"] if job is not None else name, None)
        if found is None:
            out.fail(
                "Boot-out failed: 3: No such process" if action == "bootout" else "Unload failed: 5: Input/output error",
                3 if action == "bootout" else 0,
            )
        else:
            _end(found["pid"])


def _path(host: Host, name: str) -> Path | None:
    return next((path for path in (host.path(name), Path(name)) if name.startswith("/") and path.is_file()), None)
