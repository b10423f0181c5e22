# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``uname``, ``daemon`` and OpenBSD's ``rcctl``: just enough of each."""

from __future__ import annotations

import getopt
import os
import signal
import subprocess
import sys
from pathlib import Path

from . import rcconf
from .outcome import Outcome
from .store import Host

_DAEMON_USAGE = "usage: daemon [-cf] [-p child_pidfile] [-o output_file] command arguments ..."
_RCCTL_USAGE = """usage:\trcctl get|getdef|set service | daemon [variable [arguments]]
\trcctl [-df] start|stop|restart|reload|check daemon ...
\trcctl disable|enable|order [daemon ...]
\trcctl ls all|failed|off|on|rogue|started|stopped"""


def uname(host: Host, argv: list[str]) -> int:
    """``uname [-amnprsv]``."""
    out = Outcome()
    letters = "".join(word[1:] for word in argv if word.startswith("-")) or "s"
    if any(not word.startswith("-") for word in argv) or set(letters) - set("amnprsviK"):
        return out.fail("usage: uname [-aimnprsvK]").emit()
    flavour = host.flavour
    machine = {"freebsd": "amd64", "openbsd": "amd64", "netbsd": "amd64", "macos": "x86_64"}[flavour.name]
    values = {
        "s": flavour.ostype,
        "n": os.uname().nodename,
        "r": flavour.uname_release,
        "v": "%s %s (stand-in) GENERIC" % (flavour.ostype, flavour.uname_release),
        "m": machine,
        "p": {"macos": "i386"}.get(flavour.name, machine),
        "i": "GENERIC",
        "K": "%d00000" % flavour.major,
    }
    if "a" in letters:
        letters = "snrvm"
    out.stdout.append(" ".join(values[letter] for letter in "snrvmpiK" if letter in letters))
    return out.emit()


def daemon(host: Host, argv: list[str]) -> int:
    """``daemon [-cf] [-p PIDFILE] [-o FILE] COMMAND …``: detaches for real; the pid file goes when the command ends."""
    out = Outcome()
    try:
        pairs, words = getopt.getopt(argv, "cfp:o:")
    except getopt.GetoptError as error:
        return out.fail("daemon: illegal option -- %s\n%s" % (error.opt, _DAEMON_USAGE)).emit()
    if not words:
        return out.fail(_DAEMON_USAGE).emit()
    options = dict(pairs)
    pidfile = Path(options["-p"]) if "-p" in options else None
    if pidfile is not None and pidfile.exists():
        text = pidfile.read_text(encoding="ascii").strip()
        if text.isdigit() and _alive(int(text)):
            return out.fail("daemon: process already running, pid: %s" % text).emit()
    sys.stdout.flush()
    if os.fork():
        return 0
    os.setsid()
    if "-c" in options:
        os.chdir("/")
    stream: int | None = None
    if "-f" in options:
        stream = subprocess.DEVNULL
    if "-o" in options:
        stream = os.open(options["-o"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if "-f" in options:
        null = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(null, number)
    try:
        child = subprocess.Popen(words, stdin=subprocess.DEVNULL if "-f" in options else None, stdout=stream, stderr=stream)
    except OSError as error:
        sys.stderr.write("daemon: %s: %s\n" % (words[0], error.strerror))
        os._exit(1)
    if pidfile is not None:
        pidfile.write_text("%d" % child.pid, encoding="ascii")
    child.wait()
    if pidfile is not None:
        pidfile.unlink(missing_ok=True)
    os._exit(0)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def rcctl(host: Host, argv: list[str]) -> int:
    """``rcctl enable|disable pf``, ``rcctl get pf [status]``, ``rcctl ls on``: pf is a switch in rc.conf.local, not a daemon."""
    out = Outcome()
    local = "/etc/rc.conf.local"
    on = rcconf.values(host, local).get("pf", "YES").upper() != "NO"
    if argv[:2] == ["ls", "on"]:
        out.stdout += ["pf"] if on else []
        return out.emit()
    if len(argv) < 2 or argv[0] not in ("enable", "disable", "get", "start", "stop", "restart", "check", "reload"):
        return out.fail(_RCCTL_USAGE).emit()
    action, name = argv[0], argv[1]
    if name != "pf":
        return out.fail("rcctl: service %s does not exist" % name, 2).emit()
    path = host.path(local)
    if action == "disable":
        rcconf.write(path, "pf", "NO")
    elif action == "enable":
        rcconf.write(path, "pf", None)
    elif action == "get":
        if argv[2:] not in ([], ["status"]):
            return out.fail('rcctl: "pf" is a special variable, cannot get "%s"' % " ".join(argv[2:])).emit()
        out.stdout.append("pf=%s" % ("YES" if on else "NO"))
        out.rc = 0 if on else 1
    else:
        out.fail('rcctl: "pf" is a special variable, no such action "%s"' % action)
    return out.emit()
