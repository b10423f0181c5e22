# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The translations of a policy, in both languages of pf: each packet is translated as the first translation that matches it says."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.boxes import Interfaces
from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.packets import random_packet
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.pf.dialect import dialect_named
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.pf.policy_lines import TableBook
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.pf.policy_nat import translation_lines
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.pf.policy_supported import policy_unsupported
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.document import parse_policy_document
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.nat import DESTINATION_KINDS
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.policy import Policy
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rule import Rule
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.pf.packets import matches
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.pf.policies import FLAVOURS, text_of
from ansible_collections.holdfast.firewall.tests.unit.policy_generator import standard_guard
from ansible_collections.holdfast.firewall.tests.unit.policy_strategies import nat_rules

from holdfast_standin.pf_parser import parse_pf  # isort: skip  # on the path since standin_host
from holdfast_standin.pf_verdict import Machine  # isort: skip

LEFT_ALONE = {"in": "unmanaged", "out": "unmanaged", "forward": "unmanaged"}
ADDRESSES = {"eth0": ["203.0.113.1/24", "2001:db8:f::1/64"], "eth1": ["203.0.113.2/24"], "em1": ["203.0.113.3/24", "fe80::3/64"]}


def as_rule(one, direction):
    """The condition of a translation as that of a rule."""
    return Rule("allow", direction, one.family, one.protocol, one.source, one.destination, one.ports, one.interface)


def translated(nat, packet):
    """The packet after the first translation that matches it, by the model."""
    direction = packet["direction"]
    for one in nat:
        if (one.kind in DESTINATION_KINDS) != (direction == "in") or not matches(as_rule(one, direction), packet):
            continue
        if one.kind == "masquerade":
            own = [text.partition("/")[0] for text in ADDRESSES.get(one.interface, ()) if (":" in text) == (packet["family"] == 6)]
            usable = [text for text in own if not text.startswith("fe80")]
            return dict(packet, src=usable[0] if usable else packet["src"])
        if one.kind == "snat":
            return dict(packet, src=str(one.to_address))
        target = str(one.to_address) if one.to_address is not None else "127.0.0.1" if packet["family"] == 4 else "::1"
        return dict(packet, dst=target, dport=one.to_port or packet["dport"])
    return packet


@pytest.mark.parametrize("flavour", ["freebsd", "openbsd"])
@given(data=st.data())
@settings(max_examples=80)
def test_the_first_translation_that_matches_translates(flavour, data):
    dialect = dialect_named(flavour)
    drawn = data.draw(st.lists(nat_rules(), max_size=5))
    nat = tuple(one for one in drawn if not policy_unsupported(Policy(nat=(one,), defaults=LEFT_ALONE), dialect))
    taken = parse_pf(text_of(Policy(nat=nat, defaults=LEFT_ALONE), flavour), flavour, {"lo0": ["127.0.0.1/8"], **ADDRESSES})
    assert taken.accepted, taken.stderr
    for _number in range(8):
        generator = data.draw(st.randoms(use_true_random=False))
        direction = generator.choice(["in", "out"])
        rules = [as_rule(one, direction) for one in nat if (one.kind in DESTINATION_KINDS) == (direction == "in")]
        one = random_packet(generator, rules, Interfaces.of(rules))
        packet = {
            "direction": direction, "interface": one.arriving or one.leaving or "xx9", "family": one.family, "proto": one.protocol or 47,
            "src": str(one.source), "dst": str(one.destination), "sport": one.source_port or 0, "dport": one.port or 0,
            "icmp_type": one.icmp_type, "syn": True,
        }  # fmt: skip
        found = Machine(taken).send(packet)
        assert found.allowed
        wanted = translated(nat, packet)
        assert {key: found.packet[key] for key in ("src", "dst", "dport")} == {key: wanted[key] for key in ("src", "dst", "dport")}, nat


