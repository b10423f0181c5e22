# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the control node does with every way a change can end, with a managed node that answers from a script."""

from __future__ import annotations

import shlex
from types import SimpleNamespace

import pytest
from ansible.errors import AnsibleConnectionFailure

from ansible_collections.holdfast.firewall.plugins.action.rule import ActionModule as RuleAction
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.plugins.plugin_utils import confirmed_change
from ansible_collections.holdfast.firewall.plugins.plugin_utils.confirmed_change import CONFIRM_MODULE, ConfirmedChangeAction

PENDING = {"change": "c1", "confirm_within": 10, "timer": "at"}
APPLIED = {"changed": True, "msg": "Firewall rule added (nftables)", "pending": PENDING}
CONFIRMED = {"changed": True, "persisted": ["/etc/x"]}
BACK = {"pending": False, "rolled_back": True, "restored": True, "identical": True}
CUT = AnsibleConnectionFailure("Connection timed out")


class Clock:
    """Time that passes only when somebody sleeps, or a connection is tried."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


class Connection:
    """A connection to the network that opens when the script says so."""

    _load_name = "paramiko_ssh"

    def __init__(self):
        self.resets = 0

    def reset(self):
        self.resets += 1

    def exec_command(self, command, sudoable=True):
        return 0, b"", b""


class Action(ConfirmedChangeAction):
    """The action under test; ``answers`` is what the managed node says, one after another, the last one for ever."""

    MODULE = "holdfast.firewall.rule"

    def __init__(self, clock, answers, args=None, async_val=0):
        self._task = SimpleNamespace(args=args or {"action": "deny"}, async_val=async_val)
        self._connection = Connection()
        self._clock, self._answers, self.asked = clock, list(answers), []

    def check(self, args):
        if "prot" in args:
            raise HoldfastError("rule.prot: found (unknown key prot)", place="rule.prot")

    def _low_level_execute_command(self, cmd, **rest):
        self.asked.append(("ask", cmd))
        return self.said

    said = {"rc": 75, "stdout": ""}

    def _execute_module(self, module_name=None, module_args=None, task_vars=None, **rest):
        self.asked.append((module_name, dict(module_args)))
        self._clock.now += 1.0
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)


@pytest.fixture(name="act")
def _act(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(confirmed_change, "time", clock)
    monkeypatch.setattr(confirmed_change.ActionBase, "run", lambda self, tmp=None, task_vars=None: {})

    def act(*answers, **options):
        action = Action(clock, answers, **options)
        started = clock.now
        result = action.run(task_vars={})
        return action, result, clock.now - started

    return act


def test_bad_options_reach_no_host(act):
    action, result, _took = act(APPLIED, args={"prot": "tcp"})
    assert action.asked == []
    assert (result["failed"], result["place"]) == (True, "rule.prot")


def test_words_of_a_choice_reach_the_module_in_small_letters(act):
    args = {"action": " Deny", "state": "PRESENT", "backend": "NFTables", "comment": "As It Is", "port": ["80"]}
    action, _result, _took = act({"changed": False, "msg": "already present"}, args=args)
    assert action.asked[0][1] == dict(args, action="deny", state="present", backend="nftables")


@pytest.mark.parametrize("key", ["port", "source", "interface", "limit"])
def test_a_condition_without_a_value_is_not_taken_for_every_packet(act, key):
    checked = RuleAction.check
    with pytest.raises(HoldfastError, match=r"rule.%s: found .nothing.*write default.omit." % key):
        checked(None, {"action": "allow", key: None})
    checked(None, {"action": "allow", "comment": None})


def test_an_unchanged_task_asks_for_no_confirmation(act):
    action, result, _took = act({"changed": False, "msg": "already present"})
    assert len(action.asked) == 1
    assert "proof" not in result


def test_a_change_is_confirmed_over_a_new_connection(act):
    action, result, _took = act(APPLIED, CONFIRMED)
    assert [name for name, _args in action.asked] == ["holdfast.firewall.rule", CONFIRM_MODULE]
    assert action.asked[1][1]["change"] == "c1"
    assert action.asked[1][1]["waited"] == pytest.approx(confirmed_change.FIRST_WAIT)
    assert action._connection.resets == 1
    assert (result["changed"], result["proof"], result["persisted"]) == (True, "a new paramiko_ssh connection", ["/etc/x"])
    assert "pending" not in result


@pytest.mark.parametrize("pending", [dict(PENDING, ask="/state/of mine/ask.sh"), dict(PENDING, ask="/a", settles_in=3)])
def test_who_applied_the_change_is_asked_first(act, monkeypatch, pending):
    monkeypatch.setattr(Action, "said", {"rc": 0, "stdout": 'noise\n{"changed": true, "persisted": ["/etc/x"]}\n'})
    action, result, _took = act(dict(APPLIED, pending=pending), CUT)
    assert action.asked[1] == (
        "ask",
        "/bin/sh %s %.3f" % (shlex.quote(pending["ask"]), pending.get("settles_in", confirmed_change.FIRST_WAIT)),
    )
    assert (len(action.asked), action._connection.resets) == (2, 1)
    assert (result["changed"], result["persisted"]) == (True, ["/etc/x"])


@pytest.mark.parametrize("said", [{"rc": 75, "stdout": ""}, {"rc": 0, "stdout": "nonsense"}, {"rc": 0, "stdout": ""}])
def test_where_nobody_answers_the_module_confirms(act, monkeypatch, said):
    monkeypatch.setattr(Action, "said", said)
    action, result, _took = act(dict(APPLIED, pending=dict(PENDING, ask="/state/ask.sh")), CONFIRMED)
    assert [name for name, _args in action.asked] == ["holdfast.firewall.rule", "ask", CONFIRM_MODULE]
    assert result["changed"]


def test_a_connection_that_was_too_early_is_opened_again(act):
    action, result, _took = act(APPLIED, {"too_early": True}, CONFIRMED)
    assert action._connection.resets == 2
    assert action.asked[2][1]["waited"] > action.asked[1][1]["waited"]
    assert result["changed"]


@pytest.mark.parametrize("after, wait", [(1.0, 0.0), (1.2, 0.05), (99.0, confirmed_change.NEXT_WAIT)])
def test_the_connection_after_one_that_was_too_early_is_opened_once_the_change_is_in_force(act, after, wait):
    action, result, _took = act(APPLIED, {"too_early": True, "in_force_after": after}, CONFIRMED)
    first, second = (args["waited"] for _name, args in action.asked[1:])
    assert second - first == pytest.approx(1.0 + wait, abs=confirmed_change.TICK * 2)
    assert second > after or wait == confirmed_change.NEXT_WAIT
    assert result["changed"]


def test_one_lost_connection_is_no_lockout(act):
    _action, result, _took = act(APPLIED, CUT, CONFIRMED)
    assert result["changed"]
    assert not result.get("failed")


def test_a_lockout_waits_for_the_rollback_and_tells_what_is_in_force(act):
    tries = [CUT] * 8
    _action, result, took = act(APPLIED, *tries, BACK)
    assert (result["failed"], result["changed"], result["rolled_back"], result["identical"]) == (True, False, True, True)
    assert "Connection timed out" in result["msg"]
    assert "in force is what was before" in result["msg"]
    assert took < PENDING["confirm_within"] + 15


def test_a_confirmation_that_arrives_after_the_rollback_is_told_as_a_lockout(act):
    late = {"failed": True, "rolled_back": True, "msg": "Change c1 was rolled back"}
    _action, result, _took = act(APPLIED, CUT, late, BACK)
    assert (result["rolled_back"], result["identical"]) == (True, True)
    assert "no new connection" in result["msg"]


def test_a_change_that_the_host_refuses_is_told_in_its_words(act):
    refused = {"failed": True, "rolled_back": True, "msg": "The change was refused by the host and undone: no such chain"}
    _action, result, _took = act(APPLIED, refused)
    assert (result["failed"], result["changed"]) == (True, False)
    assert "no such chain" in result["msg"]


def test_a_failed_restore_is_not_called_a_restore(act):
    failed = dict(BACK, restored=False, log="disk full")
    _action, result, _took = act(APPLIED, *[CUT] * 8, failed)
    assert "restoring the old rules failed: disk full" in result["msg"]
    assert result["changed"]


def test_rules_that_somebody_else_changed_are_not_called_identical(act):
    _action, result, _took = act(APPLIED, *[CUT] * 8, dict(BACK, identical=False))
    assert result["identical"] is False
    assert "somebody else changed the live rules" in result["msg"]


def test_a_host_that_never_comes_back_is_said_to_be_lost(act):
    _action, result, took = act(APPLIED, CUT)
    assert result["failed"]
    assert result["rolled_back"] is None
    assert "cannot be reached although its rollback" in result["msg"]
    assert took > PENDING["confirm_within"]


def test_a_change_that_takes_longer_than_its_window_is_not_called_a_lockout(act):
    _action, result, _took = act(APPLIED, *[{"too_early": True}] * 7, BACK)
    assert (result["failed"], result["changed"], result["rolled_back"]) == (True, False, True)
    assert "had not put all of it in force within confirm_within (10 seconds)" in result["msg"]
    assert "no new connection" not in result["msg"]


def test_a_rollback_that_goes_on_for_long_is_not_called_an_unreachable_host(act):
    _action, result, _took = act(APPLIED, *[CUT] * 8, {"pending": True, "seconds_left": 0})
    assert (result["failed"], result["rolled_back"]) == (True, None)
    assert "is still putting the old rules back" in result["msg"]
    assert "cannot be reached" not in result["msg"]


def test_a_manual_change_is_left_pending(act):
    action, result, _took = act(APPLIED, args={"action": "deny", "confirm": "Manual"})
    assert len(action.asked) == 1
    assert result["pending"] == PENDING
    assert "waits 10 seconds for its confirmation" in result["msg"]


def test_a_manual_change_is_likely_in_force_when_its_task_ends(act):
    _action, _result, took = act(dict(APPLIED, pending=dict(PENDING, settles_in=4)), args={"action": "deny", "confirm": "manual"})
    assert took == pytest.approx(1.0 + 4)  # a second for the module itself


def test_async_is_refused_before_anything_is_sent(act):
    action, result, _took = act(APPLIED, async_val=30)
    assert action.asked == []
    assert "async is refused" in result["msg"]
