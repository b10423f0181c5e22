# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the same tasks mean the same on different hosts, packet by packet.

Each case says what should happen on every host, and on which kinds it still does not. Such a case fails here when it comes right.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from ansible_collections.holdfast.firewall.tests.integration.lab.packet_cases import Words, named
from ansible_collections.holdfast.firewall.tests.integration.lab.packet_conversations import Probe
from ansible_collections.holdfast.firewall.tests.integration.lab.packet_oracle import TCP

IPTABLES = ("iptables-nft", "iptables-legacy")


@dataclass(frozen=True)
class Difference:
    """Tasks on a base, one probe, what should be seen of it, and the kinds of hosts on which something else is seen."""

    name: str
    base: str
    tasks: tuple[Words, ...]
    probe: tuple[str, str, str, str, int]
    wanted: frozenset[str]
    elsewhere: tuple[str, ...]
    why: str


DIFFERENCES = (
    Difference(
        "an exception that was there first stays one",
        "closed",
        ({"action": "allow", "port": 7001, "source": "{client2}"}, {"action": "deny", "port": 7001}),
        ("client", "host", "{client2}", "{host1}", 7001),
        frozenset({"request", "answer"}),
        (),
        "",
    ),
    Difference(
        "what an administrator allows stays an exception from a wider deny",
        "closed",
        ({"action": "deny"},),
        ("client", "host", "{client2}", "{host1}", 7000),
        frozenset({"request", "answer"}),
        (),
        "",
    ),
    Difference(
        "what an administrator allows stays an exception behind a rule that cannot be read",
        "strict",
        ({"action": "deny", "stateful": True},),
        ("client", "host", "{client2}", "{host1}", 7000),
        frozenset({"request", "answer"}),
        (),
        "",
    ),
    Difference(
        "a deny without states also stops replies",
        "closed",
        ({"action": "deny", "direction": "forward", "protocol": "any", "source": "{far1}"},),
        ("client", "far", "{client1}", "{far1}", 7000),
        frozenset({"request"}),
        IPTABLES,
        "the deny goes behind the rule that accepts what belongs to connections",
    ),
    Difference(
        "a rule for IPv4 stays an exception from one for both families",
        "open",
        ({"action": "deny", "port": 7001, "family": "ipv4"}, {"action": "allow", "port": 7001}),
        ("client", "host", "{client1}", "{host1}", 7001),
        frozenset(),
        IPTABLES,
        "in the list for IPv4 both rules say the same, so the later one decides",
    ),
)


@pytest.mark.parametrize("case", [pytest.param(one, id=one.name) for one in DIFFERENCES])
def test_the_same_tasks_mean_the_same_on_every_host(bed, kind, case, request):
    if kind in case.elsewhere:
        request.applymarker(pytest.mark.xfail(strict=True, reason=case.why))
    bed.start(case.base)
    for words in case.tasks:
        bed.task(named(words, bed.bed.sides))
    sender, receiver, source, destination, port = case.probe
    ends = named({"source": source, "destination": destination}, bed.bed.sides)
    assert bed.sightings(Probe(sender, receiver, TCP, ends["source"], ends["destination"], port)) == case.wanted, bed.account([])


def test_a_second_run_of_all_tasks_changes_nothing(bed):
    bed.start("open")
    bed.task({"action": "allow", "port": 7001, "stateful": True})
    bed.task({"action": "deny", "direction": "out"})
    assert not bed.changes_again(0)
