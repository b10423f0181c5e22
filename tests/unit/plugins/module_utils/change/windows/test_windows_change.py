# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A change of a Windows host from its arming to its end, on the stand-in that runs the real scripts."""

from __future__ import annotations

import json

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.change.management import refuse_closing
from ansible_collections.holdfast.firewall.plugins.module_utils.change.windows import confirm as changes
from ansible_collections.holdfast.firewall.plugins.module_utils.change.windows import engine as engine_module
from ansible_collections.holdfast.firewall.plugins.module_utils.change.windows.engine import Reached, WindowsEngine
from ansible_collections.holdfast.firewall.plugins.module_utils.change.windows.record import look
from ansible_collections.holdfast.firewall.plugins.module_utils.change.windows.script import PENDING, ROOT
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.parse import parse_rule
from ansible_collections.holdfast.firewall.plugins.plugin_utils.remote_host import RemoteHost
from ansible_collections.holdfast.firewall.tests.unit.windows_machine import Connection, OneRule, Windows, adding


class Bench:
    """A host, and the engine that changes it."""

    def __init__(self, folder, elevated=True, **options):
        self.windows = Windows(folder, elevated)
        self.connection = Connection(self.windows, **options)
        self.host = RemoteHost(self.connection)
        self.engine = WindowsEngine(self.host, Reached(5985, "198.51.100.1"))
        self.backend = OneRule(self.host)

    def begin(self, port=8080, **more):
        ruleset = self.backend.read()
        transaction = adding(ruleset, port, **more)
        return self.engine.begin(self.backend, ruleset, transaction, 60, True)["change"]


@pytest.fixture(name="bench", params=[("ssh", "cmd"), ("winrm", "powershell"), ("psrp", "powershell")], ids=["ssh", "winrm", "psrp"])
def _bench(request, tmp_path, monkeypatch):
    for module in (changes, engine_module):
        monkeypatch.setattr(module, "make_backend", lambda _name, host: OneRule(host))
        monkeypatch.setattr(module.time, "sleep", lambda _seconds: None)
    name, shell = request.param
    return Bench(tmp_path, name=name, shell=shell)


def test_a_change_is_in_force_before_it_is_confirmed_and_stays_afterwards(bench):
    before = bench.windows.rules()
    change = bench.begin()
    assert len(bench.windows.rules()) == len(before) + 1
    assert changes.is_applied(bench.host, change) is True
    result = changes.confirm(bench.host, change)
    assert (result["changed"], result["change"]) == (True, change)
    assert bench.windows.waiting == []
    assert bench.windows.files(PENDING) == []
    bench.windows.pass_the_deadline()
    bench.windows.machine.boot()
    assert len(bench.windows.rules()) == len(before) + 1


def test_a_change_that_nobody_confirms_is_undone_at_its_time(bench):
    before = bench.windows.store.rules
    change = bench.begin()
    assert bench.windows.store.rules != before
    bench.windows.pass_the_deadline()
    assert bench.windows.store.rules == before
    found = changes.inquire(bench.host, change)
    assert (found["rolled_back"], found["restored"], found["identical"]) == (True, True, True)
    assert bench.windows.files(ROOT) == ["last-rollback", "rules.netsh"]
    with pytest.raises(HoldfastError, match="nobody confirmed it in time"):
        changes.confirm(bench.host, change)


def test_a_reboot_inside_the_window_restores_the_old_rules(bench):
    before = bench.windows.store.rules
    change = bench.begin()
    bench.windows.machine.boot()
    assert bench.windows.store.rules == before
    assert changes.inquire(bench.host, change)["restored"] is True


def test_the_rollback_is_armed_before_the_change_is_made(bench):
    bench.windows.lost = ("holdfast-apply",)
    before = bench.windows.rules()
    change = bench.begin()
    assert bench.windows.rules() == before
    assert bench.windows.waiting == ["holdfast-rollback-%s" % change]
    assert changes.is_applied(bench.host, change) is False
    assert changes.confirm(bench.host, change)["too_early"] is True
    assert bench.windows.rules() == before


@pytest.mark.parametrize("undone", [False, True], ids=["at its time", "by somebody"])
def test_a_netsh_that_is_still_busy_when_the_old_rules_come_back_does_not_go_on(bench, undone):
    before = bench.windows.store.rules
    store = bench.windows.store
    store.state["slow"] = 1
    store.save()
    lines = ["advfirewall firewall add rule name=hf%d dir=in action=block protocol=TCP localport=%d" % (port, port) for port in (22, 5985)]
    change = bench.begin(lines=lines)
    assert len(bench.windows.rules()) == len(before) + 1
    assert changes.is_applied(bench.host, change) is False
    if undone:
        changes.undo(bench.host, change)
    else:
        bench.windows.pass_the_deadline()
    bench.windows.let_netsh_go_on()
    assert bench.windows.store.rules == before
    assert look(bench.host).restored == (change, "0")


