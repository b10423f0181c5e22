# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The actions against a Windows host behind WinRM, PSRP and SSH: the tasks run here, and a new connection confirms them.

The connections have exec_command, put_file, fetch_file and reset only; with WinRM and PSRP a new connection is one after ``reset``.
"""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleConnectionFailure

from ansible_collections.holdfast.firewall.plugins.action import analyze, backend, confirm, policy, role_ports, rule
from ansible_collections.holdfast.firewall.plugins.module_utils.change.windows import confirm as changes
from ansible_collections.holdfast.firewall.plugins.module_utils.change.windows import engine as engine_module
from ansible_collections.holdfast.firewall.plugins.plugin_utils import confirmed_change
from ansible_collections.holdfast.firewall.tests.unit.windows_machine import Connection, Windows, network_down, options_of

WEB = {"defaults": {"in": "deny", "out": "allow", "forward": "unmanaged"}, "rules": [{"action": "allow", "port": 443}]}


class Bench:
    """A host, its connection, and time that passes only when somebody sleeps."""

    def __init__(self, folder, name, elevated=True):
        self.windows = Windows(folder, elevated)
        self.connection = Connection(self.windows, name, "powershell")
        self.now = 1000.0

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds
        if self.now > 1009.5:
            self.windows.pass_the_deadline()

    def time(self):
        return self.now

    def gmtime(self, _seconds=None):
        return (2026, 11, 21, 18, 0, 0, 5, 325, 0)

    def strftime(self, form, _moment=None):
        return "20261121180000-"

    def run(self, module, check_mode=False, **args):
        action = module.ActionModule.__new__(module.ActionModule)
        action._task = options_of(args)
        action._task.check_mode = check_mode
        action._connection = self.connection
        action._execute_module = lambda **_rest: pytest.fail("a module was sent to Windows")
        return action.run(task_vars={})


@pytest.fixture(name="bench", params=["winrm", "psrp"])
def _bench(request, tmp_path, monkeypatch):
    bench = Bench(tmp_path, request.param)
    for module in (confirmed_change, changes, engine_module, confirm):
        monkeypatch.setattr(module, "time", bench)
    for module in (confirmed_change, analyze, confirm):
        monkeypatch.setattr(module.ActionBase, "run", lambda self, tmp=None, task_vars=None: {})
    return bench


def test_a_rule_is_confirmed_over_a_connection_newer_than_one_that_saw_it_in_force(bench):
    before = bench.windows.rules()
    result = bench.run(rule, action="allow", port=8080)
    assert (result["changed"], result["proof"]) == (True, "a new %s connection" % bench.connection.transport)
    assert bench.connection.resets == 2
    assert len(bench.windows.rules()) == len(before) + 1
    again = bench.run(rule, action="allow", port="8080")
    assert (again["changed"], "proof" in again) == (False, False)


def test_a_change_that_cuts_the_network_is_undone_and_told(bench):
    before = bench.windows.store.rules

    def cut():
        if any("|Action=Block|" in text and "|LPort=5985|" in text for text in bench.windows.rules()):
            network_down()

    bench.connection.cut = cut
    result = bench.run(rule, action="deny", port=5985, confirm_within=10)
    assert (result["failed"], result["rolled_back"], result["identical"]) == (True, True, True)
    assert "no new connection to this host worked (connection timed out)" in result["msg"]
    assert bench.windows.store.rules == before


def test_a_netsh_that_is_slower_than_the_window_is_told_as_that_and_undone(bench):
    store = bench.windows.store
    store.state["slow"] = 3
    store.save()
    before = bench.windows.store.rules
    result = bench.run(policy, policy=WEB, confirm_within=10)
    bench.windows.let_netsh_go_on()
    assert (result["failed"], result["changed"], result["rolled_back"], result["identical"]) == (True, False, True, True)
    assert "had not put all of it in force within confirm_within (10 seconds)" in result["msg"]
    assert "Give it a longer confirm_within" in result["msg"]
    assert bench.windows.store.rules == before


def test_a_rule_that_closes_the_desktop_to_everybody_is_refused_before_anything_is_touched(bench):
    before = bench.windows.rules()
    result = bench.run(rule, action="deny", port=3389)
    assert result["failed"]
    assert "would close port 3389/tcp to everybody" in result["msg"]
    assert bench.windows.rules() == before
    assert bench.run(rule, action="deny", port=3389, source="203.0.113.0/24")["changed"] is True


def test_a_policy_is_put_in_force_and_found_again(bench):
    result = bench.run(policy, policy=WEB)
    assert result["changed"] is True
    text = "\n".join(bench.windows.rules())
    assert "LPort=443" in text
    assert "LPort=3389" in text
    assert "LPort2_10=5985-5986" in text
    assert bench.run(policy, policy=WEB)["changed"] is False
    found = bench.run(policy, state="gathered")["gathered"]
    assert [one["port"] for one in found["rules"]] == [[443]]
    assert "agent_ports" not in found.get("management", {})


def test_the_ports_of_roles_are_opened_and_closed(bench):
    before = sorted(bench.windows.rules())
    roles = {"web": [{"action": "allow", "port": [80, 443]}], "database": [{"action": "allow", "port": 5432}]}
    assert bench.run(role_ports, role="web,database", roles=roles)["changed"] is True
    assert bench.run(role_ports, role="web,database", roles=roles)["changed"] is False
    assert bench.run(role_ports, role="web,database", roles=roles, state="absent")["changed"] is True
    assert sorted(bench.windows.rules()) == before


def test_the_firewall_is_switched_off_and_on(bench):
    assert bench.run(backend, state="status")["status"]["enabled"] is True
    assert bench.run(backend, state="enabled")["changed"] is False
    assert bench.run(backend, state="disabled")["changed"] is True
    assert bench.windows.store.state["profiles"]["public"]["EnableFirewall"] == 0
    result = bench.run(backend, state="enabled")
    assert (result["changed"], result["proof"]) == (True, "a new %s connection" % bench.connection.transport)
    assert bench.windows.store.state["profiles"]["public"]["EnableFirewall"] == 1
    assert "never restarted" in bench.run(backend, state="restarted")["msg"]


def test_check_mode_changes_nothing(bench):
    before = bench.windows.store.rules
    assert bench.run(rule, check_mode=True, action="allow", port=8080)["changed"] is True
    assert bench.run(policy, check_mode=True, policy=WEB)["changed"] is True
    assert bench.windows.store.rules == before
    assert bench.windows.files("C:\\ProgramData\\holdfast") == []


def test_rendering_and_parsing_ask_no_host(bench):
    bench.connection.cut = network_down
    rendered = bench.run(policy, policy=WEB, state="rendered")["rendered"]
    parsed = bench.run(policy, state="parsed", backend="windows", running_config=rendered)["parsed"]
    assert [one["port"] for one in parsed["rules"]] == [[443]]
    assert bench.run(rule, action="allow", port=80, dry_run=True)["msg"].startswith("[dry-run] would add rule (windows)")
    assert bench.run(analyze, policy=WEB, questions="conflicts")["conflicts"]["conflicts"] == []


def test_questions_about_live_rules_are_answered_here(bench):
    bench.run(policy, policy=WEB)
    result = bench.run(analyze, live=True, questions="lockout")
    assert result["lockout"]["safe"] is True
    assert result["backend"] == "windows"


def test_a_manual_change_is_confirmed_by_its_own_task(bench):
    waiting = bench.run(rule, action="allow", port=8080, confirm="manual")
    assert waiting["pending"]["timer"] == "schtasks"
    assert bench.connection.resets == 0
    status = bench.run(confirm, state="status")
    assert (status["pending"], status["change"]) == (True, waiting["change"])
    resets = bench.connection.resets
    result = bench.run(confirm, change=waiting["change"])
    assert (result["changed"], result["proof"]) == (True, "a new %s connection" % bench.connection.transport)
    assert bench.connection.resets == resets + 2
    assert bench.run(confirm, state="status")["pending"] is False


def test_a_manual_change_is_undone_by_its_own_task(bench):
    before = bench.windows.store.rules
    bench.run(rule, action="allow", port=8080, confirm="manual")
    assert bench.run(confirm, state="restored")["rolled_back"] is True
    assert bench.windows.store.rules == before


def test_a_change_that_never_comes_into_force_is_not_confirmed(bench):
    bench.windows.lost = ("holdfast-apply",)
    waiting = bench.run(rule, action="allow", port=8080, confirm="manual", confirm_within=300)
    bench.sleep = lambda seconds: None
    result = bench.run(confirm, change=waiting["change"])
    assert (result["failed"], result["msg"]) == (True, confirm.NOT_IN_FORCE)


def test_what_the_libraries_of_a_connection_raise_is_a_host_that_cannot_be_reached(bench):
    class ConnectTimeout(OSError):
        __module__ = "requests.exceptions"

    def broken():
        raise ConnectTimeout("HTTPSConnectionPool(host='192.0.2.1', port=5986): Max retries exceeded")

    bench.connection.cut = broken
    with pytest.raises(AnsibleConnectionFailure, match=r"The connection to the host broke: HTTPS.*Max retries exceeded"):
        bench.run(rule, action="allow", port=8080)
    bench.connection.cut = [].pop
    with pytest.raises(IndexError):
        bench.run(rule, action="allow", port=8080)


def test_bad_options_and_unknown_states_are_named(bench):
    bench.connection.cut = network_down
    assert bench.run(rule, action="allow", prot=80)["failed"] is True
    assert "confirm.state" in bench.run(confirm, state="gone")["msg"]


def test_who_is_not_elevated_is_told(tmp_path, bench):
    bench.windows.environ["HOLDFAST_STANDIN_ELEVATED"] = "0"
    bench.windows.machine._environ["HOLDFAST_STANDIN_ELEVATED"] = "0"
    for module, words in ((rule, {"action": "allow", "port": 1}), (policy, {"policy": WEB}), (confirm, {"state": "restored"})):
        assert "elevated rights" in bench.run(module, **words)["msg"]
