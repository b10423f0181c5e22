# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the oracle of the packet tests says of single packets. Touches nothing."""

from __future__ import annotations

import random

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.policy.request import parse_request
from ansible_collections.holdfast.firewall.tests.integration.lab.packet_agent import crc32c, describe, first_packet, internet_checksum
from ansible_collections.holdfast.firewall.tests.integration.lab.packet_bases import BASES, chains
from ansible_collections.holdfast.firewall.tests.integration.lab.packet_generator import random_task
from ansible_collections.holdfast.firewall.tests.integration.lab.packet_oracle import Chain, Firewall, Packet, read_rule
from ansible_collections.holdfast.firewall.tests.integration.lab.packet_testbed import Side

BOTH = frozenset({4, 6})
SIDES = {
    "client": Side("client", ("198.51.100.1", "198.51.100.201", "2001:db8:0:1::1", "2001:db8:0:1::201"), "host0"),
    "host": Side("host", ("198.51.100.10", "2001:db8:0:1::10"), "host0"),
    "lan": Side("lan", ("203.0.113.1", "2001:db8:0:2::1"), "lan0"),
    "far": Side("far", ("203.0.113.10", "2001:db8:0:2::10"), "lan0"),
}


def packet(port=80, source="198.51.100.1", hook="in", **words):
    family = 6 if ":" in source else 4
    facts = {
        "protocol": 6,
        "destination": "198.51.100.10" if family == 4 else "2001:db8:0:1::10",
        "source_port": 40000,
        "interface": "eth0",
    }
    return Packet(hook=hook, family=family, source=source, port=port, **{**facts, **words})


def outcomes(tasks, one, default="allow"):
    firewall = Firewall([Chain(hook, BOTH, default) for hook in ("in", "out", "forward")])
    for words in tasks:
        firewall.task(words)
    return {entry.outcome for entry in firewall.judge(one)}


def test_without_rules_the_default_decides():
    assert outcomes([], packet()) == {"allow"}
    assert outcomes([], packet(), "deny") == {"deny"}


@pytest.mark.parametrize(
    ("words", "hit", "missed"),
    [
        pytest.param({"port": [80, 443]}, packet(443), packet(444), id="port"),
        pytest.param({"port_range": "80-90"}, packet(90), packet(91), id="range"),
        pytest.param({"protocol": "udp"}, packet(protocol=17), packet(), id="protocol"),
        pytest.param({"source": "198.51.100.0/24"}, packet(), packet(source="203.0.113.1"), id="network"),
        pytest.param({"source": "!198.51.100.1"}, packet(source="198.51.100.2"), packet(), id="negated"),
        pytest.param({"source": "!198.51.100.1"}, packet(source="198.51.100.2"), packet(source="2001:db8::1"), id="negated in its family"),
        pytest.param({"source": ["198.51.100.0/24", "!198.51.100.1"]}, packet(source="198.51.100.9"), packet(), id="less one"),
        pytest.param(
            {"source": "@a", "address_sets": {"a": ["@b"], "b": ["198.51.100.1"]}}, packet(), packet(source="198.51.100.2"), id="set"
        ),
        pytest.param({"family": "ipv6"}, packet(source="2001:db8::1"), packet(), id="family"),
        pytest.param({"interface": "eth0"}, packet(), packet(interface="eth1"), id="interface"),
        pytest.param({"direction": "out"}, packet(hook="out"), packet(), id="direction"),
        pytest.param({"stateful": True}, packet(), packet(state="established"), id="state"),
    ],
)
def test_each_field_matches_what_it_says(words, hit, missed):
    assert outcomes([{"action": "deny", **words}], hit) == {"deny"}
    assert outcomes([{"action": "deny", **words}], missed) == {"allow"}


def test_reject_is_a_reset_for_tcp_and_an_error_for_the_rest():
    assert outcomes([{"action": "reject"}], packet()) == {"reset"}
    assert outcomes([{"action": "reject", "protocol": "any"}], packet()) == {"unreachable"}


def test_a_narrower_rule_decides_whichever_came_first():
    wide, narrow = {"action": "deny"}, {"action": "allow", "port": 80}
    for tasks in ([wide, narrow], [narrow, wide]):
        assert outcomes(tasks, packet(80)) == {"allow"}
        assert outcomes(tasks, packet(81)) == {"deny"}


def test_of_two_rules_for_the_same_packets_the_later_one_decides():
    assert outcomes([{"action": "deny"}, {"action": "allow"}], packet()) == {"allow"}
    assert outcomes([{"action": "allow"}, {"action": "deny"}], packet()) == {"deny"}


def test_of_two_rules_that_overlap_in_part_the_deny_decides():
    tasks = [{"action": "deny", "source": "198.51.100.1"}, {"action": "allow", "port": 80}]
    assert outcomes(tasks, packet()) == outcomes(tasks[::-1], packet()) == {"deny"}


def test_a_deny_and_a_reject_that_overlap_in_part_prove_nothing():
    assert outcomes([{"action": "deny", "port": 80}, {"action": "reject", "source": "198.51.100.1"}], packet()) == {"deny", "reset"}


def test_replies_pass_only_for_a_stateful_allow():
    reply = packet(40000, "198.51.100.10", "out", destination="198.51.100.1", source_port=80, state="established", reply=True)
    assert outcomes([{"action": "allow", "port": 80, "stateful": True}], reply, "deny") == {"allow"}
    assert outcomes([{"action": "allow", "port": 81, "stateful": True}], reply, "deny") == {"deny"}
    assert outcomes([{"action": "allow", "port": 80}], reply, "deny") == {"deny"}


def test_a_limit_counts_what_it_matches():
    firewall = Firewall([Chain("in", BOTH, "deny")])
    firewall.task({"action": "allow", "limit": "1/hour", "limit_burst": 2, "limit_per": "source"})
    other = packet(source="198.51.100.2")
    assert [firewall.judge(one)[0].outcome for one in (packet(), packet(), packet(), other)] == ["allow", "allow", "deny", "allow"]


def test_a_rule_that_is_taken_away_decides_nothing():
    words = {"action": "deny", "port": 80}
    assert outcomes([words, {**words, "state": "absent"}], packet()) == {"allow"}


@pytest.mark.parametrize("kind", ["nftables", "iptables-nft"])
@pytest.mark.parametrize("base", BASES)
def test_the_administrators_rules_let_the_service_through(kind, base):
    firewall = Firewall(chains(kind, base))
    assert firewall.judge(packet(7000))[0].outcome == "allow"
    assert firewall.judge(packet(7001))[0].outcome == ("allow" if base == "open" else "deny")


def test_the_collection_accepts_every_random_task_and_reads_the_same_families():
    rng = random.Random(7)
    for _number in range(300):
        words = random_task(rng, SIDES)
        rule = parse_request(words).rule
        assert rule is not None
        assert rule.families() == read_rule(words).condition.families


def test_checksums_are_the_known_ones():
    assert crc32c(b"123456789") == 0xE3069283
    assert internet_checksum(bytes.fromhex("45000073000040004011" + "0000" + "c0a80001c0a800c7")) == 0xB861


def test_an_echo_request_is_known_by_its_token():
    assert describe(1, first_packet(1, 20001, 0)) == ("request", 20001)
