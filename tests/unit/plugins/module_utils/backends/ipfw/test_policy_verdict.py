# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole policies in ipfw decide about packets as the model does, with the connections that are known by then."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ipfw.policy_render import policy_unsupported, render_policy
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.policy import Policy
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.ipfw.policy_packets import (
    GUARD,
    HOST,
    Flying,
    Kernel,
    Model,
    carried,
    conversations,
)
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.pf.standin_host import rule
from ansible_collections.holdfast.firewall.tests.unit.policy_strategies import policies

from holdfast_standin.ipfw_verdict import ipfw_rules  # isort: skip  # on the path since standin_host

WORDS = {
    "limits": False, "logs": False, "nat": False, "comments": False, "interfaces": ("em0", "em1", "lo0"), "unmanaged": False,
    "guard": GUARD, "management": False,
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


@given(policies(forward=False, **WORDS).map(carried), conversations(any_destination=True), st.sampled_from(["rules", "compiled"]))
@settings(max_examples=120)
def test_packets_of_hosts_are_decided_as_the_model_says_and_nothing_is_forwarded(policy, packets, layout):
    assert policy_unsupported(policy) == ()
    check(policy, packets, layout)


@given(
    (policies(**WORDS) | policies(**dict(WORDS, families=(6,)))).map(carried),
    conversations(), st.sampled_from(["rules", "compiled"]),
)  # fmt: skip
@settings(max_examples=120)
def test_forwarded_packets_are_told_from_those_of_the_host(policy, packets, layout):
    assert policy_unsupported(policy) == ()
    check(policy, packets, layout)


PING = Flying("out", 1, "10.1.2.3", "198.51.100.2", icmp_type=8, leaving="em0")
WEB = Flying("out", 6, "10.1.2.3", "198.51.100.2", 40000, 443, leaving="em0")


@pytest.mark.parametrize("protocol, ask, answer, others", [(1, 8, 0, (5, 8, 13)), (58, 128, 129, (128, 137))])
def test_a_ping_lets_its_answer_in_and_no_other_message(protocol, ask, answer, others):
    kernel = Kernel(loaded(Policy(guard=GUARD)))
    ends = ("10.1.2.3", "198.51.100.2") if protocol == 1 else ("2001:db8::7", "2001:db8:1::1")
    ping = Flying("out", protocol, *ends, icmp_type=ask, leaving="em0")
    assert not kernel.allows(replace(ping.back(), icmp_type=answer))
    assert kernel.allows(ping)
    assert kernel.allows(replace(ping.back(), icmp_type=answer))
    for other in others:
        assert not kernel.allows(replace(ping.back(), icmp_type=other))


ERRORS = [(1, 3), (1, 11), (1, 12), (58, 1), (58, 2), (58, 3), (58, 4)]


@pytest.mark.parametrize("protocol, icmp_type", ERRORS)
def test_icmp_errors_reach_the_host_and_what_is_behind_it(protocol, icmp_type):
    # "Fragmentation needed" and "packet too big" among them: without those, connections stall where a path takes small packets only.
    away, own, behind = ("198.51.100.2", "10.1.2.3", "192.0.2.80") if protocol == 1 else ("2001:db8:1::1", "2001:db8::7", "2001:db8:2::1")
    kernel = Kernel(loaded(Policy(rules=(rule(direction="forward", port=443),), guard=GUARD)))
    assert kernel.allows(Flying("in", protocol, away, own, icmp_type=icmp_type, arriving="em0"))
    assert kernel.allows(Flying("forward", protocol, away, behind, icmp_type=icmp_type, arriving="em0", leaving="em1"))
    asking = 8 if protocol == 1 else 128
    assert not kernel.allows(Flying("in", protocol, away, own, icmp_type=asking, arriving="em0"))
    assert not kernel.allows(Flying("forward", protocol, away, behind, icmp_type=asking, arriving="em0", leaving="em1"))


def test_a_rule_for_the_host_opens_no_way_through_it():
    policy = Policy(rules=(rule(port=80), rule(port=80, direction="out"), rule(protocol="udp", port=53)), guard=GUARD)
    for more in ((), (rule(direction="forward", port=443),)):
        kernel = Kernel(loaded(replace(policy, rules=policy.rules + more)))
        for protocol, port in ((6, 80), (17, 53)):
            through = Flying("forward", protocol, "198.51.100.2", "172.16.0.1", 40000, port, arriving="em0", leaving="em1")
            for _again in range(2):
                assert not kernel.allows(through)
                assert not kernel.allows(through.back())


def test_a_rule_for_what_goes_through_lets_nothing_into_the_host():
    rules = (rule(direction="forward", port=80), rule(direction="forward", protocol="any", family="ipv6"))
    kernel = Kernel(loaded(Policy(rules=rules, guard=GUARD)))
    through = Flying("forward", 6, "198.51.100.2", "172.16.0.1", 40000, 80, arriving="em0", leaving="em1")
    assert kernel.allows(through)
    assert kernel.allows(through.back())
    for destination in ("10.1.2.3", "192.0.2.7"):
        assert not kernel.allows(replace(through, direction="in", destination=destination, leaving=None))
    for destination in ("10.1.2.255", "255.255.255.255", "224.0.0.251"):
        assert not kernel.allows(Flying("in", 17, "198.51.100.2", destination, 40000, 80, arriving="em0"))
    for destination in ("2001:db8::7", "ff02::fb"):
        assert not kernel.allows(Flying("in", 17, "2001:db8::8", destination, 40000, 80, arriving="em0"))


def test_a_stateful_allow_of_any_protocol_passes_no_tcp_from_the_middle():
    kernel = Kernel(loaded(Policy(rules=(rule(protocol="any", source="198.51.100.0/24", stateful=True),), guard=GUARD)))
    one = Flying("in", 6, "198.51.100.2", "10.1.2.3", 40000, 9, opens=False, arriving="em0")
    assert not kernel.allows(one)
    assert kernel.allows(replace(one, opens=True))
    assert kernel.allows(one)
    assert kernel.allows(replace(one, protocol=17))


def test_a_direction_that_is_left_alone_meets_the_rules_of_others():
    guard = tuple(one for one in GUARD if one.direction != "out")
    policy = Policy(rules=(rule(port=80),), defaults={"in": "deny", "out": "unmanaged", "forward": "deny"}, guard=guard)
    text = render_policy(policy) + "add 60000 deny udp from any to any out\nadd 60001 allow ip from any to any out\n"
    rules, outcome = ipfw_rules(text, HOST, strict=True)
    assert outcome.rc == 0
    kernel = Kernel(rules)
    assert kernel.allows(WEB)
    assert not kernel.allows(replace(WEB, protocol=17))
    assert not kernel.allows(replace(WEB.back(), source_port=9))
    assert not kernel.allows(replace(WEB, direction="forward", source="172.16.0.1", arriving="em1"))
