# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module ``analyze`` takes what its documentation says, and its examples mean something."""

from __future__ import annotations

import pytest
import yaml

from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.conflicts import GROUPS, KINDS
from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.packets import WORDS
from ansible_collections.holdfast.firewall.plugins.module_utils.change.analyze_request import OPTIONS, QUESTIONS, parse_analyze_request
from ansible_collections.holdfast.firewall.plugins.modules import analyze as module

DOCUMENTED = yaml.safe_load(module.DOCUMENTATION)["options"]
EXAMPLES = yaml.safe_load(module.EXAMPLES)
RETURNED = yaml.safe_load(module.RETURN)


class Spec(Exception):
    """Carries the argument spec out of the module."""


@pytest.fixture(name="spec")
def _spec(monkeypatch):
    def made(argument_spec, **others):
        raise Spec(argument_spec, others)

    monkeypatch.setattr("ansible.module_utils.basic.AnsibleModule", made)
    with pytest.raises(Spec) as caught:
        module.main()
    return caught.value.args


def test_the_module_takes_what_is_documented_and_runs_in_check_mode(spec):
    assert set(spec[0]) == set(OPTIONS) == set(DOCUMENTED)
    assert spec[1]["supports_check_mode"] is True
    assert set(spec[0]["questions"]["choices"]) == set(DOCUMENTED["questions"]["choices"]) == set(QUESTIONS)


def test_every_kind_of_conflict_and_every_word_of_a_packet_is_documented():
    kinds = " ".join(DOCUMENTED["kinds"]["description"])
    assert all("V(%s)" % kind in kinds for kind in (*GROUPS, *KINDS))
    words = " ".join(DOCUMENTED["packet"]["description"])
    assert all("C(%s)" % word in words for word in WORDS)


def test_every_example_is_a_task_that_is_understood():
    tasks = [task["holdfast.firewall.analyze"] for task in EXAMPLES if "holdfast.firewall.analyze" in task]
    assert len(tasks) == 4
    for task in tasks:
        args = {key: [] if isinstance(value, str) and value.startswith("{{") else value for key, value in task.items() if key != "src"}
        parse_analyze_request(dict(args, policy=[]) if "src" in task else args)


def test_what_is_returned_has_samples():
    assert all("sample" in one or "contains" in one for one in RETURNED.values())
