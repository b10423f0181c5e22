# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole policy task's arguments: which states need what, and what is refused."""

from __future__ import annotations

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.policy.document import parse_policy
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import PolicyError
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.policy_request import parse_policy_request
from ansible_collections.holdfast.firewall.tests.unit.bad_policies import itself, shared

DOCUMENT = {"rules": [{"action": "allow", "port": 22}]}


@pytest.mark.parametrize(
    ("args", "place", "says"),
    [
        ({}, "policy", "needs policy, or src"),
        ({"polcy": DOCUMENT}, "policy task.polcy", "did you mean policy"),
        ({"policy": DOCUMENT, "state": "present"}, "state", "merged, replaced"),
        ({"policy": DOCUMENT, "state": "deleted"}, "policy", "no document with state deleted"),
        ({"policy": "{"}, "policy", "this text is no JSON"),
        ({"policy": "[" * 100000}, "policy", "this text is no JSON"),
        ({"policy": {"rules": shared(7, 10)}}, "policy", "more than 4000000 values"),
        ({"policy": itself()}, "policy", "levels deep"),
        ({"policy": DOCUMENT, "layout": "fast"}, "layout", "auto, rules, compiled"),
        ({"policy": DOCUMENT, "backend": "nft"}, "backend", "did you mean nftables"),
        ({"policy": DOCUMENT, "running_config": "x"}, "running_config", "only with state parsed"),
        ({"state": "parsed"}, "running_config", "native text"),
        ({"state": "parsed", "running_config": "x"}, "backend", "whose text this is"),
        ({"policy": DOCUMENT, "agent_ports": ["a"]}, "agent_ports", "1 to 65535"),
        ({"policy": DOCUMENT, "confirm_within": 1}, "confirm_within", "10 to 3600"),
    ],
)
def test_bad_arguments_are_refused_at_their_place(args, place, says):
    with pytest.raises(PolicyError) as caught:
        parse_policy_request(args)
    assert caught.value.place == place
    assert says.lower() in caught.value.msg.lower()


def test_a_document_may_be_a_mapping_a_list_or_json():
    for document in (DOCUMENT, DOCUMENT["rules"], '{"rules": [{"action": "allow", "port": 22}]}', '[{"action": "allow", "port": 22}]'):
        assert parse_policy_request({"policy": document}).read() == parse_policy(DOCUMENT)


def test_warnings_are_kept_for_the_result():
    request = parse_policy_request({"policy": {"zones": {"lan": {"interfaces": "eth0"}}}})
    request.read()
    assert request.warnings == ["policy.zones: not used: lan."]


def test_a_request_knows_which_defaults_the_document_says():
    request = parse_policy_request({"policy": {"defaults": {"in": "deny", "out": None}}})
    assert [request.names_default(one) for one in ("in", "out", "forward")] == [True, False, False]
    assert not parse_policy_request({"policy": []}).names_default("in")
