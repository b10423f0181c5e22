# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the backend makes of rules that other people and programs wrote."""

from __future__ import annotations

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.nftables.backend import Nftables
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.nftables.listing import parse_listing
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ruleset import RETURN
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.parse import parse_rule
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.ports import PortRange
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rule import Rule

BACKEND = Nftables(None)
OFFICE = ["192.0.2.0/24", "198.51.100.7", *("203.0.113.%d" % last for last in (1, 3, 5, 9, 11))]
SITE = """
table inet filter {
    comment "the site's own"
    counter seen {
    }

    set office {
        type ipv4_addr
        flags interval
        auto-merge
        elements = { 192.0.2.0/24, 198.51.100.7, 203.0.113.1, 203.0.113.3, 203.0.113.5, 203.0.113.9, 203.0.113.11 }
    }

    set banned {
        type ipv4_addr
        flags dynamic,timeout
        timeout 1h
        elements = { 192.0.2.66 }
    }

    map services {
        type inet_service : verdict
        elements = { 22 : accept, 25 : jump mail }
    }

    chain mail {
        comment "not a base"
        ip saddr 192.0.2.0/24 accept
        return
    }

    chain input {
        type filter hook input priority filter; policy drop;
%s
    }
}
"""


def entries(space, *lines, chain="inet filter input"):
    """Load the lines into the site's input chain and return what is read."""
    space.nft(SITE % "\n".join("\t\t" + line for line in lines))
    return Nftables(space).read().chain(chain).entries


