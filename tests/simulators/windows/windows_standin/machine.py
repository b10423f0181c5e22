# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs of a Windows host by name, and cmd.exe as the shell of its users: ``main`` for programs, ``Machine`` for unit tests."""

import base64
import os
import re
import subprocess
import sys
import time
from datetime import datetime, timezone

from . import netsh
from .batch import Shell
from .cmdlets import is_removal, remove
from .registry import run_reg, run_sc
from .scheduler import Scheduler
from .store import Store

_UTC_NOW = re.compile(r"""powershell(\.exe)? -NoProfile -NonInteractive -Command "\[DateTime\]::UtcNow\.ToString\('s'\)"$""")
#: Ends every netsh and PowerShell that runs a script whose path begins so.
_STOP = re.compile(
    r"""powershell(?:\.exe)? -NoProfile -NonInteractive -Command "Get-CimInstance Win32_Process -OperationTimeoutSec \d+ \| Where-Object """
    r"""\{ \$_\.ProcessId -ne \$PID -and \$_\.Name -in 'netsh\.exe','powershell\.exe' """
    r"""-and \$_\.CommandLine -like '\* ([^'*?\[]+)\*' \} \| Invoke-CimMethod -MethodName Terminate"$"""
)
#: How the code of a program becomes that of PowerShell.
_CODE = "; exit $LASTEXITCODE"
#: What ``main`` is asked to be.
ROLES = ("cmd", "run-task", "start-task", "boot")
_KNOWN = {"chcp", "cmd", "fsutil", "hostname", "icacls", "netsh", "netstat", "ping", "powershell", "reg", "sc", "schtasks", "where"}


