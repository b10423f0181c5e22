# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets through a real firewalld: whole policies and single rules go onto it, and packets fare as they say.

HOLDFAST_FIREWALLD_PAIRS is the number of pairs (a packet, the policy it meets); HOLDFAST_PACKET_SEED draws other policies and packets.
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
)
from ansible_collections.holdfast.firewall.tests.integration.lab.packet_bases import SERVICE
from ansible_collections.holdfast.firewall.tests.integration.lab.packet_generator import random_task
from ansible_collections.holdfast.firewall.tests.integration.lab.packet_oracle import Chain, Condition, Entry
from ansible_collections.holdfast.firewall.tests.integration.lab.packet_trial import Refused, probes_for

PAIRS = int(os.environ.get("HOLDFAST_FIREWALLD_PAIRS", "300"))
TASKS = max(5, PAIRS // 60)
SEED = int(os.environ.get("HOLDFAST_PACKET_SEED", "1"))
BOTH = frozenset({4, 6})
#: What rich rules do not say; a document that asks for it is refused, so it is taken out of random ones.
UNSAID = ("interface", "out_interface", "from_zone", "to_zone", "limit", "limit_per", "limit_burst")
#: A usual zone that drops what it does not know, and nothing of ours.
START = (
    "set -e; cd /etc/firewalld; rm -f policies/holdfast-* ipsets/holdfast-* zones/public.xml* /etc/holdfast/firewalld.seen; "
    "firewall-cmd -q --reload; firewall-cmd -q --permanent --zone=public --set-target=DROP; "
    "firewall-cmd -q --permanent --zone=public --add-port=%d/tcp --add-port=%d/udp; %%s firewall-cmd -q --reload; %%s"
) % (SERVICE, SERVICE)


class FirewalldTrial(FrontEndTrial):
    """The host between a usual zone, with rules made by hand, every second until the next boot only, and rules of ours."""

    def script(self, by_hand):
        lasting, passing = (" ".join("--add-rich-rule='%s'" % rich(one) for one in by_hand[start::2]) for start in (0, 1))
        return START % (
            "firewall-cmd -q --permanent --zone=public %s;" % lasting if lasting else "",
            "firewall-cmd -q --zone=public %s" % passing if passing else "",
        )

    def chains(self, by_hand):
        loopback = Entry(Condition("in", BOTH, interface="lo"), "allow", "firewalld: lo", told=False)
        services = [
            Entry(Condition("in", BOTH, protocol=number, port_spans=((port, port),)), "allow", "zone public", order=order)
            for order, (number, port) in enumerate(((6, 22), (6, SERVICE), (17, SERVICE)), 20)
        ]
        # In a zone all that stops packets comes first.
        in_order = sorted(by_hand, key=lambda one: one["action"] == "allow")
        mine = entries_by_hand(in_order, "in", BOTH, 10)
        return [
            Chain("in", BOTH, "deny", [loopback, _tracked("in"), *mine, *services]),
            Chain("out", BOTH, "allow", []),
            Chain("forward", BOTH, "deny", [_tracked("forward")]),
        ]


def rich(words):
    """Return the rich rule of a rule made by hand."""
    ends = {side: words[side] for side in ("source", "destination") if side in words}
    family = "ipv6" if any(":" in one for one in ends.values()) else "ipv4"
    matches = "".join(" %s address=%s" % pair for pair in ends.items())
    action = {"allow": "accept", "deny": "drop"}[words["action"]]
    start = "rule family=%s" % family if ends else "rule"
    return "%s%s port port=%s protocol=%s %s" % (start, matches, words["port"], words["protocol"], action)


def _tracked(hook):
    states = frozenset({"established", "related"})
    return Entry(Condition(hook, BOTH, states=states), "allow", "firewalld: known connections", order=1, told=False)


def sayable(document):
    """The document with rules that firewalld can carry."""
    rules = []
    for words in document["rules"]:
        words = {key: value for key, value in words.items() if key not in UNSAID}
        if words.get("source_port") is not None:
            words.pop("port", None)
            words.pop("port_range", None)
        if words.get("direction") == "out" and words["action"] == "allow":
            words.pop("stateful", None)
        rules.append(words)
    return dict(document, rules=rules)


@pytest.fixture(scope="module")
def host(lab):
    """A host with firewalld."""
    return lab.create("firewalld", kind="firewalld")


@pytest.fixture(scope="module")
def bed(lab, host, packet_figures):
    """That host with its clients."""
    with trial_on(lab, host, "firewalld", FirewalldTrial, packet_figures) as trial:
        yield trial


def test_packets_fare_as_random_policies_say(bed):
    bed.try_policies(random.Random(f"{SEED} firewalld policies"), PAIRS, ["in"], sayable, refused=20)


def test_packets_fare_as_single_rules_say(bed):
    rng = random.Random(f"{SEED} firewalld rules")
    done = left = 0
    while done < TASKS:
        if not left:
            bed.start("zone", random_by_hand(rng, bed.bed.sides, ["in"]))
            left = TASKS_EACH
        words = sayable({"rules": [random_task(rng, bed.bed.sides)]})["rules"][0]
        if words["action"] != "allow":
            # Known connections pass before all rules: there is no other deny than a stateful one.
            words["stateful"] = True
        try:
            result = bed.task(words)
        except Refused as refused:
            bed.figures.refused += 1
            bed.figures.notes.append(str(refused))
            bed.tasks.pop()
            bed.results.pop()
            continue
        done, left = done + 1, left - 1
        if bed.contradicts(result):
            left = 0
            continue
        mismatches = bed.compare(probes_for(bed, rng, PROBES))
        assert not mismatches, bed.account(mismatches)
        assert not bed.changes_again()
