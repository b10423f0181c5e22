# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets, not text: whole policies go onto real hosts through the product, and real packets fare as the document says.

HOLDFAST_POLICY_PAIRS is the number of pairs (a packet, the policy it meets) on each kind of host; ``make fuzz`` asks for many.
HOLDFAST_PACKET_SEED draws other policies and other packets.
"""

from __future__ import annotations

import os
import random

import pytest

from ansible_collections.holdfast.firewall.tests.integration.lab.packet_bases import BASES
from ansible_collections.holdfast.firewall.tests.integration.lab.packet_trial import Refused
from ansible_collections.holdfast.firewall.tests.integration.lab.policy_generator import random_document

PAIRS = int(os.environ.get("HOLDFAST_POLICY_PAIRS", "3000"))
SEED = int(os.environ.get("HOLDFAST_PACKET_SEED", "1"))
#: Probes for each policy.
PROBES = 80
#: Rules of a policy; the last are enough for maps and trees.
SIZES = (1, 5, 12, 30, 90)


@pytest.mark.parametrize("layout", ["rules", "compiled"])
def test_packets_fare_as_random_policies_say(bed, layout):
    rng = random.Random(f"{SEED} policies {layout}")
    before, number = bed.figures.pairs, 0
    bed.start(BASES[0])
    while bed.figures.pairs - before < PAIRS // 2:
        document = random_document(rng, bed.bed.sides, SIZES[number % len(SIZES)])
        number += 1
        try:
            bed.policy(document, layout)
        except Refused as refused:
            bed.figures.refused += 1
            bed.figures.notes.append(str(refused))
            continue
        mismatches = bed.compare(rng.sample(bed.everything, PROBES))
        assert not mismatches, bed.account(mismatches)
        assert not bed.policy_changes_again(document, layout), bed.account([])


@pytest.mark.parametrize("base", ["closed", "strict"])
def test_a_policy_alone_decides_whatever_the_administrator_had(bed, base):
    rng = random.Random(f"{SEED} overridden {base}")
    bed.start(base)
    document = random_document(rng, bed.bed.sides, 12)
    bed.policy(document, "auto", state="overridden")
    mismatches = bed.compare(rng.sample(bed.everything, PROBES))
    assert not mismatches, bed.account(mismatches)
    assert not bed.policy_changes_again(document, "auto", state="overridden")
