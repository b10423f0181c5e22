# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Single rules with source ports, ICMP types and leaving interfaces: real packets on real kernels, and second runs that change nothing."""

from __future__ import annotations

import pytest

from ansible_collections.holdfast.firewall.tests.integration.lab.packet_conversations import Probe
from ansible_collections.holdfast.firewall.tests.integration.lab.packet_oracle import ICMP, ICMPV6, TCP, UDP
from ansible_collections.holdfast.firewall.tests.integration.lab.packet_testbed import PORTS

#: Probes come from these ports, and from none of the others.
OURS, OTHERS = "20000-65535", ["1-19999"]
HERE, THERE = PORTS[1], PORTS[2]


@pytest.fixture(name="put")
def _put(bed):
    """Carry out tasks, see that they hold on a second run, and at the end that they can be taken back."""
    done = []

    def put(base, *tasks):
        bed.start(base)
        before = listing(bed)
        for words in tasks:
            result = bed.task(words)
            assert result["changed"] is True
            done.append((before, words))
        for number in range(len(tasks)):
            assert not bed.changes_again(number)

    yield put
    for _before, words in done:
        assert bed.bed.rules.ask("rule", words={**words, "state": "absent"})["changed"] is True
    assert not done or listing(bed) == done[0][0]


def listing(bed):
    return bed.bed.rules.ask("listing", backend="nftables" if bed.kind == "nftables" else "iptables")


def probes(bed, sender, receiver, protocol, port=0):
    sides = bed.bed.sides
    for family in (4, 6) if port else ((4,) if protocol == ICMP else (6,)):
        yield Probe(sender, receiver, protocol, sides[sender].of(family)[0], sides[receiver].of(family)[0], port)


def seen(bed, *probe):
    """What is seen of a probe, in every family alike."""
    (found,) = {frozenset(bed.sightings(one)) for one in probes(bed, *probe)}
    return set(found)


@pytest.mark.parametrize("base", ["closed", "strict"])
def test_the_port_that_packets_come_from_decides(bed, put, base):
    put(
        base,
        {"action": "allow", "port": HERE, "source_port": OURS, "stateful": True},
        {"action": "allow", "port": THERE, "source_port": OTHERS, "stateful": True},
        {"action": "allow", "protocol": "udp", "port": HERE, "source_port": [OURS, 53], "stateful": True},
    )
    assert seen(bed, "client", "host", TCP, HERE) == {"request", "answer"}
    assert seen(bed, "client", "host", UDP, HERE) == {"request", "answer"}
    assert seen(bed, "client", "host", TCP, THERE) == set()


def test_the_type_of_icmp_packets_decides(bed, put):
    put(
        "closed",
        {"action": "allow", "protocol": "icmp", "icmp_type": "echo-request"},
        {"action": "allow", "protocol": "icmpv6", "icmp_type": ["echo-reply", "time-exceeded", 1]},
    )
    assert seen(bed, "client", "host", ICMP) == {"request", "answer"}
    assert seen(bed, "client", "host", ICMPV6) == set()


@pytest.mark.parametrize("base", ["closed", "strict"])
def test_the_interface_that_packets_leave_by_decides(bed, put, base):
    put(
        base,
        {"action": "allow", "direction": "forward", "interface": "host0", "out_interface": "lan0", "port": HERE, "stateful": True},
        {"action": "allow", "direction": "forward", "protocol": "udp", "out_interface": "host0", "port": THERE, "stateful": True},
    )
    assert seen(bed, "client", "far", TCP, HERE) == {"request", "answer"}
    assert seen(bed, "far", "client", TCP, HERE) == set()
    assert seen(bed, "far", "client", UDP, THERE) == {"request", "answer"}
    assert seen(bed, "client", "far", UDP, THERE) == set()