class Machine:
    """A Windows host.

    :ivar environ: as ``Store`` wants it.
    :ivar runner: what runs tasks; see ``Scheduler``.
    :ivar changed: called when the state of the firewall may have changed.
    :ivar sleep: called for the pauses of ``ping``.
    """

    def __init__(self, environ, runner, changed=lambda store: None, sleep=time.sleep):
        self._environ, self._runner, self._changed, self._sleep = dict(environ), runner, changed, sleep

    def command(self, line, variables=None):
        """Run a command line as the shell of a user does; returns code and output."""
        return Shell(self._store(), self._program, variables).command(line)

    def run_task(self, name):
        """Run a scheduled task; nothing when it is gone."""
        scheduler = Scheduler(self._store(), self._runner)
        if name not in scheduler.tasks:
            return 1, ""
        try:
            return self.command(re.sub(r"^(/d )?/c ", "", scheduler.arguments(name)))
        except netsh.Busy:
            return 1, ""  # an end of the task leaves its netsh running

    def boot(self):
        """Start what starts with the host."""
        store = self._store()
        store.save()
        self._changed(store)
        Scheduler(self._store(), self._runner).boot()

    def _store(self):
        return Store(self._environ)

    def _program(self, words, line, variables):
        name = words[0].replace("/", "\\").rpartition("\\")[2].lower()
        name = name[:-4] if name.endswith((".exe", ".com")) else name
        if name not in _KNOWN:
            said = "'%s' is not recognized as an internal or external command,\noperable program or batch file.\n"
            return 9009, said % words[0]
        return getattr(self, "_" + name)(words[1:], line.strip(), variables)

    # -- programs -------------------------------------------------------------------------------------------------------------

    def _cmd(self, words, line, variables):
        found = re.match(r"\S+\s+(/d\s+)?/c\s+(.*)$", line, re.IGNORECASE)
        if found is None:
            return 1, "This stand-in runs cmd /c only.\n"
        return Shell(self._store(), self._program, variables).command(found[2])

    def _netsh(self, words, _line, _variables):
        store = self._store()
        done = netsh.run(store, words)
        if store.elevated:
            self._changed(store)
        return done

    def _reg(self, words, _line, _variables):
        return run_reg(self._store(), words)

    def _sc(self, words, _line, _variables):
        return run_sc(self._store(), words)

    def _schtasks(self, words, _line, _variables):
        return Scheduler(self._store(), self._runner).run(words)

    def _ping(self, words, _line, _variables):
        if words[0] != "-n" or words[2:] != ["127.0.0.1"]:
            return 1, "Ping request could not find host.\n"
        self._sleep(int(words[1]) - 1)
        return 0, "Reply from 127.0.0.1: bytes=32 time<1ms TTL=128\n"

    def _fsutil(self, words, _line, _variables):
        if not self._store().elevated:
            return 1, "Error 5: Access is denied.\n"
        return 0, "Volume - %s is NOT Dirty\n" % words[-1]

    def _icacls(self, words, _line, _variables):
        store = self._store()
        if not store.elevated:
            return 5, "%s: Access is denied.\n" % words[0]
        if not os.path.exists(store.path(words[0].rstrip("*\\"))):
            return 3, "%s: The system cannot find the path specified.\n" % words[0]
        return 0, "Successfully processed 1 files; Failed processing 0 files\n"

    def _netstat(self, _words, _line, _variables):
        said = "\nActive Connections\n\n  Proto  Local Address          Foreign Address        State\n"
        try:
            lines = subprocess.run(["ss", "-Htn"], capture_output=True, text=True, check=False).stdout.splitlines()
        except OSError:
            lines = []
        return 0, said + "".join("  TCP    %-22s %-22s ESTABLISHED\n" % tuple(line.split()[3:5]) for line in lines)

    def _chcp(self, words, _line, _variables):
        return 0, "Active code page: %s\n" % words[0]

    def _hostname(self, _words, _line, _variables):
        return 0, "%s\n" % os.uname().nodename

    def _where(self, words, _line, _variables):
        name = words[-1].lower()
        name = name[:-4] if name.endswith(".exe") else name
        known = name in _KNOWN
        return (0, "C:\\Windows\\System32\\%s.exe\n" % name) if known else (1, "INFO: Could not find files for the given pattern(s).\n")

    def _powershell(self, words, line, variables):
        encoded = re.search(r" -EncodedCommand (\S+)$", line)
        if encoded is not None:
            return self.powershell(base64.b64decode(encoded[1]).decode("utf-16-le").strip(), variables)
        stop = _STOP.match(line)
        if stop is not None:
            store = self._store()
            if "C:\\ProgramData\\holdfast\\rules.netsh".startswith(stop[1]):
                store.state.pop("unfinished", None)
                store.save()
            return 0, ""
        if is_removal(words):
            store = self._store()
            done = remove(store, words)
            if store.elevated:
                self._changed(store)
            return done
        if _UTC_NOW.match(line) is None:
            return 1, "This stand-in knows no PowerShell but for the time, the end of netsh, and rules to remove.\n"
        return 0, datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S\n")

    def powershell(self, script, variables=None):
        """Run a script that is one program, with words that are the same for both shells.

        Where the script does not ask for its code, PowerShell says 0 or 1.
        """
        exact = script.endswith(_CODE)
        line = script[: -len(_CODE)] if exact else script
        plain = re.sub(r'"[^"]*"', "", line)
        named = "." in line.split()[0] or line.startswith("PowerShell ")
        if re.search(r"[&|;<>(){}@,#$`%']", plain) or re.search("[$`]", line) or not named:
            return 1, "This stand-in knows no PowerShell but for single programs: %s\n" % script
        code, said = Shell(self._store(), self._program, variables).command(line)
        return code if exact else min(code, 1), said


def main(argv):
    """Be cmd.exe for a user (``cmd -c LINE``), be a scheduled task (``run-task NAME``), start one unless it runs
    (``start-task NAME``), or start with the host (``boot``).
    """
    from .linux_beneath import Systemd, enforce

    library = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    runner = Systemd(library)
    machine = Machine(os.environ, runner, enforce)
    if argv[0] == "start-task":
        runner.start(argv[1])
        return 0
    if argv[0] == "boot":
        machine.boot()
        return 0
    if argv[0] == "run-task":
        code, said = machine.run_task(argv[1])
    elif argv[0] == "cmd" and argv[1:2] == ["-c"] and len(argv) == 3:
        variables = {name: os.environ[name] for name in ("SSH_CONNECTION",) if name in os.environ}
        code, said = machine.command(argv[2], variables)
    else:
        sys.stdout.write("Microsoft Windows [Version 10.0.20348.2227]\nThis stand-in runs single commands only.\n")
        return 1
    sys.stdout.write(said)
    return min(code, 255)
