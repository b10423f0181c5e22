# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands of macOS: the application firewall, and the jobs of launchd."""

from __future__ import annotations

import os
import plistlib
import subprocess
import time
from pathlib import Path

import pytest

SIMULATORS = Path(__file__).resolve().parents[3] / "simulators" / "bsd"
FW = "socketfilterfw"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the commands of macOS change things for root only")


@pytest.fixture
def mac(posed):
    host = posed("macos")
    host.write("/Applications/My App (2).app", "")
    host.run("launchctl", "list")  # it is up: what is put into LaunchDaemons now waits for the next boot
    return host


def job(host, name, **words):
    words = {"Label": "org.example." + name, "ProgramArguments": ["/usr/bin/true"], **words}
    host.write("/Library/LaunchDaemons/%s.plist" % name, plistlib.dumps(words).decode())
    return "/Library/LaunchDaemons/%s.plist" % name


def wait_for(condition):
    for _attempt in range(100):
        if condition():
            return True
        time.sleep(0.05)
    return False


def test_an_application_is_added_blocked_listed_and_removed(mac):
    path = "/Applications/My App (2).app"

    assert mac.run(FW, "--add", path).out == "Application at path ( %s ) added to firewall \n" % path
    assert mac.run(FW, "--blockapp", path).out == "Incoming connection to the application is blocked \n"
    assert mac.run(FW, "--listapps").out.splitlines() == [
        "Total number of apps = 1 ", "1 : %s " % path, "             (Block incoming connections)",
    ]  # fmt: skip
    assert "removed" in mac.run(FW, "--remove", path).out
    assert mac.run(FW, "--listapps").out == "Total number of apps = 0 \n"


@pytest.mark.parametrize("option", ["--remove", "--blockapp", "--unblockapp", "--getappblocked"])
def test_an_application_that_was_not_added_is_no_part_of_the_firewall(mac, option):
    answer = mac.run(FW, option, "/Applications/My App (2).app")
    assert (answer.rc, answer.out) == (0, "The application is not part of the firewall\n")


def test_a_program_that_does_not_exist_is_not_added_and_the_code_says_nothing_of_it(mac):
    answer = mac.run(FW, "--add", "/nowhere")
    assert (answer.rc, answer.out) == (0, "The file path you specified does not exist\n")
    assert "apps = 0" in mac.run(FW, "--listapps").out


def test_older_systems_say_it_otherwise_and_have_log_modes(mac):
    (mac.state / "alf.mode").write_text("older")
    mac.run(FW, "--add", "/Applications/My App (2).app")

    assert mac.run(FW, "--listapps").out.splitlines() == [
        "ALF: total number of apps = 1 ", "", "1 :  /Applications/My App (2).app ", " \t ( Allow incoming connections ) ", "",
    ]  # fmt: skip
    assert mac.run(FW, "--getblockall").out == "Block all DISABLED! \n"
    assert mac.run(FW, "--setloggingmode", "off").out == "Log mode is off \n"


def test_newer_systems_have_no_log_modes(mac):
    assert mac.run(FW, "--getloggingmode").out.startswith("usage:")


def test_block_all_is_a_third_state_that_turning_on_does_not_end(mac):
    mac.run(FW, "--setglobalstate", "on")
    mac.run(FW, "--setblockall", "on")
    assert "(State = 2)" in mac.run(FW, "--setglobalstate", "on").out
    assert "(State = 2)" in mac.run(FW, "--getglobalstate").out
    mac.run(FW, "--setblockall", "off")
    assert mac.run(FW, "--getglobalstate").out == "Firewall is enabled. (State = 1)\n"


def test_a_managed_mac_refuses_changes_with_code_0_and_still_answers(mac):
    (mac.state / "alf.mode").write_text("managed")
    answer = mac.run(FW, "--setglobalstate", "on")
    assert answer.rc == 0
    assert "managed Mac" in answer.out
    assert "(State = 0)" in mac.run(FW, "--getglobalstate").out


def test_a_reboot_keeps_the_application_firewall(mac):
    mac.run(FW, "--setglobalstate", "on")
    mac.run(FW, "--setstealthmode", "on")
    mac.reboot()
    assert "(State = 1)" in mac.run(FW, "--getglobalstate").out
    assert mac.run(FW, "--getstealthmode").out == "Firewall stealth mode is on\n"


@pytest.mark.parametrize("words", [[], ["--setglobalstate"], ["--setglobalstate", "maybe"], ["--enable"], ["--add"]])
def test_what_it_does_not_know_gets_the_usage(mac, words):
    assert mac.run(FW, *words).out.startswith("usage:")


def test_launchd_really_runs_a_job_and_ends_it_when_it_is_unloaded(mac, tmp_path):
    path = job(mac, "sleeper", RunAtLoad=True, ProgramArguments=["/bin/sh", "-c", "echo $$ > %s/pid; sleep 60 & wait" % tmp_path])

    assert mac.run("launchctl", "bootstrap", "system", path).rc == 0
    assert wait_for(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip())
    pid = int((tmp_path / "pid").read_text())
    assert "state = running" in mac.run("launchctl", "print", "system/org.example.sleeper").out
    assert mac.run("launchctl", "bootstrap", "system", path).rc == 5
    assert mac.run("launchctl", "bootout", "system/org.example.sleeper").rc == 0
    assert wait_for(lambda: "Z" in Path("/proc/%d/stat" % pid).read_text().split() if Path("/proc/%d" % pid).exists() else True)
    assert mac.run("launchctl", "print", "system/org.example.sleeper").rc == 113


def test_launchd_starts_its_jobs_again_after_a_boot(mac, tmp_path):
    job(mac, "starter", RunAtLoad=True, ProgramArguments=["/bin/sh", "-c", "echo x >> %s/starts" % tmp_path])

    mac.reboot()
    assert "org.example.starter" in mac.run("launchctl", "list").out
    mac.reboot()
    mac.run("launchctl", "list")
    assert (tmp_path / "starts").read_text() == "x\nx\n"


def test_launchd_refuses_what_others_may_write_and_what_is_no_job(mac):
    path = job(mac, "loose")
    Path(str(mac.root) + path).chmod(0o666)
    assert mac.run("launchctl", "bootstrap", "system", path).rc == 5
    mac.write("/Library/LaunchDaemons/none.plist", "no plist")
    assert mac.run("launchctl", "bootstrap", "system", "/Library/LaunchDaemons/none.plist").rc == 5
    # load complains too, and says nothing of it by its code
    assert mac.run("launchctl", "load", "-w", path).rc == 0
    assert mac.run("launchctl", "bootout", "system/org.example.loose").rc == 3


def test_the_installer_puts_the_firewall_where_macos_has_it(tmp_path):
    subprocess.run(["sh", str(SIMULATORS / "install.sh"), str(tmp_path), "macos"], check=True)
    done = subprocess.run(
        [str(tmp_path / "usr/libexec/ApplicationFirewall/socketfilterfw"), "--getglobalstate"],
        env={"PATH": os.environ["PATH"], "HOLDFAST_STANDIN_STATE": str(tmp_path / "state"), "HOLDFAST_STANDIN_FLAVOUR": "macos"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "Firewall is disabled. (State = 0)\n"
