# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets, not text, on a host with the real ufw: policies and single rules, and each packet fares as they say.

HOLDFAST_UFW_PAIRS is the number of pairs (a packet, the policy it meets); HOLDFAST_PACKET_SEED draws other policies and packets. This file
sorts before those of the packet tests, since they keep the clients' addresses to the end of the session.
"""

from __future__ import annotations

import os
import random
import time

import pytest

from ansible_collections.holdfast.firewall.tests.integration.lab.packet_bases import SERVICE
from ansible_collections.holdfast.firewall.tests.integration.lab.packet_generator import random_task
from ansible_collections.holdfast.firewall.tests.integration.lab.packet_oracle import TCP, UDP, Chain, Condition, Entry, Firewall
from ansible_collections.holdfast.firewall.tests.integration.lab.packet_testbed import Testbed
from ansible_collections.holdfast.firewall.tests.integration.lab.packet_trial import Figures, Refused, Trial, probes_for
from ansible_collections.holdfast.firewall.tests.integration.lab.policy_generator import random_document

PAIRS = int(os.environ.get("HOLDFAST_UFW_PAIRS", "600"))
TASKS = max(8, PAIRS // 60)
SEED = int(os.environ.get("HOLDFAST_PACKET_SEED", "1"))
PROBES = 60
SIZES = (3, 12, 40)
#: ufw as it is installed, with SSH and a service, and nothing of ours.
START = (
    "ufw --force reset >/dev/null; rm -f /etc/ufw/*.2*; sed -i 's/^IPT_SYSCTL=.*/IPT_SYSCTL=/' /etc/default/ufw; "
    "ufw allow 22/tcp >/dev/null; ufw allow %d/tcp >/dev/null; ufw allow %d/udp >/dev/null; ufw --force enable >/dev/null"
) % (SERVICE, SERVICE)
#: What tuples do not say; a rule that asks for it is refused, so it is taken out of random ones.
UNSAID = ("limit", "limit_per", "limit_burst", "log", "log_prefix", "log_limit", "icmp_type")


class UfwTrial(Trial):
    """The host between a usual ufw and rules of ours."""

    def start(self, base):
        self.bed.rules.ask("run", argv=["sh", "-c", START], text="")
        self.bed.rules.ask("forget")
        self.base, self.tasks, self.results = base, [], []
        self.firewall = Firewall([chain for family in (4, 6) for chain in _chains(frozenset({family}))])


def _chains(family):
    states = frozenset({"established", "related"})
    tracked = {
        hook: Entry(Condition(hook, family, states=states), "allow", "ufw: known connections", order=1, told=False)
        for hook in ("in", "out", "forward")
    }
    loopback = Entry(Condition("in", family, interface="lo"), "allow", "ufw: lo", told=False)
    services = [
        Entry(Condition("in", family, protocol=number, port_spans=((port, port),)), "allow", "ufw allow", order=order)
        for order, (number, port) in enumerate(((6, 22), (6, SERVICE), (17, SERVICE)), 2)
    ]
    return [
        Chain("in", family, "deny", [loopback, tracked["in"], *services]),
        Chain("out", family, "allow", [tracked["out"]]),
        Chain("forward", family, "deny", [tracked["forward"]]),
    ]


@pytest.fixture(scope="module")
def bed(lab, packet_figures):
    """A host with ufw and its clients."""
    bed = Testbed(lab, lab.create("ufw-packets", kind="ufw"))
    figures = packet_figures.setdefault("ufw", Figures())
    started = time.monotonic()
    yield UfwTrial(bed, "ufw", figures)
    figures.seconds += time.monotonic() - started
    bed.end()


def test_packets_fare_as_random_policies_say(bed):
    rng = random.Random(f"{SEED} ufw policies")
    before, number = bed.figures.pairs, 0
    bed.start("usual")
    while bed.figures.pairs - before < PAIRS:
        document = random_document(rng, bed.bed.sides, SIZES[number % len(SIZES)])
        number += 1
        try:
            bed.policy(document, "auto", state="overridden" if number % 3 == 0 else "replaced")
        except Refused as refused:
            bed.figures.refused += 1
            bed.figures.notes.append(str(refused))
            assert bed.figures.refused < 5 + number // 2, bed.figures.notes
            continue
        mismatches = bed.compare(rng.sample(bed.everything, PROBES))
        assert not mismatches, bed.account(mismatches)
        assert not bed.policy_changes_again(document, "auto"), bed.account([])


def test_packets_fare_as_single_rules_say(bed):
    rng = random.Random(f"{SEED} ufw rules")
    done = tries = 0
    bed.start("usual")
    while done < TASKS and tries < 20 * TASKS:
        tries += 1
        words = {key: value for key, value in random_task(rng, bed.bed.sides).items() if key not in UNSAID}
        if words["action"] != "allow" or words.get("direction", "in") == "in":
            words["stateful"] = True  # known connections pass before all tuples: there is no other rule
        else:
            words.pop("stateful", None)
        try:
            bed.task(words)
        except Refused as refused:
            bed.figures.refused += 1
            bed.figures.notes.append(str(refused)[:160])
            bed.tasks.pop()
            bed.results.pop()
            continue
        done += 1
        # ICMP is decided by before.rules, which single rules leave alone.
        probes = [one for one in probes_for(bed, rng, PROBES) if one.protocol in (TCP, UDP)]
        mismatches = bed.compare(probes)
        assert not mismatches, bed.account(mismatches)
        assert not bed.changes_again()
    assert done == TASKS, bed.figures.notes
