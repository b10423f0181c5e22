# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A policy rendered for nftables says what it is, and reads back as the same policy; what nft cannot carry is refused."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings

from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.boxes import TooComplex
from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.equivalence import differ
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.nftables.backend import Nftables
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.nftables.policy_nat import nat_in_order
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.addresses import make_addresses
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.nat import NatRule
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.policy import NativeLines, Policy
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.ports import PortRange
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rates import Limit, Rate
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rule import DIRECTIONS, Log, Rule
from ansible_collections.holdfast.firewall.tests.unit.policy_strategies import policies, standard_guard

BACKEND = Nftables(None)


def sameness(policy):
    """Return everything that two equal policies have in common, on this backend."""
    denies = any(policy.defaults[direction] in ("deny", "reject") for direction in DIRECTIONS)
    native = policy.native.get("nftables", NativeLines())
    return (
        [policy.list_for(direction) for direction in DIRECTIONS], dict(policy.defaults), nat_in_order(policy.nat),
        {direction: lines for direction, lines in native.before.items() if lines},
        {direction: lines for direction, lines in native.after.items() if lines}, policy.log_denied if denies else None,
    )  # fmt: skip


@settings(max_examples=150)
@given(drawn=policies(native=True, guard=True))
def test_a_rendered_policy_reads_back_as_itself(drawn):
    refused = {one.field.split(".")[0] for one in BACKEND.policy_unsupported(drawn)}
    kept = tuple(rule for number, rule in enumerate(drawn.rules) if "rules[%d]" % number not in refused)
    guard = tuple(rule for rule in drawn.guard if drawn.defaults[rule.direction] != "unmanaged")
    policy = replace(drawn, rules=kept, guard=guard)
    assert not BACKEND.policy_unsupported(policy)
    assert sameness(BACKEND.parse_policy(BACKEND.render_policy(policy, "rules"))) == sameness(policy)


@pytest.mark.parametrize("layout", ["auto", "compiled"])
@settings(max_examples=40)
@given(drawn=policies(guard=True, max_rules=6))
def test_every_layout_is_the_same_packets(layout, drawn):
    refused = {one.field.split(".")[0] for one in BACKEND.policy_unsupported(drawn, layout)}
    policy = replace(drawn, rules=tuple(rule for number, rule in enumerate(drawn.rules) if "rules[%d]" % number not in refused))
    try:
        assert differ(BACKEND.parse_policy(BACKEND.render_policy(policy, layout)), policy) is None
    except TooComplex:
        pass


def simple(**words):
    rules = words.pop("rules", (Rule("allow", ports=(PortRange(80, 80),), comment="web"),))
    return Policy(rules=tuple(rules), defaults={"in": "deny", "out": "allow", "forward": "unmanaged"}, **words)


def test_a_small_policy_is_readable():
    policy = simple(guard=standard_guard()[:2], log_denied=Log("denied ", Rate(5, 1)))
    lines = [re.sub("_[0-9a-f]{8}", "_DIGEST", line.strip()) for line in BACKEND.render_policy(policy).splitlines() if line.strip()]
    assert lines == [
        "add table inet holdfast",
        "flush table inet holdfast",
        "table inet holdfast {",
        "chain input {",
        "type filter hook input priority filter; policy drop;",
        "jump hf_input_DIGEST",
        'limit rate 5/second log prefix "denied " comment "holdfast: denied"',
        'drop comment "holdfast: default"',
        "}",
        "chain output {",
        "type filter hook output priority filter; policy accept;",
        "jump hf_output_DIGEST",
        'accept comment "holdfast: default"',
        "}",
        "chain hf_input_DIGEST {",
        'iifname "lo" accept comment "holdfast: loopback"',
        'ct state established,related accept comment "holdfast: known connections"',
        'tcp dport 80 accept comment "web"',
        "}",
        "chain hf_output_DIGEST {",
        "}",
        "}",
    ]


def test_translations_go_where_packets_arrive_and_leave():
    nat = (
        NatRule("masquerade", interface="eth0", comment="out"),
        NatRule("dnat", 4, 6, ports=(PortRange(80, 80),), interface="eth0", to_address=ipaddress.ip_address("192.0.2.5"), to_port=8080),
        NatRule("dnat", 6, 17, ports=(PortRange(53, 54),), to_address=ipaddress.ip_address("2001:db8::5"), to_port=53),
        NatRule("dnat", 6, None, to_address=ipaddress.ip_address("2001:db8::5")),
        NatRule("snat", 4, source=make_addresses([ipaddress.ip_network("10.0.0.0/8")]), to_address=ipaddress.ip_address("192.0.2.9")),
        NatRule("redirect", None, 6, ports=(PortRange(80, 80),), to_port=3128),
    )
    text = BACKEND.render_policy(simple(nat=nat))
    for line in (
        'oifname "eth0" masquerade comment "out"', 'iifname "eth0" meta nfproto ipv4 tcp dport 80 dnat ip to 192.0.2.5:8080',
        "meta nfproto ipv6 udp dport 53-54 dnat ip6 to [2001:db8::5]:53", "meta nfproto ipv6 dnat ip6 to 2001:db8::5",
        "ip saddr 10.0.0.0/8 snat ip to 192.0.2.9", "tcp dport 80 redirect to :3128",
        "type nat hook prerouting priority dstnat; policy accept;",
        "type nat hook postrouting priority srcnat; policy accept;",
    ):  # fmt: skip
        assert "\t\t%s\n" % line in text
    assert BACKEND.parse_policy(text).nat == nat_in_order(nat)


