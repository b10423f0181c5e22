# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the evaluator says ipfw does with packets."""

from __future__ import annotations

import pytest
from holdfast_standin.ipfw_verdict import IpfwConnections, ipfw_rules, ipfw_verdict

INTERFACES = {"em0": ["192.0.2.10/24", "2001:db8::10/64"], "em1": ["10.0.0.1/24"], "lo0": ["127.0.0.1/8"]}
SSH = {"direction": "in", "interface": "em0", "proto": "tcp", "src": "198.51.100.7", "dst": "192.0.2.10", "sport": 40000, "dport": 22}


def verdict(text, packet, earlier=(), default="deny"):
    rules, outcome = ipfw_rules(text + "\n", INTERFACES, default)
    assert outcome.rc == 0, outcome.stderr
    return ipfw_verdict(rules, packet, earlier)


def reply(packet, **changes):
    back = dict(
        packet,
        direction="out",
        src=packet["dst"],
        dst=packet["src"],
        sport=packet.get("dport", 0),
        dport=packet.get("sport", 0),
        flags="SA",
    )
    return dict(back, **changes)


def test_the_default_rule_decides_in_the_end():
    assert not verdict("", SSH).allowed
    assert verdict("", SSH, default="accept").allowed


def test_the_first_match_decides():
    assert verdict("add allow tcp from any to me 22\nadd deny ip from any to any", SSH).allowed
    assert not verdict("add deny ip from any to any\nadd allow tcp from any to me 22", SSH).allowed


@pytest.mark.parametrize(
    ("rule", "matches"),
    [
        ("tcp from any to any", True),
        ("udp from any to any", False),
        ("{ udp or tcp } from any to any", True),
        ("ip4 from any to any", True),
        ("ip6 from any to any", False),
        ("ip from 198.51.100.0/24 to any", True),
        ("ip from not 198.51.100.0/24 to any", False),
        ("ip from any to me", True),
        ("ip from any to me6", False),
        ("ip from me to any", False),
        ("tcp from any to any 22", True),
        ("tcp from any to any 1-21,23-99", False),
        ("tcp from any 40000 to any", True),
        ("ip from any to any 22", True),
        ("ip from any to any in", True),
        ("ip from any to any out", False),
        ("ip from any to any not in", False),
        ("ip from any to any via em0", True),
        ("ip from any to any recv em*", True),
        ("ip from any to any xmit em0", False),
        ("ip from any to any { via em1 or via em0 }", True),
        ("tcp from any to any setup", True),
        ("tcp from any to any established", False),
        ("tcp from any to any tcpflags syn,!fin", True),
        ("ip from { 10.0.0.1 or 198.51.100.7 } to any", True),
        ("ip from any to any 4464", False),
        ("ip from 10.0.0.1 to 2001:db8::1", False),
    ],
)
def test_each_condition_counts(rule, matches):
    assert verdict("add allow %s" % rule, SSH).allowed == matches


def test_tables_and_their_values_are_looked_up():
    table = "table t create type addr\ntable t add 198.51.100.0/24 5\n"

    assert verdict(table + "add allow ip from table(t) to any", SSH).allowed
    assert verdict(table + "add allow ip from table(t,5) to any", SSH).allowed
    assert not verdict(table + "add allow ip from table(t,6) to any", SSH).allowed
    assert not verdict("add allow ip from table(t) to any", SSH).allowed


def test_a_dynamic_rule_lets_the_answers_through():
    rules = "add check-state\nadd allow tcp from any to me 22 in setup keep-state"

    assert verdict(rules, SSH).keeps_state
    assert not verdict(rules, reply(SSH)).allowed
    assert verdict(rules, reply(SSH), earlier=[SSH]).by_state
    assert verdict(rules, dict(SSH, flags="A"), earlier=[SSH]).by_state
    assert not verdict(rules, reply(SSH, dport=40001), earlier=[SSH]).allowed


def test_the_first_stateful_rule_looks_the_state_up_even_without_check_state():
    rules = "add 100 allow tcp from any to me 22 in setup keep-state\nadd 200 deny ip from any to any"

    assert verdict(rules, reply(SSH), earlier=[SSH]).allowed
    assert not verdict("add 50 deny ip from me to any\n" + rules, reply(SSH), earlier=[SSH]).allowed


def test_a_named_flow_is_found_by_its_name_or_by_any():
    rules = "add check-state %s\nadd allow tcp from any to me 22 in setup keep-state :ssh\nadd deny ip from any to any"

    assert verdict(rules % ":any", reply(SSH), earlier=[SSH]).allowed
    assert verdict(rules % ":ssh", reply(SSH), earlier=[SSH]).allowed


