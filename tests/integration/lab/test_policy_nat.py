# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Address translations of whole policies on real kernels: real packets arrive with the addresses that the document says.

HOLDFAST_PACKET_SEED draws other translations.
"""

from __future__ import annotations

import os
import random
from dataclasses import replace

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.policy.document import parse_policy_document
from ansible_collections.holdfast.firewall.tests.integration.lab.packet_bases import BASES
from ansible_collections.holdfast.firewall.tests.integration.lab.packet_oracle import TCP
from ansible_collections.holdfast.firewall.tests.integration.lab.packet_testbed import PORTS
from ansible_collections.holdfast.firewall.tests.integration.lab.policy_nat_generator import random_nat, random_packets
from ansible_collections.holdfast.firewall.tests.integration.lab.policy_nat_oracle import Arrival, Sent, arrival, echo
from ansible_collections.holdfast.firewall.tests.integration.lab.policy_nat_packets import carries_data, odd_translations, transports

SEED = int(os.environ.get("HOLDFAST_PACKET_SEED", "1"))
ROUNDS = 6
#: Nobody listens on this port at any side: an answer shows that the port was translated.
OUTER = 6999
INNER = PORTS[1]
THROUGH = {"direction": "forward", "action": "allow", "protocol": "any"}
BOTH = pytest.mark.parametrize("layout", ["rules", "compiled"])
FAMILIES = (4, 6)


@pytest.fixture(name="world")
def _world(bed):
    """One address of each family of every side, by side: (IPv4, IPv6)."""
    bed.start(BASES[0])
    yield {name: (side.of(4)[0], side.of(6)[0]) for name, side in bed.bed.sides.items()}
    # A base says nothing about translations.
    bed.bed.rules.ask("policy", words={"state": "deleted", "backend": backend(bed)})


def backend(bed):
    return "nftables" if bed.kind == "nftables" else "iptables"


def live(bed):
    """The live rules without counters."""
    return bed.bed.rules.ask("listing", backend=backend(bed))


def in_force(bed, document, layout="rules"):
    """Put a document in force, see that a second run changes nothing, and that the translations can be gathered."""
    bed.policy(document, layout)
    assert not bed.policy_changes_again(document, layout), bed.account([])
    gathered = bed.bed.rules.ask("policy", words={"state": "gathered", "backend": backend(bed)})["gathered"]
    assert by_family(gathered) == by_family(document), bed.account([])


def by_family(document):
    """The translations of a document as each of the two chains of each family keeps them."""
    nat = parse_policy_document(document)[0].nat
    return {
        (family, chain): [
            replace(one, family=family)
            for one in nat
            if family in one.families() and (one.kind in ("dnat", "redirect")) == (chain == "arriving")
        ]
        for family in FAMILIES
        for chain in ("arriving", "leaving")
    }  # fmt: skip


def compare(bed, document, packets):
    odd = odd_translations(bed, document, packets)
    assert not odd, bed.account(odd)


@BOTH
def test_masquerade_gives_packets_the_address_of_the_interface_they_leave_by(bed, world, layout):
    document = {"rules": [THROUGH], "nat": [{"type": "masquerade", "interface": "lan0", "name": "out"}]}
    in_force(bed, document, layout)
    out = [one for client, far in zip(world["client"], world["far"]) for one in transports("client", client, far, INNER)]
    out += [Sent("client", echo(family), world["client"][n], world["far"][n]) for n, family in enumerate(FAMILIES)]
    assert {arrival(document, bed.bed.sides, one).source for one in out} == set(world["lan"])
    back = [one for far, client in zip(world["far"], world["client"]) for one in transports("far", far, client, INNER)]
    assert {arrival(document, bed.bed.sides, one).source for one in back} == set(world["far"]), "they leave by another interface"
    own = [one for host, far in zip(world["host"], world["far"]) for one in transports("host", host, far, INNER)]
    compare(bed, document, out + back + own)
    assert all(carries_data(bed, Sent("client", TCP, client, far, INNER), "far") for client, far in zip(world["client"], world["far"]))


@BOTH
def test_snat_gives_the_packets_that_match_one_address(bed, world, layout):
    second = [bed.bed.sides["host"].of(family)[1] for family in FAMILIES]
    some = [bed.bed.sides["client"].of(family)[1] for family in FAMILIES]
    nat = [{"type": "snat", "interface": "lan0", "source": [some[n]], "to": second[n]} for n in (0, 1)]
    document = {"rules": [THROUGH], "nat": nat}
    in_force(bed, document, layout)
    packets = [
        one
        for n in (0, 1)
        for client in bed.bed.sides["client"].of(FAMILIES[n])[:2]
        for one in [*transports("client", client, world["far"][n], INNER), Sent("client", echo(FAMILIES[n]), client, world["far"][n])]
    ]
    assert {arrival(document, bed.bed.sides, one).source for one in packets} == {*second, *world["client"]}
    compare(bed, document, packets)


@BOTH
def test_dnat_sends_a_port_of_the_host_to_another_host_and_port(bed, world, layout):
    nat = [{"type": "dnat", "interface": "host0", "protocol": ["tcp", "udp"], "port": OUTER, "to": list(world["far"]), "to_port": INNER}]
    rule = {"direction": "forward", "action": "allow", "protocol": ["tcp", "udp"], "port": INNER, "destination": list(world["far"])}
    document = {"rules": [rule], "nat": nat}
    in_force(bed, document, layout)
    packets = [one for n in (0, 1) for one in transports("client", world["client"][n], world["host"][n], OUTER, INNER)]
    assert [arrival(document, bed.bed.sides, one) for one in packets[:2]] == [
        Arrival("far", world["client"][0], world["far"][0], INNER), None,
    ]  # fmt: skip
    compare(bed, document, packets)
    assert all(carries_data(bed, Sent("client", TCP, world["client"][n], world["host"][n], OUTER), "far") for n in (0, 1))


@BOTH
def test_a_second_address_of_the_host_can_be_another_host_with_all_its_ports(bed, world, layout):
    second = [bed.bed.sides["host"].of(family)[1] for family in FAMILIES]
    nat = [{"type": "dnat", "destination": second[n], "to": world["far"][n]} for n in (0, 1)]
    nat += [{"type": "snat", "interface": "host0", "source": world["far"][n], "to": second[n]} for n in (0, 1)]
    document = {"rules": [THROUGH], "nat": nat}
    in_force(bed, document, layout)
    packets = []
    for n, family in enumerate(FAMILIES):
        packets += [
            *transports("client", world["client"][n], second[n], 22, INNER),
            Sent("client", echo(family), world["client"][n], second[n]),
        ]
        packets += transports("client", world["client"][n], world["host"][n], INNER)
        packets += transports("far", world["far"][n], world["client"][n], INNER)
    found = [arrival(document, bed.bed.sides, one) for one in packets]
    assert found[0] == Arrival("far", world["client"][0], world["far"][0], 22)
    assert found[-1] == Arrival("client", second[1], world["client"][1], INNER)
    compare(bed, document, packets)


@pytest.mark.parametrize("allowed", ["the port before", "the host", "nothing"])
def test_dnat_alone_lets_nothing_through(bed, world, allowed):
    nat = [{"type": "dnat", "interface": "host0", "port": OUTER, "to": list(world["far"]), "to_port": INNER}]
    rules = {
        "the port before": [{"direction": "forward", "action": "allow", "port": OUTER}],
        "the host": [{"direction": "in", "action": "allow", "protocol": "any", "interface": "host0"}],
        "nothing": [],
    }[allowed]
    document = {"rules": rules, "nat": nat}
    in_force(bed, document)
    packets = [Sent("client", TCP, world["client"][n], world["host"][n], OUTER) for n in (0, 1)]
    assert [arrival(document, bed.bed.sides, one) for one in packets] == [None, None]
    compare(bed, document, packets)


@BOTH
def test_redirect_brings_a_port_to_another_of_the_host(bed, world, layout):
    nat = [{"type": "redirect", "interface": "host0", "protocol": ["tcp", "udp"], "port": OUTER, "to_port": INNER}]
    document = {"rules": [{"action": "allow", "protocol": ["tcp", "udp"], "port": INNER, "interface": "host0"}], "nat": nat}
    in_force(bed, document, layout)
    packets = [one for n in (0, 1) for one in transports("client", world["client"][n], world["host"][n], OUTER, INNER)]
    through = [one for n in (0, 1) for one in transports("client", world["client"][n], world["far"][n], OUTER)]
    assert {arrival(document, bed.bed.sides, one).side for one in packets + through} == {"host"}, "also what was on its way elsewhere"
    other = [one for n in (0, 1) for one in transports("far", world["far"][n], world["lan"][n], OUTER)]
    assert not any(arrival(document, bed.bed.sides, one) for one in other), "they arrive on another interface"
    compare(bed, document, packets + through + other)


@BOTH
def test_the_first_translation_that_matches_is_the_one(bed, world, layout):
    clients, far = ([bed.bed.sides[name].of(family) for family in FAMILIES] for name in ("client", "far"))
    nat = [
        {"type": "dnat", "source": [one[1] for one in clients], "port": OUTER, "to": [one[1] for one in far], "to_port": PORTS[2]},
        {"type": "dnat", "port": OUTER, "to": [one[0] for one in far], "to_port": INNER},
        {"type": "redirect", "port": OUTER, "to_port": PORTS[3]},
        {"type": "masquerade", "interface": "lan0", "port": PORTS[2]},
        {"type": "snat", "family": "ipv4", "interface": "lan0", "to": bed.bed.sides["host"].of(4)[1]},
        {"type": "masquerade", "interface": "lan0"},
    ]
    document = {"rules": [THROUGH], "nat": nat}
    in_force(bed, document, layout)
    packets = [Sent("client", TCP, client, world["host"][n], OUTER) for n in (0, 1) for client in clients[n][:2]]
    lan, second = world["lan"], bed.bed.sides["host"].of(4)[1]
    assert [arrival(document, bed.bed.sides, one) for one in packets] == [
        Arrival("far", second, far[0][0], INNER), Arrival("far", lan[0], far[0][1], PORTS[2]),
        Arrival("far", lan[1], far[1][0], INNER), Arrival("far", lan[1], far[1][1], PORTS[2]),
    ]  # fmt: skip
    compare(bed, document, packets)


@BOTH
def test_packets_arrive_as_random_translations_say(bed, world, layout):
    rng = random.Random(f"{SEED} translations {layout}")
    arrived = translated = 0
    for _round in range(ROUNDS):
        document = random_nat(rng, bed.bed.sides)
        in_force(bed, document, layout)
        packets = random_packets(rng, bed.bed.sides, document, 40)
        compare(bed, document, packets)
        found = [(one, arrival(document, bed.bed.sides, one)) for one in packets]
        arrived += sum(there is not None for _one, there in found)
        translated += sum(
            there is not None and (there.source, there.destination, there.port) != (one.source, one.destination, one.port)
            for one, there in found
        )
    assert arrived > ROUNDS * 8
    assert translated > ROUNDS * 4


@pytest.mark.parametrize(
    "nat",
    [
        {"type": "dnat", "port": 22, "to": "203.0.113.10"},
        {"type": "dnat", "to": "2001:db8:0:2::10"},
        {"type": "dnat", "interface": "host0", "protocol": "tcp", "to": "203.0.113.10"},
        {"type": "redirect", "to_port": 7001},
        {"type": "redirect", "protocol": ["tcp", "udp"], "port": "1-1023", "to_port": 7001},
    ],
    ids=lambda one: " ".join("%s" % value for value in one.values()),
)
def test_a_translation_that_takes_ssh_away_is_refused(bed, world, nat):
    bed.policy({"rules": [{"action": "allow", "port": 443}]}, "rules")
    before = live(bed)
    document = {"defaults": {"in": "allow", "forward": "allow"}, "rules": [], "nat": [nat]}
    for defaults in (document["defaults"], {"in": "unmanaged"}):
        words = {"policy": {**document, "defaults": defaults}, "layout": "rules", "backend": backend(bed)}
        refused = bed.bed.rules.ask("policy", words=words)
        assert refused.get("failed")
        assert "would lock you out" in refused["msg"], refused["msg"]
        assert "nat[0]" in refused["msg"]
        assert refused["lockout"]["packet"]
    assert live(bed) == before


def test_translations_go_with_the_policy(bed, world):
    before = live(bed)
    in_force(bed, {"rules": [THROUGH], "nat": [{"type": "masquerade", "interface": "lan0"}]})
    in_force(bed, {"rules": [THROUGH]})
    packets = [Sent("client", TCP, world["client"][n], world["far"][n], INNER) for n in (0, 1)]
    compare(bed, {"rules": [THROUGH], "nat": []}, packets)
    gone = bed.bed.rules.ask("policy", words={"state": "deleted", "backend": backend(bed)})
    assert gone["changed"] is True
    assert live(bed) == before
