# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules as lines of pf.conf: read back alike, taken by every system, and with exactly the packets of the rule."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.pf.parse import parse
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.pf.render import render, unsupported
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.states_first import normalise
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.pf.packets import answer_to, matches, packets_for
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.pf.standin_host import rule
from ansible_collections.holdfast.firewall.tests.unit.policy_strategies import policy_rules

from holdfast_standin.pf_parser import parse_pf  # isort: skip  # on the path since standin_host
from holdfast_standin.pf_verdict import pf_verdict  # isort: skip

FLAVOURS = ("freebsd-12.1", "freebsd-15.1", "openbsd", "macos")
INTERFACES = {"lo0": ["127.0.0.1/8"], "em0": ["192.0.2.10/24"]}


def text_of(one):
    return "".join(line + "\n" for line in render(one))


def rules(**words):
    """A rule of a kind that pf may carry."""
    return policy_rules(directions=("in", "out"), limits=False, protocols=(None, 6, 6, 17, 1, 58, 50, 47, 2), **words)


@given(rules())
def test_a_rule_is_read_back_as_it_was(one):
    assume(not unsupported(one))
    entries = parse(text_of(one)).chains[0].entries
    assert [entry.rule for entry in entries] == [normalise(one)]


@given(rules())
@settings(max_examples=60)
def test_every_system_takes_the_lines_without_a_word(one):
    assume(not unsupported(one))
    for flavour in FLAVOURS:
        taken = parse_pf(text_of(one), flavour, INTERFACES)
        assert taken.accepted and not taken.stderr, (flavour, text_of(one), taken.stderr)


@given(st.data())
@settings(max_examples=200)
def test_a_rule_decides_about_exactly_its_packets(data):
    one = data.draw(rules(log=False, comments=False))
    assume(not unsupported(one))
    packet = data.draw(packets_for(one))
    default = "block drop all\n" if one.action == "allow" else "pass all\n"
    ruleset = parse_pf(default + text_of(one), "freebsd", INTERFACES)
    verdict = pf_verdict(ruleset, packet)
    assert verdict.allowed == ((one.action == "allow") == matches(one, packet)), (text_of(one), packet)
    if one.action == "reject" and matches(one, packet):
        assert verdict.reply.startswith("return"), text_of(one)


@pytest.mark.parametrize("direction", ["in", "out"])
@pytest.mark.parametrize("protocol", ["tcp", "udp", "icmp"])
def test_the_replies_of_a_stateful_allow_pass_a_default_deny(direction, protocol):
    words = {} if protocol == "icmp" else {"port": 80}
    one = rule(protocol=protocol, direction=direction, stateful=True, **words)
    ruleset = parse_pf("block drop all\n" + text_of(one), "freebsd", INTERFACES)
    first = {"direction": direction, "interface": "em0", "family": 4, "proto": protocol, "src": "192.0.2.1", "dst": "192.0.2.10",
             "sport": 40000, "dport": 80, "syn": True, "icmp_type": 8 if protocol == "icmp" else None}  # fmt: skip
    assert pf_verdict(ruleset, first).allowed
    assert pf_verdict(ruleset, answer_to(first), [first]).allowed
    assert not pf_verdict(ruleset, answer_to(first)).allowed


def test_a_stateful_allow_passes_no_packet_from_the_middle_of_a_connection():
    ruleset = parse_pf("block drop all\n" + text_of(rule(port=22, stateful=True)), "freebsd", INTERFACES)
    packet = {"direction": "in", "interface": "em0", "proto": "tcp", "src": "192.0.2.1", "dst": "192.0.2.10", "sport": 4, "dport": 22}
    assert not pf_verdict(ruleset, dict(packet, syn=False)).allowed


