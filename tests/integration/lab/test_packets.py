# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets, not text: rules go onto real hosts through the product, real packets go through the kernel, and each fares as the rules say.

HOLDFAST_PACKET_PAIRS is the number of pairs (a packet, the rules it meets) that random rules are tried with on each kind of host;
HOLDFAST_PACKET_SEED draws other rules and other packets.
"""

from __future__ import annotations

import os
import random

import pytest

from ansible_collections.holdfast.firewall.tests.integration.lab.packet_bases import BASES, SERVICE
from ansible_collections.holdfast.firewall.tests.integration.lab.packet_cases import CASES, LIMITS, named
from ansible_collections.holdfast.firewall.tests.integration.lab.packet_conversations import Probe
from ansible_collections.holdfast.firewall.tests.integration.lab.packet_generator import random_task
from ansible_collections.holdfast.firewall.tests.integration.lab.packet_oracle import UDP
from ansible_collections.holdfast.firewall.tests.integration.lab.packet_trial import Refused, probes_for

PAIRS = int(os.environ.get("HOLDFAST_PACKET_PAIRS", "3000"))
SEED = int(os.environ.get("HOLDFAST_PACKET_SEED", "1"))
#: Probes after each task.
PROBES = 100
#: A port on which nobody listens.
UNUSED = 7999


@pytest.mark.parametrize(("base", "case"), [pytest.param(base, one, id=f"{one.name}, {base}") for one in CASES for base in one.bases])
def test_packets_fare_as_the_rule_says(bed, base, case):
    rng = random.Random(f"{SEED} {case.name} {base}")
    bed.start(base)
    for words in case.tasks:
        bed.task(named(words, bed.bed.sides))
        mismatches = bed.compare(probes_for(bed, rng, PROBES))
        assert not mismatches, bed.account(mismatches)
        assert not bed.changes_again()


@pytest.mark.parametrize("case", [pytest.param(one, id=one.name) for one in LIMITS])
def test_a_limit_lets_as_many_packets_through_as_its_burst(bed, case):
    bed.start(case.base)
    for words in case.tasks:
        bed.task(named(words, bed.bed.sides))
    sources = [str(named({"source": one}, bed.bed.sides)["source"]) for one in case.sources]
    host = {version: bed.bed.sides["host"].of(version)[0] for version in (4, 6)}
    probes = [Probe("client", "host", UDP, one, host[6 if ":" in one else 4], 7001) for _number in range(case.count) for one in sources]
    mismatches = bed.compare(probes, patient=False)
    assert not mismatches, bed.account(mismatches, most=20)


@pytest.mark.parametrize("action", ["deny", "reject"])
@pytest.mark.parametrize(("direction", "sender", "receiver"), [("in", "client", "host"), ("forward", "client", "far")])
def test_a_stateful_stop_leaves_open_connections_alone(bed, action, direction, sender, receiver):
    # What tracks connections has to be there before: the closed ruleset does.
    bed.start("closed")
    flow = bed.open(sender, receiver, SERVICE)
    bed.task({"action": action, "direction": direction, "port": SERVICE, "stateful": True})
    assert bed.talk(flow, sender, receiver) == (True, True), bed.account([])
    bed.close()


def test_a_stateless_deny_also_ends_open_connections(bed):
    bed.start("strict")
    flow = bed.open("client", "host", SERVICE)
    bed.task({"action": "deny", "port": SERVICE})
    assert bed.talk(flow, "client", "host") == (False, True), bed.account([])
    bed.close()


@pytest.mark.parametrize(("stateful", "heard"), [(False, {"unreachable"}), (True, set())])
@pytest.mark.parametrize(("family", "protocol"), [(4, "icmp"), (6, "icmpv6")])
def test_a_stateful_allow_passes_no_packet_that_is_only_related(bed, family, protocol, stateful, heard):
    """Nobody listens on the port, so the client answers with an ICMP error: related to the datagram, and neither new nor established."""
    bed.start("strict")
    bed.task({"action": "allow", "direction": "out", "protocol": "udp", "port": UNUSED, "stateful": True})
    bed.task({"action": "allow", "protocol": protocol, "stateful": stateful})
    ends = [bed.bed.sides[side].of(family)[0] for side in ("host", "client")]
    assert bed.sightings(Probe("host", "client", UDP, *ends, UNUSED)) == {"request", *heard}, bed.account([])


@pytest.mark.parametrize("base", BASES)
def test_packets_fare_as_random_rules_say(bed, base):
    """One to three rules, packets after each; a second run of a task changes nothing."""
    rng = random.Random(f"{SEED} random {base}")
    wanted, before = PAIRS // len(BASES), bed.figures.pairs
    while bed.figures.pairs - before < wanted:
        bed.start(base)
        for _number in range(rng.randint(1, 3)):
            try:
                bed.task(random_task(rng, bed.bed.sides))
            except Refused as refused:
                bed.figures.refused += 1
                bed.figures.notes.append(str(refused))
                break
            mismatches = bed.compare(probes_for(bed, rng, PROBES))
            assert not mismatches, bed.account(mismatches)
            assert not bed.changes_again()