DOCUMENT = {
    "defaults": {"forward": "deny"},
    "rules": [
        {"action": "allow", "direction": "forward", "interface": "em1", "comment": "from inside"},
        {"action": "allow", "direction": "forward", "destination": "10.0.0.5", "port": 8080, "comment": "web server"},
    ],
    "nat": [
        {"type": "snat", "source": "10.0.0.99", "to": "192.0.2.11", "interface": "em0"},
        {"type": "masquerade", "source": "10.0.0.0/24", "interface": "em0", "comment": "the inside"},
        {"type": "dnat", "interface": "em0", "protocol": "tcp", "port": 80, "to": "10.0.0.5", "to_port": 8080},
        {"type": "dnat", "interface": "em0", "protocol": "tcp", "port": 8080, "to": "10.0.0.6"},
    ],
}
HOST = {"em0": ["192.0.2.10/24", "192.0.2.11/24"], "em1": ["10.0.0.1/24"], "lo0": ["127.0.0.1/8", "::1/128"]}


@pytest.fixture(params=["freebsd-12.1", "freebsd-15.1", "openbsd"])
def gateway(request):
    policy, _warnings = parse_policy_document(DOCUMENT)
    ruleset = parse_pf(text_of(policy.guarded(standard_guard()), FLAVOURS[request.param]), request.param, HOST)
    assert ruleset.accepted, ruleset.stderr
    return Machine(ruleset)


def packet(interface, source, destination, port, **words):
    return {"interface": interface, "proto": "tcp", "src": source, "dst": destination, "sport": 40000, "dport": port, "syn": True, **words}


def back(sent, interface):
    return dict(sent, src=sent["dst"], dst=sent["src"], sport=sent["dport"], dport=sent["sport"], interface=interface, flags="SA", tag="")


@pytest.mark.parametrize("inside, outside", [("10.0.0.7", "192.0.2.10"), ("10.0.0.99", "192.0.2.11")])
def test_a_gateway_lets_the_inside_out_under_its_address_and_the_answers_back(gateway, inside, outside):
    sent = gateway.forward(packet("em1", inside, "198.51.100.7", 443), "em0")
    assert sent.allowed
    assert sent.packet["src"] == outside
    answer = gateway.forward(back(sent.packet, "em0"), "em1")
    assert answer.allowed
    assert answer.packet["dst"] == inside
    assert not gateway.forward(packet("em0", "198.51.100.8", outside, 40000), "em1").allowed


def test_a_gateway_sends_a_port_to_the_server_inside_and_no_other(gateway):
    sent = gateway.forward(packet("em0", "198.51.100.7", "192.0.2.10", 80), "em1")
    assert sent.allowed
    assert (sent.packet["dst"], sent.packet["dport"]) == ("10.0.0.5", 8080)
    answer = gateway.forward(back(sent.packet, "em1"), "em0")
    assert answer.allowed
    assert answer.packet["src"] == "192.0.2.10"
    other = gateway.forward(packet("em0", "198.51.100.7", "192.0.2.10", 8080), "em1")
    assert not other.allowed


def test_what_leaves_through_a_tunnel_is_not_taken_for_forwarded_once_more(gateway):
    sent = gateway.forward(packet("em1", "10.0.0.7", "198.51.100.7", 443), "gif0")
    around = {"direction": "out", "interface": "em0", "proto": 4, "src": "192.0.2.10", "dst": "198.51.100.1", "tag": sent.packet["tag"]}
    assert "tagged" not in str(gateway.send(around).rule.tagged or "")


ZONES = {
    "defaults": {"forward": "deny"},
    "rules": [
        {"action": "allow", "direction": "forward", "interface": "em1", "out_interface": "em0", "comment": "inside to outside"},
        {"action": "reject", "direction": "forward", "out_interface": "em2", "port": 25},
        {"action": "allow", "direction": "forward", "out_interface": "em2", "stateful": True},
    ],
    "nat": [{"type": "masquerade", "interface": "em0"}],
}
THREE = {**HOST, "em2": ["203.0.113.1/24"]}


