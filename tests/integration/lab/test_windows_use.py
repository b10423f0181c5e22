# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows hosts over SSH, with the real Ansible commands. The host is a stand-in: its cmd.exe runs the scripts and its tasks really run at
their time and after a reboot, and its firewall really cuts TCP ports."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from ansible_collections.holdfast.firewall.tests.integration.lab.controller import CONFIRM, Controller

HOST = "use-windows"
POLICY = "holdfast.firewall.policy"
ANALYZE = "holdfast.firewall.analyze"
STATE = "/var/db/holdfast-standin-windows"
KNOCK = """
import socket, sys
for port in sys.argv[2:]:
    try:
        socket.create_connection((sys.argv[1], int(port)), 0.5).close()
    except ConnectionRefusedError:
        pass
    except OSError:
        continue
    print(port)
"""
WEB = {
    "defaults": {"in": "deny", "out": "allow", "forward": "unmanaged"},
    "rules": [
        {"action": "allow", "port": 443, "comment": "web"},
        {"action": "deny", "source": "198.51.100.66", "port": 5432},
        {"action": "allow", "source": "198.51.100.0/24", "port": 5432, "comment": "database"},
    ],
    "logging": {"denied": True},
}


@pytest.fixture(scope="module", name="controller")
def _controller(lab, tmp_path_factory):
    lab.create(HOST, kind="windows", flavour="de")
    controller = Controller(lab, tmp_path_factory.mktemp("controller"))
    controller.refresh()
    yield controller
    lab.destroy(HOST)


@pytest.fixture(name="ask")
def _ask(controller):
    def ask(arguments, *options, **more):
        return controller.adhoc(HOST, arguments, *options, **more)

    return ask


def firewall(controller):
    """The rules and profiles of the host, read without the network."""
    state = json.loads(controller.lab.exec(HOST, ["cat", STATE + "/windows.json"]).stdout)
    return {"rules": state["rules"], "profiles": state["profiles"]}


def holdfast_files(controller):
    """What is left on drive C."""
    return sorted(controller.lab.exec(HOST, ["ls", STATE + "/drive/ProgramData/holdfast"]).stdout.split())


def tasks(controller):
    """The scheduled tasks."""
    return json.loads(controller.lab.exec(HOST, ["cat", STATE + "/tasks.json"]).stdout)