def said(**words):
    return parse_rule(words)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("tcp dport 80 accept", {"action": "allow", "port": 80}),
        ("tcp dport ssh counter accept", {"action": "allow", "port": 22}),
        ("tcp dport { 443, 80, 81 } accept", {"action": "allow", "port_range": ["80-81", "443-443"]}),
        ("tcp dport >= 1024 accept", {"action": "allow", "port_range": "1024-65535"}),
        ("tcp dport != 22 drop", {"action": "deny", "port_range": ["1-21", "23-65535"]}),
        ("meta l4proto tcp tcp dport 80 accept", {"action": "allow", "port": 80}),
        ("ip protocol tcp tcp dport 80 accept", {"action": "allow", "port": 80, "family": "ipv4"}),
        ("meta l4proto ipv6-icmp accept", {"action": "allow", "protocol": "icmpv6"}),
        ("meta l4proto ospf accept", {"action": "allow", "protocol": 89}),
        ("iif lo accept", {"action": "allow", "protocol": "any", "interface": "lo"}),
        ("ip saddr 192.0.2.1-192.0.2.2 drop", {"action": "deny", "protocol": "any", "source": "192.0.2.1-192.0.2.2"}),
        ("ip saddr 0.0.0.0/0 drop", {"action": "deny", "protocol": "any", "family": "ipv4"}),
        ("ip6 saddr != 2001:db8::/32 drop", {"action": "deny", "protocol": "any", "source": "!2001:db8::/32"}),
        ("udp dport 53 reject with icmpx admin-prohibited", {"action": "reject", "protocol": "udp", "port": 53}),
        ("ip saddr 192.0.2.1 reject with icmp host-prohibited", {"action": "reject", "protocol": "any", "source": "192.0.2.1"}),
        ("tcp dport 23 ct state new drop", {"action": "deny", "port": 23, "stateful": True}),
        ("tcp dport 22 ct state { new, established } accept", {"action": "allow", "port": 22, "stateful": True}),
        ("tcp dport 22 limit rate 120/hour burst 9 packets accept", {"action": "allow", "port": 22, "limit": "2/minute", "limit_burst": 9}),
        ('tcp dport 23 log prefix "x " level info drop', {"action": "deny", "port": 23, "log": True, "log_prefix": "x "}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_rule_of_the_administrator_is_known_by_its_content(space, line, words):
    (entry,) = entries(space, line)
    assert entry.rule == said(**words)


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("tcp sport 53 tcp dport 1024-65535 accept", Rule("allow", source_ports=(PortRange(53, 53),), ports=(PortRange(1024, 65535),))),
        ("udp sport { 53, 123 } drop", Rule("deny", protocol=17, source_ports=(PortRange(53, 53), PortRange(123, 123)))),
        ("icmp type echo-request accept", Rule("allow", family=4, protocol=1, icmp_types=(8,))),
        ("icmp type { 3, 8, 200 } accept", Rule("allow", family=4, protocol=1, icmp_types=(3, 8, 200))),
        ("icmpv6 type { 133-135, mld2-listener-report } accept", Rule("allow", family=6, protocol=58, icmp_types=(133, 134, 135, 143))),
        ("ct state established,related accept", Rule("allow", protocol=None, established=True)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_source_ports_icmp_types_and_known_connections_are_read(space, line, rule):
    (entry,) = entries(space, line)
    assert entry.rule == rule
    (entry,) = Nftables(space).parse(space.listed()).chain("inet filter input").entries
    assert entry.rule == rule


def test_the_interface_that_a_forwarded_packet_leaves_by_is_read(space):
    space.nft('table inet t {\nchain c {\ntype filter hook forward priority 0;\niifname "a" oifname "b" accept\noifname "b" drop\n}\n}')
    first, second = Nftables(space).read().chain("inet t c").entries
    assert first.rule == Rule("allow", "forward", protocol=None, interface="a", out_interface="b")
    assert second.rule == Rule("deny", "forward", protocol=None, out_interface="b")


@pytest.mark.parametrize(
    "line",
    [
        "tcp flags & (fin|syn|rst|ack) == syn accept", "icmp type != echo-request accept", "meta mark 0x10 accept", 'iifname "eth*" accept',
        "ip saddr . tcp dport { 192.0.2.1 . 22 } accept", "icmp code 0 accept", "limit rate over 5/second drop", "ct state invalid drop",
        "ip saddr @banned drop", "ip6 nexthdr tcp accept", 'oifname "eth0" accept', "limit rate 5/second tcp dport 22 accept",
        "log tcp dport 22 accept", "tcp dport 22 limit rate 10 mbytes/second accept", "ct mark 5 accept", "meta skuid 0 accept",
        "ct state established tcp dport 22 accept", 'ip saddr 192.0.2.1 meta hour "08:00"-"17:00" accept',
        "fib daddr type local accept",
        "ct state != established drop", "ip daddr 192.0.2.1 tcp dport 22 meta mark set 1 accept", "tcp dport 22 ct direction reply accept",
    ],
)  # fmt: skip
def test_a_condition_that_the_language_lacks_is_never_dropped(space, line):
    (entry,) = entries(space, line)
    assert entry.rule is None
    assert not entry.parts
    assert entry.native


@pytest.mark.parametrize(
    ("line", "covered"),
    [
        ("tcp dport 22 ct state new accept", [{"action": "allow", "port": 22, "stateful": True}]),
        ('iifname { "eth0", "eth1" } drop', [{"action": "deny", "protocol": "any", "interface": one} for one in ("eth0", "eth1")]),
        ("meta l4proto { icmp, ipv6-icmp } accept", [{"action": "allow", "protocol": one} for one in ("icmp", "icmpv6")]),
        ("meta l4proto { tcp, udp } th dport 53 accept", [{"action": "allow", "protocol": one, "port": 53} for one in ("tcp", "udp")]),
        (
            "ip saddr @office accept",
            [{"action": "allow", "protocol": "any", "source": OFFICE}],
        ),
        ("tcp dport vmap { 22 : accept, 23 : drop }", [{"action": "allow", "port": 22}, {"action": "deny", "port": 23}]),
    ],
    ids=["new only", "interfaces", "icmp of both", "protocols", "named set", "verdict map"],
)
def test_a_line_that_takes_several_rules_is_judged_but_is_no_rule_itself(space, line, covered):
    (entry,) = entries(space, line)
    assert entry.rule is None
    assert list(entry.parts) == [said(**words) for words in covered]


@pytest.mark.parametrize(
    "line",
    [
        "ct state established,related accept", "ct state { established, related } accept", "ct state established counter accept",
        "ct state vmap { established : accept, related : accept, invalid : drop }",
    ],
)  # fmt: skip
def test_accepting_tracked_connections_is_known(space, line):
    (entry,) = entries(space, line)
    assert entry.established
    assert entry.rule is None or entry.rule == Rule("allow", protocol=None, established=True)


def test_accepting_tracked_connections_of_one_interface_is_not_all_of_them(space):
    (entry,) = entries(space, 'iifname "eth0" ct state established,related accept')
    assert not entry.established


def test_a_jump_names_its_chain_and_condition(space):
    (entry,) = entries(space, "tcp dport 25 jump mail")
    assert entry.jump == "inet filter mail"
    assert entry.match == said(action="allow", port=25)


def test_a_chain_that_is_jumped_to_has_the_directions_of_where_it_is_jumped_from(space):
    inner = entries(space, "tcp dport 25 jump mail", chain="inet filter mail")
    assert [one.rule for one in inner] == [said(action="allow", protocol="any", source="192.0.2.0/24"), None]
    assert inner[1].jump == RETURN


def test_a_chain_that_nothing_reaches_has_no_meaning(space):
    assert [one.rule for one in entries(space, "accept", chain="inet filter mail")] == [None, None]


def test_a_map_of_new_connections_is_a_jump_that_lets_tracked_ones_pass(space):
    (entry,) = entries(space, "ct state vmap { established : accept, related : accept, invalid : drop, new : jump mail }")
    assert entry.established
    assert entry.jump == "inet filter mail"


def test_a_map_of_jumps_and_verdicts_is_a_chain_to_look_into(space):
    (entry,) = entries(space, "tcp dport vmap @services")
    view = Nftables(space).read().chain(entry.jump)
    assert not view.base
    assert not view.changeable
    assert [(one.parts, one.jump) for one in view.entries] == [((said(action="allow", port=22),), None), ((), "inet filter mail")]


def test_a_log_line_and_its_verdict_are_one_entry(space):
    lines = ('tcp dport 23 limit rate 3/minute log prefix "x "', "tcp dport 23 drop", "tcp dport 24 log", "tcp dport 25 drop")
    found = entries(space, *lines)
    assert found[0].rule == said(action="deny", port=23, log=True, log_prefix="x ", log_limit="3/minute")
    assert found[0].native == lines[:2]
    assert [one.rule for one in found[1:]] == [None, said(action="deny", port=25)]


def test_base_chains_stand_in_the_order_in_which_packets_meet_them(space, backend):
    space.nft(
        "table inet late {\nchain input {\ntype filter hook input priority 10;\n}\n}\n"
        "table inet early {\nchain input {\ntype filter hook input priority -5;\n}\n}\n"
    )
    names = [one.name for one in backend.read().bases("in", 4)]
    assert names == ["inet early input", "inet holdfast input", "inet late input"]


def test_chains_of_other_hooks_and_types_are_listed_but_judge_no_direction(space, backend):
    space.nft(
        'table ip nat {\nchain post {\ntype nat hook postrouting priority 100;\noifname "eth0" masquerade\n}\n'
        "chain out {\ntype nat hook output priority 100;\naccept\n}\n}\n"
    )
    ruleset = backend.read()
    assert [one.name for one in ruleset.bases("out", 4)] == ["inet holdfast output"]
    assert "masquerade" in ruleset.listing


def test_a_dormant_table_decides_nothing(space, backend):
    space.nft("table inet asleep {\nflags dormant;\nchain input {\ntype filter hook input priority 0; policy drop;\n}\n}\n")
    assert [one.name for one in backend.read().bases("in", 4)] == ["inet holdfast input"]


def test_elements_that_come_and_go_are_not_part_of_the_listing(space, backend):
    space.nft(SITE % "")
    listing = backend.read().listing
    assert "192.0.2.66" not in listing
    assert "198.51.100.7" in listing
    assert "auto-merge" in listing


def test_a_listing_reads_as_it_was_written(space):
    space.nft(SITE % 'tcp dport 22 accept comment "a # handle 7"')
    plain = space.listed().replace("\t\telements = { 192.0.2.66 }\n", "")
    with_handles = space.checked(["nft", "-s", "-a", "list", "ruleset"])
    assert parse_listing(plain).text() == parse_listing(with_handles).text() == plain


@pytest.mark.parametrize("text", ["add rul inet t c accept", "flush ruleset", "table inet t {", "{}", "add rule inet t"])
def test_text_that_is_no_rules_is_refused_in_words(text):
    with pytest.raises(HoldfastError):
        BACKEND.parse(text)
