# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in Windows keeps rules and profiles as the real one does, and refuses what it refuses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SIMULATORS = Path(__file__).resolve().parents[3] / "simulators" / "windows"
sys.path.insert(0, str(SIMULATORS))

from windows_standin.commands import call  # noqa: E402
from windows_standin.store import Store  # noqa: E402
from windows_standin.verdict import Packet, verdict  # noqa: E402

ADD = ("advfirewall", "firewall", "add", "rule")
KEY = "HKLM\\SYSTEM\\CurrentControlSet\\Services\\SharedAccess\\Parameters\\FirewallPolicy"


@pytest.fixture
def windows(tmp_path):
    """A function that runs a command on one host."""

    def run(*argv, **environ):
        return call(list(argv), {"HOLDFAST_STANDIN_STATE": str(tmp_path), **environ})

    run.folder = tmp_path
    return run


def texts(windows):
    return [text for _name, text in Store({"HOLDFAST_STANDIN_STATE": str(windows.folder)}).rules if "Name=x|" in text]


def test_a_rule_is_kept_as_text_of_the_registry(windows):
    words = ("name=x", "dir=in", "action=allow", "protocol=TCP", "localport=22,80-90", "remoteip=192.0.2.0/24,10.0.0.1,2001:db8::/32")
    assert windows("netsh", *ADD, *words)[0] == 0
    assert texts(windows) == [
        "v2.30|Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=22|LPort2_10=80-90|RA4=192.0.2.0/255.255.255.0|RA4=10.0.0.1|%s"
        % "RA6=2001:db8::/32|Name=x|"
    ]  # fmt: skip
    code, said = windows("reg", "query", KEY, "/s")
    assert code == 0
    assert texts(windows)[0] in said


def test_two_rules_may_have_one_name_and_go_together(windows):
    for port in ("1", "2"):
        windows("netsh", *ADD, "name=x", "dir=in", "action=allow", "protocol=tcp", "localport=" + port)
    assert windows("netsh", "advfirewall", "firewall", "delete", "rule", "name=x", "protocol=tcp", "localport=1")[0] == 0
    assert len(texts(windows)) == 1
    windows("netsh", *ADD, "name=x", "dir=out", "action=block")
    code, said = windows("netsh", "advfirewall", "firewall", "delete", "rule", "name=x")
    assert (code, "Deleted 2 rule(s)." in said, texts(windows)) == (0, True, [])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("dir=in",), "A specified value"), (("name=all", "dir=in", "action=allow"), "A specified value"),
        (("name=x", "dir=in", "action=allow", "localport=80"), "Ports can only"),
        (("name=x", "dir=in", "action=allow", "protocol=tcp", "localport=65536"), "port value"),
        (("name=x", "dir=in", "action=allow", "protocol=tcp", "localport=9-1"), "port value"),
        (("name=x", "dir=in", "action=allow", "protocol=256"), "protocol value"),
        (("name=x", "dir=in", "action=allow", "remoteip=0.0.0.0/0"), "IP address"),
        (("name=x", "dir=in", "action=allow", "remoteip=!10.0.0.1"), "IP address"),
        (("name=x", "dir=in", "action=allow", "localip=localsubnet"), "IP address"),
        (("name=x", "dir=in", "action=allow", "protocol=icmpv4", "remoteip=2001:db8::1"), "IP version"),
        (("name=x", "dir=in", "action=allow", "name=y"), "A specified value"),
        (("name=x", "dir=in", "action=allow", "remoteip=::/0"), "IP address"),
        (("name=x", "dir=in", "action=allow", "remoteip=::-2001:db8::1"), "IP address"),
        (("name=x", "dir=in", "action=allow", "remoteip=::1-2001:db8::1"), "IP address"),
        (("name=x", "dir=in", "action=allow", "remoteip=::1"), "IP address"),
        (("name=x", "dir=in", "action=allow", "remoteip=10.0.0.9-10.0.0.1"), "IP address"),
        (("name=x", "dir=in", "action=allow", "remoteip=10.0.0.1-2001:db8::1"), "IP address"),
        (("name=x", "dir=in", "action=allow", "remoteip=10.0.0.0/33"), "IP address"),
        (("name=x", "dir=in", "action=allow", "remoteip=10.0.0.1,,10.0.0.2"), "IP address"),
    ],
)  # fmt: skip
def test_what_netsh_refuses(windows, words, said):
    code, text = windows("netsh", *ADD, *words)
    assert code == 1
    assert said in text
    assert texts(windows) == []