@pytest.mark.parametrize("flavour", ["freebsd-12.1", "freebsd-15.1", "openbsd"])
def test_a_gateway_decides_by_the_interface_that_packets_leave_by(flavour):
    policy, _warnings = parse_policy_document(ZONES)
    text = text_of(policy.guarded(standard_guard()), FLAVOURS[flavour])
    pf = Machine(parse_pf(text, flavour, THREE))
    sent = pf.forward(packet("em1", "10.0.0.7", "198.51.100.7", 443), "em0")
    assert sent.allowed
    assert sent.packet["src"] == "192.0.2.10"
    answer = pf.forward(back(sent.packet, "em0"), "em1")
    assert answer.allowed
    assert answer.packet["dst"] == "10.0.0.7"
    assert pf.forward(dict(packet("em1", "10.0.0.7", "198.51.100.7", 443), flags="A"), "em0").allowed
    assert pf.forward(packet("em0", "198.51.100.7", "203.0.113.5", 443), "em2").allowed
    assert not pf.forward(packet("em0", "198.51.100.7", "203.0.113.5", 25), "em2").allowed
    assert not pf.forward(packet("em0", "198.51.100.7", "10.0.0.7", 40001), "em1").allowed
    assert not pf.forward(dict(packet("em0", "198.51.100.9", "203.0.113.5", 443), flags="A"), "em2").allowed
    assert pf.send(dict(packet("em0", "198.51.100.7", "192.0.2.10", 22), direction="in")).allowed
    assert not pf.send(dict(packet("em0", "198.51.100.7", "192.0.2.10", 23), direction="in")).allowed


@pytest.mark.parametrize("flavour", ["freebsd-12.1", "openbsd"])
def test_a_packet_that_may_not_leave_opens_no_way_back(flavour):
    policy, _warnings = parse_policy_document(ZONES)
    pf = Machine(parse_pf(text_of(policy.guarded(standard_guard()), FLAVOURS[flavour]), flavour, THREE))
    denied = packet("em1", "10.0.0.7", "10.9.0.5", 53, proto="udp")
    assert not pf.forward(denied, "em3").allowed
    assert not pf.forward(packet("em3", "10.9.0.5", "10.0.0.7", 40000, proto="udp", sport=53), "em1").allowed


def test_a_tunnel_around_an_answer_is_not_taken_for_an_answer():
    policy, _warnings = parse_policy_document({**ZONES, "defaults": {"forward": "deny", "out": "deny"}})
    pf = Machine(parse_pf(text_of(policy.guarded(standard_guard())), "freebsd-12.1", THREE))
    sent = pf.forward(packet("em1", "10.0.0.7", "198.51.100.7", 443), "em0")
    assert sent.allowed
    assert not pf.send(
        {"direction": "out", "interface": "em0", "proto": 4, "src": "192.0.2.10", "dst": "1.2.3.4", "tag": "hf_known"}
    ).allowed


def test_a_translated_packet_that_no_later_line_can_match_needs_no_tag():
    policy, _warnings = parse_policy_document(
        {"nat": [dict(DOCUMENT["nat"][2]), dict(DOCUMENT["nat"][2], port=443, to_port=8443)], "defaults": LEFT_ALONE}
    )
    lines = translation_lines(policy.nat, dialect_named("openbsd"), TableBook())
    assert lines == [
        "match in on em0 inet proto tcp from any to any port 80 rdr-to 10.0.0.5 port 8080",
        "match in on em0 inet proto tcp from any to any port 443 rdr-to 10.0.0.5 port 8443",
    ]
    swapped = replace(policy.nat[1], to_port=80)
    assert "tagged" in translation_lines((swapped, policy.nat[0]), dialect_named("openbsd"), TableBook())[1]
