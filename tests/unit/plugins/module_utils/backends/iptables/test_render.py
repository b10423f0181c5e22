# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the backend writes means the rule, no more and no less, and is read back as that rule."""

from __future__ import annotations

import ipaddress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.holdfast.firewall.plugins.module_utils.policy.addresses import make_addresses
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.parse import parse_rule
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.ports import PortRange
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rates import Limit, Rate
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rule import Log, Rule
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.iptables.namespace import paper
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.iptables.policy_strategies import any_rules
from ansible_collections.holdfast.firewall.tests.unit.rule_strategies import rules

BACKEND = paper()


def rule(**words):
    return parse_rule({"action": "allow", **words})


def lines(**words):
    return list(BACKEND.render(rule(**words)))


def read_back(one, backend=BACKEND):
    return [entry for chain in backend.parse("\n".join(backend.render(one))).chains for entry in chain.entries]


def refused(one, backend=BACKEND):
    return [(found.field, found.reason) for found in backend.unsupported(one)]


@given(any_rules())
def test_a_rendered_rule_is_read_back_as_the_same_rule(one):
    if not BACKEND.unsupported(one):
        assert [entry.rule for entry in read_back(one)] == [one]


@given(rules(limits=False, logs=False).filter(lambda one: one.protocol in (6, 17, 132)))
def test_the_rule_that_passes_replies_is_read_back(one):
    reply = one.reply_rule()
    assert [entry.rule for entry in read_back(reply)] == [reply]


@given(rules(), st.text(min_size=1, max_size=60).filter(str.isprintable))
def test_any_printable_comment_is_read_back(one, comment):
    one = replace(one, comment=comment)
    if not BACKEND.unsupported(one):
        assert [entry.rule for entry in read_back(one)] == [one]


@given(st.lists(st.integers(1, 65535), min_size=1, max_size=80, unique=True))
def test_any_list_of_ports_is_read_back_or_refused(ports):
    one = rule(port=[str(port) for port in ports])
    if refused(one):
        assert len(one.ports) > 40
    else:
        assert [entry.rule for entry in read_back(one)] == [one]


@given(st.lists(st.integers(0, 2**32 - 1), min_size=2, max_size=60, unique=True), st.booleans())
def test_any_list_of_addresses_is_read_back(numbers, negated):
    networks = [ipaddress.ip_network("%s/32" % ipaddress.ip_address(number)) for number in numbers]
    one = Rule("deny", family=4, source=make_addresses(networks, negated))
    assert [entry.rule for entry in read_back(one)] == [one]


@pytest.mark.parametrize(
    ("words", "field"),
    [
        ({"protocol": "icmp", "icmp_type": 255}, "icmp_type"),
        ({"protocol": "icmp", "icmp_type": [8, 13], "limit": "5/second"}, "icmp_type"),
        ({"protocol": "icmp", "icmp_type": [8, 13], "log": True, "log_limit": "5/second"}, "icmp_type"),
        ({"source_port": [str(port) for port in range(1, 400, 2)]}, "source_port"),
    ],
)
def test_what_a_line_cannot_say_is_refused(words, field):
    assert [one.field for one in BACKEND.unsupported(rule(**words))] == [field]


def test_a_line_has_one_icmp_type():
    start, types = "iptables -A INPUT -p icmp -m icmp --icmp-type ", (0, 8)
    assert lines(protocol="icmp", icmp_type=[8, 0]) == [start + "%d -j ACCEPT" % number for number in types]
    assert lines(protocol="icmpv6", icmp_type=255) == ["ip6tables -A INPUT -p ipv6-icmp -m icmp6 --icmpv6-type 255 -j ACCEPT"]


