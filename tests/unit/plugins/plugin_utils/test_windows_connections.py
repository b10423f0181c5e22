# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible's own connection plugins winrm and psrp in front of the stand-in: only what they send over the network is replaced.

So their handling of lines, of files to put and to fetch, and of ``reset`` is the real one.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from types import SimpleNamespace

import pytest
from ansible.playbook.play_context import PlayContext
from ansible.plugins.connection import psrp, winrm
from ansible.plugins.loader import connection_loader

from ansible_collections.holdfast.firewall.plugins.action import policy, rule
from ansible_collections.holdfast.firewall.plugins.module_utils.change.windows import confirm as changes
from ansible_collections.holdfast.firewall.plugins.plugin_utils import confirmed_change
from ansible_collections.holdfast.firewall.plugins.plugin_utils.remote_host import RemoteHost
from ansible_collections.holdfast.firewall.tests.unit.windows_machine import Windows, options_of


class Wire:
    """What the plugins have in the place of a network.

    :ivar opened: how many connections were opened.
    """

    def __init__(self, windows):
        self.windows, self.opened, self._path, self.lines = windows, 0, "", []
        self.largest = 0

    def run(self, script, data=(), arguments=()):
        """Run a script of PowerShell: one of the plugins for files, or a line of ours; returns code and output."""
        created = re.search(r"\$path = '([^']*)'", script)
        if "[System.IO.File]::Create($path)" in script:
            parts = [base64.b64decode(one) for one in data]
            content = b"".join(parts)
            self.largest = max([self.largest, *map(len, parts)])
            with open(self.windows.store.path(arguments[0] if arguments else created[1]), "wb") as out:
                out.write(content)
            return 0, json.dumps({"sha1": hashlib.sha1(content).hexdigest()})
        if "FileStream" in script:
            self._path = self.windows.store.path(arguments[0] if arguments else created[1])
            if not os.path.isfile(self._path):
                return 1, ""
            return (0, "") if arguments else (0, self._read())
        if "ToBase64String" in script:
            return 0, self._read()
        if "$fs.Close()" in script:
            return 0, ""
        self.lines.append(script)
        return self.windows.machine.powershell(re.sub(r"\nexit \$LASTEXITCODE$", "", script))

    def _read(self):
        with open(self._path, "rb") as handle:
            return base64.b64encode(handle.read()).decode()


def over_winrm(wire, monkeypatch):
    def connect(self):
        if not self.protocol:
            wire.opened += 1
            self.protocol, self._connected = object(), True
        return self

    def execute(self, command, args=(), from_exec=False, stdin_iterator=None):
        assert command == "PowerShell"
        assert len(" ".join(map(str, (command, *args)))) <= 8191, "the shell of WinRM is cmd.exe"
        data = [one.strip() for one, _last in stdin_iterator] if stdin_iterator is not None else []
        code, said = wire.run(base64.b64decode(args[-1]).decode("utf-16-le"), data)
        return code, said.encode(), b""

    monkeypatch.setattr(winrm.Connection, "_connect", connect)
    monkeypatch.setattr(winrm.Connection, "_winrm_exec", execute)


def over_psrp(wire, monkeypatch):
    def connect(self):
        if not self._connected:
            wire.opened += 1
            self._connected = True
            self.runspace = SimpleNamespace(connection=SimpleNamespace(max_payload_size=150000), state="", id="1")
        return self

    def execute(self, script, input_data=None, use_local_scope=True, arguments=None):
        data = [one for chunk in input_data for one in chunk] if input_data is not None else []
        code, said = wire.run(script, data, arguments or ())
        return code, said.encode(), b""

    def close(self):
        self._connected = False

    monkeypatch.setattr(psrp.Connection, "_connect", connect)
    monkeypatch.setattr(psrp.Connection, "_exec_psrp_script", execute)
    monkeypatch.setattr(psrp.Connection, "close", close)


@pytest.fixture(name="wire")
def _wire(tmp_path):
    return Wire(Windows(tmp_path))


@pytest.fixture(name="connection", params=["winrm", "psrp"])
def _connection(request, wire, monkeypatch):
    {"winrm": over_winrm, "psrp": over_psrp}[request.param](wire, monkeypatch)
    connection = connection_loader.get(request.param, PlayContext(), os.devnull)
    connection.set_options(direct={"remote_addr": "198.51.100.10", "port": 5985})
    connection._psrp_host = connection._winrm_host = "198.51.100.10"
    return connection


def test_files_and_lines_go_through_the_real_plugins(connection, wire):
    host = RemoteHost(connection)
    path = "C:\\ProgramData\\holdfast\\policy.json"
    assert host.read(path) is None
    host.write(path, "one\ntwo\n")
    assert host.read(path) == "one\ntwo\n"
    host.write(path, "")
    assert host.read(path) == ""
    assert host.is_root()
    assert not host.run(["reg", "query", "HKLM\\NOTHING"]).ok
    assert all("-EncodedCommand" not in line for line in wire.lines), "PowerShell in PowerShell"


def test_a_change_is_confirmed_after_a_reset_of_the_real_plugins(connection, wire, monkeypatch):
    for module in (confirmed_change, changes):
        monkeypatch.setattr(module.time, "sleep", lambda _seconds: None)
    monkeypatch.setattr(confirmed_change.ActionBase, "run", lambda self, tmp=None, task_vars=None: {})
    action = rule.ActionModule.__new__(rule.ActionModule)
    action._task, action._connection = options_of({"action": "allow", "port": 8080}), connection
    result = action.run(task_vars={})
    assert result["changed"] is True
    assert result["proof"] == "a new %s connection" % connection.transport.rpartition(".")[2]
    assert wire.opened == 3  # the task's own, one that saw the change in force, and one that is newer than it
    assert any("|LPort=8080|" in text for text in wire.windows.rules())


def test_a_thousand_rules_go_through_the_real_plugins_in_pieces(connection, wire, monkeypatch):
    for module in (confirmed_change, changes):
        monkeypatch.setattr(module.time, "sleep", lambda _seconds: None)
    monkeypatch.setattr(confirmed_change.ActionBase, "run", lambda self, tmp=None, task_vars=None: {})
    rules = [
        {
            "action": "allow",
            "port": 1000 + number,
            "source": "10.%d.%d.0/24" % divmod(number, 256),
            "comment": "what makes the script longer",
        }
        for number in range(1000)
    ]
    action = policy.ActionModule.__new__(policy.ActionModule)
    action._task = options_of({"policy": {"defaults": {"in": "deny", "forward": "unmanaged"}, "rules": rules, "logging": {"denied": True}}})
    action._connection = connection
    result = action.run(task_vars={})
    assert result["changed"] is True
    assert any("every packet that it drops" in note for note in result["notes"])
    assert sum("|Name=hf:" in text for text in wire.windows.rules()) > 1000
    size = os.path.getsize(wire.windows.store.path("C:\\ProgramData\\holdfast\\rules.netsh"))
    assert 0 < wire.largest < size
    assert action.run(task_vars={})["changed"] is False
