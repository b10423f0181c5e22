# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Single rules as lines of npf.conf: what they mean to npf, how they are read back, what is refused, and that nothing breaks out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.npf.conf import Conf
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.npf.parse import bare_lines, parse
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.npf.render import render, unsupported
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.states_first import normalise
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.parse import parse_rule
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rates import Limit, Rate
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rule import Rule
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.scope import Scope
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.npf.policies import machine_of
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.pf.packets import answer_to, matches, packets_for
from ansible_collections.holdfast.firewall.tests.unit.policy_strategies import policy_rules


def rule(action="allow", **words):
    return parse_rule(dict(words, action=action))


def text_of(one):
    return "".join(line + "\n" for line in render(one))


def file_of(one, default="block all"):
    """The rule in front of a default that does the other thing."""
    return bare_lines(text_of(one)).replace("\n}\n", "\n%s\n}\n" % default)


def rules(**words):
    """A rule of a kind that npf may carry."""
    return policy_rules(directions=("in", "out"), limits=False, protocols=(None, 6, 6, 17, 1, 58, 50, 47, 2), **words)


@given(rules())
@settings(max_examples=300)
def test_a_rule_is_read_back_as_it_was(one):
    assume(not unsupported(one))
    entries = parse(text_of(one)).chains[0].entries
    assert [entry.rule for entry in entries] == [normalise(one)]


@given(st.data())
@settings(max_examples=300)
def test_a_rule_decides_about_exactly_its_packets(data):
    one = data.draw(rules(log=False, comments=False))
    assume(not unsupported(one))
    packet = data.draw(packets_for(one))
    assume(packet["proto"] not in (0, 43, 44, 60))
    verdict = machine_of(file_of(one, "block all" if one.action == "allow" else "pass all")).send(packet)
    assert verdict.allowed == ((one.action == "allow") == matches(one, packet)), (text_of(one), packet)
    if one.action == "reject" and matches(one, packet):
        assert verdict.reply == "return"


@pytest.mark.parametrize("direction", ["in", "out"])
@pytest.mark.parametrize("protocol", ["tcp", "udp", "icmp"])
def test_the_replies_of_a_stateful_allow_pass_a_default_deny(direction, protocol):
    words = {} if protocol == "icmp" else {"port": 80}
    text = file_of(rule(protocol=protocol, direction=direction, stateful=True, **words))
    first = {"direction": direction, "interface": "em0", "family": 4, "proto": protocol, "src": "192.0.2.1", "dst": "192.0.2.10",
             "sport": 40000, "dport": 80, "syn": True, "icmp_type": 8 if protocol == "icmp" else None}  # fmt: skip
    machine = machine_of(text)
    assert machine.send(first).allowed
    assert machine.send(answer_to(first)).allowed
    assert not machine_of(text).send(answer_to(first)).allowed


def test_a_stateful_allow_passes_no_packet_from_the_middle_of_a_connection():
    packet = {"direction": "in", "interface": "em0", "proto": "tcp", "src": "192.0.2.1", "dst": "192.0.2.10", "sport": 4, "dport": 22}
    assert not machine_of(file_of(rule(port=22, stateful=True))).send(dict(packet, syn=False)).allowed
    assert machine_of(file_of(rule(port=22))).send(dict(packet, syn=False)).allowed


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        ({"port": 80}, ["pass in final proto tcp from any to any port 80"]),
        (
            {"port": 22, "source": "10.0.0.0/8", "stateful": True, "log": True, "comment": "SSH from management VLAN"},
            [
                'procedure "hf_log" { log: npflog0 }',
                "# rule: SSH from management VLAN",
                'pass stateful in final family inet4 proto tcp from 10.0.0.0/8 to any port 22 apply "hf_log"',
            ],
        ),
        ({"action": "deny", "protocol": "icmp"}, ["block in final family inet4 proto icmp all"]),
        ({"action": "reject", "port": 113}, ["block return in final proto tcp from any to any port 113"]),
        (
            {"port_range": "8000-8080,9000-9001", "interface": "wm0"},
            [
                "# rule of 2 lines",
                "pass in final on wm0 proto tcp from any to any port 8000-8080",
                "pass in final on wm0 proto tcp from any to any port 9000-9001",
            ],
        ),
        (
            {"protocol": "icmpv6", "icmp_type": [135, 136], "stateful": True},
            [
                "# rule of 2 lines",
                "pass stateful in final family inet6 proto ipv6-icmp icmp-type 135 all",
                "pass stateful in final family inet6 proto ipv6-icmp icmp-type 136 all",
            ],
        ),
        ({"protocol": "any", "direction": "out", "stateful": True}, ["pass stateful out final all"]),
        ({"port": [22, 80, 443]}, ["pass in final proto tcp from any to any port { 22, 80, 443 }"]),
        ({"source": "2001:db8::/32", "port": 1}, ["pass in final family inet6 proto tcp from 2001:db8::/32 to any port 1"]),
        (
            {"source": "!10.0.0.0/8", "protocol": "udp"},
            [
                "# table hf_bf8a62f03a02: !10.0.0.0/8",
                'table <hf_bf8a62f03a02> type lpm file "/etc/holdfast/npf/hf_bf8a62f03a02"',
                "pass in final family inet4 proto udp from <hf_bf8a62f03a02> to any",
            ],
        ),
        (
            {"action": "deny", "source": "2001:db8:1::/48,2001:db8:3::/48", "protocol": "any"},
            [
                "# table hf_NAME: 2001:db8:1::/48, 2001:db8:3::/48",
                'table <hf_NAME> type lpm file "/etc/holdfast/npf/hf_NAME"',
                "block in final family inet6 from <hf_NAME> to any",
            ],
        ),
    ],
)
def test_the_lines_are_those_an_administrator_would_write(words, lines):
    made = list(render(rule(**{"action": "allow", **words})))
    name = next((line.split()[2].rstrip(":") for line in made if line.startswith("# table")), "")
    assert made == [line.replace("hf_NAME", name).replace("hf_bf8a62f03a02", name) for line in lines]


