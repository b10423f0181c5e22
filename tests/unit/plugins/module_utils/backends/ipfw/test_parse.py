# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading an administrator's list of ipfw rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ipfw.listing import read_listing
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ipfw.parse import parse
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.pf.packets import matches, packets_for
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.pf.standin_host import rule

from holdfast_standin.ipfw_verdict import ipfw_rules, ipfw_verdict  # isort: skip  # on the path since standin_host


def only(text):
    found = parse(text).chains[0].entries
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize(
    "line, wanted",
    [
        ("00100 allow tcp from any to me 22 in setup keep-state :default", rule(port=22, stateful=True)),
        ("add 100 pass tcp from any to any dst-port 80,8000-8080 in", rule(port_range="80-80,8000-8080")),
        ("ipfw -q add 100 set 5 drop all from 198.51.100.0/24 to any in", rule("deny", protocol="any", source="198.51.100.0/24")),
        ("00100 allow udp from me to any 53 out keep-state", None),
        ("00100 deny udp from any to any 53 out via em0", rule("deny", protocol="udp", port=53, direction="out", interface="em0")),
        ("00100 allow ip from any to any in recv em0", rule(protocol="any", interface="em0")),
        ("00100 reset tcp from 192.0.2.1 to any 113 in", rule("reject", port=113, source="192.0.2.1")),
        ("00100 unreach filter-prohib udp from 192.0.2.1 to any in", rule("reject", protocol="udp", source="192.0.2.1")),
        ("00100 reject icmp from any to any in", rule("reject", protocol="icmp")),
        ("00100 allow ip4 from not 10.0.0.0/8,192.0.2.0/24 to any 80 proto tcp in", rule(port=80, source="!10.0.0.0/8,!192.0.2.0/24")),
        ("00100 allow tcp from { 10.0.0.0/8 or 192.0.2.0/24 } to any in", rule(source="10.0.0.0/8,192.0.2.0/24")),
        ("00100 deny log logamount 100 ip from any to any in // the last, really",
         rule("deny", protocol="any", log=True, comment="the last, really")),
        ("00100 allow tcp from any to any 22 in ip6", rule(port=22, family="ipv6")),
        ("00100 allow tcp from any 20,1024-65535 to any 22 in", rule(port=22, source_port="20,1024-65535")),
        ("00100 allow tcp from any to any { src-port 20 or src-port 30-31 } in", rule(source_port="20,30-31")),
        ("00100 deny icmp from any to any in icmptypes 5,8", rule("deny", protocol="icmp", icmp_type="5,8")),
        ("00100 allow ipv6-icmp from any to any icmp6types 128 in", rule(protocol="icmpv6", icmp_type=128)),
        ("00100 deny ip from any to any out recv em0", rule("deny", protocol="any", direction="forward", interface="em0")),
        ("00100 deny ip from any to any out recv *", rule("deny", protocol="any", direction="forward")),
        (
            "00100 allow tcp from any to any 80 out recv em0 xmit em1",
            rule(port=80, direction="forward", interface="em0", out_interface="em1"),
        ),
    ],
)  # fmt: skip
def test_a_rule_that_the_language_can_say_is_that_rule(line, wanted):
    assert only(line).rule == wanted


@pytest.mark.parametrize(
    "line",
    [
        "00100 allow ip from table(friends) to any in",
        "00100 allow ip from { not 10.0.0.0/8 or not 192.0.2.0/24 } to any in",
        "00100 allow tcp from any to any established",
        "00100 allow tcp from any to any 22 in setup limit src-addr 6 :default",
        "00100 allow ip from any to any icmptypes 8",
        "00100 allow tcp from any to any icmp6types 128",
        "00100 allow ip from any to any out recv em0 xmit *",
        "00100 allow ip from any to any recv em0",
        "00100 allow not tcp from any to any in",
        "00100 allow udp from any to me 53 in",
        "00100 allow ip from any to any in recv em*",
        "00100 allow ip from any to any uid root",
        "00100 allow ip from 10.0.0.0/24{1,5} to any in",
        "00100 prob 0.500000 deny ip from any to any in",
        "00100 skipto 500 ip from any to any",
        "00100 nat 1 ip from any to any via em0",
        "00100 count ip from any to any",
        "00100 allow tag 3 ip from any to any in",
        "00100 allow ip from any to any 80 in",
    ],
)
def test_what_the_language_has_no_word_for_is_listed_and_not_guessed_at(line):
    entry = only(line)
    assert entry.native == (line,)
    assert not entry.meanings()