def connects(controller, *ports):
    """To which of the ports the firewall lets a new connection through; where nobody listens, the answer is a refusal."""
    done = subprocess.run(
        controller.lab.entered([sys.executable, "-c", KNOCK, controller.lab.host(HOST).ipv4, *map(str, ports)]),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [int(port) for port in done.stdout.split()]


def test_a_rule_is_added_once_and_removed_again(controller, ask):
    before = firewall(controller)
    assert connects(controller, 8080) == []
    checked = ask("action=allow port=8080 comment=web", "--check")
    assert checked["changed"] is True
    assert firewall(controller) == before
    first = ask("action=allow port=8080 comment=web")
    assert (first["changed"], first["proof"], first["backend"]) == (True, "a new ssh connection", "windows")
    assert connects(controller, 8080) == [8080]
    assert tasks(controller) == {}
    second = ask("action=allow port=8080 comment=web")
    assert (second["changed"], second["_word"]) == (False, "SUCCESS")
    gone = ask("state=absent action=allow port=8080 comment=web")
    assert gone["changed"] is True
    assert firewall(controller) == before


def test_a_policy_is_in_force_once_and_an_edit_by_hand_is_seen(controller, ask):
    words = json.dumps({"policy": WEB})
    first = ask(words, module=POLICY)
    assert (first["changed"], first["proof"]) == (True, "a new ssh connection")
    assert any("logs every packet that it drops" in note for note in first["notes"])
    assert {one["Logging"]["LogDroppedPackets"] for one in firewall(controller)["profiles"].values()} == {1}
    # What Windows is administered through stays open, whatever the document says.
    assert connects(controller, 22, 3389, 5985, 5986, 443, 5432, 8443) == [22, 3389, 5985, 5986, 443, 5432]
    assert ask(words, module=POLICY)["changed"] is False
    gathered = ask("state=gathered", module=POLICY)["gathered"]
    assert gathered["logging"] == {"denied": True}
    assert [rule["port"] for rule in gathered["rules"]] == [[443], [5432], [5432]]
    mine = next(text for _name, text in firewall(controller)["rules"] if "|LPort=443|" in text)
    name = mine.split("|Name=")[1].split("|")[0]
    controller.lab.exec(HOST, ["netsh", "advfirewall", "firewall", "delete", "rule", "name=" + name])
    again = ask(words, module=POLICY)
    assert (again["changed"], again["drift"]) == (True, True)
    assert connects(controller, 443) == [443]
    packet = {"direction": "in", "protocol": "tcp", "source": "198.51.100.66", "destination": "198.51.100.10", "port": 5432}
    live = ask(json.dumps({"live": True, "questions": ["trace"], "packet": packet}), module=ANALYZE)
    assert live["traces"][0]["verdict"] == "deny"
    assert ask("state=deleted", module=POLICY)["changed"] is True
    assert {one["Logging"]["LogDroppedPackets"] for one in firewall(controller)["profiles"].values()} == {0}
    controller.lab.exec(HOST, ["netsh", "advfirewall", "reset"])


def test_a_lockout_is_undone_by_the_host_and_told(controller, ask):
    before = firewall(controller)
    result = ask("action=deny port=22 confirm_within=10")
    assert result["_word"] == "FAILED!"
    assert (result["rolled_back"], result["identical"], result["changed"]) == (True, True, False)
    assert "no new connection to this host worked" in result["msg"]
    assert "in force is what was before" in result["msg"]
    assert firewall(controller) == before
    assert tasks(controller) == {}
    assert "pending" not in holdfast_files(controller)


def test_a_policy_that_leaves_this_session_out_is_refused_before_anything_changes(controller, ask):
    before = firewall(controller)
    result = ask(json.dumps({"policy": dict(WEB, management={"sources": ["203.0.113.0/24"]})}), module=POLICY)
    assert "This policy would lock you out" in result["msg"]
    assert "Put 198.51.100.1, from where this session comes, into management.sources" in result["msg"]
    assert firewall(controller) == before


def test_a_reboot_inside_the_window_brings_the_old_rules_back(controller, ask):
    before = firewall(controller)
    waiting = ask("action=allow port=8081 confirm=manual confirm_within=300")
    assert waiting["pending"]["timer"] == "schtasks"
    refused = ask("action=allow port=8082")
    assert "waits for its confirmation" in refused["msg"]
    assert firewall(controller) != before
    controller.lab.reboot(HOST)
    deadline = 50
    while "pending" in holdfast_files(controller) and deadline:
        controller.lab.exec(HOST, ["sleep", "0.2"])
        deadline -= 1
    assert firewall(controller) == before
    found = ask("state=status change=%s" % waiting["change"], module=CONFIRM)
    assert (found["rolled_back"], found["restored"], found["identical"]) == (True, True, True)
    assert tasks(controller) == {}


def test_a_change_is_confirmed_or_undone_by_hand(controller, ask):
    before = firewall(controller)
    ask("action=allow port=8083 confirm=manual confirm_within=300")
    undone = ask("state=restored", module=CONFIRM)
    assert (undone["rolled_back"], firewall(controller)) == (True, before)
    waiting = ask("action=allow port=8083 confirm=manual confirm_within=300")
    confirmed = ask("change=%s" % waiting["change"], module=CONFIRM)
    assert (confirmed["changed"], confirmed["proof"]) == (True, "a new ssh connection")
    assert tasks(controller) == {}
    assert connects(controller, 8083) == [8083]


def test_who_is_not_elevated_is_told_so(controller, ask):
    before = firewall(controller)
    result = ask("action=allow port=8080", "-e", "ansible_user=plain")
    assert "needs elevated rights" in result["msg"]
    assert "Administrators" in result["msg"]
    assert firewall(controller) == before


def test_a_host_whose_shell_is_powershell_is_asked_the_same_way(ask):
    shell = ("-e", "ansible_shell_type=powershell")
    found = ask("state=check", *shell)
    assert "localport=22" in found["listing"]
    assert ask("state=status", *shell, module=CONFIRM)["pending"] is False


def test_text_is_rendered_and_parsed_without_a_connection(ask):
    nowhere = ("-e", "ansible_host=192.0.2.1")
    rendered = ask(json.dumps({"policy": WEB, "state": "rendered"}), *nowhere, module=POLICY)["rendered"]
    assert "localport=443" in rendered
    parsed = ask(json.dumps({"state": "parsed", "backend": "windows", "running_config": rendered}), *nowhere, module=POLICY)["parsed"]
    assert [rule["port"] for rule in parsed["rules"]] == [[443], [5432], [5432]]


def test_a_task_in_the_background_is_refused(ask):
    assert "async is refused" in ask("action=allow port=8080", "-B", "60")["msg"]
