# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proof that management access stays open, against trying every packet that matters."""

from __future__ import annotations

import ipaddress
import time
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.lockout import prove_access
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.addresses import make_addresses
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.nat import NatRule
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.policy import DEFAULTS, Policy
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.ports import PortRange
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rates import Limit, Rate
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rule import Rule
from ansible_collections.holdfast.firewall.tests.unit.small_policies import fate, matches, packets, policies, rules

PACKETS = {direction: packets((direction,), ("new",)) for direction in ("in", "out")}


def port(first, last=None):
    return (PortRange(first, last or first),)


def net(text):
    return make_addresses([ipaddress.ip_network(text)])


SSH = Rule("allow", ports=port(22))


def passes(policy, packet):
    """Whether a packet is allowed at any rate; a limited allow gives nothing."""
    met, action, _log = fate(policy, packet)
    return action == "allow" and all(one[1] == "allow" for one in met)


@settings(max_examples=60)
@given(policies(("in", "out")), st.lists(rules(("in", "out"), limits=False), min_size=1, max_size=2))
def test_refuses_exactly_when_some_needed_packet_does_not_pass(policy, needs):
    needs = [replace(need, established=False, stateful=False) for need in needs]
    refusal = prove_access(policy, needs)
    lost = [one for need in needs for one in PACKETS[need.direction] if matches(need, one) and not passes(policy, one)]
    assert (refusal is not None) or not lost, lost and lost[0].describe()
    if refusal is not None:
        assert matches(refusal.need, refusal.packet) and not passes(policy, refusal.packet)
        assert refusal.packet.describe() in refusal.sentence


def test_names_the_packet_and_the_rule_that_would_lock_out():
    policy = Policy((Rule("deny", family=4, source=net("192.0.2.7/32")), SSH), labels=("rules[0] (block)", "rules[1]"))
    refusal = prove_access(policy, [replace(SSH, family=4, source=net("192.0.2.0/29"))])
    assert str(refusal.packet.source) == "192.0.2.7"
    assert "would be denied by rules[0] (block): deny in tcp ipv4 from 192.0.2.7" in refusal.sentence
    assert refusal.as_dict()["decided_by"]["place"] == "rules[0] (block)"
    assert prove_access(policy, [replace(SSH, family=4, source=net("192.0.2.0/30"))]) is None
    assert "by default (in)" in prove_access(Policy(), [SSH]).sentence


def test_a_limited_allow_is_no_access_and_a_limited_deny_takes_it_away():
    limit = Limit(Rate(6, 60))
    limited = replace(SSH, limit=limit)
    assert prove_access(Policy((limited,)), [SSH]) is not None
    assert prove_access(Policy((limited, SSH)), [SSH]) is None
    refusal = prove_access(Policy((replace(limited, action="reject"), SSH)), [SSH])
    assert "not always allowed by rules[0]: reject in tcp" in refusal.sentence


def test_rules_that_only_together_allow_everything_are_access():
    parts = (Rule("allow", ports=port(1, 100), stateful=True), Rule("allow", ports=port(101, 65535)), Rule("allow", ports=port(22)))
    assert prove_access(Policy(parts), [Rule("allow", ports=port(20, 200))]) is None
    assert prove_access(Policy((), {**DEFAULTS, "in": "unmanaged"}), [SSH]) is None
    known = Rule("allow", protocol=None, established=True)
    assert prove_access(Policy(guard=(known,)), [SSH]) is not None, "known connections let no new one in"


def test_access_that_is_translated_to_elsewhere_is_lost():
    to = ipaddress.ip_address("198.51.100.7")
    guard = (SSH,)
    dnat = NatRule("dnat", 4, 6, ports=port(1, 100), to_address=to)
    refusal = prove_access(Policy(nat=(dnat,), nat_labels=("nat[0] (web)",), guard=guard), [SSH])
    assert "would be sent to 198.51.100.7 by nat[0] (web)" in refusal.sentence and refusal.decided is None
    assert prove_access(Policy(nat=(replace(dnat, ports=port(80)),), guard=guard), [SSH]) is None
    redirect = NatRule("redirect", None, 6, ports=port(20, 30), to_port=2222)
    assert prove_access(Policy(nat=(redirect,), guard=guard), [SSH]) is not None
    assert prove_access(Policy(nat=(replace(redirect, to_port=22),), guard=guard), [SSH]) is None
    assert prove_access(Policy(nat=(NatRule("masquerade"),), guard=guard), [SSH]) is None
    first = NatRule("redirect", None, 6, ports=port(22), to_port=22)
    assert prove_access(Policy(nat=(first, dnat), guard=guard), [SSH]) is None


def test_ten_thousand_rules_are_judged_fast():
    some = [Rule("allow", family=4, source=net("10.%d.%d.0/24" % divmod(number, 250)), ports=port(80)) for number in range(10000)]
    started = time.process_time()
    assert prove_access(Policy(tuple(some)), [SSH]) is not None
    assert prove_access(Policy((*some, SSH)), [SSH, replace(SSH, family=6)]) is None
    assert time.process_time() - started < 1.5