def test_all_of_ipv6_is_two_networks(windows):
    assert windows("netsh", *ADD, "name=x", "dir=in", "action=allow", "remoteip=::/1,8000::/1")[0] == 0
    assert "RA6=::/1|RA6=8000::/1|" in texts(windows)[0]


def script(windows, data):
    folder = windows.folder / "drive"
    folder.mkdir(exist_ok=True)
    (folder / "s").write_bytes(data)
    return windows("netsh", "-f", "C:\\s")


def test_a_line_of_a_script_that_is_too_long_becomes_two(windows):
    line = b"advfirewall firewall add rule name=x dir=in action=allow protocol=tcp localport=1 remoteip="
    line += b",".join(b"10.0.%d.%d" % divmod(number, 250) for number in range(200))
    code, said = script(windows, line + b" profile=domain\r\n")
    assert (code, "was not found" in said) == (0, True)
    assert "Profile=" not in "".join(texts(windows))


def test_a_script_is_read_in_the_code_page_of_the_host(windows):
    line = "advfirewall firewall add rule name=x dir=in action=allow description=B\u00fcro\r\n"
    script(windows, b"\xef\xbb\xbf" + line.encode())
    assert texts(windows) == [], "a byte order mark is a part of the first word"
    script(windows, line.encode())
    assert "Desc=B\u00c3\u00bcro|" in texts(windows)[0]


def test_dropped_packets_are_logged_for_a_profile(windows):
    for language, word in (("en", "Enable"), ("de", "Aktivieren")):
        assert windows("netsh", "advfirewall", "set", "publicprofile", "logging", "droppedconnections", "enable")[0] == 0
        said = windows("netsh", "advfirewall", "show", "publicprofile", HOLDFAST_STANDIN_LANGUAGE=language)[1]
        assert "LogDroppedConnections                 %s\n" % word in said
    said = windows("reg", "query", KEY, "/s")[1]
    assert said.count("LogDroppedPackets    REG_DWORD    0x1") == 1
    for words in (("droppedconnections", "notconfigured"), ("droppedconnections", "on"), ("dropped", "enable"), ("maxfilesize", "40000")):
        assert windows("netsh", "advfirewall", "set", "allprofiles", "logging", *words)[0] == 1


def test_no_match_is_a_failure_in_the_language_of_the_display(windows):
    code, said = windows("netsh", "advfirewall", "firewall", "delete", "rule", "name=x", HOLDFAST_STANDIN_LANGUAGE="de")
    assert (code, "keine Regeln" in said) == (1, True)
    assert "Dom\u00e4ne" in windows("netsh", "advfirewall", "show", "allprofiles", HOLDFAST_STANDIN_LANGUAGE="de")[1]
    assert windows("reg", "query", "HKLM\\SOFTWARE\\Policies\\Microsoft\\WindowsFirewall", "/s", HOLDFAST_STANDIN_LANGUAGE="de")[0] == 1


def test_nothing_is_changed_without_the_rights_of_an_administrator(windows):
    code, said = windows("netsh", *ADD, "name=x", "dir=in", "action=allow", HOLDFAST_STANDIN_ELEVATED="0")
    assert (code, "elevation" in said) == (1, True)
    assert texts(windows) == []


def test_a_script_goes_on_after_a_line_that_is_refused_and_does_not_tell(windows):
    folder = windows.folder / "drive" / "ProgramData"
    folder.mkdir(parents=True)
    (folder / "s").write_text(
        '# a comment\nadvfirewall firewall add rule name="x y" dir=in action=nonsense\r\n'
        "advfirewall firewall add rule name=x dir=in action=allow\n",
        encoding="utf-8",
    )
    code, said = windows("netsh", "-f", "C:\\ProgramData\\s")
    assert (code, "not valid" in said, len(texts(windows))) == (0, True, 1)
    assert windows("netsh", "-f", "C:\\nowhere")[0] == 1


