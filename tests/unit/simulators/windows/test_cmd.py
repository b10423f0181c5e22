# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in of cmd.exe: what scripts rely on, and where it is as unforgiving as the real one."""

from __future__ import annotations

import pytest

from ansible_collections.holdfast.firewall.tests.unit.windows_machine import Windows


@pytest.fixture(name="windows")
def _windows(tmp_path):
    return Windows(tmp_path)


@pytest.fixture(name="script")
def _script(windows):
    def script(text, *arguments, name="s.cmd"):
        with open(windows.store.path("C:\\" + name), "w", encoding="utf-8", newline="") as handle:
            handle.write(text.replace("\n", "\r\n"))
        return windows.machine.command(" ".join(["C:\\" + name, *arguments]))

    return script


@pytest.mark.parametrize(("line", "answer"), [
    ("echo one & echo two", (0, "one \ntwo\n")),
    ("type C:\\nothing && echo yes", (1, "The system cannot find the file specified.\n")),
    ("type C:\\nothing 2>nul || echo no", (1, "no\n")),
    ('echo "a & b"', (0, '"a & b"\n')),
    ("mkdir C:\\x & if exist C:\\x echo there & echo too", (0, "there \ntoo\n")),
    ("if exist C:\\x echo there & echo too", (0, "")),
    ("if not exist C:\\x exit 7", (7, "")),
    ("nonsense", (9009, "'nonsense' is not recognized as an internal or external command,\noperable program or batch file.\n")),
    ('cmd.exe /d /c "echo inner & exit 3"', (3, "inner \n")),
    ("set NOTHING", (1, "Environment variable NOTHING not defined\n")),
])  # fmt: skip
def test_lines_mean_what_they_mean_on_windows(windows, line, answer):
    assert windows.machine.command(line) == answer


def test_a_line_that_is_too_long_does_nothing(windows, script):
    assert windows.machine.command("echo " + "x" * 8186)[0] == 0
    assert windows.machine.command("echo " + "x" * 8187) == (1, "The command line is too long.\n")
    assert "too long" in script('@echo off\nset "LONG=%s"\necho %%LONG%% %%LONG%%\n' % ("x" * 8000))[1]


def test_a_digit_before_a_redirection_is_a_stream(windows):
    windows.machine.command("echo 0>C:\\a & >C:\\b echo 0")
    assert windows.machine.command("type C:\\b") == (0, "0\n")
    assert "0" not in windows.machine.command("type C:\\a")[1]


def test_variables_jumps_and_codes_of_a_script(script):
    code, said = script("""\
@echo off
setlocal
set "NAME=value"
set N=0
:again
set /a N+=1
if %N% lss 3 goto again
echo %NAME% %N% %~1 %UNKNOWN%.
call C:\\sub.cmd
if errorlevel 2 exit /b 5
""", "argument")  # fmt: skip
    assert said.startswith("value 3 argument .\n")
    assert code == 1
    script("@echo off\nexit /b 2\n", name="sub.cmd")
    assert script("@echo off\ncall C:\\sub.cmd\nif errorlevel 2 exit /b 5\n")[0] == 5


def test_a_script_that_is_gone_ends(script):
    code, said = script("@echo off\ndel C:\\s.cmd\necho never\n")
    assert (code, "never" in said) == (1, False)
    assert "batch file cannot be found" in said


def test_line_ends_of_unix_are_refused(windows):
    with open(windows.store.path("C:\\u.cmd"), "w", encoding="utf-8", newline="") as handle:
        handle.write("@echo off\necho x\n")
    with pytest.raises(RuntimeError, match="those of Unix"):
        windows.machine.command("C:\\u.cmd")


def test_a_rename_has_one_winner(windows):
    windows.machine.command("type nul >C:\\armed")
    assert windows.machine.command("ren C:\\armed confirming")[0] == 0
    assert windows.machine.command("ren C:\\armed restoring")[0] == 1


def test_nobody_but_an_administrator_writes(tmp_path):
    windows = Windows(tmp_path, elevated=False)
    for line in ("mkdir C:\\x", "schtasks /create /f /tn x /xml C:\\x.xml", "fsutil dirty query C:", "icacls C:\\ /reset"):
        code, said = windows.machine.command(line)
        assert code != 0, line
        assert "denied" in said, line


def test_tasks_take_definitions_in_the_encoding_of_windows_only(windows):
    path = windows.store.path("C:\\t.xml")
    with open(path, "wb") as handle:
        handle.write(b"<Task/>")
    assert windows.machine.command("schtasks /create /f /tn x /xml C:\\t.xml")[1].startswith("ERROR: The task XML is malformed")
    assert windows.machine.command("schtasks /query /tn x")[0] == 1
