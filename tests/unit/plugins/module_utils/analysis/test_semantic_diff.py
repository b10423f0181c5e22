# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What changes for packets between two policies, in words, against trying every packet that matters."""

from __future__ import annotations

import ipaddress
import random
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings

from ansible_collections.holdfast.firewall.plugins.module_utils.analysis import semantic_diff as module
from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.boxes import Interfaces
from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.semantic_diff import semantic_diff
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.addresses import make_addresses
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.nat import NatRule
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.policy import DEFAULTS, NativeLines, Policy
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.ports import PortRange
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rates import Limit, Rate
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rule import Log, Rule
from ansible_collections.holdfast.firewall.tests.unit.small_policies import fate, packets, policies

PACKETS = packets(("in",), ("new", "established-reply"))[::7] + packets(("forward",), ("new",))[::13]
OPEN = Policy((), dict.fromkeys(DEFAULTS, "unmanaged"))
GUARD = (
    Rule("allow", protocol=None, interface="lo", comment="holdfast: loopback"),
    Rule("allow", protocol=None, established=True, comment="holdfast: known connections"),
)


def net(text):
    return make_addresses([ipaddress.ip_network(text)])


def port(first, last=None):
    return (PortRange(first, last or first),)


WEB = Rule("allow", family=4, source=net("203.0.113.0/24"), ports=port(8080))


def holds(sides, point):
    return all(any(low <= number <= high for low, high in side) for side, number in zip(sides, point))


@pytest.fixture(params=[(3, 256), (0, 2), (99, 256)])
def bounds(request, monkeypatch):
    monkeypatch.setattr(module, "_REGIONS", request.param[0])
    monkeypatch.setattr(module, "_SETTLED", request.param[1])


@settings(max_examples=20)
@given(before=policies(("in", "forward"), most=4), after=policies(("in", "forward"), most=4))
@pytest.mark.usefixtures("bounds")
def test_the_lines_are_true_and_hold_every_packet_that_changes(before, after):
    found = semantic_diff(before, after)
    interfaces = Interfaces.of(before.guard + before.rules + after.guard + after.rules)
    assert found.complete
    for packet in PACKETS:
        point = packet.point(interfaces)
        lines = [change for change in found.changes if holds(change.sides, point)]
        if fate(before, packet) != fate(after, packet):
            assert lines, packet.describe()
        else:
            assert all(change.except_others for change in lines), packet.describe()
    for change in found.changes:
        assert holds(change.sides, change.packet.point(interfaces))
        assert fate(before, change.packet) != fate(after, change.packet)


def lines(before, after):
    return semantic_diff(before, after).describe().splitlines()


def test_says_what_a_new_rule_lets_in_as_a_person_reads_it():
    before = Policy(guard=GUARD)
    after = Policy((WEB,), labels=("rules[0] (web)",), guard=GUARD)
    assert lines(before, after) == [
        "1 change",
        "  in tcp 203.0.113.0/24 -> any port 8080: denied (default (in)) -> allowed (rules[0] (web))",
    ]
    found = semantic_diff(before, after).as_dict()
    assert found["changes"][0]["kind"] == "allowed"
    assert found["changes"][0]["packets"] == {
        "direction": "in", "protocol": "tcp", "source": "203.0.113.0/24", "destination": "any", "port": "8080", "interface": "!lo",
        "states": "new,invalid,untracked",
    }  # fmt: skip
    assert found["changes"][0]["example"] == {
        "direction": "in", "protocol": "tcp", "source": "203.0.113.10", "destination": "198.51.100.10", "source_port": 40000,
        "port": 8080, "state": "new",
    }  # fmt: skip


def test_nothing_changes_by_another_order_or_other_words():
    one = Policy((WEB, replace(WEB, ports=port(9090))))
    other = Policy((replace(WEB, ports=port(9090) + port(8080), comment="web"),))
    assert lines(one, other) == ["no packet meets anything else than before"]
    assert semantic_diff(one, other).empty


def test_tells_what_becomes_denied_rejected_limited_and_logged():
    limited = replace(WEB, limit=Limit(Rate(6, 60)))
    assert lines(Policy((WEB,)), Policy((limited,)))[1].endswith(
        "port 8080: allowed (rules[0]) -> allowed up to 6/minute, else denied (default (in))"
    )
    kinds = [
        semantic_diff(Policy((WEB,)), after).changes[0].kind
        for after in (Policy(), Policy((replace(WEB, action="reject"),)), Policy((limited,)), Policy((replace(WEB, log=Log()),)))
    ]
    assert kinds == ["denied", "rejected", "limited", "logged"]


