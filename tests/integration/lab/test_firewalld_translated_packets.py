# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Address translations of whole policies on a real firewalld: packets arrive with the addresses that the document says.

HOLDFAST_PACKET_SEED draws other translations.
"""

from __future__ import annotations

import os
import random
from dataclasses import replace

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.policy.document import parse_policy_document
from ansible_collections.holdfast.firewall.tests.integration.lab.front_end_trial import trial_on
from ansible_collections.holdfast.firewall.tests.integration.lab.packet_oracle import TCP
from ansible_collections.holdfast.firewall.tests.integration.lab.packet_testbed import PORTS
from ansible_collections.holdfast.firewall.tests.integration.lab.packet_trial import Trial
from ansible_collections.holdfast.firewall.tests.integration.lab.policy_nat_generator import OUTSIDE, random_nat, random_packets
from ansible_collections.holdfast.firewall.tests.integration.lab.policy_nat_oracle import Arrival, Sent, arrival, echo
from ansible_collections.holdfast.firewall.tests.integration.lab.policy_nat_packets import carries_data, odd_translations, transports

SEED = int(os.environ.get("HOLDFAST_PACKET_SEED", "1"))
ROUNDS = int(os.environ.get("HOLDFAST_FIREWALLD_TRANSLATIONS", "2"))
#: Nobody listens on this port at any side: an answer shows that the port was translated.
OUTER = 6999
INNER = PORTS[1]
THROUGH = {"direction": "forward", "action": "allow", "protocol": "any"}
ZONE = "cd /etc/firewalld; rm -f */holdfast-* zones/public.xml* /etc/holdfast/firewalld.seen; firewall-cmd -q --reload"


class FirewalldTrial(Trial):
    """The host with its usual zone, and translations of ours."""

    def start(self, base):
        self.run("sh", "-c", ZONE)
        self.bed.rules.ask("forget")
        self.base, self.tasks, self.results = base, [], []

    def run(self, *argv):
        return self.bed.rules.ask("run", argv=list(argv), text="")

    def ask(self, **words):
        return self.bed.rules.ask("policy", words={"backend": "firewalld", **words})

    def account(self, mismatches, most=4):
        return "\n".join([*mismatches[:most], self.native()])


@pytest.fixture(scope="module")
def bed(lab, packet_figures):
    """A host with firewalld, and its clients."""
    with trial_on(lab, lab.create("firewalld", kind="firewalld"), "firewalld", FirewalldTrial, packet_figures) as trial:
        yield trial


@pytest.fixture(name="world")
def _world(bed):
    """One address of each family of every side, by side: (IPv4, IPv6)."""
    bed.start("zone")
    return {name: (side.of(4)[0], side.of(6)[0]) for name, side in bed.bed.sides.items()}


def in_force(bed, document):
    """Put a policy in force, and see that a second run changes nothing and that its translations can be gathered."""
    bed.policy(document, "auto")
    assert not bed.policy_changes_again(document, "auto"), bed.account([])
    assert kept(bed.ask(state="gathered")["gathered"]) == kept(document), bed.account([])


def kept(document):
    """The translations of a document in their order, by family and by what they change."""
    nat = parse_policy_document(document)[0].nat
    return {
        (family, arriving): [
            replace(one, family=family) for one in nat if family in one.families() and (one.kind in ("dnat", "redirect")) == arriving
        ]
        for family in (4, 6)
        for arriving in (True, False)
    }


def test_packets_arrive_as_translations_say_and_as_before_when_they_are_gone(bed, world):
    before, files = bed.native(), bed.run("sh", "-c", "cd /etc/firewalld; find . -type f | sort | xargs sha256sum")
    host, client, lan, far = (world[name] for name in ("host", "client", "lan", "far"))
    both = {"protocol": ["tcp", "udp"]}
    document = {
        "rules": [THROUGH, {"action": "allow", **both, "port": INNER}],
        "nat": [
            {"type": "redirect", "interface": "host0", **both, "port": OUTER, "to_port": INNER, "source": list(client)},
            {"type": "dnat", "interface": "host0", **both, "port": [OUTER, OUTSIDE[0]], "to": list(far), "to_port": INNER},
            {"type": "masquerade", "interface": "lan0", "comment": "it's \"out\" & $(away)"},
        ],
    }  # fmt: skip
    in_force(bed, document)
    packets = []
    for n, family in enumerate((4, 6)):
        other = bed.bed.sides["client"].of(family)[1]
        packets += transports("client", client[n], host[n], OUTER, OUTSIDE[0]) + transports("client", other, host[n], OUTER)
        packets += transports("client", client[n], far[n], INNER) + transports("far", far[n], client[n], INNER)
        packets += transports("far", far[n], lan[n], OUTER) + transports("host", host[n], far[n], INNER)
        packets.append(Sent("client", echo(family), client[n], far[n]))
    found = [arrival(document, bed.bed.sides, one) for one in packets]
    assert Arrival("host", client[0], "", INNER) in found
    assert Arrival("far", lan[1], far[1], INNER) in found
    assert Arrival("client", far[1], client[1], INNER) in found, "it leaves by another interface"
    odd = odd_translations(bed, document, packets)
    assert not odd, bed.account(odd)
    assert all(carries_data(bed, Sent("client", TCP, client[n], host[n], OUTSIDE[0]), "far") for n in (0, 1))
    assert bed.ask(state="deleted")["changed"] is True
    assert bed.native() == before
    assert bed.run("sh", "-c", "cd /etc/firewalld; find . -type f | sort | xargs sha256sum") == files


def carried(document):
    """The random policy with the translations that firewalld can carry, and rules that allow all that these send on."""
    nat = []
    for words in document["nat"]:
        if words["type"] == "masquerade":
            words = {key: value for key, value in words.items() if key not in ("protocol", "port")}
        if words["type"] != "snat":
            nat.append(words)
    rules = [words for words in document["rules"] if words["action"] == "allow"]
    ports = sorted({*OUTSIDE, *(words["to_port"] for words in nat if "to_port" in words)})
    return {"rules": [{"action": "allow", "protocol": ["tcp", "udp"], "port": ports}, *rules], "nat": nat}


def test_packets_arrive_as_random_translations_say(bed, world):
    rng = random.Random(f"{SEED} firewalld translations")
    arrived = translated = 0
    for _round in range(ROUNDS):
        document = carried(random_nat(rng, bed.bed.sides))
        in_force(bed, document)
        packets = random_packets(rng, bed.bed.sides, document, 40)
        odd = odd_translations(bed, document, packets)
        assert not odd, bed.account(odd)
        found = [(one, arrival(document, bed.bed.sides, one)) for one in packets]
        arrived += sum(there is not None for _one, there in found)
        translated += sum(
            there is not None and (there.source, there.destination, there.port) != (one.source, one.destination, one.port)
            for one, there in found
        )
    assert arrived > ROUNDS * 8
    assert translated > ROUNDS * 3


def test_an_administrators_translations_stay_and_are_listed(bed, world):
    by_hand = "firewall-cmd -q --permanent --zone=public --add-masquerade; firewall-cmd -q --permanent --zone=public " + (
        "--add-forward-port=port=%d:proto=tcp:toport=%d; firewall-cmd -q --reload" % (OUTER, INNER)
    )
    bed.run("sh", "-c", by_hand)
    document = {"defaults": {"in": "unmanaged", "forward": "unmanaged"}, "rules": [], "nat": [{"type": "masquerade", "interface": "lan0"}]}
    bed.policy(document, "auto")
    listed = bed.bed.rules.ask("listing", backend="firewalld")
    assert "masquerade" in listed.partition("# zone public")[2]
    assert bed.ask(state="deleted")["changed"] is True
    left = bed.run("firewall-cmd", "--zone=public", "--list-all")
    assert "masquerade: yes" in left
    assert "port=%d:proto=tcp:toport=%d" % (OUTER, INNER) in left