@pytest.mark.parametrize("name", ["eth+", "+", "a b", "", "x" * 16, "!eth0"])
def test_an_interface_that_would_be_read_as_another_is_refused(name):
    assert [one.field for one in BACKEND.unsupported(Rule("allow", interface=name))] == ["interface"]
    forward = Rule("allow", "forward", out_interface=name)
    assert [one.field for one in BACKEND.unsupported(forward)] == ["out_interface"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ({"source_port": 53, "port": 53}, "-A INPUT -p tcp -m tcp --sport 53 --dport 53 -j ACCEPT"),
        ({"source_port": [1, 3], "port": 53}, "-A INPUT -p tcp -m tcp --dport 53 -m multiport --sports 1,3 -j ACCEPT"),
        ({"direction": "forward", "interface": "a", "out_interface": "b"}, "-A FORWARD -i a -o b -p tcp -j ACCEPT"),
        ({"port": 22}, "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT"),
        ({"port": [80, 443]}, "-A INPUT -p tcp -m multiport --dports 80,443 -j ACCEPT"),
        ({"port_range": "60000-61000", "protocol": "udp"}, "-A INPUT -p udp -m udp --dport 60000:61000 -j ACCEPT"),
        ({"protocol": "any", "interface": "lo"}, "-A INPUT -i lo -j ACCEPT"),
        ({"protocol": "any", "direction": "out", "interface": "eth0"}, "-A OUTPUT -o eth0 -j ACCEPT"),
        ({"direction": "forward", "interface": "eth0", "port": 80}, "-A FORWARD -i eth0 -p tcp -m tcp --dport 80 -j ACCEPT"),
        ({"port": 22, "stateful": True}, "-A INPUT -p tcp -m tcp --dport 22 -m conntrack --ctstate NEW,ESTABLISHED -j ACCEPT"),
        ({"action": "deny", "stateful": True}, "-A INPUT -p tcp -m conntrack --ctstate NEW -j DROP"),
        ({"limit": "180/hour"}, "-A INPUT -p tcp -m limit --limit 3/min -j ACCEPT"),
        ({"limit": "6/minute", "limit_burst": 3}, "-A INPUT -p tcp -m limit --limit 6/min --limit-burst 3 -j ACCEPT"),
        ({"comment": "web"}, "-A INPUT -p tcp -m comment --comment web -j ACCEPT"),
        ({"comment": "the web"}, '-A INPUT -p tcp -m comment --comment "the web" -j ACCEPT'),
        ({"action": "reject"}, "-A INPUT -p tcp -j REJECT --reject-with tcp-reset"),
    ],
    ids=lambda one: "-".join(map(str, one)) if isinstance(one, dict) else "",
)
def test_a_rule_has_the_form_of_iptables_save(words, expected):
    assert lines(**words) == ["iptables " + expected, "ip6tables " + expected]


def test_a_reject_of_other_protocols_answers_in_its_family():
    assert lines(action="reject", protocol="udp", port=53) == [
        "iptables -A INPUT -p udp -m udp --dport 53 -j REJECT --reject-with icmp-port-unreachable",
        "ip6tables -A INPUT -p udp -m udp --dport 53 -j REJECT --reject-with icmp6-port-unreachable",
    ]


def test_one_network_uses_the_plain_option():
    assert lines(source="192.0.2.0/24", destination="!198.51.100.7") == [
        "iptables -A INPUT -s 192.0.2.0/24 ! -d 198.51.100.7/32 -p tcp -j ACCEPT"
    ]


def test_a_list_of_addresses_is_one_line_so_that_a_limit_counts_once():
    (line,) = lines(source=["192.0.2.0/25", "198.51.100.7"], limit="1/second")
    assert line.split(" -m ")[1:] == [
        "iprange --src-range 192.0.2.0-198.51.100.7",
        "iprange ! --src-range 192.0.2.128-198.51.100.6",
        "limit --limit 1/sec -j ACCEPT",
    ]


def test_a_negated_list_is_one_line():
    (line,) = lines(source=["!192.0.2.0/25", "!198.51.100.7"])
    assert line.split(" -m ")[1:] == [
        "iprange ! --src-range 192.0.2.0-192.0.2.127",
        "iprange ! --src-range 198.51.100.7-198.51.100.7 -j ACCEPT",
    ]


