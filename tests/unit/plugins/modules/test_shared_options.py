# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules that change a firewall: their specs say what their documentation says, and all share the same words for the same thing."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ansible_collections.holdfast.firewall.plugins.action import backend as backend_action
from ansible_collections.holdfast.firewall.plugins.action import policy as policy_action
from ansible_collections.holdfast.firewall.plugins.action import role_ports as role_ports_action
from ansible_collections.holdfast.firewall.plugins.action import rule as rule_action
from ansible_collections.holdfast.firewall.plugins.module_utils.change.module_task import argument_spec, finish
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.task_words import SHARED
from ansible_collections.holdfast.firewall.plugins.modules import backend, policy, role_ports, rule
from ansible_collections.holdfast.firewall.plugins.plugin_utils.confirmed_change import CHOICES
from ansible_collections.holdfast.firewall.tests.unit.documented import documented_options

ROOT = Path(rule.__file__).parents[2]

MODULES = {
    "rule": (rule, rule_action), "policy": (policy, policy_action), "role_ports": (role_ports, role_ports_action),
    "backend": (backend, backend_action),
}  # fmt: skip


class Spec(Exception):
    """Carries the argument spec out of the module."""


@pytest.fixture(name="case", params=MODULES.values(), ids=MODULES)
def _case(request, monkeypatch):
    module, action = request.param

    def made(argument_spec, **_others):
        raise Spec(argument_spec)

    monkeypatch.setattr("ansible.module_utils.basic.AnsibleModule", made)
    with pytest.raises(Spec) as caught:
        module.main()
    return caught.value.args[0], documented_options(module), action.ActionModule


def test_the_spec_and_the_documentation_say_the_same(case):
    spec, documented, _action = case
    words = ("type", "elements", "choices", "default", "required")
    assert {name: {word: one[word] for word in words if word in one} for name, one in spec.items()} == {
        name: {word: one[word] for word in words if word in one} for name, one in documented.items()
    }


def test_the_action_knows_which_options_are_lists(case):
    spec, _documented, action = case
    assert set(action.LISTS) == {name for name, one in spec.items() if one["type"] == "list"}


def test_an_option_of_one_word_is_read_in_any_case_by_the_action(case):
    spec, _documented, _action = case
    assert {name for name, one in spec.items() if "choices" in one} <= set(CHOICES)


def test_a_default_for_the_group_is_an_option_of_each_of_its_modules():
    """Ansible gives a default of the group to all of its modules, and a module refuses an option that it does not have."""
    grouped = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())["action_groups"]["host"]
    assert sorted(grouped) == sorted(MODULES)
    says_so = [path.stem for path in (ROOT / "plugins" / "modules").glob("*.py") if "_attributes.actiongroup_host" in path.read_text()]
    assert sorted(says_so) == sorted(MODULES)


def test_every_module_has_the_shared_options(case):
    spec, _documented, _action = case
    assert set(argument_spec({})) == set(SHARED) <= set(spec)


class Ended(Exception):
    """What the module ended with."""


class Module:
    """Stands for an ``AnsibleModule``."""

    def __init__(self):
        self.warned = []

    def warn(self, text):
        self.warned.append(text)

    def exit_json(self, **result):
        raise Ended("exit", result)

    def fail_json(self, **result):
        raise Ended("fail", result)


def test_warnings_of_a_task_are_ansible_s_own():
    module = Module()
    with pytest.raises(Ended) as caught:
        finish(module, lambda: {"changed": False, "warnings": ["one", "two"]})
    assert caught.value.args == ("exit", {"changed": False})
    assert module.warned == ["one", "two"]


def test_an_error_for_people_fails_the_task_with_its_fields():
    def carry_out():
        raise HoldfastError("no timer", rc=31)

    with pytest.raises(Ended) as caught:
        finish(Module(), carry_out)
    assert caught.value.args == ("fail", {"msg": "no timer", "rc": 31})
