# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Windows host through a connection: what is put on command lines, and what goes into files."""

from __future__ import annotations

import base64

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.plugins.plugin_utils.remote_host import RemoteHost, command_line, is_windows
from ansible_collections.holdfast.firewall.tests.unit.windows_machine import Connection, Windows


def decoded(command):
    """Return what a command says, also where it is encoded for PowerShell."""
    head, found, script = command.partition(" -EncodedCommand ")
    return base64.b64decode(script).decode("utf-16-le") if found else head


@pytest.mark.parametrize(("argv", "line"), [
    (["netsh", "-f", "C:\\a\\b.netsh"], "netsh.exe -f C:\\a\\b.netsh"),
    (["sc", "query", "mpssvc"], "sc.exe query mpssvc"),
    (["reg", "query", "HKLM\\SYSTEM\\A B", "/s"], 'reg.exe query "HKLM\\SYSTEM\\A B" /s'),
    (["cmd.exe", "/c", "mkdir C:\\x & echo done >nul"], 'cmd.exe /c "mkdir C:\\x & echo done >nul"'),
    (["x", "a,b", "c;d", "(e)", "@f", "#g"], 'x.exe "a,b" "c;d" "(e)" "@f" "#g"'),
])  # fmt: skip
def test_words_are_the_same_for_cmd_and_powershell(argv, line):
    assert command_line(argv) == line


@pytest.mark.parametrize("word", ['a"b', "%PATH%", "$env:x", "`n", "a\nb", "a\tb", "C:\\folder\\", "", "m\u00fcller", "a\x00b"])
def test_words_that_quotes_do_not_hold_are_refused(word):
    with pytest.raises(HoldfastError, match="cannot be put on a command line"):
        command_line(["netsh", word])


def test_programs_get_no_standard_input(tmp_path):
    with pytest.raises(HoldfastError, match="write a file"):
        RemoteHost(Connection(Windows(tmp_path))).run(["netsh"], "text")


CONNECTIONS = [
    ("ssh", "cmd"), ("ssh", "powershell"), ("ssh of 2.17", "cmd"), ("ssh of 2.17", "powershell"), ("winrm", "powershell"),
    ("psrp", "powershell"),
]  # fmt: skip


@pytest.fixture(name="host", params=CONNECTIONS, ids="-".join)
def _host(request, tmp_path):
    name, shell = request.param
    return RemoteHost(Connection(Windows(tmp_path), name, shell))


def test_a_file_comes_back_as_it_was_written(host):
    path = "C:\\ProgramData\\holdfast\\policy.json"
    assert host.read(path) is None
    text = 'line "1" %PATH% & more\nm\u00fcller\n'
    host.write(path, text)
    assert host.read(path) == text
    host.write(path, "")
    assert host.read(path) == ""
    host.remove(path)
    host.remove(path)
    assert not host.exists(path)


def test_files_have_the_line_ends_of_windows(host):
    host.write("C:\\ProgramData\\holdfast\\a.cmd", "one\ntwo\n")
    with open(host._connection._windows.store.path("C:\\ProgramData\\holdfast\\a.cmd"), "rb") as handle:
        assert handle.read() == b"one\r\ntwo\r\n"


def test_the_folder_is_kept_to_administrators_before_something_is_written(host):
    host.write("C:\\ProgramData\\holdfast\\a", "x")
    host.write("C:\\ProgramData\\holdfast\\b", "x")
    lines = [line for line in map(decoded, host._connection.commands) if "icacls" in line]
    assert len(lines) == 1
    assert "/setowner *S-1-5-32-544" in lines[0]
    assert "/inheritance:r /grant:r *S-1-5-18:(OI)(CI)F *S-1-5-32-544:(OI)(CI)F" in lines[0]


def test_a_missing_file_is_not_fetched(host, monkeypatch):
    monkeypatch.setattr(host._connection, "fetch_file", lambda *_rest: pytest.fail("connections report what they cannot fetch"))
    assert host.read("C:\\ProgramData\\nothing") is None


def test_a_failed_program_has_its_code(host):
    assert host.run(["reg", "query", "HKLM\\NOTHING"]).rc == 1
    assert host.run(["nothing"]).rc != 0


def test_powershell_behind_ssh_gets_the_line_encoded(tmp_path):
    connection = Connection(Windows(tmp_path), "ssh", "powershell")
    RemoteHost(connection).run(["hostname"])
    assert connection.commands[0].startswith("PowerShell ")
    assert decoded(connection.commands[0]) == "hostname.exe; exit $LASTEXITCODE"


@pytest.mark.parametrize(("shell", "windows"), [("cmd", True), ("powershell", True), ("sh", False)])
def test_the_shell_of_the_connection_tells_windows(tmp_path, shell, windows):
    assert is_windows(Connection(Windows(tmp_path), shell=shell)) is windows
    assert is_windows(None) is False


def test_rights_are_asked_for_once(tmp_path):
    host = RemoteHost(Connection(Windows(tmp_path, elevated=False)))
    assert host.is_root() is False
    assert host.is_root() is False
    assert [decoded(one) for one in host._connection.commands] == ["fsutil.exe dirty query C:; exit $LASTEXITCODE"]


def test_programs_are_found(host):
    assert host.which("netsh") == "C:\\Windows\\System32\\netsh.exe"
    assert host.which("nft") is None