def test_limit_denies_beyond_its_number():
    rules = "add allow tcp from any to me 22 in setup limit src-addr 2"
    earlier = [dict(SSH, sport=port) for port in (1, 2)]

    assert verdict(rules, SSH, earlier[:1]).allowed
    assert not verdict(rules, SSH, earlier).allowed
    assert verdict(rules, dict(SSH, src="198.51.100.8"), earlier).allowed


def test_disabled_sets_are_passed_over():
    assert not verdict("set disable 5\nadd set 5 allow ip from any to any", SSH).allowed
    assert verdict("set disable 5\nadd set 5 allow ip from any to any\nset swap 0 5", SSH).allowed


def test_count_goes_on_and_skipto_jumps():
    assert verdict("add count log ip from any to any\nadd allow ip from any to any", SSH).log
    assert verdict("add 100 skipto 300 tcp from any to any\nadd 200 deny ip from any to any\nadd 300 allow ip from any to any", SSH).allowed


def test_a_refusal_tells_how_it_answers():
    assert verdict("add deny ip from any to any", SSH).reply == "drop"
    assert verdict("add reset tcp from any to any", SSH).reply == "return-rst"
    assert verdict("add unreach port ip from any to any", SSH).reply == "return-icmp"


def test_icmp_types_count_in_their_own_family():
    ping = {"direction": "in", "interface": "em0", "proto": "icmp", "src": "198.51.100.7", "dst": "192.0.2.10", "icmp_type": 8}
    ping6 = dict(ping, proto="ipv6-icmp", src="2001:db8::7", dst="2001:db8::10", icmp_type=128)

    assert verdict("add allow icmp from any to me icmptypes 8", ping).allowed
    assert not verdict("add allow icmp from any to me icmptypes 0", ping).allowed
    assert verdict("add allow ipv6-icmp from any to me icmp6types 128", ping6).allowed
    assert not verdict("add allow icmp from any to any", ping6).allowed


def test_record_state_makes_a_state_and_does_not_look_for_one():
    text = "add 10 deny tcp from any to any 23\nadd 20 allow tcp from any to any 22 in setup record-state\n%sadd 40 deny ip from any to any"
    later = dict(SSH, syn=False)
    assert not verdict(text % "", later, [SSH]).allowed
    assert verdict(text % "add 30 check-state\n", later, [SSH]).by_state


def test_a_state_ends_with_its_rule_unless_states_are_kept():
    text = "add 10 check-state\nadd 20 %s allow tcp from any to any 22 in setup record-state\n"
    first, _outcome = ipfw_rules(text % "", INTERFACES)
    other, _outcome = ipfw_rules("add 5 count ip from any to any\nadd 6 count ip from any to any\nadd 10 check-state\n", INTERFACES)
    for kept in (False, True):
        connections = IpfwConnections()
        assert connections.verdict(first, SSH).allowed
        for rule in other.rules:
            rule.identity += 100
        other.keep_states = kept
        assert connections.verdict(other, dict(SSH, syn=False)).allowed == kept


def test_a_state_outlives_the_disabling_of_its_set():
    text = "add 10 check-state\nadd 20 set 5 allow tcp from any to any 22 in setup record-state\n"
    rules, _outcome = ipfw_rules(text, INTERFACES)
    off, _outcome = ipfw_rules(text + "set disable 5\n", INTERFACES)
    connections = IpfwConnections()
    assert connections.verdict(rules, SSH).allowed
    assert connections.verdict(off, dict(SSH, syn=False)).by_state
    assert not connections.verdict(off, dict(SSH, sport=1)).allowed


def test_a_packet_through_the_host_has_come_in_by_an_interface_and_one_of_its_own_has_not():
    text = "add deny ip from any to any out recv *\nadd allow ip from any to any"
    out = dict(SSH, direction="out", interface="em1")
    assert verdict(text, out).allowed
    assert not verdict(text, dict(out, recv_interface="em0")).allowed
    assert verdict(text.replace("recv *", "recv em1"), dict(out, recv_interface="em0")).allowed
    assert not verdict("add deny ip from any to any out not recv *\nadd allow ip from any to any", out).allowed


def test_a_flow_is_matched_in_all_its_fields():
    text = (
        "table f create type flow:src-ip,proto,dst-port\ntable f add 198.51.100.7,6,22 0 2001:db8::1,17,53 0\n"
        "add allow ip from any to any flow table(f) in"
    )
    assert verdict(text, SSH).allowed
    assert not verdict(text, dict(SSH, dport=23)).allowed
    assert not verdict(text, dict(SSH, src="198.51.100.8")).allowed
    assert not verdict(text, dict(SSH, proto="udp")).allowed
    assert verdict(text, dict(SSH, src="2001:db8::1", dst="2001:db8::10", proto="udp", dport=53)).allowed
