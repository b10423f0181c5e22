# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policy documents: exact places in errors, defaults, sets."""

from __future__ import annotations

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.policy.document import parse_policy
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import PolicyError


def test_a_bad_port_is_named_with_its_place_in_the_document():
    document = {"rules": [{"action": "allow", "port": 22}] * 3 + [{"action": "allow", "port": [80, 99999]}]}
    with pytest.raises(PolicyError) as caught:
        parse_policy(document)
    assert caught.value.place == "policy.rules[3].port[1]"


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({"rule": []}, "policy.rule"),
        ({"rules": {"a": 1}}, "policy.rules"),
        ({"rules": ["allow"]}, "policy.rules[0]"),
        ({"defaults": {"inbound": "deny"}}, "policy.defaults.inbound"),
        ({"defaults": {"in": "dney"}}, "policy.defaults.in"),
        ({"address_sets": ["a"]}, "policy.address_sets"),
        ({"address_sets": {"a b": ["10.0.0.1"]}}, "policy.address_sets.a b"),
        ("allow", "policy"),
    ],
    ids=[
        "unknown key",
        "rules no list",
        "rule no mapping",
        "unknown direction",
        "unknown action",
        "sets no mapping",
        "bad name",
        "no mapping",
    ],
)
def test_a_bad_document_is_refused_at_its_place(document, place):
    with pytest.raises(PolicyError) as caught:
        parse_policy(document)
    assert caught.value.place == place


def test_defaults_deny_in_and_forward_and_allow_out():
    assert dict(parse_policy({}).defaults) == {"in": "deny", "out": "allow", "forward": "deny"}


def test_a_policy_survives_its_own_words():
    document = {
        "address_sets": {"office": ["192.0.2.0/24"]},
        "rules": [{"action": "allow", "port": 22, "source": "@office", "stateful": True}, {"action": "reject", "port": 113}],
    }
    policy = parse_policy(document)
    assert parse_policy(policy.as_dict()) == policy
