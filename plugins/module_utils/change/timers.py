# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rollback timers: what runs the restore script on the target when nobody confirms.

Touches the target: arms and disarms jobs of its scheduler. A timer must fire while every connection is cut. What else may come (cron where
there is nothing better) is one more subclass in ``TIMERS``: it arms a script for a moment, says whether it still waits, and disarms it.
Windows has a scheduled task of its own, which is armed from the control node (``windows``).
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import sys
import time
import typing as t

from ..host import Host
from ..policy.errors import HoldfastError

#: The exit code of a task that finds no way to arm a rollback.
NO_TIMER = 31


class Timer:
    """One scheduler."""

    NAME = ""

    def available(self, host: Host) -> t.Optional[str]:
        """Return None when it can be used, else the reason why not."""
        raise NotImplementedError

    def arm(self, host: Host, change: str, script: str, seconds: int) -> str:
        """Let ``script timer`` run as root after ``seconds`` seconds; returns what ``waiting`` and ``disarm`` need.

        :raises HoldfastError: when the scheduler refuses, or does not list the job afterwards.
        """
        raise NotImplementedError

    def waiting(self, host: Host, ref: str) -> bool:
        """Return whether the job is still to run."""
        raise NotImplementedError

    def disarm(self, host: Host, ref: str) -> None:
        """Cancel the job; a job that is gone is no error."""
        raise NotImplementedError


class At(Timer):
    """``at`` with a running ``atd``: survives a reboot. It counts whole minutes, so the job starts at the full minute before the deadline
    (or at once) and the script itself sleeps for the rest."""

    NAME = "at"

    def available(self, host: Host) -> t.Optional[str]:
        if host.which("at") is None:
            return "at is not installed"
        if any(_process_named(host, pid_file, "atd") for pid_file in ("/run/atd.pid", "/var/run/atd.pid")):
            return None
        # at itself says nothing when no daemon runs: it queues the job and returns 0.
        if host.which("systemctl") is not None and host.run(["systemctl", "is-active", "--quiet", "atd"]).ok:
            return None
        return "atd is not running"

    def arm(self, host: Host, change: str, script: str, seconds: int) -> str:
        now = time.time()
        minute = (int(now) + seconds) // 60 * 60
        # A job for the running minute would be for the past; and one for the next few seconds may be missed.
        moment = ["-t", time.strftime("%Y%m%d%H%M", time.localtime(minute))] if minute > now + 2 else ["now"]
        done = host.run(["at", *moment], stdin="exec /bin/sh %s timer >/dev/null 2>&1 </dev/null\n" % script)
        found = re.search(r"^job (\d+) at ", done.err, re.MULTILINE)
        if not done.ok or found is None:
            raise HoldfastError("at refused the rollback job: %s" % (done.err.strip() or done.out.strip()), rc=NO_TIMER)
        ref = found.group(1)
        if moment != ["now"] and not self.waiting(host, ref):
            raise HoldfastError("at took the rollback job %s but does not list it" % ref, rc=NO_TIMER)
        return ref

    def waiting(self, host: Host, ref: str) -> bool:
        return any(line.split()[:1] == [ref] for line in host.run(["atq"]).out.splitlines())

    def disarm(self, host: Host, ref: str) -> None:
        host.run(["atrm", ref])


class SystemdRun(Timer):
    """``systemd-run`` of the system manager, to a tenth of a second; gone after a reboot (which restores unsaved rules by itself)."""

    NAME = "systemd-run"

    def available(self, host: Host) -> t.Optional[str]:
        if host.which("systemd-run") is None:
            return "systemd-run is not installed"
        return None if host.exists("/run/systemd/system") else "systemd is not running"

    def arm(self, host: Host, change: str, script: str, seconds: int) -> str:
        unit = "holdfast-rollback-%s" % change
        host_command = [
            "systemd-run", "--collect", "--quiet", "--unit=%s" % unit, "--on-active=%ds" % seconds,
            "--timer-property=AccuracySec=100ms", "--property=Type=oneshot", "/bin/sh", script,
        ]  # fmt: skip
        done = host.run(host_command)
        if not done.ok or not self.waiting(host, unit):
            raise HoldfastError("systemd-run refused the rollback timer: %s" % (done.err.strip() or done.out.strip()), rc=NO_TIMER)
        return unit

    def waiting(self, host: Host, ref: str) -> bool:
        return host.run(["systemctl", "is-active", "--quiet", ref + ".timer"]).ok

    def disarm(self, host: Host, ref: str) -> None:
        host.run(["systemctl", "stop", ref + ".timer"])


class Daemon(Timer):
    """``daemon(8)`` of the BSDs holding the sleeping script; their ``at`` looks at its queue only every five minutes (atrun in crontab)."""

    NAME = "daemon"

    def available(self, host: Host) -> t.Optional[str]:
        system = host.run(["uname", "-s"]).out.strip()
        if not system.endswith("BSD") and system != "DragonFly":
            return "daemon(8) holds timers on the BSDs only"
        return None if host.which("daemon") is not None else "daemon is not installed"

    def arm(self, host: Host, change: str, script: str, seconds: int) -> str:
        done = host.run(self._command(script))
        pid_file = os.path.join(os.path.dirname(script), "timer.pid")
        for _attempt in range(200):
            if (host.read(pid_file) or "").strip().isdigit():
                break
            time.sleep(0.05)
        if not done.ok or not self.waiting(host, pid_file):
            said = done.err.strip() or done.out.strip()
            raise HoldfastError("%s did not start the rollback timer: %s" % (self.NAME, said), rc=NO_TIMER)
        return pid_file

    def _command(self, script: str) -> t.List[str]:
        return ["daemon", "-f", "/bin/sh", script, "timer"]

    def waiting(self, host: Host, ref: str) -> bool:
        pid = (host.read(ref) or "").strip()
        return pid.isdigit() and host.run(["kill", "-0", pid]).ok

    def disarm(self, host: Host, ref: str) -> None:
        """The sleeping script is ended by ``end_sleeper``."""


