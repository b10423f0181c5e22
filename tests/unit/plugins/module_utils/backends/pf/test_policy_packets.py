# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What pf does with packets under a rendered policy is what the model says, connections and forwarded packets included."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.pf.policies import (
    FLAVOURS,
    Flow,
    can_pass_through,
    kept,
    packets_of,
    pf_policies,
    text_of,
)


def agree(expected, found, text):
    """Whether model and stand-in do the same."""
    assert (expected.verdict == "allow") == found.allowed, (expected.describe(), found.rule, text)
    if expected.verdict == "reject":
        assert found.reply.startswith("return"), (expected.describe(), found.rule)
    if expected.verdict == "deny":
        assert found.reply == "drop"


@pytest.mark.parametrize("flavour", ["freebsd-12.1", "openbsd", "macos"])
@given(data=st.data())
@settings(max_examples=45)
def test_every_packet_of_a_connection_meets_what_the_model_says(flavour, data):
    policy = data.draw(pf_policies(FLAVOURS[flavour], leaving=data.draw(st.booleans())))
    text = text_of(policy, FLAVOURS[flavour])
    for _number in range(8):
        packet = data.draw(packets_of(policy))
        if policy.defaults[packet.direction] == "unmanaged" or (packet.direction == "forward" and not can_pass_through(packet)):
            continue
        flow = Flow(kept(policy), text, flavour, packet)
        agree(*flow.first(packet.protocol != 6 or data.draw(st.booleans())), text)
        agree(*flow.again(), text)
        # An ICMP packet that asks nothing opens no connection that pf would find the answer of.
        if flow.back != "unmanaged" and (packet.protocol not in (1, 58) or packet.icmp_type in (8, 13, 15, 17, 128)):
            agree(*flow.answer(), text)
