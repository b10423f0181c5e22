# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading an administrator's pf.conf."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.pf.parse import parse
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.pf.statements import join, split
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.pf.packets import matches, packets_for
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.pf.standin_host import rule

from holdfast_standin.pf_parser import parse_pf  # isort: skip  # on the path since standin_host
from holdfast_standin.pf_verdict import pf_verdict  # isort: skip


def entries(text):
    return parse(text).chains[0].entries


def only(text):
    found = entries(text)
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize(
    "line, wanted",
    [
        ("pass in proto tcp to port ssh", rule(port=22, stateful=True)),
        ("pass in quick proto tcp to any port = 80 flags S/SA keep state", rule(port=80, stateful=True)),
        ("pass in quick inet proto tcp from 10.1.2.3/8 to any port { 22, 80:90 443 }",
         rule(port_range="22-22,80-90,443-443", source="10.0.0.0/8", stateful=True)),
        ("pass out proto udp to 192.0.2.53 port domain keep state",
         rule(protocol="udp", port=53, destination="192.0.2.53", direction="out", stateful=True)),
        ("block in quick on em0 all", rule("deny", protocol="any", interface="em0")),
        ("block return in quick proto tcp to port 113", rule("reject", port=113)),
        ("block return-icmp(port-unr) in log quick inet proto udp all", rule("reject", protocol="udp", family="ipv4", log=True)),
        ("pass in quick proto tcp to port >= 1024 no state", rule(port_range="1024-65535")),
        ("pass in quick proto tcp to port < 1024 no state", rule(port_range="1-1023")),
        ("pass in quick proto tcp to port 10 >< 20 no state", rule(port_range="11-19")),
        ("pass in quick proto tcp to port != 25 no state", rule(port_range="1-24,26-65535")),
        ("pass in quick from 0.0.0.0/0 to any no state", rule(protocol="any", family="ipv4")),
        ('pass in quick proto icmp no state label "ping me"', rule(protocol="icmp", comment="ping me")),
        ("pass in quick proto tcp from any port 20 to any", rule(source_port=20, stateful=True)),
        ("pass in quick proto udp from 10.0.0.0/8 port { ntp, 1000:1009 } to any no state",
         rule(protocol="udp", source="10.0.0.0/8", source_port=["123", "1000-1009"])),
        ("pass in quick inet proto icmp icmp-type echoreq no state", rule(protocol="icmp", icmp_type=8)),
        ("pass in quick inet6 proto icmp6 all icmp6-type { neighbrsol, 136, routeradv } no state",
         rule(protocol="icmpv6", icmp_type=[134, 135, 136])),
        ("pass in quick on { em0 } proto { tcp } from { any } to any port { 80 } no state", rule(port=80, interface="em0")),
    ],
)  # fmt: skip
def test_a_line_that_says_a_rule_of_the_language_is_that_rule(line, wanted):
    assert only(line + "\n").rule == wanted


@pytest.mark.parametrize(
    "line",
    [
        "pass in quick on ! em0 all",
        "pass in quick tag GOOD ! tagged BAD",
        "pass in quick inet proto icmp icmp-type unreach code 4",
        "pass in quick inet proto icmp icmp-type 255",
        "pass in quick proto udp icmp-type echoreq",
        "block in quick proto tcp flags S/SA",
        "pass in quick proto tcp from <friends> to any",
        "pass in quick proto tcp from (em0) to any",
        "pass in quick proto tcp from em0:network to any",
        "pass in quick from { ! 10.0.0.0/8, ! 192.0.2.0/24 } to any",
        "pass in quick from { any, 10.0.0.0/8 } to any",
        "pass in quick from 010.0.0.1 to any",
        "pass in quick proto tcp to port 22 keep state (max-src-conn 5)",
        "pass in quick proto tcp user root",
        "pass in quick route-to (em0 192.0.2.1) from any to any",
        "pass in quick proto tcp flags A/A no state",
        "pass in quick tagged GOOD",
        "pass in quick proto $nothing",
        'anchor "f2b/*"',
        "antispoof quick for em0",
        'include "/etc/pf.local"',
    ],
)
def test_what_the_language_has_no_word_for_is_listed_and_not_guessed_at(line):
    entry = only(line + "\n")
    assert entry.native == (line,)
    assert not entry.meanings()


