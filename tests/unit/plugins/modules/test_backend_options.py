# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of ``backend``: what they take, that they are all documented, and that the examples mean something."""

from __future__ import annotations

import pytest
import yaml

from ansible_collections.holdfast.firewall.plugins.module_utils.policy.backend_request import OPTIONS, STATES, parse_backend_request
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import PolicyError
from ansible_collections.holdfast.firewall.plugins.modules import backend
from ansible_collections.holdfast.firewall.tests.unit.documented import documented_options

DOCUMENTED = documented_options(backend)


@pytest.mark.parametrize(
    ("args", "place"),
    [
        ({"state": "on"}, "state"), ({"install": "perhaps"}, "install"), ({"state": "status", "install": True}, "install"),
        ({"backend": "pfsense"}, "backend"), ({"agent_ports": ["ssh"]}, "agent_ports"), ({"confirm_within": 1}, "confirm_within"),
        ({"stat": "enabled"}, "stat"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_with_its_place(args, place):
    with pytest.raises(PolicyError) as caught:
        parse_backend_request(args)
    assert caught.value.as_failure()["place"].rpartition(".")[2] == place


def test_text_of_an_ad_hoc_task_is_understood():
    request = parse_backend_request({"state": "Restarted", "install": "yes", "agent_ports": "1,2", "confirm_within": "30"})
    assert (request.state, request.install, request.words.agent_ports, request.words.confirm_within) == ("restarted", True, (1, 2), 30)


def test_the_documentation_has_every_option_and_state():
    assert set(DOCUMENTED) == set(OPTIONS)
    assert tuple(DOCUMENTED["state"]["choices"]) == STATES


@pytest.mark.parametrize("task", yaml.safe_load(backend.EXAMPLES), ids=lambda task: task["name"])
def test_an_example_of_the_module_is_valid(task):
    assert parse_backend_request(task["holdfast.firewall.backend"])
