# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the stand-in's npf does with packets: groups, final, states, and what npfctl compiles wrongly."""

from __future__ import annotations

import pytest
from holdfast_standin.npf_parser import parse_npf
from holdfast_standin.npf_verdict import Machine


def packet(**words):
    return {
        "direction": "in",
        "interface": "em0",
        "proto": "tcp",
        "src": "192.0.2.1",
        "dst": "192.0.2.10",
        "dport": 22,
        "sport": 4000,
        **words,
    }


def allowed(text, **words):
    return Machine(parse_npf(text)).send(packet(**words)).allowed


def test_the_last_match_decides_unless_a_rule_is_final():
    assert not allowed("group default { pass all; block all }")
    assert allowed("group default { pass final all; block all }")
    assert allowed("group default { block all; pass proto tcp all }")


def test_a_match_is_not_given_up_at_the_next_group_and_no_match_passes():
    text = 'group "x" on em0 { block proto tcp all }\ngroup default { pass final all }'
    assert not allowed(text)
    assert allowed(text, interface="em1")
    assert allowed(text, proto="udp")
    assert allowed("group default { block proto udp all }")


def test_the_default_group_is_asked_last_wherever_it_stands():
    assert not allowed('group default { pass final all }\ngroup "x" { block final all }')


def test_a_group_is_about_its_direction():
    text = 'group "x" out { block final all }\ngroup default { pass all }'
    assert allowed(text)
    assert not allowed(text, direction="out")


@pytest.mark.parametrize(("port", "expected"), [(22, True), (8050, False)])
def test_a_range_beside_other_ports_never_matches(port, expected):
    assert allowed("group default { pass final proto tcp to any port { 22, 8000-8100 }; block all }", dport=port) is expected


def test_one_equal_word_of_an_ipv6_list_is_enough():
    text = "group default { pass final from { 2001:db8:1::/48, 2001:db8:2::/48 }; block all }"
    assert allowed(text, src="2001:db8:ffff::1", dst="2001:db8::10")
    assert not allowed(text.replace("{ 2001:db8:1::/48, 2001:db8:2::/48 }", "2001:db8:1::/48"), src="2001:db8:ffff::1", dst="2001:db8::10")


def test_a_stateful_rule_matches_of_tcp_what_opens_a_connection_and_passes_the_answers():
    machine = Machine(parse_npf("group default { pass stateful in final proto tcp to any port 22; block all }"))
    answer = packet(direction="out", src="192.0.2.10", dst="192.0.2.1", sport=22, dport=4000, syn=False)
    assert not machine.send(packet(syn=False)).allowed
    assert not machine.send(answer).allowed
    assert machine.send(packet(syn=True)).allowed
    assert machine.send(packet(syn=False)).by_state
    assert machine.send(answer).by_state
    assert not machine.send(dict(answer, interface="em1")).allowed


def test_tables_hold_networks():
    machine = Machine(parse_npf("table <t> type lpm\ngroup default { pass final from <t>; block return all }"), {"t": ["192.0.2.0/24"]})
    assert machine.send(packet()).allowed
    refused = machine.send(packet(src="198.51.100.1"))
    assert (refused.allowed, refused.reply) == (False, "return")
