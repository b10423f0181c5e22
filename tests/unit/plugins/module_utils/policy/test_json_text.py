# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Data that came as text."""

from __future__ import annotations

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import PolicyError
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.json_text import from_json_text, lists_from_text


def test_lists_written_as_json_become_lists_and_other_text_stays():
    args = {"port": "[80, 443]", "source": '["192.0.2.1"]', "comment": "[1]", "role": "[web]", "agent_ports": "1,2", "icmp_type": [8]}
    found = lists_from_text(args, ("port", "source", "role", "agent_ports", "icmp_type", "profile"))
    assert found == dict(args, port=[80, 443], source=["192.0.2.1"])


@pytest.mark.parametrize("text", ["{web", "", " ", "[" * 100_000])
def test_text_that_is_no_json_is_refused_with_its_place(text):
    with pytest.raises(PolicyError) as caught:
        from_json_text(text, "roles", "a mapping")
    assert caught.value.place == "roles"


def test_text_is_held_to_the_bounds_of_a_document():
    with pytest.raises(PolicyError, match="deep"):
        from_json_text("[" * 100 + "]" * 100, "roles", "a mapping")