def test_an_import_puts_rules_and_profiles_back(windows):
    (windows.folder / "drive").mkdir()
    windows("netsh", *ADD, "name=x", "dir=in", "action=allow")
    assert windows("netsh", "advfirewall", "export", "C:\\before.wfw")[0] == 0
    windows("netsh", "advfirewall", "set", "allprofiles", "state", "off")
    windows("netsh", "advfirewall", "firewall", "delete", "rule", "name=x")
    assert windows("netsh", "advfirewall", "import", "C:\\before.wfw")[0] == 0
    assert len(texts(windows)) == 1
    assert "OFF" not in windows("netsh", "advfirewall", "show", "allprofiles")[1]
    assert windows("netsh", "advfirewall", "import", "C:\\nowhere.wfw")[0] == 1


def test_rules_of_a_group_are_switched_off_by_the_name_of_its_resource(windows):
    words = ("advfirewall", "firewall", "set", "rule", "group=@FirewallAPI.dll,-25000", "new", "enable=no")
    code, said = windows("netsh", *words)
    assert (code, "Updated 3 rule(s)." in said) == (0, True)


def test_a_block_beats_an_allow_and_the_default_is_last():
    allow = "v2.30|Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=80|Name=a|"
    block = "v2.30|Action=Block|Active=TRUE|Dir=In|RA4=192.0.2.0/255.255.255.0|Name=b|"
    near, far = (Packet("in", 6, "198.51.100.1", remote, local_port=80) for remote in ("192.0.2.9", "203.0.113.9"))
    assert verdict([allow, block], "block", near) == "block"
    assert verdict([allow, block], "block", far) == "allow"
    assert verdict([], "allow", far) == "allow"
    assert verdict([allow.replace("TRUE", "FALSE")], "block", far) == "block"


REMOVER = (
    "powershell", "-NoProfile", "-NonInteractive", "-Command",
    ". { param([string]$file) Remove-NetFirewallRule -PolicyStore PersistentStore -ErrorAction Stop -Name (Get-Content $file) }",
)  # fmt: skip


def test_powershell_removes_rules_by_their_identities_all_or_none(windows):
    store = Store({"HOLDFAST_STANDIN_STATE": str(windows.folder)})
    (windows.folder / "drive").mkdir()
    names = windows.folder / "drive" / "gone"
    for text, code in (("rule-1\r\nrule-99\r\n", 1), ("rule-*\r\n", 1), ("RULE-1\r\nrule-2\r\n", 0)):
        names.write_bytes(text.encode())
        assert windows(*REMOVER, "C:\\gone")[0] == code
        assert windows(*REMOVER, "C:\\gone", HOLDFAST_STANDIN_ELEVATED="0")[0] == 1
    left = [name for name, _text in Store({"HOLDFAST_STANDIN_STATE": str(windows.folder)}).rules]
    assert left == [name for name, _text in store.rules if name not in ("rule-1", "rule-2")]
    assert windows(*REMOVER[:4], "Get-Date", "C:\\gone")[0] == 1
    assert windows(*REMOVER, "C:\\missing")[0] == 1


def test_netsh_changes_nothing_where_the_service_does_not_run(windows):
    store = Store({"HOLDFAST_STANDIN_STATE": str(windows.folder)})
    store.state["service"] = 1
    store.save()
    code, said = windows("netsh", *ADD, "name=x", "dir=in", "action=allow")
    assert (code, "contact the  Windows Defender Firewall service" in said) == (1, True)
    assert texts(windows) == []


def test_a_program_that_tells_rules_apart_is_a_path_and_no_word_for_any(windows):
    windows("netsh", *ADD, "name=x", "dir=in", "action=allow")
    assert windows("netsh", "advfirewall", "firewall", "delete", "rule", "name=x", "program=any")[0] == 1
    assert windows("netsh", "advfirewall", "firewall", "delete", "rule", "name=x")[0] == 0


def test_the_commands_run_as_programs(tmp_path):
    subprocess.run(["sh", str(SIMULATORS / "install.sh"), str(tmp_path), "de"], check=True)
    assert {one.name for one in (tmp_path / "usr" / "bin").iterdir()} >= {"netsh", "reg", "sc"}
    launcher = tmp_path / "usr/local/libexec/holdfast-standin-windows/launcher.py"
    environ = {"HOLDFAST_STANDIN_STATE": str(tmp_path / "state"), "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-I", str(launcher), "sc", "query", "mpssvc"], check=False, capture_output=True, env=environ)
    assert (done.returncode, b"RUNNING" in done.stdout) == (0, True)
