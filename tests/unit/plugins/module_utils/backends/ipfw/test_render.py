# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules as ipfw rules: read back alike, listed as they were typed, and with exactly the packets of the rule."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ipfw.listing import read_listing
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ipfw.parse import parse
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ipfw.render import normalise, render, unsupported
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.pf.packets import answer_to, matches, packets_for
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.pf.standin_host import rule
from ansible_collections.holdfast.firewall.tests.unit.policy_strategies import policy_rules
from ansible_collections.holdfast.firewall.tests.unit.rule_strategies import rules

from holdfast_standin.ipfw import Ipfw as Command  # isort: skip  # on the path since standin_host
from holdfast_standin.ipfw_verdict import ipfw_rules, ipfw_verdict, rules_in_force  # isort: skip


def lines_of(one):
    return list(render(one))


def kernel(one, default="deny", before=()):
    """A kernel that took the rule, with its verdict's rules and its listing."""
    state = {"modules": ["ipfw"], "sysctl": {}, "kenv": {}, "ipfw": {"default": default}}
    for line in (*before, *lines_of(one)):
        call = line.split() if line.startswith("table") else read_listing(line).lines[0].argv()[1:]
        outcome = Command(state, strict=True).run(list(call))
        assert outcome.rc == 0 and not outcome.stderr, (line, outcome.stderr)
    return state


@given(policy_rules(limits=False, directions=("in", "out")))
def test_a_rule_is_read_back_as_it_was(one):
    assume(not unsupported(one))
    entries = parse("\n".join(render(one))).chains[0].entries
    assert [entry.rule for entry in entries] == [normalise(one)]


@given(policy_rules(limits=False, directions=("in", "out")))
def test_ipfw_lists_a_rule_as_it_was_typed(one):
    assume(not unsupported(one))
    listed = Command(kernel(one), strict=True).run(["list"]).stdout
    typed = [line for line in render(one) if not line.startswith("table")]
    assert [line.partition(" ")[2] for line in listed[:-1]] == typed


@given(st.data())
@settings(max_examples=200)
def test_a_rule_decides_about_exactly_its_packets(data):
    one = data.draw(rules(limits=False, logs=False, forward=False, comments=False))
    assume(not unsupported(one))
    packet = data.draw(packets_for(one))
    default = "deny" if one.action == "allow" else "accept"
    verdict = ipfw_verdict(rules_in_force(kernel(one, default)["ipfw"]), packet)
    assert verdict.allowed == ((one.action == "allow") == matches(one, packet)), (lines_of(one), packet)
    if one.action == "reject" and matches(one, packet):
        # ipfw answers IPv4 by one action and IPv6 by another; the wrong one is silent.
        six = verdict.rule.action[0] in ("reset6", "unreach6")
        assert verdict.reply == ("return-rst" if one.protocol == 6 else "return-icmp")
        assert six == (packet["family"] == 6), lines_of(one)


@pytest.mark.parametrize("direction", ["in", "out"])
@pytest.mark.parametrize("protocol", ["tcp", "udp", "icmp"])
def test_the_replies_of_a_stateful_allow_pass_a_default_deny(direction, protocol):
    words = {} if protocol == "icmp" else {"port": 80}
    one = rule(protocol=protocol, direction=direction, stateful=True, **words)
    in_force, _outcome = ipfw_rules("".join("add %s\n" % line for line in lines_of(one)))
    first = {"direction": direction, "interface": "em0", "family": 4, "proto": protocol, "src": "192.0.2.1", "dst": "192.0.2.10",
             "sport": 40000, "dport": 80, "syn": True, "icmp_type": 8 if protocol == "icmp" else None}  # fmt: skip
    assert ipfw_verdict(in_force, first).allowed
    assert ipfw_verdict(in_force, answer_to(first), [first]).allowed
    assert not ipfw_verdict(in_force, answer_to(first)).allowed


def test_a_stateful_allow_passes_no_packet_from_the_middle_of_a_connection():
    in_force, _outcome = ipfw_rules("add %s\n" % lines_of(rule(port=22, stateful=True))[0])
    packet = {"direction": "in", "interface": "em0", "proto": "tcp", "src": "192.0.2.1", "dst": "192.0.2.10", "sport": 4, "dport": 22}
    assert not ipfw_verdict(in_force, dict(packet, syn=False)).allowed