def test_rules_that_are_not_those_that_were_planned_are_undone(bench):
    before = bench.windows.store.rules
    change = bench.begin(lines=["advfirewall firewall add rule name=other dir=in action=allow protocol=TCP localport=9"])
    with pytest.raises(HoldfastError, match="other rules are in force"):
        changes.confirm(bench.host, change)
    assert bench.windows.store.rules == before
    assert look(bench.host).identity is None


def test_a_change_that_waits_keeps_others_away(bench):
    change = bench.begin()
    assert bench.engine.waiting() == [change]
    with pytest.raises(HoldfastError, match=r"waits for its confirmation for another \d\d seconds"):
        bench.engine.refuse_beside_pending()
    with pytest.raises(HoldfastError, match="Another firewall task"):
        bench.begin(8081)
    assert changes.is_applied(bench.host, change) is True


def test_a_change_can_be_undone_before_its_time(bench):
    before = bench.windows.store.rules
    change = bench.begin()
    result = changes.undo(bench.host, None)
    assert (result["change"], result["rolled_back"]) == (change, True)
    assert bench.windows.store.rules == before
    assert changes.undo(bench.host, None)["changed"] is False


def test_the_status_tells_how_long_a_change_waits(bench):
    assert changes.inquire(bench.host, None) == {"msg": "No change is pending on this host", "changed": False, "pending": False}
    change = bench.begin()
    found = changes.inquire(bench.host, None)
    assert (found["change"], found["pending"], found["applied"]) == (change, True, True)
    assert 50 <= found["seconds_left"] <= 60


def test_what_a_dead_task_left_unarmed_is_tidied_up(bench, monkeypatch):
    bench.begin()
    bench.windows.machine.command("del /q %s\\armed" % PENDING)
    moments = iter(range(0, 1000, 10))
    monkeypatch.setattr(engine_module.time, "monotonic", lambda: next(moments))
    bench.engine.settle_leftovers()
    assert bench.windows.files(PENDING) == []


@pytest.mark.parametrize("confirmed", [False, True], ids=["rolled back", "confirmed"])
def test_a_folder_that_a_virus_scanner_holds_is_never_restored_from_later(bench, monkeypatch, confirmed):
    store = bench.windows.store
    store.state["held"] = ["before.wfw"]
    store.save()
    change = bench.begin()
    if confirmed:
        result = changes.confirm(bench.host, change)
        assert result["changed"] is True
        assert "cannot be removed" in result["persisted"][0]
    else:
        bench.windows.pass_the_deadline()
    assert bench.windows.files(PENDING) == ["before.wfw"]
    assert bench.engine.waiting() == []
    store = bench.windows.store
    store.add("v2.30|Action=Allow|Active=TRUE|Dir=In|Name=later|")
    store.state["held"] = []
    store.save()
    rules = bench.windows.rules()
    moments = iter(range(0, 1000, 10))
    monkeypatch.setattr(engine_module.time, "monotonic", lambda: next(moments))
    bench.windows.pass_the_deadline()
    bench.engine.settle_leftovers()
    assert bench.windows.rules() == rules
    assert bench.windows.files(ROOT).count("pending") == 0


def test_an_overdue_change_is_undone_by_the_next_task(bench):
    before = bench.windows.store.rules
    bench.begin()
    path = bench.windows.store.path(PENDING + "\\change.json")
    with open(path, encoding="utf-8") as handle:
        facts = json.load(handle)
    with open(path, "w", encoding="utf-8") as handle:
        json.dump(dict(facts, deadline="2020-01-01T00:00:00"), handle)
    bench.engine.settle_leftovers()
    assert bench.windows.store.rules == before


def test_a_scheduler_that_refuses_leaves_everything_as_it_was(bench, monkeypatch):
    before = bench.windows.store.rules
    monkeypatch.setattr(engine_module, "rollback_definition", lambda *_rest: "<Task/>")
    with pytest.raises(HoldfastError, match="did not take the rollback") as caught:
        bench.begin()
    assert caught.value.details["rc"] == 31
    assert bench.windows.store.rules == before
    assert bench.windows.files(PENDING) == []
    assert bench.windows.started == []


@pytest.mark.parametrize("name", ["before.wfw", "restore.cmd", "rules.cmd"])
def test_nothing_is_changed_without_what_restores_it(bench, monkeypatch, name):
    before = bench.windows.store.rules
    define = bench.engine._define

    def lose(*words):
        bench.windows.machine.command("del %s\\%s" % (PENDING, name))
        define(*words)

    monkeypatch.setattr(bench.engine, "_define", lose)
    with pytest.raises(HoldfastError, match="did not take the rollback"):
        bench.begin()
    assert bench.windows.store.rules == before
    assert bench.windows.waiting == []


def test_a_confirmation_that_died_is_undone(bench):
    before = bench.windows.store.rules
    change = bench.begin()
    bench.windows.machine.command("ren %s\\armed confirming" % PENDING)
    bench.windows.pass_the_deadline()
    assert bench.windows.store.rules == before
    assert changes.inquire(bench.host, change)["rolled_back"] is True


