# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Windows host for unit tests, behind a connection that has what every connection plugin has, and nothing else.

The host is the stand-in of tests/simulators/windows; its tasks run when they are told to, and those with a time when the test says so.
"""

from __future__ import annotations

import re
import shutil
from types import SimpleNamespace

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.loader import shell_loader

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.base import Backend, Command, Snapshot, Transaction
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ruleset import Ruleset
from ansible_collections.holdfast.firewall.tests.simulators.windows.windows_standin.machine import Machine
from ansible_collections.holdfast.firewall.tests.simulators.windows.windows_standin.netsh import go_on
from ansible_collections.holdfast.firewall.tests.simulators.windows.windows_standin.store import Store

RULES = "HKLM\\SYSTEM\\CurrentControlSet\\Services\\SharedAccess\\Parameters\\FirewallPolicy"
SCRIPT = "C:\\ProgramData\\holdfast\\rules.netsh"


class Windows:
    """The host.

    :ivar waiting: the tasks that have a time.
    :ivar lost: names of tasks that the scheduler never starts.
    """

    def __init__(self, folder, elevated=True):
        self.environ = {"HOLDFAST_STANDIN_STATE": str(folder), "HOLDFAST_STANDIN_ELEVATED": "1" if elevated else "0"}
        self.machine = Machine(self.environ, self, sleep=lambda _seconds: None)
        self.waiting, self.started, self.lost = [], [], ()
        self.store.path("C:\\")
        (folder / "drive" / "ProgramData").mkdir(parents=True)
        self.store.save()

    @property
    def store(self):
        return Store(self.environ)

    def rules(self):
        """The texts of all rules."""
        return [text for _name, text in self.store.rules]

    def files(self, path):
        """The names below a folder."""
        code, said = self.machine.command("dir /b %s" % path)
        return said.split() if code == 0 else []

    def pass_the_deadline(self):
        """Let the tasks run that wait for their time."""
        for name in list(self.waiting):
            self.start(name)

    def let_netsh_go_on(self):
        """Let a netsh that was busy do the rest of its script, unless somebody ended it."""
        go_on(self.store)

    # What a scheduler wants of a runner:

    def start(self, name):
        self.started.append(name)
        if not any(name.startswith(one) for one in self.lost):
            self.machine.run_task(name)

    def at(self, name, _seconds):
        self.waiting.append(name)

    def end(self, _name):
        """Nothing runs beside the test."""

    def forget(self, name):
        if name in self.waiting:
            self.waiting.remove(name)


class Connection:
    """A connection plugin with the methods that all of them have.

    :ivar commands: the lines as they were given; ``sent`` has them as a shell of the host got them.
    :ivar cut: called for each use; raises where the network is cut.
    :ivar codepage: in which programs of the host write; what it has no letters for becomes a question mark.
    :ivar again: whether the plugin ssh puts every line into PowerShell, as that of ansible-core 2.17 does.
    """

    def __init__(self, windows, name="winrm", shell="powershell", options=None, codepage="utf-8"):
        name, self.again = name.removesuffix(" of 2.17"), name.endswith(" of 2.17")
        self._windows, self._load_name, self.transport = windows, name, name
        self._shell = shell_loader.get(shell)
        self._options = {"port": 5985, "remote_addr": "198.51.100.10", **(options or {})}
        self.resets, self.commands, self.cut = 0, [], lambda: None
        self.codepage, self.sent = codepage, []

    def get_option(self, name):
        return self._options[name]

    def has_option(self, name):
        return name in self._options

    def reset(self):
        self.resets += 1
        self.cut()

    def exec_command(self, command, in_data=None, sudoable=True):
        self.cut()
        assert in_data is None
        self.commands.append(command)
        if self.again:
            command = self._shell._encode_script(command, strict_mode=False, preserve_rc=False)
            command = command if self._shell.SHELL_FAMILY == "powershell" else "chcp.com 65001 >nul 2>&1 && " + command
        own = self.transport in ("winrm", "psrp")
        # WinRM puts the line into PowerShell by itself, and has cmd.exe run that.
        self.sent.append(self._shell._encode_script(command, strict_mode=False, preserve_rc=False) if own else command)
        code, said = self._windows.machine.powershell(command) if own else self._windows.machine.command(command)
        text = said.replace("\n", "\r\n").encode(self.codepage, "replace")
        return (code, text, b"") if code == 0 else (code, text, text)

    def put_file(self, in_path, out_path):
        self.cut()
        shutil.copyfile(in_path, self._windows.store.path(out_path))

    def fetch_file(self, in_path, out_path):
        self.cut()
        shutil.copyfile(self._windows.store.path(in_path), out_path)


def network_down():
    """What a cut connection says."""
    raise AnsibleConnectionFailure("connection timed out")


class OneRule(Backend):
    """A backend that reads the real registry of the stand-in, and whose changes are lines of netsh."""

    NAME = "windows"
    PERSISTS_AT_ONCE = True

    def read(self):
        said = self.host.checked(["reg", "query", RULES, "/s"])
        return Ruleset((), "".join("%s\n" % line for line in sorted(re.findall(r"REG_SZ +(v2\..*)$", said, re.MULTILINE))))

    def snapshot(self, ruleset, transaction):
        return Snapshot({}, 'netsh advfirewall import "%DIR%\\before.wfw"\nif errorlevel 1 exit /b 1\nexit /b 0\n', (), True)

    def persist(self, facts):
        return []


def adding(ruleset, port, action="Allow", lines=()):
    """Return the transaction that adds one rule."""
    line = "advfirewall firewall add rule name=hf%d dir=in action=%s protocol=TCP localport=%d" % (port, action.lower(), port)
    text = "v2.30|Action=%s|Active=TRUE|Dir=In|Protocol=6|LPort=%d|Name=hf%d|" % (action, port, port)
    after = "".join("%s\n" % one for one in sorted([*ruleset.listing.splitlines(), text]))
    return Transaction((Command(("netsh", "-f", SCRIPT), "\n".join([line, *lines]) + "\n"),), after)


def options_of(words):
    """Return the task of an action."""
    return SimpleNamespace(args=words, async_val=0, check_mode=False, diff=False)