@pytest.mark.parametrize(
    "line, count",
    [
        ("pass quick proto tcp to port 80 no state", 3),
        ("pass in quick proto { tcp, udp } to port 53", 2),
        ("pass in quick from { 192.0.2.1, 2001:db8::1 } to any", 2),
        ("pass in quick on { em0, em1 } all no state", 2),
    ],
)
def test_a_line_that_takes_several_rules_is_their_sum(line, count):
    entry = only(line + "\n")
    assert entry.rule is None
    assert len(entry.parts) == count


def test_wider_than_a_stateful_allow_is_not_taken_for_one():
    entry = only("pass in quick proto tcp to port 22 flags any keep state\n")
    assert entry.rule is None
    assert entry.parts == (rule(port=22), rule(port=22, stateful=True))


def test_a_pass_of_packets_with_options_is_more_than_its_rule():
    entry = only("pass in quick proto 2 all allow-opts\n")
    assert entry.rule is None
    assert entry.parts == (rule(protocol="2", stateful=True),)


def test_the_order_of_entries_is_that_in_which_they_decide():
    text = "block in all\npass in proto tcp to port 22\npass in quick proto tcp to port 80\npass in quick proto tcp to port 81\n"
    assert [entry.native[0] for entry in entries(text)] == [
        "pass in quick proto tcp to port 80", "pass in quick proto tcp to port 81", "pass in proto tcp to port 22", "block in all",
    ]  # fmt: skip


LINES = st.sampled_from(
    [
        "block in all", "pass in all", "pass all", "block drop out quick all", "pass in quick proto tcp to port 80 no state",
        "block in proto tcp to port { 22 80 }", "pass in inet proto tcp to port 22", "block in quick from 198.51.100.0/24 to any",
        "pass in from 198.51.100.7 to any", "block in inet6 all", "block return in quick proto udp all", "pass out proto udp",
    ]
)  # fmt: skip


@given(st.lists(LINES, min_size=1, max_size=7), st.data())
def test_the_first_entry_that_matches_decides_as_pf_does(lines, data):
    text = "".join(line + "\n" for line in lines)
    chain = parse(text).chains[0]
    packet = data.draw(packets_for(rule(source="198.51.100.7", port="22")))
    ours = next((one.action for entry in chain.entries for one in entry.meanings() if matches(one, packet)), chain.default)
    theirs = pf_verdict(parse_pf(text, "freebsd", {"em0": ["192.0.2.10/24"]}), packet)
    assert (ours == "allow") == theirs.allowed


def test_macros_comments_and_joined_lines_are_understood():
    text = 'web = "{ 80, 443 }"\next = em0 # outside\npass in quick on $ext proto tcp \\\n  to port $web no state # all may\n'
    assert only(text).rule == rule(port="80,443", interface="em0")


def test_a_comment_that_ends_with_a_backslash_goes_on():
    assert entries("# all \\\npass in quick all\n") == ()


def test_a_list_over_several_lines_is_one_statement():
    assert only("pass in quick proto tcp to port {\n  80\n  443\n} no state\n").rule == rule(port="80,443")


def test_a_hash_in_quotes_is_no_comment():
    assert only('pass in quick proto tcp to port 80 no state label "a # b"\n').rule.comment == "a # b"


def test_block_means_what_the_block_policy_says():
    assert only("set block-policy return\nblock in quick proto tcp to port 22\n").rule == rule("reject", port=22)


def test_a_constant_table_is_its_addresses():
    text = "table <t> const { 10.0.0.0/8, 192.0.2.1 }\npass in quick inet from ! <t> to any no state\n"
    assert only(text).rule == rule(protocol="any", source="!10.0.0.0/8,!192.0.2.1")


def test_a_negated_table_without_a_family_also_matches_the_other_family():
    entry = only("table <t> const { 10.0.0.0/8 }\nblock in quick from ! <t> to any\n")
    assert entry.parts == (rule("deny", protocol="any", source="!10.0.0.0/8"), rule("deny", protocol="any", family="ipv6"))


def test_a_table_that_may_change_is_not_its_addresses():
    assert not only("table <t> { 10.0.0.0/8 }\npass in quick inet from <t> to any\n").meanings()


@given(st.text(alphabet=list("pas block{}\"'#\\\n$=!<>,: 12"), max_size=80))
def test_any_text_is_split_without_losing_a_character(text):
    statements = split(text)
    assert "".join(one.text for one in statements) == text
    assert join(statements) in (text, text + "\n")
    parse(text)