def test_an_unmanaged_direction_has_no_chain():
    text = BACKEND.render_policy(Policy(defaults={"in": "unmanaged", "out": "unmanaged", "forward": "reject"}))
    assert re.findall("hook (\\w+)", text) == ["forward"]
    assert BACKEND.parse_policy(text).defaults == {"in": "unmanaged", "out": "unmanaged", "forward": "reject"}


def test_equal_limited_rules_count_by_themselves():
    limited = Rule("allow", limit=Limit(Rate(3, 60), per_source=True))
    text = BACKEND.render_policy(simple(rules=(limited, limited)))
    assert len(set(re.findall("update @(\\S+)", text))) == 4
    assert BACKEND.parse_policy(text).rules == (limited, limited)


def test_the_names_of_a_bundle_follow_from_its_content():
    first, second = simple(), simple(rules=(Rule("allow", ports=(PortRange(443, 443),)),))
    names = [re.findall("jump (\\S+)", BACKEND.render_policy(one)) for one in (first, second, first)]
    assert names[0] == names[2]
    assert names[0][0] != names[1][0]
    assert names[0][1] == names[1][1]


@pytest.mark.parametrize(
    ("policy", "field"),
    [
        (simple(rules=(Rule("allow", interface="eth 0"),)), "rules[0].interface"),
        (simple(rules=(Rule("allow"), Rule("allow", interface="a" * 16))), "rules[1].interface"),
        (simple(rules=(Rule("allow", interface="eth*"),)), "rules[0].interface"),
        (simple(rules=(Rule("allow", interface='x" accept comment "'),)), "rules[0].interface"),
        (simple(rules=(Rule("allow", "forward", out_interface="a/b;c"),)), "rules[0].out_interface"),
        (simple(rules=(Rule("allow", comment='say "hi"'),)), "rules[0].comment"),
        (simple(rules=(Rule("allow", comment="two\nlines"),)), "rules[0].comment"),
        (simple(rules=(Rule("allow", comment="é" * 65),)), "rules[0].comment"),
        (simple(rules=(Rule("allow", comment="holdfast: mine"),)), "rules[0].comment"),
        (simple(rules=(Rule("allow", log=Log("p" * 128)),)), "rules[0].log_prefix"),
        (simple(rules=(Rule("allow", "forward"),)), "rules[0].direction"),
        (simple(log_denied=Log('"')), "logging.log_prefix"),
        (simple(nat=(NatRule("masquerade", interface="eth0;"),)), "nat[0].interface"),
        (simple(nat=(NatRule("redirect", None, None, to_port=80),)), "nat[0].to_port"),
        (simple(nat=(NatRule("dnat", 4, to_address=ipaddress.ip_address("::1")),)), "nat[0].to"),
        (simple(native={"nftables": NativeLines({"any": ("accept",)})}), "native.nftables.before.any"),
        (simple(native={"nftables": NativeLines({"forward": ("accept",)})}), "native.nftables.before.forward"),
        *(
            (simple(native={"nftables": NativeLines({}, {"in": (line,)})}), "native.nftables.after.in[0]")
            for line in (
                "accept; drop", "accept } chain x { accept", "{", "policy accept", "type filter hook input priority 0", "accept # all",
                "add rule inet holdfast input accept", 'include "/etc/passwd"', "define x = 1", "undefine x", "accept \\", "drop\naccept",
                "flush ruleset", "input accept", "",
            )
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_nft_cannot_carry_is_refused_with_its_place(policy, field):
    assert field in [one.field for one in BACKEND.policy_unsupported(policy)]
    assert all(one.reason for one in BACKEND.policy_unsupported(policy))


def test_seventy_thousand_ports_in_one_rule_are_carried():
    ports = tuple(PortRange(port, port) for port in range(1, 65536, 2))
    policy = simple(rules=(Rule("allow", ports=ports),))
    assert not BACKEND.policy_unsupported(policy)
    assert BACKEND.parse_policy(BACKEND.render_policy(policy, "rules")).rules == policy.rules


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        ("tcp dport 80 accept", "tcp dport 80 meta mark 5 accept", "meta mark 5"),
        ("tcp dport 80 accept", "tcp dport 80 ip saddr @office accept", "@office"),
        ('drop comment "holdfast: default"', 'tcp dport 1 drop comment "holdfast: default"', "tcp dport 1 drop"),
        ('drop comment "holdfast: default"', 'drop comment "holdfast: default"\n\t\taccept', "behind the default"),
        ("type filter hook input priority filter; policy drop;", "type filter hook prerouting priority filter; policy drop;", "input"),
        ("chain output {", "chain other {", "other"),
        ("table inet holdfast {\n", "table inet holdfast {\n\tflags dormant\n", "dormant"),
        ("table inet holdfast {\n", "table inet other {\n", "no table inet holdfast"),
    ],
)
def test_what_was_changed_by_hand_and_cannot_be_said_is_named(was, now, said):
    text = BACKEND.render_policy(simple())
    assert was in text
    with pytest.raises(HoldfastError, match=said):
        BACKEND.parse_policy(text.replace(was, now))


def test_a_missing_bundle_is_named():
    text = BACKEND.render_policy(simple())
    (name,) = re.findall("jump (hf_input\\S+)", text)
    with pytest.raises(HoldfastError, match="%s is missing" % name):
        BACKEND.parse_policy(text.replace("chain " + name, "chain other"))