@pytest.mark.parametrize(
    "words, lines",
    [
        ({"port": 80}, ["pass in quick proto tcp from any to any port 80 no state"]),
        (
            {"port": 22, "source": "10.0.0.0/8", "stateful": True, "log": True, "comment": "SSH from management VLAN"},
            ['pass in log quick inet proto tcp from 10.0.0.0/8 to any port 22 flags S/SA keep state label "SSH from management VLAN"'],
        ),
        ({"action": "deny", "port": 25, "direction": "out"}, ["block drop out quick proto tcp from any to any port 25"]),
        ({"action": "deny", "protocol": "icmp"}, ["block drop in quick inet proto icmp from any to any"]),
        ({"action": "reject", "port": 113}, ["block return-rst in quick proto tcp from any to any port 113"]),
        ({"action": "reject", "protocol": "udp", "port": 53}, ["block return in quick proto udp from any to any port 53"]),
        ({"protocol": "icmpv6"}, ["pass in quick inet6 proto ipv6-icmp from any to any no state"]),
        (
            {"port_range": "8000-8080,9000-9001", "interface": "em0"},
            ["pass in quick on em0 proto tcp from any to any port { 8000:8080, 9000:9001 } no state"],
        ),
        (
            {"protocol": "udp", "source_port": 123, "destination": "192.0.2.1", "port": 123},
            ["pass in quick inet proto udp from any port 123 to 192.0.2.1 port 123 no state"],
        ),
        ({"protocol": "icmp", "icmp_type": "echo-request"}, ["pass in quick inet proto icmp from any to any icmp-type 8 no state"]),
        (
            {"protocol": "icmpv6", "icmp_type": [135, 136], "stateful": True},
            ["pass in quick inet6 proto ipv6-icmp from any to any icmp6-type { 135, 136 } keep state"],
        ),
        ({"protocol": "any", "stateful": True}, ["pass in quick from any to any flags S/SA keep state"]),
        (
            {"source": "!10.0.0.0/8", "protocol": "udp", "stateful": True},
            ["pass in quick inet proto udp from ! 10.0.0.0/8 to any keep state"],
        ),
        (
            {"action": "deny", "destination": "!10.0.0.0/8,!192.0.2.0/24", "protocol": "gre"},
            [
                "table <hf_cbcc0754931e> const { 10.0.0.0/8, 192.0.2.0/24 }",
                "block drop in quick inet proto 47 from any to ! <hf_cbcc0754931e>",
            ],
        ),
    ],
)
def test_the_lines_are_those_an_administrator_would_write(words, lines):
    assert list(render(rule(**{"action": "allow", **words}))) == lines


def test_an_interface_named_like_a_word_of_the_grammar_is_quoted():
    assert 'on "log" ' in render(rule(interface="log"))[0]


@pytest.mark.parametrize(
    "words, field",
    [
        ({"direction": "forward"}, "direction"),
        ({"limit": "6/minute"}, "limit"),
        ({"log": True, "log_prefix": "hf "}, "log_prefix"),
        ({"log": True, "log_limit": "6/minute"}, "log_limit"),
        ({"protocol": "sctp", "port": 80}, "port"),
        ({"protocol": "sctp", "source_port": 80}, "source_port"),
        ({"protocol": "icmp", "icmp_type": 255}, "icmp_type"),
        ({"protocol": "0"}, "protocol"),
        ({"interface": "any"}, "interface"),
        ({"interface": "12"}, "interface"),
        ({"comment": "costs $protons"}, "comment"),
        ({"comment": 'the "web" port'}, "comment"),
        ({"comment": "a\\ b"}, "comment"),
        ({"comment": "x" * 64}, "comment"),
        ({"comment": "ü" * 32}, "comment"),
    ],
)
def test_what_pf_cannot_carry_is_named_and_refused(words, field):
    one = rule(**words)
    assert [found.field for found in unsupported(one)] == [field]
    with pytest.raises(HoldfastError, match="pf cannot carry"):
        render(one)


@pytest.mark.parametrize(
    "comment", ["x" * 63, "ü" * 31, "Karin's web; $(reboot) `id` & <b>", "costs $5", "a { # b", "Büro 日本", "$HOME", "'"]
)
def test_a_label_may_hold_what_pfctl_takes_between_double_quotes(comment):
    one = rule(comment=comment, port=22)
    (line,) = render(one)
    assert line.endswith('label "%s"' % comment)
    text = line + "\nblock in quick proto tcp to port 99\n"
    assert [entry.rule for entry in parse(text).chains[0].entries] == [one, rule("deny", port=99)]
    for flavour in FLAVOURS:
        (taken, _other) = parse_pf(text, flavour, INTERFACES).rules[""]
        assert taken.labels == (comment,)


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=70))
@settings(max_examples=200)
def test_a_comment_is_a_label_of_exactly_its_text_or_is_refused(comment):
    one = rule(port=22)
    one = replace(one, comment=comment)
    if unsupported(one):
        return
    for flavour in FLAVOURS:
        (taken,) = parse_pf(text_of(one), flavour, INTERFACES).rules[""]
        assert taken.labels == (comment,)
    assert [entry.rule for entry in parse(text_of(one)).chains[0].entries] == [one]


def test_a_stateful_deny_is_the_same_rule_as_a_stateless_one():
    assert normalise(rule("deny", port=22, stateful=True)) == rule("deny", port=22)
    assert normalise(rule("allow", port=22, stateful=True)).stateful
