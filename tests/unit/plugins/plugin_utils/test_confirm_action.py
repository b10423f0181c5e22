# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of ``confirm``: it confirms only over a connection that is younger than the change."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ansible_collections.holdfast.firewall.plugins.action import confirm as confirm_action

WAITING = {"pending": True, "seconds_left": 50}


class Connection:
    """A connection to the network."""

    _load_name = "paramiko_ssh"

    def __init__(self):
        self.resets = 0

    def reset(self):
        self.resets += 1

    def exec_command(self, command, sudoable=True):
        return 0, b"", b""


@pytest.fixture(name="act")
def _act(monkeypatch):
    """Run the action; every module takes a second, and ``statuses`` are the answers to the questions after the state, the last for ever."""
    now = [1000.0]
    clock = SimpleNamespace(monotonic=lambda: now[0], sleep=lambda seconds: now.__setitem__(0, now[0] + seconds))
    monkeypatch.setattr(confirm_action, "time", clock)
    monkeypatch.setattr(confirm_action.ActionBase, "run", lambda self, tmp=None, task_vars=None: {})

    def act(*statuses, **args):
        action = confirm_action.ActionModule.__new__(confirm_action.ActionModule)
        action._task = SimpleNamespace(args=args, check_mode=False)
        action._connection = Connection()
        answers, asked = list(statuses), []

        def execute(module_name=None, module_args=None, task_vars=None):
            now[0] += 1.0
            asked.append((module_args.get("state", "confirmed"), action._connection.resets))
            if asked[-1][0] == "status":
                return dict(answers.pop(0) if len(answers) > 1 else answers[0])
            return {"changed": True, "msg": "Change c1 confirmed"}

        action._execute_module = execute
        return action.run(task_vars={}), asked

    return act


def test_a_change_that_is_older_than_the_connection_is_confirmed_over_it(act):
    result, asked = act(dict(WAITING, applied_ago=5.0))
    assert result["proof"] == "a new paramiko_ssh connection"
    assert asked == [("status", 1), ("confirmed", 1)]


def test_a_connection_that_may_be_older_than_the_change_confirms_nothing(act):
    result, asked = act(dict(WAITING, applied_ago=0.3), dict(WAITING, applied_ago=None), dict(WAITING, applied_ago=2.0))
    assert result["changed"]
    assert asked == [("status", 1), ("status", 2), ("status", 3), ("confirmed", 3)]


def test_a_change_that_never_comes_into_force_is_not_confirmed(act):
    result, asked = act(dict(WAITING, applied_ago=None))
    assert result["failed"]
    assert all(state == "status" for state, _resets in asked)


def test_what_is_not_pending_is_left_to_the_module(act):
    _result, asked = act({"pending": False})
    assert [state for state, _resets in asked] == ["status", "confirmed"]


def test_other_states_are_asked_once(act):
    _result, asked = act({"pending": False}, state="status")
    assert [state for state, _resets in asked] == ["status"]
