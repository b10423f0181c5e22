# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policies as text of npf.conf and back."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.equivalence import differ
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.npf.policy_parse import parse_policy
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rule import DIRECTIONS
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.npf.policies import (
    Flow,
    dense_packet,
    dense_policy,
    kept,
    machine_of,
    npf_policies,
    packets_of,
    text_of,
)

NATIVE = {"npf": {"any": ["pass in final proto tcp to any port 99", 'block in final pcap-filter "tcp[13] == 0"']}}


@given(npf_policies(native=NATIVE))
@settings(max_examples=300)
def test_a_policy_is_read_back_as_it_was(policy):
    text = text_of(policy)
    found = parse_policy(text)
    wanted = kept(policy)
    for direction in DIRECTIONS:
        assert found.list_for(direction) == wanted.list_for(direction)
    assert found.defaults == wanted.defaults
    assert found.log_denied == wanted.log_denied
    assert found.native == wanted.native
    difference = differ(found, wanted)
    assert difference is None, (difference.describe(), text)


@given(npf_policies(native=NATIVE))
@settings(max_examples=60)
def test_npfctl_takes_the_text_and_nothing_in_it_means_something_else_than_it_says(policy):
    machine_of(text_of(policy), strict=True)


@pytest.mark.parametrize("seed", range(6))
def test_no_packet_of_300_random_policies_meets_anything_else_than_the_model_says(seed):
    generator = random.Random(seed)
    met = set()
    for _number in range(50):
        policy = dense_policy(generator)
        text = text_of(policy)
        for _packet in range(8):
            met.add(_meets(policy, text, dense_packet(generator, policy), generator.random() < 0.6))
    assert {(action, opening) for action in ("allow", "deny", "reject") for opening in (True, False)} <= met


@given(st.data())
@settings(max_examples=60)
def test_every_packet_of_a_connection_meets_what_the_model_says(data):
    policy = data.draw(npf_policies())
    for _number in range(4):
        packet = data.draw(packets_of(policy))
        if policy.defaults[packet.direction] != "unmanaged":
            _meets(policy, text_of(policy), packet, data.draw(st.booleans()))


def _meets(policy, text, packet, opening):
    """Send a packet, another one the same way, and an answer; returns what rule or default said of the first, and whether it was a SYN."""
    flow = Flow(kept(policy), text, packet)
    opening = opening or packet.protocol != 6
    expected, found = flow.first(opening)
    _agree(expected, found, text)
    _agree(*flow.again(), text)
    if flow.back != "unmanaged":
        _agree(*flow.answer(), text)
    return expected.verdict, opening


def _agree(expected, found, text):
    assert (expected.verdict == "allow") == found.allowed, (expected.describe(), found.rule, text)
    if expected.verdict == "reject":
        assert found.reply == "return", (expected.describe(), found.rule)
    if expected.verdict == "deny":
        assert found.reply == "drop"
    if not found.by_state:
        assert found.log == (expected.decided.effect.log is not None)
