# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bookkeeping of ``launchctl`` on macOS: which jobs are loaded; a job with RunAtLoad is run once when it is loaded."""

from __future__ import annotations

import plistlib
import subprocess
from pathlib import Path

from .outcome import Outcome
from .store import Host


def load_job(host: Host, path: Path, out: Outcome) -> bool:
    """Load one property list; false if it is no job."""
    try:
        job = plistlib.loads(path.read_bytes())
        label, arguments = job["Label"], list(job.get("ProgramArguments") or [job["Program"]])
    except (OSError, KeyError, ValueError, plistlib.InvalidFileException):
        return False
    with host.kernel() as kernel:
        if label in kernel["launchd"]:
            return True
        kernel["launchd"].append(label)
    if job.get("RunAtLoad"):
        try:
            subprocess.run(arguments, env=host.environ, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        except OSError as error:
            out.stderr.append("%s: %s" % (label, error))
    return True


def _label(path: Path) -> str:
    try:
        return str(plistlib.loads(path.read_bytes())["Label"])
    except (OSError, KeyError, ValueError, plistlib.InvalidFileException):
        return path.stem


def launchctl(host: Host, argv: list[str]) -> int:
    """``launchctl load|unload [-w] FILE``, ``bootstrap system FILE``, ``bootout system[/LABEL] [FILE]``, ``list [LABEL]``."""
    out = Outcome()
    words = [word for word in argv if word not in ("-w", "-F")]
    if not words or words[0] not in ("load", "unload", "bootstrap", "bootout", "list", "print"):
        return out.fail("Usage: launchctl <subcommand> ... | help [subcommand]", 64 if words else 1).emit()
    action, rest = words[0], words[1:]
    if action in ("list", "print"):
        wanted = rest[0].rsplit("/", 1)[-1] if rest else None
        with host.kernel() as kernel:
            labels = list(kernel["launchd"])
        if wanted is None:
            out.stdout += ["PID\tStatus\tLabel"] + ["-\t0\t%s" % label for label in labels]
        elif wanted in labels:
            out.stdout += ["{", '\t"Label" = "%s";' % wanted, "};"]
        else:
            out.fail('Could not find service "%s" in domain for system' % wanted, 113)
        return out.emit()
    if action in ("bootstrap", "bootout"):
        if not rest or not rest[0].startswith("system"):
            return out.fail("Usage: launchctl %s <domain-target> [service-path, service-path2, ...]" % action, 64).emit()
        label = rest[0].partition("/")[2]
        rest = rest[1:] or ([label] if label else [])
    for name in rest:
        path = host.path(name) if host.path(name).exists() else Path(name)
        if action in ("load", "bootstrap"):
            if not path.exists() or not load_job(host, path, out):
                out.fail("%s: Invalid property list" % name if path.exists() else "Bootstrap failed: 5: Input/output error", 5)
            continue
        label = _label(path) if path.exists() else name
        with host.kernel() as kernel:
            if label in kernel["launchd"]:
                kernel["launchd"].remove(label)
            else:
                out.fail("Boot-out failed: 3: No such process" if action == "bootout" else "Unload failed: 5: Input/output error", 3)
    return out.emit()
