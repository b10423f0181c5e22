# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets through the real kernel: exactly those that a rule means are decided by it."""

from __future__ import annotations

import json

import pytest

from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.iptables.workbench import present, rule

#: Sends one datagram for each [source, port] over the loopback and prints those that arrive.
PROBE = """
import json, socket, sys
probes, target = json.load(sys.stdin)
kind = socket.AF_INET6 if ':' in target else socket.AF_INET
doors = {}
for source, port in probes:
    if port not in doors:
        doors[port] = socket.socket(kind, socket.SOCK_DGRAM)
        doors[port].bind((target, port))
        doors[port].settimeout(0.05)
arrived = []
for source, port in probes:
    with socket.socket(kind, socket.SOCK_DGRAM) as sender:
        sender.bind((source, 0))
        try:
            sender.sendto(b'x', (target, port))
            doors[port].recv(9)
            arrived.append([source, port])
        except OSError:
            pass
print(json.dumps(arrived))
"""


@pytest.fixture
def arrivals(host):
    host.shell("ip link set lo up")

    def probe(probes, target="127.0.0.1"):
        return json.loads(host.checked(["python3", "-c", PROBE], json.dumps([probes, target])))

    return probe


SOURCES = ["127.0.1.%d" % number for number in range(1, 13)]


@pytest.mark.parametrize("negated", [False, True], ids=["listed", "negated"])
@pytest.mark.parametrize("action", ["deny", "reject"])
def test_a_list_of_sources_decides_those_and_no_others(backend, arrivals, action, negated):
    listed = [SOURCES[1], SOURCES[4], SOURCES[5], SOURCES[9]]
    present(backend, rule(action=action, protocol="udp", source=[("!" if negated else "") + one for one in listed]))
    passing = [[one, 4000] for one in SOURCES if (one in listed) == negated]
    # The receiver's own address does not send; 127.0.0.1 is outside of all lists.
    assert arrivals([[one, 4000] for one in SOURCES]) == passing


def test_a_set_decides_its_members_and_no_others(backend, arrivals):
    listed = ["127.0.2.%d" % number for number in range(0, 60, 2)]
    present(backend, rule(action="deny", protocol="udp", source=listed))
    probes = [["127.0.2.%d" % number, 4000] for number in (2, 3, 4, 57, 58, 59, 60)]
    assert [source for source, _port in arrivals(probes)] == ["127.0.2.3", "127.0.2.57", "127.0.2.59", "127.0.2.60"]


def test_many_ports_are_decided_and_no_others(backend, arrivals):
    listed = [port for port in range(4001, 4060) if port % 3 == 0]
    present(backend, rule(action="deny", protocol="udp", port=[str(port) for port in listed]))
    probes = [["127.0.0.1", port] for port in range(3998, 4064)]
    assert arrivals(probes) == [probe for probe in probes if probe[1] not in listed]


def test_a_limit_lets_its_burst_through_once_even_when_it_logs(backend, arrivals):
    present(backend, rule(action="deny", protocol="udp", port=4000))
    present(backend, rule(protocol="udp", port=4000, limit="1/minute", limit_burst=3, log=True, log_limit="1/minute"))
    assert len(arrivals([["127.0.0.1", 4000]] * 8)) == 3


def test_a_limit_for_each_source_counts_sources_apart_even_when_it_logs(backend, arrivals):
    present(backend, rule(action="deny", protocol="udp", port=4000))
    present(backend, rule(protocol="udp", port=4000, limit="1/minute", limit_burst=3, limit_per="source", log=True))
    counts = [source for source, _port in arrivals([[source, 4000] for source in SOURCES[:2] for _time in range(6)])]
    assert counts == [SOURCES[0]] * 3 + [SOURCES[1]] * 3


def test_both_families_are_decided_alike(backend, arrivals):
    present(backend, rule(action="deny", protocol="udp", port=4000))
    assert arrivals([["127.0.0.1", 4000], ["127.0.0.1", 4001]]) == [["127.0.0.1", 4001]]
    assert arrivals([["::1", 4000], ["::1", 4001]], "::1") == [["::1", 4001]]


def test_replies_pass_and_new_connections_do_not(backend, host, arrivals):
    host.load("*filter\n:INPUT DROP [0:0]\n:OUTPUT DROP [0:0]\nCOMMIT\n")
    present(backend, rule(protocol="udp", port=4000, stateful=True, family="ipv4"))
    present(backend, rule(protocol="udp", port=4000, direction="out", stateful=True, family="ipv4"))
    assert arrivals([["127.0.0.1", 4000], ["127.0.0.1", 4001]]) == [["127.0.0.1", 4000]]
