# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole policies in ipfw decide about packets as the model does, with the connections that are known by then."""

from __future__ import annotations

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ipfw.policy_render import policy_unsupported, render_policy
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.ipfw.policy_packets import (
    HOST,
    Kernel,
    Model,
    conversations,
)
from ansible_collections.holdfast.firewall.tests.unit.policy_strategies import policies

from holdfast_standin.ipfw_verdict import ipfw_rules  # isort: skip  # on the path since standin_host

WORDS = {
    "limits": False, "logs": False, "nat": False, "comments": False, "interfaces": ("em0", "em1", "lo0"), "unmanaged": False,
    "guard": True, "management": False,
}  # fmt: skip


def loaded(policy, layout="rules"):
    rules, outcome = ipfw_rules(render_policy(policy, layout), HOST, strict=True)
    assert outcome.rc == 0 and not outcome.stderr, outcome.stderr
    return rules


def check(policy, packets, layout):
    kernel, model = Kernel(loaded(policy, layout)), Model(policy)
    for packet in packets:
        expected = model.allows(packet)
        assert kernel.allows(packet) == expected, (packet, render_policy(policy, layout))


@given(policies(forward=False, **WORDS), conversations(any_destination=True), st.sampled_from(["rules", "compiled"]))
@settings(max_examples=150)
def test_packets_of_hosts_are_decided_as_the_model_says_and_nothing_is_forwarded(policy, packets, layout):
    assume(not policy_unsupported(policy))
    check(policy, packets, layout)


@given(
    policies(**dict(WORDS, families=(6,))) | policies(**dict(WORDS, protocols=(6,))),
    conversations(), st.sampled_from(["rules", "compiled"]),
)  # fmt: skip
@settings(max_examples=150)
def test_forwarded_packets_are_told_from_those_of_the_host(policy, packets, layout):
    assume(not policy_unsupported(policy))
    check(policy, packets, layout)
