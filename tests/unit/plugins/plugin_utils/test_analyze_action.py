# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of ``analyze``: documents are read and checked on the control node, errors in them name their line."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ansible_collections.holdfast.firewall.plugins.action import analyze as analyze_action


@pytest.fixture(name="act")
def _act(monkeypatch, tmp_path):
    """Run the action with these options; returns its result, and the options that the module got."""
    monkeypatch.setattr(analyze_action.ActionBase, "run", lambda self, tmp=None, task_vars=None: {})

    def act(**args):
        action = analyze_action.ActionModule.__new__(analyze_action.ActionModule)
        action._task = SimpleNamespace(args=args, check_mode=False)
        action._connection = None
        action._loader = SimpleNamespace(get_real_file=lambda path, decrypt: path, cleanup_tmp_file=lambda path: None)
        action._find_needle = lambda _kind, name: str(tmp_path / name)
        sent = {}

        def execute(module_name=None, module_args=None, task_vars=None):
            sent.update(module_args, module=module_name)
            return {"changed": False}

        action._execute_module = execute
        return action.run(task_vars={}), sent

    return act


def test_a_file_becomes_a_document(act, tmp_path):
    (tmp_path / "web.yml").write_text("rules:\n  - {action: allow, port: 80}\n")
    (tmp_path / "old.yml").write_text("[]\n")
    result, sent = act(src="web.yml", other_src="old.yml")
    assert result == {"changed": False}
    assert sent == {"module": "holdfast.firewall.analyze", "policy": {"rules": [{"action": "allow", "port": 80}]}, "other": []}


def test_text_of_a_command_line_becomes_a_document(act):
    assert act(policy="[{action: allow, port: 80}]")[1]["policy"] == [{"action": "allow", "port": 80}]


def test_an_error_in_a_file_names_its_line_and_nothing_is_sent(act, tmp_path):
    (tmp_path / "web.yml").write_text("rules:\n  - action: allow\n    port: 80\n  - action: alow\n")
    result, sent = act(src="web.yml")
    assert result["failed"] is True
    assert result["msg"].startswith("policy.rules[1].action (web.yml:4): found 'alow'")
    assert sent == {}


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({"src": "missing.yml"}, "missing.yml"),
        ({"src": "web.yml", "policy": []}, "either src or policy"),
        ({"policy": [], "other": "rules: ["}, "other:2"),
        ({"policy": [], "packet": {"port": "ssh"}}, "packet.port"),
        ({}, "policy: found (nothing)"),
    ],
)
def test_bad_options_are_refused_before_a_connection(act, args, said):
    result, sent = act(**args)
    assert result["failed"] is True
    assert said in result["msg"]
    assert sent == {}
