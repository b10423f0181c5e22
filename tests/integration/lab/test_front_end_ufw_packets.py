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

import pytest

from ansible_collections.holdfast.firewall.tests.integration.lab.front_end_trial import (
    PROBES,
    TASKS_EACH,
    FrontEndTrial,
    entries_by_hand,
    random_by_hand,
    trial_on,
    without_icmp,
)
from ansible_collections.holdfast.firewall.tests.integration.lab.packet_bases import SERVICE
from ansible_collections.holdfast.firewall.tests.integration.lab.packet_generator import random_task
from ansible_collections.holdfast.firewall.tests.integration.lab.packet_oracle import Chain, Condition, Entry
from ansible_collections.holdfast.firewall.tests.integration.lab.packet_trial import Refused, probes_for
from ansible_collections.holdfast.firewall.tests.integration.lab.policy_nat_generator import random_nat, random_packets
from ansible_collections.holdfast.firewall.tests.integration.lab.policy_nat_oracle import arrival
from ansible_collections.holdfast.firewall.tests.integration.lab.policy_nat_packets import odd_translations

PAIRS = int(os.environ.get("HOLDFAST_UFW_PAIRS", "600"))
TASKS = max(8, PAIRS // 60)
SEED = int(os.environ.get("HOLDFAST_PACKET_SEED", "1"))
NAT_ROUNDS = 5
#: ufw as it is installed, with SSH and a service, and nothing of ours.
START = (
    "set -e; ufw --force reset >/dev/null; rm -f /etc/ufw/*.2*; sed -i 's/^IPT_SYSCTL=.*/IPT_SYSCTL=/' /etc/default/ufw; "
    "ufw allow 22/tcp >/dev/null; ufw allow %d/tcp >/dev/null; ufw allow %d/udp >/dev/null; ufw --force enable >/dev/null"
) % (SERVICE, SERVICE)
#: What counts packets: the same packets could not be sent twice.
COUNTING = ("limit", "limit_per", "limit_burst", "log_limit")


class UfwTrial(FrontEndTrial):
    """The host between a usual ufw and rules of ours."""

    def script(self, by_hand):
        return "\n".join([START, *map(typed, by_hand)])

    def chains(self, by_hand):
        return [chain for family in (4, 6) for chain in _chains(frozenset({family}), by_hand)]


def typed(words):
    """Return what an administrator types for a rule."""
    way = {"in": " in", "out": " out"}.get(words["direction"], "")
    ends = (words["protocol"], words.get("source", "any"), words.get("destination", "any"), words["port"])
    command = "ufw route" if words["direction"] == "forward" else "ufw"
    return "%s %s%s proto %s from %s to %s port %s >/dev/null" % (command, words["action"], way, *ends)


def _chains(family, by_hand):
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
    mine = {hook: entries_by_hand(by_hand, hook, family, 10) for hook in ("in", "out", "forward")}
    return [
        Chain("in", family, "deny", [loopback, tracked["in"], *services, *mine["in"]]),
        Chain("out", family, "allow", [tracked["out"], *mine["out"]]),
        Chain("forward", family, "deny", [tracked["forward"], *mine["forward"]]),
    ]


@pytest.fixture(scope="module")
def bed(lab, packet_figures):
    """A host with ufw and its clients."""
    with trial_on(lab, lab.create("ufw-packets", kind="ufw"), "ufw", UfwTrial, packet_figures) as trial:
        yield trial


def test_packets_fare_as_random_policies_say(bed):
    bed.try_policies(random.Random(f"{SEED} ufw policies"), PAIRS, ("in", "out", "forward"), dict, refused=5)


def test_packets_arrive_as_random_translations_say_also_after_reloads(bed):
    rng = random.Random(f"{SEED} ufw translations")
    bed.start("usual")
    translated = 0
    for number in range(NAT_ROUNDS):
        document = random_nat(rng, bed.bed.sides)
        bed.policy(document, "auto")
        if number % 2:
            for _time in range(2):
                bed.bed.rules.ask("run", argv=["ufw", "reload"])
        assert not bed.policy_changes_again(document, "auto"), bed.account([])
        packets = random_packets(rng, bed.bed.sides, document, 60)
        odd = odd_translations(bed, document, packets)
        assert not odd, bed.account(odd)
        found = [(one, arrival(document, bed.bed.sides, one)) for one in packets]
        translated += sum(
            there is not None and (there.source, there.destination, there.port) != (one.source, one.destination, one.port)
            for one, there in found
        )
    assert translated > NAT_ROUNDS * 4
    bed.bed.rules.ask("policy", words={"state": "deleted", "backend": "ufw"})
    assert "holdfast" not in bed.native()


def test_packets_fare_as_single_rules_say(bed):
    rng = random.Random(f"{SEED} ufw rules")
    done = tries = left = 0
    while done < TASKS and tries < 20 * TASKS:
        if not left:
            bed.start("usual", random_by_hand(rng, bed.bed.sides, ("in", "out", "forward")))
            left = TASKS_EACH
        tries += 1
        words = {key: value for key, value in random_task(rng, bed.bed.sides).items() if key not in COUNTING}
        if words["action"] != "allow" or words.get("direction", "in") == "in":
            words["stateful"] = True  # known connections pass before all tuples: there is no other rule
        try:
            result = bed.task(words)
        except Refused as refused:
            bed.figures.refused += 1
            bed.figures.notes.append(str(refused)[:160])
            bed.tasks.pop()
            bed.results.pop()
            continue
        done, left = done + 1, left - 1
        if bed.contradicts(result):
            left = 0
            continue
        mismatches = bed.compare(without_icmp(probes_for(bed, rng, PROBES)))
        assert not mismatches, bed.account(mismatches)
        assert not bed.changes_again()
    assert done == TASKS, bed.figures.notes
