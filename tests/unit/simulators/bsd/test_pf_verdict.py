# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the evaluator says pf does with packets."""

from __future__ import annotations

import pytest
from holdfast_standin.pf_parser import parse_pf
from holdfast_standin.pf_verdict import pf_verdict

INTERFACES = {"em0": ["192.0.2.10/24", "2001:db8::10/64"], "em1": ["10.0.0.1/24"], "lo0": ["127.0.0.1/8"]}
SSH = {"direction": "in", "interface": "em0", "proto": "tcp", "src": "198.51.100.7", "dst": "192.0.2.10", "sport": 40000, "dport": 22}


def verdict(text, packet, earlier=(), flavour="freebsd"):
    ruleset = parse_pf(text + "\n", flavour, INTERFACES)
    assert ruleset.accepted, ruleset.stderr
    return pf_verdict(ruleset, packet, earlier)


def reply(packet, **changes):
    back = dict(
        packet,
        direction="out" if packet["direction"] == "in" else "in",
        src=packet["dst"],
        dst=packet["src"],
        sport=packet.get("dport", 0),
        dport=packet.get("sport", 0),
        flags="SA",
    )
    return dict(back, **changes)


def test_no_rule_passes():
    assert verdict("", SSH).allowed


def test_the_last_match_decides_unless_one_is_quick():
    assert verdict("block\npass in proto tcp to port 22", SSH).allowed
    assert not verdict("pass in proto tcp to port 22\nblock", SSH).allowed
    assert verdict("pass in quick proto tcp to port 22\nblock", SSH).allowed


@pytest.mark.parametrize(
    ("rule", "matches"),
    [
        ("in", True),
        ("out", False),
        ("in on em0", True),
        ("in on em1", False),
        ("in on ! em1", True),
        ("in on em", False),
        ("inet", True),
        ("inet6", False),
        ("proto tcp", True),
        ("proto udp", False),
        ("proto { udp tcp }", True),
        ("from 198.51.100.0/24", True),
        ("from ! 198.51.100.0/24", False),
        ("to (em0)", True),
        ("to (em1)", False),
        ("to em0:network", True),
        ("to self", True),
        ("proto tcp to port 22", True),
        ("proto tcp to port != 22", False),
        ("proto tcp to port 20:22", True),
        ("proto tcp to port 20 >< 22", False),
        ("proto tcp from port 40000", True),
        ("from 198.51.100.1 - 198.51.100.9", True),
        ("from <unknown>", False),
        ("from ! <unknown>", True),
        ("proto tcp user root", False),
        ("proto tcp user unknown", True),
        ("tagged A", False),
        ("! tagged A", True),
    ],
)
def test_each_condition_counts(rule, matches):
    assert verdict("block all\npass %s" % rule, SSH).allowed == matches


def test_tables_hold_exceptions_and_are_looked_up_in_the_main_ruleset_too():
    table = "table <t> { 198.51.100.0/24, !198.51.100.7 }\n"

    assert not verdict(table + "block\npass from <t>", SSH).allowed
    assert verdict(table + "block\npass from <t>", dict(SSH, src="198.51.100.8")).allowed
    assert verdict(table + "block\nanchor a {\npass from <t>\n}", dict(SSH, src="198.51.100.8")).allowed


def test_a_later_packet_of_tcp_needs_a_state_or_flags_any():
    middle = dict(SSH, flags="A")

    assert not verdict("block\npass in proto tcp to port 22", middle).allowed
    assert verdict("block\npass in proto tcp to port 22 flags any", middle).allowed
    assert verdict("block\npass in proto tcp to port 22 no state", middle).allowed
    assert verdict("block\npass in proto tcp to port 22", middle, earlier=[SSH]).by_state


def test_a_state_lets_the_answers_through_and_nothing_else():
    rules = "block\npass in proto tcp to port 22"

    assert verdict(rules, reply(SSH), earlier=[SSH]).by_state
    assert not verdict(rules, reply(SSH)).allowed
    assert not verdict(rules, reply(SSH, dport=40001), earlier=[SSH]).allowed
    assert not verdict(rules + " no state", reply(SSH), earlier=[SSH]).allowed
    # A forwarded packet needs a rule on its way out, too.
    assert not verdict(rules, dict(SSH, direction="out", interface="em1"), earlier=[SSH]).allowed


def test_a_ping_is_answered_through_its_state():
    ping = {"direction": "in", "interface": "em0", "proto": "icmp", "src": "198.51.100.7", "dst": "192.0.2.10", "icmp_type": 8}
    rules = "block\npass in inet proto icmp icmp-type echoreq"

    assert verdict(rules, ping).allowed
    assert verdict(rules, reply(ping, icmp_type=0), earlier=[ping]).allowed
    assert not verdict(rules, reply(ping, icmp_type=3), earlier=[ping]).allowed


def test_a_block_tells_how_it_answers():
    assert verdict("block", SSH).reply == "drop"
    assert verdict("block return", SSH).reply == "return"
    assert verdict("set block-policy return\nblock", SSH).reply == "return"
    assert verdict("block return-rst proto tcp", SSH).reply == "return-rst"
    assert verdict("block log", SSH).log


def test_skipped_interfaces_are_not_filtered():
    assert verdict("set skip on em0\nblock", SSH).allowed
    assert verdict("set skip on lo\nblock", dict(SSH, interface="lo0")).allowed


def test_anchors_are_walked_in_place():
    assert verdict("block\nanchor a in on em0 {\npass proto tcp to port 22\n}", SSH).allowed
    assert not verdict("block\nanchor a in on em1 {\npass proto tcp to port 22\n}", SSH).allowed
    assert not verdict("anchor a {\npass proto tcp to port 22\n}\nblock", SSH).allowed
    assert verdict("anchor a quick {\npass proto tcp to port 22\n}\nblock", SSH).allowed
    assert verdict("anchor a {\npass quick proto tcp to port 22\n}\nblock", SSH).allowed


def test_match_rules_tag_and_log_but_do_not_decide():
    found = verdict("block\nmatch in log on em0 tag OUTSIDE\npass tagged OUTSIDE", SSH)

    assert found.allowed
    assert found.log


def test_received_on_tells_where_a_forwarded_packet_came_from():
    packet = dict(SSH, direction="out", interface="em1", recv_interface="em0")

    assert verdict("block\npass out on em1 received-on em0", packet, flavour="openbsd").allowed
    assert not verdict("block\npass out on em1 received-on em1", packet, flavour="openbsd").allowed


def test_a_driver_is_a_group_on_openbsd_only():
    assert verdict("block\npass in on em", SSH, flavour="openbsd").allowed
    assert verdict("block\npass in on egress", SSH, flavour="openbsd").allowed
    assert not verdict("block\npass in on egress", SSH, flavour="freebsd").allowed


def test_ipv6_is_another_family():
    packet = dict(SSH, src="2001:db8::7", dst="2001:db8::10")

    assert verdict("block\npass inet6 proto tcp from 2001:db8::/32 to port 22", packet).allowed
    assert not verdict("block\npass inet proto tcp to port 22", packet).allowed