class Detached(Daemon):
    """A process of its own session that holds the sleeping script, for NetBSD and OpenBSD: they have no daemon(8), and their ``at`` looks
    at its queue only every few minutes."""

    NAME = "detached"

    def available(self, host: Host) -> t.Optional[str]:
        if host.run(["uname", "-s"]).out.strip() not in ("NetBSD", "OpenBSD"):
            return "a detached process holds timers on NetBSD and OpenBSD only"
        return None if sys.executable else "the path of Python is not known"

    def _command(self, script: str) -> t.List[str]:
        return [sys.executable, "-c", _DETACH, "/bin/sh", script, "timer"]


_DETACH = """\
import os, signal, sys
if os.fork():
    os._exit(0)
os.setsid()
os.chdir("/")
signal.signal(signal.SIGHUP, signal.SIG_IGN)
null = os.open(os.devnull, os.O_RDWR)
for number in (0, 1, 2):
    os.dup2(null, number)
os.execv(sys.argv[1], sys.argv[1:])
"""


class Launchd(Timer):
    """``launchd`` of macOS, whose ``at`` is switched off: a job of the system that starts the script at once, which sleeps by itself.

    The property list stays until the change is settled, so launchd starts the script again after a reboot; then it restores at once. When
    the script has settled the change, the job takes itself away.
    """

    NAME = "launchd"
    FOLDER = "/Library/LaunchDaemons"
    LABEL = "com.holdfast.firewall.rollback."

    def available(self, host: Host) -> t.Optional[str]:
        if host.which("launchctl") is None:
            return "launchctl is not installed"
        return None if host.run(["uname", "-s"]).out.strip() == "Darwin" else "launchd holds timers on macOS only"

    def arm(self, host: Host, change: str, script: str, seconds: int) -> str:
        label = self.LABEL + change
        path = "%s/%s.plist" % (self.FOLDER, label)
        host.write(path, _property_list(label, path, script), 0o644)
        done = host.run(["launchctl", "bootstrap", "system", path])
        if not done.ok:
            # Systems before 10.11 only know load, which returns 0 also when it failed. Its -w would be remembered for this label for ever.
            host.run(["launchctl", "load", path])
        if not self.waiting(host, path):
            host.remove(path)
            raise HoldfastError("launchd refused the rollback job: %s" % (done.err.strip() or done.out.strip()), rc=NO_TIMER)
        return path

    def waiting(self, host: Host, ref: str) -> bool:
        return host.run(["launchctl", "list", _label_of(ref)]).ok

    def disarm(self, host: Host, ref: str) -> None:
        host.remove(ref)
        if not host.run(["launchctl", "bootout", "system/%s" % _label_of(ref)]).ok:
            host.run(["launchctl", "remove", _label_of(ref)])


def _label_of(path: str) -> str:
    return os.path.basename(path)[: -len(".plist")]


_PROPERTY_LIST = """\
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
    <key>Label</key>
    <string>%s</string>
    <key>ProgramArguments</key>
    <array>
        <string>/bin/sh</string>
        <string>-c</string>
        <string>%s</string>
    </array>
    <key>RunAtLoad</key>
    <true/>
</dict>
</plist>
"""


def _property_list(label: str, path: str, script: str) -> str:
    """Return the job. A script that is still there was interrupted by a shutdown, and has to start again."""
    script, path = shlex.quote(script), shlex.quote(path)
    line = "/bin/sh %s timer; [ -e %s ] || { rm -f %s; launchctl bootout system/%s; }" % (script, script, path, label)
    return _PROPERTY_LIST % (label, line.replace("&", "&amp;").replace("<", "&lt;"))


#: In the order in which they are tried.
TIMERS: t.Tuple[Timer, ...] = (Launchd(), Daemon(), Detached(), At(), SystemdRun())


def choose_timer(host: Host) -> Timer:
    """Return the first timer that can be used on the host.

    :raises HoldfastError: with rc 31 when there is none.
    """
    reasons = []
    for timer in TIMERS:
        reason = timer.available(host)
        if reason is None:
            return timer
        reasons.append("%s: %s" % (timer.NAME, reason))
    raise HoldfastError(
        "No rollback timer can be armed on this host, so nothing was changed (%s). Install and start at "
        "(package at, service atd) or run a host with systemd." % "; ".join(reasons),
        rc=NO_TIMER,
    )


def timer_named(name: str) -> Timer:
    """Return the timer that ``choose_timer`` chose earlier."""
    return next(timer for timer in TIMERS if name == timer.NAME)


def end_sleeper(host: Host, folder: str) -> None:
    """End a restore script that at or daemon already started and that sleeps until the deadline."""
    text = (host.read(os.path.join(folder, "timer.pid")) or "").strip()
    if text.isdigit() and int(text) > 1:
        try:
            os.kill(int(text), signal.SIGTERM)
        except (ProcessLookupError, PermissionError):
            pass


def _process_named(host: Host, pid_file: str, name: str) -> bool:
    pid = (host.read(pid_file) or "").strip()
    if not pid.isdigit():
        return False
    comm = host.read("/proc/%s/comm" % pid)
    return comm is not None and comm.strip() == name
