# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How rules are written for nft, and that they are read back as they were."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.nftables.backend import Nftables
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.nftables.render import duration, limit_sets, statements
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.parse import parse_rule
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rule import Rule
from ansible_collections.holdfast.firewall.tests.unit.rule_strategies import rules

BACKEND = Nftables(None)  # rendering and parsing ask no host


def line(**words):
    return [one.typed for one in statements(parse_rule(words), "inet")]


def read_back(rule):
    return [entry.rule for chain in BACKEND.parse("\n".join(BACKEND.render(rule))).chains for entry in chain.entries]


@given(rules())
def test_what_is_rendered_is_read_back_as_the_same_rule(rule):
    assume(not BACKEND.unsupported(rule))
    assert read_back(rule) == [rule]


@given(rules(logs=False, limits=False), st.none())
def test_reply_rules_are_read_back_as_the_same_rule(rule, _nothing):
    assert read_back(rule.reply_rule()) == [rule.reply_rule()]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ({"action": "allow", "port": 22}, "tcp dport 22 accept"),
        ({"action": "allow", "port": [443, 80]}, "tcp dport { 80, 443 } accept"),
        ({"action": "allow", "port_range": "8000-8080", "protocol": "udp"}, "udp dport 8000-8080 accept"),
        ({"action": "deny", "protocol": "any"}, "drop"),
        ({"action": "deny", "protocol": "any", "family": "ipv6"}, "meta nfproto ipv6 drop"),
        ({"action": "allow", "protocol": "gre"}, "meta l4proto gre accept"),
        ({"action": "allow", "protocol": "89", "direction": "forward"}, "meta l4proto 89 accept"),
        ({"action": "allow", "protocol": "icmp"}, "ip protocol icmp accept"),
        ({"action": "allow", "protocol": "icmpv6"}, "meta nfproto != ipv4 meta l4proto ipv6-icmp accept"),
        ({"action": "allow", "port": 22, "interface": "eth0"}, 'iifname "eth0" tcp dport 22 accept'),
        ({"action": "deny", "port": 25, "interface": "eth0", "direction": "out"}, 'oifname "eth0" tcp dport 25 drop'),
        ({"action": "allow", "port": 22, "stateful": True}, "tcp dport 22 ct state established,new accept"),
        ({"action": "deny", "port": 22, "stateful": True}, "tcp dport 22 ct state new drop"),
        ({"action": "reject", "port": 25}, "tcp dport 25 reject with tcp reset"),
        ({"action": "reject", "protocol": "udp", "port": 53}, "udp dport 53 reject"),
        ({"action": "allow", "port": 22, "source": "192.0.2.0/24"}, "ip saddr 192.0.2.0/24 tcp dport 22 accept"),
        ({"action": "deny", "protocol": "any", "source": "!2001:db8::/32"}, "ip6 saddr != 2001:db8::/32 drop"),
        (
            {"action": "deny", "protocol": "any", "source": ["192.0.2.1", "198.51.100.0/25", "198.51.100.128/26"]},
            "ip saddr { 192.0.2.1, 198.51.100.0-198.51.100.191 } drop",
        ),
        ({"action": "allow", "port": 22, "limit": "6/minute", "limit_burst": 9}, "tcp dport 22 limit rate 6/minute burst 9 packets accept"),
        ({"action": "deny", "port": 23, "log": True, "log_prefix": "telnet "}, 'tcp dport 23 log prefix "telnet " drop'),
        ({"action": "deny", "port": 23, "comment": "a # b; $c \\"}, 'tcp dport 23 drop comment "a # b; $c \\"'),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_rule_reads_as_an_administrator_would_write_it(words, text):
    assert line(**words) == [text]


def test_a_log_with_a_rate_is_a_line_of_its_own():
    assert line(action="deny", port=23, log=True, log_prefix="t ", log_limit="3/minute") == [
        'tcp dport 23 limit rate 3/minute log prefix "t "',
        "tcp dport 23 drop",
    ]


def test_a_limit_per_source_counts_both_families_in_sets_of_their_own():
    rule = parse_rule({"action": "allow", "port": 22, "limit": "6/minute", "limit_per": "source"})
    four, six = limit_sets(rule)
    assert [one.typed for one in statements(rule, "inet")] == [
        "tcp dport 22 update @%s { ip saddr limit rate 6/minute } accept" % four.name,
        "tcp dport 22 update @%s { ip6 saddr limit rate 6/minute } accept" % six.name,
    ]
    assert four.name[:-2] == six.name[:-2]


@pytest.mark.parametrize(("rate", "burst", "seconds"), [("6/minute", 5, 3600), ("1/hour", 5, 18000), ("1/day", 10, 864000)])
def test_a_source_is_remembered_until_its_burst_is_full_again(rate, burst, seconds):
    words = {"action": "allow", "port": 22, "family": "ipv4", "limit": rate, "limit_burst": burst, "limit_per": "source"}
    (one,) = limit_sets(parse_rule(words))
    assert one.timeout >= seconds


@pytest.mark.parametrize(("seconds", "text"), [(3600, "1h"), (90061, "1d1h1m1s"), (45, "45s"), (864000, "10d")])
def test_times_read_as_nft_lists_them(seconds, text):
    assert duration(seconds) == text


def test_rules_inside_a_table_of_one_family_say_no_family():
    rule = parse_rule({"action": "reject", "family": "ipv4"})
    assert [one.typed for one in statements(rule, "ip")] == ["meta l4proto tcp reject with tcp reset"]


@pytest.mark.parametrize(
    ("words", "field"),
    [
        ({"comment": "x" * 129}, "comment"),
        ({"comment": "é" * 65}, "comment"),
        ({"comment": 'say "hi"'}, "comment"),
        ({"log": True, "log_prefix": "cost $HOME "}, "log_prefix"),
        ({"limit": "6/minute", "limit_per": "source", "log": True, "log_limit": "3/minute"}, "log_limit"),
    ],
    ids=["long", "long in bytes", "quote", "variable", "two counts"],
)
def test_what_nft_cannot_carry_is_named(words, field):
    assert [one.field for one in BACKEND.unsupported(parse_rule(dict(words, action="deny", port=23)))] == [field]


@pytest.mark.parametrize("name", ['eth0" accept; flush ruleset; "', "eth*", "a b"])
def test_an_interface_that_is_more_than_a_name_is_refused(name):
    assert [one.field for one in BACKEND.unsupported(Rule("deny", interface=name))] == ["interface"]


@pytest.mark.parametrize("comment", ["a\nflush ruleset", "a\tb\x00"])
def test_a_comment_that_is_more_than_one_line_is_refused(comment):
    assert [one.field for one in BACKEND.unsupported(Rule("deny", comment=comment))] == ["comment"]