@pytest.mark.parametrize(
    "line, parts",
    [
        ("00100 allow ip from any to any via lo0",
         (rule(protocol="any", interface="lo0"), rule(protocol="any", interface="lo0", direction="out"))),
        ("00100 allow { tcp or udp } from any to any 53 in", (rule(port=53), rule(port=53, protocol="udp"))),
        ("00100 allow tcp from any to any 22 in keep-state :default", (rule(port=22, stateful=True),)),
        ("00100 deny udp from any to me in", (rule("deny", protocol="udp"),)),
        ("00100 deny ip from not 10.0.0.0/8 to any in",
         (rule("deny", protocol="any", source="!10.0.0.0/8"), rule("deny", protocol="any", family="ipv6"))),
        ("00100 reset tcp from any to any 113 in", (rule("reject", port=113, family="ipv4"), rule("deny", port=113, family="ipv6"))),
        ("00100 deny tcp from any to any 25 in setup", (rule("deny", port=25),)),
    ],
)  # fmt: skip
def test_a_rule_that_takes_several_is_their_sum_and_no_rule_of_ours(line, parts):
    entry = only(line)
    assert entry.rule is None
    assert entry.parts == parts


@pytest.mark.parametrize(
    "line, established",
    [
        ("00100 check-state :default", True),
        ("00100 check-state", True),
        ("00100 check-state :any", True),
        ("00100 check-state :mine", False),
        ("00100 allow tcp from any to me 22 in setup keep-state :default", True),
        ("00100 allow tcp from any to me 22 in setup keep-state :mine", False),
        ("00100 allow tcp from any to me 22 in setup limit src-addr 6 :default", True),
        ("00100 allow tcp from any to me 22 in", False),
    ],
)
def test_what_passes_the_connections_of_others_is_known(line, established):
    assert only(line).established == established


def test_the_two_families_of_a_reject_are_one_entry_only_with_one_number():
    two = "%05d reset ip4 from any to any 113 proto tcp in\n%05d reset6 ip6 from any to any 113 proto tcp in\n"
    assert only(two % (100, 100)).rule == rule("reject", port=113)
    assert len(parse(two % (100, 110)).chains[0].entries) == 2


@pytest.mark.parametrize("action, default", [("allow", "allow"), ("deny", "deny")])
def test_the_default_is_that_of_the_last_rule(action, default):
    chain = parse("65535 set 31 %s ip from any to any\n" % action).chains[0]
    assert (chain.default, chain.entries) == (default, ())


def test_rules_of_a_disabled_set_decide_nothing():
    text = "# DISABLED 00100 set 5 deny ip from any to any\n00200 set 0 allow ip from any to any in\n65535 set 31 deny ip from any to any\n"
    assert only(text).rule == rule(protocol="any")
    assert read_listing(text).text() == text


LINES = st.sampled_from(
    [
        "deny ip from any to any", "allow ip from any to any", "allow tcp from any to any 22 in setup keep-state",
        "deny tcp from any to any 22",
        "allow tcp from 198.51.100.7 to any 22,80 in", "deny ip from not 198.51.100.0/24 to any", "deny ip6 from any to any in",
        "allow { tcp or udp } from any to any 20-30", "reset tcp from any to any 22 in", "allow ip from any to any in recv em0",
        "deny ip from any to any via em0", "allow ip4 from any to any",
    ]
)  # fmt: skip


@given(st.lists(LINES, min_size=1, max_size=7), st.sampled_from(["deny", "accept"]), st.data())
def test_the_first_entry_that_matches_decides_as_ipfw_does(lines, default, data):
    in_force, outcome = ipfw_rules("".join("add %s\n" % line for line in lines), default=default)
    assert outcome.rc == 0
    text = "".join(line + "\n" for line in outcome.stdout)
    text += "65535 %s ip from any to any\n" % {"deny": "deny", "accept": "allow"}[default]
    chain = parse(text).chains[0]
    packet = data.draw(packets_for(rule(source="198.51.100.7", port="22", interface="em0")))
    ours = next((one.action for entry in chain.entries for one in entry.meanings() if matches(one, packet)), chain.default)
    assert (ours == "allow") == ipfw_verdict(in_force, packet).allowed


@given(st.text(alphabet=list("alow tcpfrmnyi0123456789.:/,-{}//#\n"), max_size=80))
def test_any_text_is_read_without_a_mishap(text):
    parse(text)
