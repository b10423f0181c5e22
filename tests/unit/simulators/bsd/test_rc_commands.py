# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The small commands around the firewalls: modules, sysctl, sysrc, service, uname, daemon, and the installer."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

SIMULATORS = Path(__file__).resolve().parents[3] / "simulators" / "bsd"


def test_modules_load_once_and_must_exist(posed):
    host = posed(pf=False)

    assert host.run("kldstat", "-q", "-m", "pf").rc == 1
    assert host.run("kldload", "pf").rc == 0
    assert host.run("kldload", "pf").err == "kldload: can't load pf: module already loaded or in kernel\n"
    assert host.run("kldload", "-n", "pf").rc == 0
    assert host.run("kldload", "nosuch").err == "kldload: can't load nosuch: No such file or directory\n"
    assert host.run("kldstat", "-m", "ipfw").err == "kldstat: can't find module ipfw: No such file or directory\n"
    assert "pf.ko" in host.run("kldstat").out
    assert host.run("kldunload", "pf").rc == 0
    assert host.run("pfctl", "-sr").rc == 1


def test_sysctl_reads_sets_and_refuses(posed):
    host = posed(pf=False)

    assert host.run("sysctl", "-n", "kern.ostype").out == "FreeBSD\n"
    assert host.run("sysctl", "-n", "kern.boottime").out.startswith("{ sec = ")
    assert host.run("sysctl", "net.inet.ip.forwarding=1").out == "net.inet.ip.forwarding: 0 -> 1\n"
    assert host.run("sysctl", "net.inet.ip.forwarding").out == "net.inet.ip.forwarding: 1\n"
    answer = host.run("sysctl", "x.y")
    assert (answer.rc, answer.err) == (1, "sysctl: unknown oid 'x.y'\n")
    assert host.run("sysctl", "kern.ostype=x").err == "sysctl: oid 'kern.ostype' is read only\n"
    host.reboot()
    assert host.run("sysctl", "-n", "net.inet.ip.forwarding").out == "0\n"


def test_sysrc_edits_one_line_and_leaves_the_rest(posed):
    host = posed(pf=False)
    host.write("/etc/rc.conf", '# mine\nhostname="x"\npf_enable="NO"\n')

    assert host.run("sysrc", "pf_enable=YES").out == "pf_enable: NO -> YES\n"
    assert host.run("sysrc", "pf_rules=/etc/my.conf").out == "pf_rules: /etc/pf.conf -> /etc/my.conf\n"
    assert (host.root / "etc/rc.conf").read_text() == '# mine\nhostname="x"\npf_enable="YES"\npf_rules="/etc/my.conf"\n'
    assert host.run("sysrc", "-n", "pf_enable").out == "YES\n"
    assert host.run("sysrc", "-c", "pf_enable=YES").rc == 0
    assert host.run("sysrc", "-x", "pf_rules").rc == 0
    assert host.run("sysrc", "pf_rules").out == "pf_rules: /etc/pf.conf\n"
    assert host.run("sysrc", "nosuch").err == "sysrc: unknown variable 'nosuch'\n"


def test_service_obeys_rc_conf_and_one(posed):
    host = posed(pf=False)
    host.write("/etc/pf.conf", "pass\n")

    assert "Cannot 'start' pf. Set pf_enable to YES" in host.run("service", "pf", "start").out
    assert host.run("service", "pf", "enabled").rc == 1
    assert host.run("service", "pf", "onestart").out == "Enabling pf.\n"
    assert host.run("pfctl", "-s", "Running").rc == 0
    assert host.run("service", "pf", "enable").out == "pf enabled in /etc/rc.conf\n"
    assert host.run("service", "pf", "enabled").rc == 0
    host.write("/etc/pf.conf", "bogus\n")
    assert host.run("service", "pf", "reload").rc == 1
    assert host.run("pfctl", "-sr").out == "pass all flags S/SA keep state\n"
    assert host.run("service", "pf", "stop").out == "Disabling pf.\n"
    assert host.run("service", "nosuch", "start").rc == 1
    assert host.run("service", "pf", "fly").rc == 1


@pytest.mark.parametrize(
    ("flavour", "text"), [("freebsd-12.1", "FreeBSD 12.1-RELEASE\n"), ("openbsd", "OpenBSD 7.6\n"), ("macos", "Darwin 24.1.0\n")]
)
def test_uname_answers_for_the_flavour(posed, flavour, text):
    assert posed(flavour, pf=False).run("uname", "-sr").out == text


def test_rcctl_switches_pf_off_and_on(posed):
    host = posed("openbsd")

    assert host.run("rcctl", "get", "pf", "status").rc == 0
    host.run("rcctl", "disable", "pf")
    assert (host.root / "etc/rc.conf.local").read_text() == 'pf="NO"\n'
    assert host.run("rcctl", "get", "pf", "status").rc == 1
    host.run("rcctl", "enable", "pf")
    assert host.run("rcctl", "get", "pf", "status").rc == 0
    assert host.run("rcctl", "start", "pf").rc == 1


@pytest.fixture
def installed(tmp_path):
    subprocess.run(["sh", str(SIMULATORS / "install.sh"), str(tmp_path / "dest"), "freebsd-12.1"], check=True)
    environ = dict(
        os.environ, HOLDFAST_STANDIN_STATE=str(tmp_path / "dest/var/db/holdfast-standin"), HOLDFAST_STANDIN_ROOT=str(tmp_path / "dest")
    )

    def run(*argv: str, **options):
        folder = "bin" if argv[0] in ("uname", "kenv") else "sbin"
        return subprocess.run(
            [str(tmp_path / "dest/usr" / folder / argv[0]), *argv[1:]],
            env=environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            **options,
        )

    return run


def test_installed_commands_share_one_state(installed):
    assert installed("uname", "-r").stdout == "12.1-RELEASE\n"
    assert installed("kldload", "pf").returncode == 0
    assert installed("pfctl", "-f", "-", input="pass in proto tcp to port 22\n").returncode == 0
    assert installed("pfctl", "-P", "-sr").stdout == "pass in proto tcp from any to any port = 22 flags S/SA keep state\n"
    assert installed("pfctl", "-nf", "-", input="match in all\n").returncode == 1


def test_daemon_detaches_and_keeps_a_pid_file_while_the_command_runs(installed, tmp_path):
    pidfile, done = tmp_path / "pid", tmp_path / "done"
    assert installed("daemon", "-f", "-p", str(pidfile), "/bin/sh", "-c", "sleep 3; touch %s" % done).returncode == 0
    assert not done.exists()

    deadline = time.monotonic() + 20
    seen = False
    while time.monotonic() < deadline and not (done.exists() and not pidfile.exists()):
        seen = seen or pidfile.exists()
        time.sleep(0.05)
    assert done.exists()
    assert seen


def test_the_installer_refuses_an_unknown_flavour(tmp_path):
    answer = subprocess.run(["sh", str(SIMULATORS / "install.sh"), str(tmp_path), "plan9"], capture_output=True, text=True, check=False)

    assert answer.returncode == 64
    assert "use freebsd, openbsd, netbsd or macos" in answer.stderr