def test_what_becomes_allowed_comes_first():
    before = Policy((WEB,))
    after = Policy((replace(WEB, ports=port(9090)),), {**DEFAULTS, "forward": "reject"})
    assert [change.kind for change in semantic_diff(before, after).changes] == ["allowed", "denied", "rejected"]


def test_a_first_policy_is_told_in_a_few_lines():
    found = lines(OPEN, Policy((WEB, Rule("reject", protocol=17, ports=port(53))), guard=GUARD))
    left_alone = "allowed (no rule: the policy leaves direction in alone)"
    assert found == [
        "3 changes",
        "  in any any -> any, except what other rules decide: %s -> denied (default (in))" % left_alone,
        "  forward any any -> any: allowed (no rule: the policy leaves direction forward alone) -> denied (default (forward))",
        "  in udp any -> any port 53: %s -> rejected (rules[1])" % left_alone,
    ]


def test_a_hole_is_told_as_what_is_missing():
    before = Policy((Rule("allow", family=4, protocol=6),))
    after = Policy((Rule("deny", family=4, source=net("192.0.2.0/24"), ports=port(22, 23)), Rule("allow", family=4, protocol=6)))
    assert lines(before, after)[1:] == ["  in tcp 192.0.2.0/24 -> any port 22-23: allowed (rules[0]) -> denied (rules[0])"]
    wide = Policy((Rule("allow", family=4, source=replace(net("192.0.2.0/24"), negated=True)),))
    assert lines(Policy(), wide)[1:] == ["  in tcp !192.0.2.0/24 -> any: denied (default (in)) -> allowed (rules[0])"]


def test_types_interfaces_states_and_protocols_have_their_names():
    ping = Rule("allow", family=4, protocol=1, icmp_types=(0, 8), interface="eth0")
    assert lines(Policy(), Policy((ping,)))[1].startswith("  in icmp any -> any type echo-reply,echo-request on eth0: ")
    through = Rule("allow", "forward", 6, 50, interface="eth0", out_interface="eth1")
    assert lines(Policy(), Policy((through,)))[1].startswith("  forward esp ipv6 any -> any on eth0 to eth1: ")
    out = Rule("deny", "out", 6, 17, source_ports=port(1, 1023), interface="eth0")
    assert lines(Policy(), Policy((out,)))[1].startswith("  out udp ipv6 any -> any source port 1-1023 by eth0: ")
    known = Rule("allow", protocol=None, established=True)
    assert "(established original, established reply, related original, related reply)" in lines(Policy(), Policy((known,)))[1]


def test_translations_and_native_lines_are_told():
    to = ipaddress.ip_address("198.51.100.7")
    after = Policy(nat=(NatRule("dnat", 4, 6, ports=port(80), to_address=to),), native={"pf": NativeLines({"any": ("pass",)})})
    found = lines(Policy(), after)
    assert found[1] == "  in tcp ipv4 any -> any port 80: not translated (default) -> sent to 198.51.100.7 (nat[0])"
    assert found[2] == "the native lines change; what they do is not judged"


def many(count, seed=3):
    some = random.Random(seed)
    found = []
    while len(found) < count:
        source = net("10.%d.%d.0/24" % divmod(some.randrange(60000), 250))
        found.append(Rule(some.choice(["allow", "deny"]), family=4, source=source, ports=port(some.randrange(1, 2000))))
    return found


def test_a_small_change_of_many_rules_is_told_fast_and_a_large_one_in_bounded_time():
    some = many(5000)
    changed = [*some[:2500], replace(WEB, ports=port(30000)), *some[2501:]]
    started = time.process_time()
    found = semantic_diff(Policy(tuple(some)), Policy(tuple(changed)))
    assert found.count == 2 and found.complete
    assert time.process_time() - started < 2
    started = time.process_time()
    found = semantic_diff(Policy(tuple(some)), Policy(tuple(many(5000, 4))))
    assert not found.complete and found.describe().startswith("at least ")
    assert len(found.changes) <= 100 < found.count
    assert time.process_time() - started < 12
