# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The quick reader of usual lines says what the thorough one says, or nothing."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.nftables.fold import Line, fold
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.nftables.grammar import read_rule
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.nftables.listing import RuleLine
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.nftables.meaning import Unread, understand
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.nftables.render import statements, unsupported
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.nftables.usual_line import usual_rule
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rule import DIRECTIONS
from ansible_collections.holdfast.firewall.tests.unit.policy_strategies import policy_rules


def thorough(text, direction):
    """Return the rule that the thorough reader finds in one line."""
    found, comment = read_rule(text)
    try:
        line = Line(RuleLine(text), understand(found, "inet", {}), comment)
    except Unread:
        return None
    (entry,) = fold([line], (direction,), ("inet", "holdfast"))
    return entry.rule


RULES = st.one_of(policy_rules(), policy_rules(stateful=False).map(lambda rule: replace(rule, established=True)))


@given(rule=RULES)
def test_a_line_of_ours_is_read_as_the_rule_it_was_made_of(rule):
    if unsupported(rule):
        return
    for line in statements(rule, "inet"):
        for text in (line.typed, line.listed):
            quick = usual_rule(text, rule.direction)
            assert quick is None or quick == thorough(text, rule.direction)
    plain = replace(rule, limit=None, log=None)
    (line,) = statements(plain, "inet")
    if "ip protocol" not in line.listed:
        assert usual_rule(line.listed, rule.direction) == plain


@given(rule=RULES, seed=st.integers(0, 2**32), direction=st.sampled_from(DIRECTIONS))
def test_a_spoilt_line_is_never_read_as_something_else(rule, seed, direction):
    if unsupported(rule):
        return
    dice = random.Random(seed)
    words = statements(replace(rule, comment=None), "inet")[-1].listed.split(" ")
    spare = [
        "ip",
        "saddr",
        "tcp",
        "dport",
        "22",
        "accept",
        "drop",
        "!=",
        "{",
        "}",
        "ct",
        "state",
        "new",
        "established,new",
        "ip6",
        "1-2",
        "0",
    ]
    for _turn in range(dice.randint(1, 2)):
        place = dice.randint(0, len(words))
        words[place : place + dice.randint(0, 2)] = dice.choices(spare, k=dice.randint(0, 2))
    text = " ".join(words)
    quick = usual_rule(text, direction)
    assert quick is None or quick == thorough(text, direction)


@pytest.mark.parametrize(
    "text",
    [
        "tcp dport 0 accept", "tcp dport 70000 accept", "tcp dport 9-1 accept", "ip saddr 0.0.0.0/0 accept", "ip saddr 10.0.0.1/33 accept",
        "ip saddr 10.0.0.300 accept", "ip6 saddr 10.0.0.1 accept", "ip saddr 10.0.0.1 ip6 daddr ::1 accept", "meta l4proto nonsense accept",
        "meta nfproto ipv4 ip6 saddr ::1 accept", "tcp sport 1 udp dport 2 accept", "meta l4proto udp tcp dport 2 accept",
        "icmp type echo-nonsense accept", "icmp type 256 accept", "ip6 saddr ::1 icmp type echo-request accept",
        "ip6 saddr ::1 reject with icmp port-unreachable", "udp dport 1 reject with tcp reset", "tcp dport 22 ct state new accept",
        "tcp dport 22 ct state established,new drop", 'oifname "eth0" accept', "accept drop", "log", "tcp dport 22", "",
        "tcp dport 22 accept comment", 'tcp dport 22 accept comment "a" comment "b"', "ct state established,related accept extra",
        "reject with icmpx admin-prohibited",
    ],
)  # fmt: skip
def test_what_is_not_usual_is_left_to_the_thorough_reader(text):
    assert usual_rule(text, "in") is None
