# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pf over several packets: translation in both languages, forwarded packets, tags that go with packets and states."""

from __future__ import annotations

import pytest
from holdfast_standin.flavour import parse_flavour
from holdfast_standin.pf_listing import rule_text
from holdfast_standin.pf_parser import parse_pf
from holdfast_standin.pf_verdict import Machine

INTERFACES = {"em0": ["192.0.2.10/24", "2001:db8::10/64"], "em1": ["10.0.0.1/24"], "lo0": ["127.0.0.1/8", "::1/128"]}
FROM_INSIDE = {"interface": "em1", "proto": "tcp", "src": "10.0.0.5", "dst": "198.51.100.7", "sport": 40000, "dport": 443}
FROM_OUTSIDE = {"interface": "em0", "proto": "tcp", "src": "198.51.100.7", "dst": "192.0.2.10", "sport": 40000, "dport": 80}


def machine(text, flavour="freebsd"):
    ruleset = parse_pf(text, flavour, INTERFACES)
    assert ruleset.accepted, ruleset.stderr
    return Machine(ruleset)


def turned(packet, interface, **changes):
    back = dict(packet, src=packet["dst"], dst=packet["src"], sport=packet["dport"], dport=packet["sport"], interface=interface, flags="SA")
    return dict(back, **changes)


NAT = {
    "freebsd": "nat on em0 inet from 10.0.0.0/24 to any -> (em0:0)\nblock\npass in on em1\npass out on em0 from (em0)\n",
    "openbsd": "block\npass in on em1\nmatch out on em0 inet from 10.0.0.0/24 nat-to (em0:0)\npass out on em0 from (em0)\n",
}
RDR = {
    "freebsd": "rdr on em0 inet proto tcp to port 80 -> 10.0.0.5 port 8080\nblock\n"
    "pass in on em0 proto tcp to 10.0.0.5 port 8080\npass out on em1\n",
    "openbsd": "block\nmatch in on em0 inet proto tcp to port 80 rdr-to 10.0.0.5 port 8080\n"
    "pass in on em0 proto tcp to 10.0.0.5 port 8080\npass out on em1\n",
}


@pytest.mark.parametrize("flavour", sorted(NAT))
def test_a_source_is_translated_before_the_rules_and_back_for_the_answer(flavour):
    pf = machine(NAT[flavour], flavour)

    sent = pf.forward(FROM_INSIDE, "em0")
    assert sent.allowed
    assert sent.packet["src"] == "192.0.2.10"
    answer = pf.forward(turned(sent.packet, "em0"), "em1")
    assert answer.by_state
    assert answer.packet["dst"] == "10.0.0.5"
    assert not pf.forward(turned(sent.packet, "em0", sport=444), "em1").allowed


@pytest.mark.parametrize("flavour", sorted(RDR))
def test_a_destination_is_translated_before_the_rules_and_back_for_the_answer(flavour):
    pf = machine(RDR[flavour], flavour)

    sent = pf.forward(FROM_OUTSIDE, "em1")
    assert sent.allowed
    assert (sent.packet["dst"], sent.packet["dport"]) == ("10.0.0.5", 8080)
    answer = pf.forward(turned(sent.packet, "em1"), "em0")
    assert answer.by_state
    assert (answer.packet["src"], answer.packet["sport"]) == ("192.0.2.10", 80)


def test_the_first_translation_counts_in_the_old_language_and_each_one_in_the_new():
    both = "rdr inet proto tcp to port 80 -> 10.0.0.5 port 81\nrdr inet proto tcp to port 81 -> 10.0.0.6 port 82\n"
    assert machine(both).send(FROM_OUTSIDE).packet["dst"] == "10.0.0.5"
    both = "match in inet proto tcp to port 80 rdr-to 10.0.0.5 port 81\nmatch in inet proto tcp to port 81 rdr-to 10.0.0.6 port 82\n"
    assert machine(both, "openbsd").send(FROM_OUTSIDE).packet["dst"] == "10.0.0.6"


def test_no_rdr_and_rdr_pass():
    assert (
        machine("no rdr proto tcp to port 80\nrdr inet proto tcp to port 80 -> 10.0.0.5\n").send(FROM_OUTSIDE).packet["dst"] == "192.0.2.10"
    )
    assert machine("rdr pass inet proto tcp to port 80 -> 10.0.0.5\nblock\n").send(FROM_OUTSIDE).allowed


def test_a_forwarded_packet_is_asked_about_twice():
    assert not machine("block\npass in on em1\n").forward(FROM_INSIDE, "em0").allowed
    assert not machine("block\npass out on em0\n").forward(FROM_INSIDE, "em0").allowed
    assert machine("block\npass in on em1\npass out on em0\n").forward(FROM_INSIDE, "em0").allowed


def test_a_tag_goes_with_the_packet_and_with_its_state():
    pf = machine("block\npass in on em1 tag INSIDE\npass out on em0 tagged INSIDE no state\n")

    assert pf.forward(FROM_INSIDE, "em0").allowed
    assert pf.forward(dict(FROM_INSIDE, flags="A"), "em0").allowed
    assert not pf.send(dict(FROM_INSIDE, direction="out", interface="em0", dport=444)).allowed


def test_a_tag_of_a_rule_that_does_not_decide_stays_and_is_seen_by_later_rules():
    text = "pass in all no state tag FAR\npass in inet to (self) no state tag NEAR\nblock quick in tagged FAR\n"

    assert machine(text.replace("block quick in", "block in quick")).send(FROM_OUTSIDE).packet["tag"] == "NEAR"
    assert not machine(text.replace("block quick in", "block in quick")).send(FROM_INSIDE).allowed


def test_self_in_brackets_is_every_address_of_the_host_but_nothing_on_macos():
    text = "block\npass in to (self)\n"

    assert machine(text, "freebsd").send(FROM_OUTSIDE).allowed
    assert machine(text, "openbsd").send(FROM_OUTSIDE).allowed
    assert not machine(text, "macos").send(FROM_OUTSIDE).allowed
    assert machine("block\npass in inet to (self:broadcast)\n").send(dict(FROM_OUTSIDE, dst="192.0.2.255")).allowed


def test_an_icmp_type_of_255_is_kept_as_any_type():
    ping = {"interface": "em0", "proto": "icmp", "src": "198.51.100.7", "dst": "192.0.2.10", "icmp_type": 8}

    assert machine("block\npass in inet proto icmp icmp-type 255\n").send(ping).allowed
    assert not machine("block\npass in inet proto icmp icmp-type 254\n").send(ping).allowed
    assert not parse_pf("pass in inet proto icmp icmp-type 255\n", "freebsd", INTERFACES, strict=True).accepted


def test_newer_systems_name_the_reports_of_multicast_listeners():
    for flavour, known in (("openbsd", True), ("freebsd-15.1", True), ("freebsd-12.1", False), ("macos", False)):
        assert parse_pf("pass in inet6 proto icmp6 icmp6-type listenrepv2\n", flavour, INTERFACES).accepted == known


def test_an_interface_whose_name_may_be_a_group_has_several_addresses():
    for name, listed in (("em0:0", "(em0:0)"), ("wg-home:0", "(wg-home:0) round-robin"), ("em0", "(em0) round-robin")):
        rule = parse_pf("nat on em0 inet from any to any -> (%s)\n" % name, "freebsd", INTERFACES).rules[""][0]
        assert rule_text(rule, parse_flavour("freebsd")).endswith(listed)