@pytest.mark.parametrize("name", ["log", "in", "npt66", "inet4"])
def test_an_interface_that_the_scanner_would_take_for_something_else_is_quoted(name):
    assert ' on "%s" ' % name in render(rule(interface=name, port=1))[0]
    machine_of(file_of(rule(interface=name, port=1)))


@pytest.mark.parametrize(
    ("words", "field"),
    [
        ({"direction": "forward"}, "direction"),
        ({"direction": "forward", "out_interface": "wm1"}, "out_interface"),
        ({"limit": "6/minute"}, "limit"),
        ({"log": True, "log_prefix": "hf "}, "log_prefix"),
        ({"log": True, "log_limit": "6/minute"}, "log_limit"),
        ({"protocol": "sctp", "port": 80}, "port"),
        ({"protocol": "sctp", "source_port": 80}, "source_port"),
        ({"protocol": 0}, "protocol"),
        ({"protocol": 44}, "protocol"),
        ({"protocol": "gre", "stateful": True}, "stateful"),
    ],
)
def test_what_npf_cannot_say_is_refused_with_a_reason(words, field):
    given_words = {} if "protocol" in words or "port" in words else {"port": 1}
    one = rule(**{**given_words, **words})
    assert field in [refused.field for refused in unsupported(one)]
    assert all(len(refused.reason) > 20 for refused in unsupported(one))
    with pytest.raises(HoldfastError, match="npf cannot carry"):
        render(one)


@pytest.mark.parametrize(
    "change",
    [
        {"scope": Scope(program="/x")}, {"reply": True}, {"established": True}, {"limit": Limit(Rate(1, 1))}, {"interface": 'em0" all #'},
        {"comment": "two\nlines"}, {"comment": "ends in a backslash\\"}, {"comment": " blank at its ends "}, {"comment": ""},
    ],
)  # fmt: skip
def test_what_a_document_cannot_say_is_refused_as_well(change):
    assert unsupported(replace(Rule("allow"), **change))


@given(st.text(max_size=60), st.sampled_from(["in", "out"]))
@settings(max_examples=300)
def test_no_comment_breaks_out_of_its_line(comment, direction):
    one = Rule("deny", direction, comment=comment)
    if unsupported(one):
        return
    text = text_of(one)
    assert [entry.rule for entry in parse(text).chains[0].entries] == [one]
    assert len(Conf(bare_lines(text)).statements) == 1
    assert len(machine_of(bare_lines(text)).config.default.items) == 1


@pytest.mark.parametrize(
    "comment", ['"; pass all; "', "$(reboot)", "`reboot`", "} group default { pass all", "# holdfast policy: end", "ü ☃"]
)
def test_comments_with_signs_of_the_grammar_and_the_shell_stay_comments(comment):
    text = bare_lines(text_of(rule("deny", port=1, comment=comment)))
    assert len(machine_of(text).config.default.items) == 1
    assert "\n# holdfast policy" not in text


@pytest.mark.parametrize("words, field", [
    ({"port": 22, "interface": "wg-home"}, "interface"), ({"port": 22, "interface": "br0.12"}, "interface"),
    ({"protocol": "icmpv6", "icmp_type": "echo-request", "stateful": True}, "stateful"),
    ({"protocol": "icmpv6", "stateful": True}, "stateful"), ({"protocol": "icmp", "stateful": True}, None), ({"interface": "wm0"}, None),
])  # fmt: skip
def test_names_that_npfctl_does_not_take_and_states_that_npf_does_not_keep_are_refused(words, field):
    assert [one.field for one in unsupported(rule(**{"action": "allow", **words}))] == ([field] if field else [])
