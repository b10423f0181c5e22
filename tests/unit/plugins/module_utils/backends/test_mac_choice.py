# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of its two firewalls a task on a Mac is for."""

from __future__ import annotations

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.mac_choice import Asked, choose_on_mac
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.macos.state import TOOL
from ansible_collections.holdfast.firewall.plugins.module_utils.change.engine import Engine
from ansible_collections.holdfast.firewall.plugins.module_utils.change.policy_task import run_policy
from ansible_collections.holdfast.firewall.plugins.module_utils.change.rule_task import run_rule
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.parse import parse_rule
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.policy_request import parse_policy_request
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.request import parse_request
from ansible_collections.holdfast.firewall.tests.unit.paper_host import PaperHost

PROGRAM = {"action": "deny", "program": "/Applications/Foo.app", "protocol": "any"}
PORT = {"action": "allow", "port": 22}
OPEN = {"in": "allow", "out": "allow", "forward": "unmanaged"}


class Mac(PaperHost):
    """Has both firewalls."""

    def __init__(self, system="Darwin\n"):
        super().__init__({"uname -s": system, TOOL: "Firewall is disabled. (State = 0)\n", "pfctl": "Status: Disabled\n"})

    def which(self, program):
        return program if program == TOOL else super().which(program)


def chosen(*rules, native=()):
    detection = choose_on_mac(Mac(), lambda: Asked([parse_rule(one) for one in rules], native))
    return detection.backend.NAME, detection.reason


def test_a_rule_with_a_program_is_for_the_application_firewall():
    name, reason = chosen(PROGRAM)
    assert name == "macos"
    assert "name programs" in reason


@pytest.mark.parametrize("rules", [[PORT], []])
def test_everything_else_is_for_pf_and_the_reason_names_the_other(rules):
    name, reason = chosen(*rules)
    assert name == "pf"
    assert "backend: macos" in reason


def test_settings_alone_are_for_the_application_firewall():
    assert chosen(native=["macos"])[0] == "macos"
    assert chosen(native=["macos", "pf"])[0] == "pf"


def test_a_mixed_document_is_refused_with_what_to_do():
    with pytest.raises(HoldfastError, match=r"1 of 2 rules name a program.*two documents"):
        chosen(PROGRAM, PORT)


def test_another_system_is_not_asked_what_a_task_is_for():
    def never():
        raise AssertionError

    assert choose_on_mac(PaperHost(), never) is None
    assert choose_on_mac(Mac("Linux\n"), never) is None


def test_both_firewalls_are_told_as_seen():
    assert choose_on_mac(Mac(), Asked).saw == ("macos: the application firewall is off", "pf: pf is disabled")


def test_a_task_of_rule_goes_to_the_firewall_that_its_rule_is_for():
    for words, name in ((PROGRAM, "macos"), (PORT, "pf"), ({"native": {"macos": "--setstealthmode on"}}, "macos")):
        result = run_rule(Mac(), parse_request(dict(words, dry_run=True)))
        assert (result["backend"], result["detection"]["backend"]) == (name, name)


def test_a_named_backend_overrides_that_and_says_what_it_cannot_carry():
    with pytest.raises(HoldfastError) as caught:
        run_rule(Mac(), parse_request(dict(PORT, backend="macos")))
    assert {one["field"] for one in caught.value.details["unsupported"]} == {"program", "protocol", "port"}
    with pytest.raises(HoldfastError, match="pf cannot carry"):
        run_rule(Mac(), parse_request(dict(PROGRAM, backend="pf")))


def test_a_document_goes_to_the_firewall_that_its_rules_are_for():
    for rules, name in (([PROGRAM], "macos"), ([PORT], "pf")):
        request = parse_policy_request({"state": "rendered", "policy": {"rules": rules, "defaults": OPEN}})
        result = run_policy(Mac(), request, engine=Engine(Mac()))
        assert result["backend"] == name
        assert "warnings" not in result or len(result["warnings"]) == len(set(result["warnings"]))
