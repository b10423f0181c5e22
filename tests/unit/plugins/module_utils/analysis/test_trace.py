# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way of one packet through a policy."""

from __future__ import annotations

import ipaddress

from hypothesis import given, settings

from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.packets import Packet
from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.trace import trace
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.addresses import make_addresses
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.policy import DEFAULTS, NativeLines, Policy
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.ports import PortRange
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rates import Limit, Rate
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rule import Log, Rule
from ansible_collections.holdfast.firewall.tests.unit.small_policies import fate, packets, policies

PACKETS = packets(("in", "out"))[::61] + packets(("forward",), ("new",))[::61]
SSH = (PortRange(22, 22),)
HOME = make_addresses([ipaddress.ip_network("192.0.2.0/24")])


@settings(max_examples=60)
@given(policies(("in", "out", "forward")))
def test_a_trace_ends_where_the_first_match_decides(policy):
    for packet in PACKETS:
        found = trace(policy, packet)
        met, action, log = fate(policy, packet)
        assert (found.verdict, found.decided.effect.log) == (action, log)
        assert [(one.limit, one.action, one.log) for one in found.outcome.limited] == list(met)


def test_a_trace_names_every_rule_that_was_met():
    policy = Policy(
        (
            Rule("deny", family=4, source=HOME),
            Rule("allow", ports=SSH, limit=Limit(Rate(6, 60)), log=Log("ssh ")),
            Rule("reject", ports=SSH),
        ),
        labels=("rules[0]", "rules[1] (ssh)", "rules[2]"),
        guard=(Rule("allow", protocol=None, interface="lo", comment="holdfast: loopback"),),
    )
    found = trace(policy, Packet.parse({"port": 22}))
    assert found.describe().splitlines() == [
        "%s: %s by rules[2]: reject in tcp from any to any port 22" % (found.packet.describe(), found.outcome.describe()),
        "  before that, up to 6/minute, allowed by rules[1] (ssh): allow in tcp from any to any port 22 limit 6/minute",
        "  assumed: direction, protocol, source, destination, interface, state, source_port",
    ]
    assert found.outcome.describe() == 'allowed up to 6/minute and logged as "ssh ", else rejected'
    assert found.as_dict()["passed"] == [
        {"place": "rules[1] (ssh)", "action": "allow", "limit": "6/minute", "log": True,
         "rule": "allow in tcp from any to any port 22 limit 6/minute"},
    ]  # fmt: skip
    assert found.as_dict()["decided_by"]["place"] == "rules[2]" and found.verdict == "reject"
    assert trace(policy, Packet.parse({"port": 22, "source": "192.0.2.7"})).decided.label == "rules[0]"
    assert trace(policy, Packet.parse({"port": 22, "interface": "lo"})).decided.label == "guard (holdfast: loopback)"


def test_a_trace_that_meets_no_rule_ends_in_the_default():
    packet = Packet.parse({"port": 80})
    logged = trace(Policy(log_denied=Log("denied ")), packet)
    assert logged.describe().splitlines()[0].endswith('denied and logged as "denied " by default (in)')
    alone = trace(Policy((), {**DEFAULTS, "in": "unmanaged"}), packet)
    assert alone.verdict == "allow" and alone.decided.label == "no rule: the policy leaves direction in alone"
    assert "rule" not in alone.as_dict()["decided_by"]


def test_native_lines_that_a_packet_may_meet_are_told():
    lines = NativeLines({"in": ("a", "b"), "out": ("c",)}, {"any": ("d",)})
    policy = Policy((Rule("allow", ports=SSH),), native={"nftables": lines, "pf": NativeLines({"any": ("x",)})})
    assert trace(policy, Packet.parse({"port": 22}), "nftables").notes == ("2 native lines of nftables before the rules were not judged",)
    assert trace(policy, Packet.parse({"port": 80}), "nftables").notes[1] == "1 native line of nftables after the rules was not judged"
    assert len(trace(policy, Packet.parse({"port": 22})).notes) == 2
    guarded = policy.guarded([Rule("allow", ports=SSH, comment="holdfast: management")])
    assert trace(guarded, Packet.parse({"port": 22})).notes == ()
