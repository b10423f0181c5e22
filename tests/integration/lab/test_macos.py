# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host of stand-in commands that poses as a Mac, and the real Ansible commands: both firewalls, a lockout, a reboot in the window."""

from __future__ import annotations

import json
import time

import pytest

from ansible_collections.holdfast.firewall.tests.integration.lab.controller import Controller

POLICY = "holdfast.firewall.policy"
BACKEND = "holdfast.firewall.backend"
MAC = "use-mac"
APP = "/Applications/My App (2).app"
AGENT = "/usr/local/bin/agent"
SSHD = "/usr/sbin/sshd"
LIST = "/usr/libexec/ApplicationFirewall/socketfilterfw --listapps; launchctl list; ls /Library/LaunchDaemons"
#: pf's own job, which launchd has from the next boot on.
PF_JOB = "-\t0\tcom.holdfast.firewall.pf\n"
#: What a blocked program is on a Mac: it answers nobody new, and whoever is in stays in.
BLOCKING = (
    """\
pid=$(pgrep -o -f 'sshd.*listener')
while sleep 0.05; do
    if grep -A1 '"%s"' /var/db/holdfast-standin/alf.json | grep -q true; then kill -STOP $pid; else kill -CONT $pid; fi
done
"""
    % SSHD
)


@pytest.fixture(scope="module", name="mac")
def _mac(lab, tmp_path_factory):
    lab.create(MAC, kind="bsd", flavour="macos")
    lab.exec(MAC, ["mkdir", "-p", APP])
    lab.exec(MAC, ["touch", AGENT])
    controller = Controller(lab, tmp_path_factory.mktemp("controller"))
    controller.refresh()
    return controller


def listed(mac):
    """The programs of the application firewall and the jobs of launchd."""
    return mac.lab.exec(MAC, ["sh", "-c", LIST]).stdout


def test_firewalls_that_are_off_are_not_switched_on_by_a_rule(mac):
    before = listed(mac)
    for words in ("action=deny program=%s protocol=any" % AGENT, "action=deny port=23"):
        refused = mac.adhoc(MAC, words)
        assert refused["_word"] == "FAILED!"
        assert "is off on this host" in refused["msg"]
    assert listed(mac) == before
    for name in ("macos", "pf"):
        done = mac.adhoc(MAC, "backend=%s state=enabled" % name, module=BACKEND)
        assert (done["_word"], done["proof"]) == ("CHANGED", "a new ssh connection"), done


def test_a_program_is_blocked_once_and_ports_go_to_pf(mac):
    words = {"action": "deny", "program": APP, "protocol": "any"}
    first = mac.adhoc(MAC, json.dumps(words))
    assert (first["changed"], first["backend"], first["proof"]) == (True, "macos", "a new ssh connection")
    assert "Block incoming" in listed(mac)
    assert "rollback" not in listed(mac)
    assert mac.adhoc(MAC, json.dumps(words))["changed"] is False
    port = mac.adhoc(MAC, "action=allow port=8080")
    assert (port["_word"], port["backend"]) == ("CHANGED", "pf")
    assert "pf decides about packets" in port["detection"]["reason"]


def test_a_policy_for_programs_is_gathered_and_goes_without_a_trace(mac):
    before = listed(mac)
    document = {
        "defaults": {"in": "allow", "forward": "unmanaged"},
        "rules": [{"name": "no agent", "action": "deny", "program": AGENT, "protocol": "any"}],
        "native": {"macos": {"before": ["--setstealthmode on"]}},
    }
    assert mac.adhoc(MAC, json.dumps({"policy": document}), module=POLICY)["changed"] is True
    assert mac.adhoc(MAC, json.dumps({"policy": document}), module=POLICY)["changed"] is False
    found = mac.adhoc(MAC, "state=gathered backend=macos", module=POLICY)["gathered"]
    assert [(one["program"], one["comment"]) for one in found["rules"]] == [(AGENT, "no agent")]
    assert mac.adhoc(MAC, "state=deleted backend=macos", module=POLICY)["changed"] is True
    assert listed(mac) == before


def test_a_blocked_sshd_is_let_in_again_by_launchd(mac):
    before = listed(mac)
    mac.lab.exec(MAC, ["sh", "-c", 'setsid sh -c "$0" >/dev/null 2>&1 </dev/null &', BLOCKING])
    started = time.monotonic()
    done = mac.adhoc(MAC, "action=deny program=%s protocol=any confirm_within=10" % SSHD)
    assert done["_word"] == "FAILED!", done
    assert done["rolled_back"] is True
    assert time.monotonic() - started > 9
    assert listed(mac) == before
    assert mac.adhoc(MAC, "state=check backend=macos")["_word"] == "SUCCESS"


def test_a_reboot_within_the_window_restores_what_was_on_disk_at_once(mac):
    before = listed(mac)
    mac.manual(MAC, "action=deny program=%s protocol=any confirm_within=600" % AGENT)
    assert "com.holdfast.firewall.rollback." in listed(mac)
    mac.lab.reboot(MAC)
    for _attempt in range(40):
        if "rollback" not in listed(mac):
            break
        time.sleep(0.25)
    assert listed(mac).replace(PF_JOB, "") == before.replace(PF_JOB, "")
    rules = mac.lab.exec(MAC, ["sh", "-c", "pfctl -si 2>/dev/null | head -1; pfctl -sr 2>/dev/null"]).stdout
    assert rules.startswith("Status: Enabled")
    assert "port = http-alt" in rules
