# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of ``policy``: what is wrong with a file or a text is said here, with its line, and no host hears of it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible.errors import AnsibleFileNotFound

from ansible_collections.holdfast.firewall.plugins.action import policy as policy_action


@pytest.fixture(name="act")
def _act(monkeypatch, tmp_path):
    """Run the action with these options; returns its result, and the options that the module got."""
    monkeypatch.setattr(policy_action.ConfirmedChangeAction.__mro__[1], "run", lambda self, tmp=None, task_vars=None: {})

    def real_file(path, decrypt):
        if not (tmp_path / path).is_file():
            raise AnsibleFileNotFound(file_name=str(path))
        return path

    def act(**args):
        action = policy_action.ActionModule.__new__(policy_action.ActionModule)
        action._task = SimpleNamespace(args=args, check_mode=False, async_val=0)
        action._connection = None
        action._loader = SimpleNamespace(get_real_file=real_file, cleanup_tmp_file=lambda path: None)
        action._find_needle = lambda _kind, name: str(tmp_path / name)
        sent = {}

        def execute(module_name=None, module_args=None, task_vars=None):
            sent.update(module_args, module=module_name)
            return {"changed": False}

        action._execute_module = execute
        return action.run(task_vars={}), sent

    return act


FILES = {
    "an empty file": ("", "web.yml: found (nothing); allowed: a mapping (defaults, rules, ...) or a list of rules. The file is empty."),
    "a file of comments": ("# later\n", "The file is empty."),
    "a file that is one word": ("hello\n", "The file holds one value only."),
    "a key twice": ("rules: []\nrules: []\n", "web.yml:2: found (key rules again)"),
    "an expression": ("rules:\n  - {action: allow, port: '{{ port }}'}\n", "web.yml:2): found '{{ port }}'"),
}


@pytest.mark.parametrize(("text", "said"), FILES.values(), ids=FILES)
def test_a_file_that_is_no_document_is_refused_by_its_name(act, tmp_path, text, said):
    (tmp_path / "web.yml").write_text(text)
    result, sent = act(src="web.yml")
    assert (result["failed"], result["changed"], sent) == (True, False, {})
    assert said in result["msg"]


def test_who_puts_an_expression_into_a_file_is_told_how_to_fill_it_in(act, tmp_path):
    (tmp_path / "web.yml").write_text("rules:\n  - {action: allow, port: '{{ port }}'}\n")
    assert "A file is not a template; to fill it in, give it as policy:" in act(src="web.yml")[0]["msg"]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({"src": ""}, "src: found ''; allowed: the path of a file on the control node."),
        ({"src": "missing.yml"}, "src: the file missing.yml cannot be read on the control node"),
        ({"src": "folder"}, "it is a folder"),
        ({"policy": ""}, "policy: found (nothing)"),
        ({"policy": "web.yml"}, "The path of a file goes into src."),
        ({"policy": "5"}, "It is one value only."),
        ({"src": "web.yml", "policy": []}, "either src or policy"),
    ],
)
def test_bad_options_are_refused_before_a_connection(act, tmp_path, args, said):
    (tmp_path / "folder").mkdir()
    result, sent = act(**args)
    assert (result["failed"], result["changed"], sent) == (True, False, {})
    assert said.lower() in result["msg"].lower()


def test_text_of_a_command_line_becomes_a_document(act):
    _result, sent = act(policy="rules: [{action: allow, port: 80}]", agent_ports="[9100, 10050]")
    assert sent["policy"] == {"rules": [{"action": "allow", "port": 80}]}
    assert sent["agent_ports"] == [9100, 10050]