def test_more_ports_than_a_list_holds_are_all_ports_less_the_gaps():
    (line,) = lines(port=[str(port) for port in range(1, 40, 2)], family="ipv4")
    assert line.split(" -m ")[1:] == [
        "multiport --dports 1:39",
        "multiport ! --dports 2,4,6,8,10,12,14,16,18,20,22,24,26,28,30",
        "multiport ! --dports 32,34,36,38 -j ACCEPT",
    ]


def test_a_long_list_of_addresses_is_a_set_named_by_its_content():
    sources = ["192.0.2.%d" % number for number in range(0, 60, 2)]
    first, *_members, last = lines(source=sources)
    name = first.split()[2]
    assert first == "ipset create %s hash:net family inet" % name
    assert last == "iptables -A INPUT -p tcp -m set --match-set %s src -j ACCEPT" % name
    assert [entry.rule for entry in read_back(rule(source=sources))] == [rule(source=sources)]


def test_a_long_list_without_ipset_is_refused_with_the_remedy():
    one = rule(source=["192.0.2.%d" % number for number in range(0, 60, 2)])
    assert refused(one, paper("nothing")) == [("source", "more than 12 separate ranges need ipset; install the package ipset")]


def test_a_logged_rule_is_a_log_line_before_its_verdict():
    assert lines(action="deny", port=23, family="ipv4", log=True, log_prefix="hf ", log_limit="3/minute", comment="no telnet") == [
        'iptables -A INPUT -p tcp -m tcp --dport 23 -m limit --limit 3/min -m comment --comment "no telnet" -j LOG --log-prefix "hf "',
        'iptables -A INPUT -p tcp -m tcp --dport 23 -m comment --comment "no telnet" -j DROP',
    ]


def test_a_limit_for_each_source_keeps_its_counts_until_the_burst_is_full_again():
    (line,) = lines(port=22, family="ipv4", limit="6/minute", limit_burst=20, limit_per="source")
    assert "--hashlimit-upto 6/min --hashlimit-burst 20 --hashlimit-mode srcip --hashlimit-name hf" in line
    assert line.endswith("--hashlimit-htable-expire 200000 -j ACCEPT")


def test_log_and_verdict_of_one_rule_do_not_share_a_count():
    logged, verdict = lines(port=22, family="ipv4", limit="6/minute", limit_per="source", log=True)
    name = [line.split("--hashlimit-name ")[1].split()[0] for line in (logged, verdict)]
    assert name[0] != name[1]


def test_rules_with_another_limit_have_another_count():
    one, other = (lines(port=port, family="ipv4", limit="6/minute", limit_per="source")[0] for port in (22, 23))
    assert one.split("--hashlimit-name ")[1] != other.split("--hashlimit-name ")[1]


def test_ipv6_authentication_headers_are_matched_as_headers():
    assert lines(protocol="ah") == ["iptables -A INPUT -p ah -j ACCEPT", "ip6tables -A INPUT -m ah -j ACCEPT"]


@pytest.mark.parametrize(
    ("one", "field"),
    [
        (Rule("deny", protocol=0), "protocol"),
        (Rule("deny", protocol=44), "protocol"),
        (Rule("deny", limit=Limit(Rate(700, 1))), "limit"),
        (Rule("deny", limit=Limit(Rate(1, 86400), per_source=True)), "limit"),
        (Rule("deny", log=Log("x" * 30)), "log_prefix"),
        (Rule("deny", log=Log(None, Rate(700, 1))), "log_limit"),
        (Rule("deny", comment="é" * 128), "comment"),
        (Rule("deny", ports=tuple(PortRange(port, port) for port in range(1, 500, 2))), "port"),
    ],
    ids=["protocol-0", "ipv6-extension", "uneven-rate", "more-than-a-day", "prefix", "log-rate", "comment", "ports"],
)
def test_what_cannot_be_carried_exactly_is_refused_by_field(one, field):
    assert [name for name, _reason in refused(one)] == [field]


def test_an_extension_header_of_ipv6_is_a_protocol_in_ipv4():
    assert not refused(Rule("deny", family=4, protocol=44))


def test_a_day_ahead_is_only_too_much_for_the_small_counts_of_the_legacy_variant():
    assert not refused(Rule("deny", limit=Limit(Rate(1, 86400))))