@pytest.mark.parametrize(
    "words, lines",
    [
        ({"port": 80}, ["allow tcp from any to any 80 in"]),
        (
            {"port": 22, "source": "10.0.0.0/8", "stateful": True, "log": True, "comment": "SSH from management VLAN"},
            ["allow log tcp from 10.0.0.0/8 to any 22 in setup keep-state :default // SSH from management VLAN"],
        ),
        ({"action": "deny", "port": 25, "direction": "out"}, ["deny tcp from any to any 25 out"]),
        ({"action": "deny", "protocol": "icmp"}, ["deny ip4 from any to any proto icmp in"]),
        (
            {"action": "reject", "port": 113},
            ["reset ip4 from any to any 113 proto tcp in", "reset6 ip6 from any to any 113 proto tcp in"],
        ),
        ({"action": "reject", "protocol": "udp", "port": 53, "source": "192.0.2.1"}, ["unreach port udp from 192.0.2.1 to any 53 in"]),
        ({"action": "reject", "protocol": "any", "family": "ipv6"}, ["unreach6 port ip6 from any to any in"]),
        ({"port_range": "8000-8080,9000-9001", "interface": "em0"}, ["allow tcp from any to any 8000-8080,9000-9001 in recv em0"]),
        ({"protocol": "any", "direction": "out", "interface": "em0", "stateful": True},
         ["allow ip from any to any out xmit em0 keep-state :default"]),
        ({"source": "!10.0.0.0/8,!192.0.2.0/24", "port": 80}, ["allow ip4 from not 10.0.0.0/8,192.0.2.0/24 to any 80 proto tcp in"]),
        ({"source": "2001:db8:1::/48,2001:db8:3::1", "protocol": "47"}, ["allow gre from 2001:db8:1::/48,2001:db8:3::1 to any in"]),
        ({"protocol": "41"}, ["allow 41 from any to any in"]),
        ({"port": 22, "source_port": "1024-65535"}, ["allow tcp from any 1024-65535 to any 22 in"]),
        ({"protocol": "icmp", "icmp_type": "echo-request,3"}, ["allow ip4 from any to any proto icmp in icmptypes 3,8"]),
        (
            {"protocol": "icmpv6", "icmp_type": 128, "source": "2001:db8::/32", "stateful": True},
            ["allow ipv6-icmp from 2001:db8::/32 to any in icmp6types 128 keep-state :default"],
        ),
        ({"port": 80, "interface": "lo"}, ["allow tcp from any to any 80 in recv lo0"]),
    ],
)  # fmt: skip
def test_the_lines_are_those_that_ipfw_lists(words, lines):
    assert list(render(rule(**{"action": "allow", **words}))) == lines


def test_more_ports_than_one_list_takes_are_alternatives():
    one = rule(port=",".join(str(port) for port in range(2, 130, 2)))
    (line,) = render(one)
    assert line.count("dst-port") == 3
    assert parse(line).chains[0].entries[0].rule == one


@pytest.mark.parametrize(
    "words, field",
    [
        ({"direction": "forward"}, "direction"),
        ({"limit": "6/minute"}, "limit"),
        ({"log": True, "log_prefix": "hf "}, "log_prefix"),
        ({"log": True, "log_limit": "6/minute"}, "log_limit"),
        ({"protocol": "0"}, "protocol"),
        ({"interface": "any"}, "interface"),
        ({"interface": "0ext"}, "interface"),
        ({"comment": "x" * 81}, "comment"),
        ({"comment": "/etc/hosts"}, "comment"),
        ({"comment": "// c"}, "comment"),
        ({"protocol": "icmp", "icmp_type": 32}, "icmp_type"),
        ({"protocol": "icmpv6", "icmp_type": 202}, "icmp_type"),
        ({"comment": "ü" * 41}, "comment"),
    ],
)
def test_what_ipfw_cannot_carry_is_named_and_refused(words, field):
    one = rule(**words)
    assert [found.field for found in unsupported(one)] == [field]
    with pytest.raises(HoldfastError, match="ipfw cannot carry"):
        render(one)


@pytest.mark.parametrize("comment", ["a  b", "x, y", "a # b", "c // d", "$(id) `id` ; & | > /x", 'it\'s "quoted"', "Büro", "\\n", "x" * 80])
def test_a_comment_is_kept_to_the_letter(comment):
    one = rule(port=80, comment=comment)
    listed = Command(kernel(one), strict=True).run(["list"]).stdout[0]
    assert listed == "00100 allow tcp from any to any 80 in // " + comment
    assert parse(listed).chains[0].entries[0].rule == one


def test_a_stateful_deny_is_the_same_rule_as_a_stateless_one():
    assert normalise(rule("deny", port=22, stateful=True)) == rule("deny", port=22)
    assert normalise(rule("allow", port=22, stateful=True)).stateful
