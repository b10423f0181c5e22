# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Conditions that other generators are known to drop: each is in the kernel's rules, and no rule is wider than its source.

The cases are those of the correctness probes of two multi-vendor generators, which drop ports, sources or exclusions in some of them.
"""

from __future__ import annotations

import re

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.policy.document import parse_policy
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.ports import PortRange
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rule import Rule
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.nftables.test_policy_live import enforce, web

PROBES = {
    "IPv4 tcp/22": ([{"action": "allow", "family": "ipv4", "port": 22}], ["meta nfproto ipv4 tcp dport 22 accept"]),
    "tcp and udp, port 53, IPv4": (
        [{"action": "allow", "protocol": protocol, "port": 53, "family": "ipv4"} for protocol in ("tcp", "udp")],
        ["meta nfproto ipv4 tcp dport 53 accept", "meta nfproto ipv4 udp dport 53 accept"],
    ),
    "tcp and udp, port 53, IPv6": (
        [{"action": "allow", "protocol": protocol, "port": 53, "family": "ipv6"} for protocol in ("tcp", "udp")],
        ["meta nfproto ipv6 tcp dport 53 accept", "meta nfproto ipv6 udp dport 53 accept"],
    ),
    "an IPv4 source only": (
        [{"action": "allow", "port": 22, "source": "10.0.0.0/8"}], ["ip saddr 10.0.0.0/8 tcp dport 22 accept"],
    ),
    "an exclusion only": ([{"action": "allow", "port": 22, "source": "!10.0.0.0/8"}], ["ip saddr != 10.0.0.0/8 tcp dport 22 accept"]),
    "an inclusion with an exclusion": (
        [{"action": "allow", "port": 22, "source": ["10.0.0.0/8", "!10.0.0.0/9"]}], ["ip saddr 10.128.0.0/9 tcp dport 22 accept"],
    ),
    "both families": ([{"action": "allow", "port": 22}], ["tcp dport 22 accept"]),
    "reject in one family": (
        [{"action": "reject", "family": "ipv4", "protocol": "udp", "port": 9}], ["meta nfproto != ipv6 udp dport 9 reject"],
    ),
    "ping": (
        [{"action": "allow", "protocol": "icmp", "icmp_type": [8]}, {"action": "deny", "protocol": "icmpv6", "icmp_type": [128]}],
        ["icmp type echo-request accept", "icmpv6 type echo-request drop"],
    ),
    "all conditions at once": (
        [{
            "action": "deny", "direction": "forward", "protocol": "udp", "source": ["2001:db8::/32"], "destination": ["!2001:db8:1::/48"],
            "port_range": ["1-9", "20-30"], "source_port": [53], "interface": "eth0", "out_interface": "eth1",
        }],
        ['iifname "eth0" oifname "eth1" ip6 saddr 2001:db8::/32 ip6 daddr != 2001:db8:1::/48 udp sport 53 udp dport { 1-9, 20-30 } drop'],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("rules", "lines"), PROBES.values(), ids=PROBES)
def test_no_condition_is_dropped(space, backend, rules, lines):
    policy = parse_policy({"rules": rules})
    enforce(backend, policy, "rules")
    bundle = "forward" if rules[0].get("direction") == "forward" else "input"
    (name,) = re.findall(r"jump (hf_%s_\S+)" % bundle, space.listed())
    block = backend.read().tables.table(("inet", "holdfast")).block("chain", name)
    assert [rule.text for rule in block.rules] == lines
    assert backend.read_policy(backend.read()).rules == policy.rules


def test_loading_the_text_again_doubles_nothing(space, backend):
    text = backend.render_policy(parse_policy({"rules": [{"action": "allow", "port": 22}]}))
    for _turn in range(3):
        space.nft(text)
        assert space.listed().count("tcp dport 22 accept") == 1


def test_thousands_of_ports_in_one_rule_reach_the_kernel(backend):
    rule = Rule("allow", ports=tuple(PortRange(port, port) for port in range(1, 8000, 2)))
    policy = web(rules=(rule,))
    assert enforce(backend, policy, "rules").after == backend.read().listing
    assert rule in backend.read_policy(backend.read()).rules
    assert not backend.plan_policy(backend.read(), policy, "rules").commands