def test_a_restore_that_died_with_the_host_is_done_again_at_its_start(bench):
    before = bench.windows.store.rules
    change = bench.begin()
    bench.windows.machine.command("ren %s\\armed restoring" % PENDING)
    bench.windows.machine.boot()
    assert bench.windows.store.rules == before
    assert changes.inquire(bench.host, change)["restored"] is True


def test_a_rollback_that_comes_first_wins_over_the_confirmation(bench):
    change = bench.begin()
    bench.windows.machine.command("ren %s\\armed restoring" % PENDING)
    with pytest.raises(HoldfastError, match="came too late"):
        changes.confirm(bench.host, change)


def test_a_timer_of_an_older_change_leaves_the_pending_one_alone(bench):
    change = bench.begin()
    rules = bench.windows.rules()
    bench.windows.machine.command("%s\\restore.cmd 20200101000000-00000000" % PENDING)
    assert bench.windows.rules() == rules
    assert changes.is_applied(bench.host, change) is True


def test_who_is_not_elevated_is_told_how_to_be(tmp_path):
    bench = Bench(tmp_path, elevated=False)
    with pytest.raises(HoldfastError, match="member of the group Administrators whose session is elevated"):
        bench.engine.require_rights("Reading and changing windows rules", "windows")


def test_the_ports_of_windows_administrators_are_kept_open(bench):
    found = bench.engine.find_management((10050,))
    assert found.agent_ports == (3389, 5985, 5986, 10050)
    assert found.ssh_ports == ()


def test_the_port_of_the_desktop_is_the_one_that_the_host_uses(bench):
    store = bench.windows.store
    store.state["desktop"] = 45000
    store.save()
    assert bench.engine.find_management(()).agent_ports == (45000, 5985, 5986)
    with pytest.raises(HoldfastError, match="would close port 45000/tcp to everybody"):
        refuse_closing(parse_rule({"action": "deny", "port": 45000}), bench.engine.unproved_ports(), "windows")
    refuse_closing(parse_rule({"action": "deny", "port": 3389}), bench.engine.unproved_ports(), "windows")


@pytest.mark.parametrize("words, refused", [
    ({"port": 3389}, "3389"), ({"port": [80, 5986]}, "5986"), ({"protocol": "any"}, "3389"), ({"action": "reject", "port": 5986}, "5986"),
    ({"port": 5985}, None),
    ({"port": 3389, "source": "!192.0.2.0/24"}, None), ({"port": 3389, "direction": "out"}, None), ({"port": 3390}, None),
    ({"port": 3389, "action": "allow"}, None), ({"port": 3389, "protocol": "udp"}, None),
])  # fmt: skip
def test_no_single_rule_closes_the_ports_of_windows_administrators_to_everybody(tmp_path, words, refused):
    # The one that the task itself comes by (5985) is tried by a new connection after the change.
    bench = Bench(tmp_path)
    rule = parse_rule({"action": "deny", **words})
    if refused is None:
        refuse_closing(rule, bench.engine.unproved_ports(), "windows")
        return
    with pytest.raises(HoldfastError, match="would close port %s/tcp to everybody" % refused):
        refuse_closing(rule, bench.engine.unproved_ports(), "windows")


def test_a_session_over_ssh_tells_its_own_addresses_and_port(tmp_path):
    bench = Bench(tmp_path, name="ssh", shell="cmd")
    run = bench.windows.machine.command
    bench.windows.machine.command = lambda line: run(line, {"SSH_CONNECTION": "198.51.100.7 50000 198.51.100.10 2222"})
    found = bench.engine.find_management(())
    assert (found.ssh_ports, found.client, found.server) == ((2222,), "198.51.100.7", "198.51.100.10")


@pytest.mark.parametrize(("ends", "client"), [
    (["198.51.100.1"], "198.51.100.1"), (["192.0.2.9"], "192.0.2.9"), (["192.0.2.9", "198.51.100.1"], "198.51.100.1"),
    (["192.0.2.9", "192.0.2.10"], None), ([], None),
])  # fmt: skip
def test_the_connections_of_the_host_tell_where_other_sessions_come_from(bench, monkeypatch, ends, client):
    listed = "\n  Proto  Local Address          Foreign Address        State\n"
    listed += "  TCP    0.0.0.0:5985           0.0.0.0:0              LISTENING\n"
    listed += "".join("  TCP    198.51.100.10:5985     %s:50001      ESTABLISHED\n" % end for end in ends)
    listed += "  TCP    198.51.100.10:445      203.0.113.9:50001      ESTABLISHED\n"
    monkeypatch.setattr(bench.windows.machine, "_netstat", lambda *_rest: (0, listed))
    assert bench.engine.find_management(()).client == client


def test_a_task_that_only_renders_never_asks_the_host(bench):
    engine = WindowsEngine(bench.host, Reached(2222, None), planned=True)
    assert engine.find_management(()).ssh_ports == (2222,)
    assert engine.detect("auto").backend.NAME == "windows"
    assert bench.connection.commands == []


def test_another_firewall_is_refused_on_windows(bench):
    with pytest.raises(HoldfastError, match="Backend nftables is not on this host"):
        bench.engine.detect("nftables")
