# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets on a host with a whole policy: what the stand-in of ipfw does with them, and what the model says, connections included."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace

from hypothesis import strategies as st

from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.packets import Packet
from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.trace import trace
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ipfw.backend import Ipfw
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ipfw.policy_words import stateless
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ipfw.render import normalise
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rule import Log
from ansible_collections.holdfast.firewall.tests.unit.paper_host import PaperHost
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.pf import standin_host
from ansible_collections.holdfast.firewall.tests.unit.policy_generator import standard_guard

from holdfast_standin.ipfw_verdict import IpfwConnections  # isort: skip  # on the path since standin_host

#: In front of every policy on a host with ipfw.
GUARD = standard_guard(untracked=Ipfw(PaperHost()).untracked_icmp)
__all__ = ["standin_host"]  # its import puts the stand-in on the path

OWN = {4: ("10.1.2.3", "192.0.2.7"), 6: ("2001:db8::7",)}
HOST = {"lo0": ["127.0.0.1/8", "::1/128"], "em0": ["10.1.2.3/24", "2001:db8::7/64"], "em1": ["192.0.2.7/24"], "em9": []}
OTHERS = {
    4: ("10.1.2.4", "10.2.0.1", "198.51.100.2", "192.0.2.200", "172.16.0.1"),
    6: ("2001:db8::8", "2001:db8:1::1", "fd00:1::5", "fe80::1", "2600::1"),
}
GROUPS = {4: ("224.0.0.251", "255.255.255.255"), 6: ("ff02::fb",)}
WITH_PORTS = (6, 17, 132)
ANSWERS = {1: (0, 14, 16, 18), 58: (129, 140)}
TYPES = {1: (0, 3, 5, 8, 13, 14), 58: (1, 128, 129, 133, 135)}


@dataclass(frozen=True)
class Flying:
    """One packet. ``arriving`` and ``leaving`` are interfaces; None where it has none."""

    direction: str
    protocol: int
    source: str
    destination: str
    source_port: int = 0
    port: int = 0
    icmp_type: int | None = None
    opens: bool = True
    arriving: str | None = None
    leaving: str | None = None

    @property
    def ends(self):
        """What a connection is known by; one of this host and one through it are never the same."""
        return (self.direction == "forward", self.protocol, frozenset({(self.source, self.source_port), (self.destination, self.port)}))

    def back(self, **changes):
        """The answer to it."""
        icmp = {8: 0, 13: 14, 128: 129}.get(self.icmp_type, self.icmp_type)
        return replace(
            self, direction={"in": "out", "out": "in", "forward": "forward"}[self.direction], source=self.destination,
            destination=self.source, source_port=self.port, port=self.source_port, icmp_type=icmp, opens=False,
            arriving=self.leaving, leaving=self.arriving, **changes,
        )  # fmt: skip

    def passes(self):
        """The packet as ipfw is asked about it: once, or twice."""
        base = {
            "proto": self.protocol, "src": self.source, "dst": self.destination, "sport": self.source_port, "dport": self.port,
            "icmp_type": self.icmp_type, "syn": self.opens, "family": ipaddress.ip_address(self.source).version,
        }  # fmt: skip
        if self.direction != "out":
            yield dict(base, direction="in", interface=self.arriving)
        if self.direction != "in":
            yield dict(base, direction="out", interface=self.leaving, recv_interface=self.arriving)


@st.composite
def packets(draw, directions=("in", "out", "forward"), any_destination=False):
    """A packet that a host can meet.

    :param any_destination: whether what comes in is for all kinds of addresses, not just for those of this host.
    """
    direction = draw(st.sampled_from(directions))
    family = draw(st.sampled_from([4, 6]))
    protocol = draw(st.sampled_from([6, 6, 6, 17, 17, 1 if family == 4 else 58, 132, 47, 50]))
    own, other = st.sampled_from(OWN[family]), st.sampled_from(OTHERS[family])
    if direction == "in":
        source = draw(other)
        groups = [] if protocol == 6 else list(GROUPS[family])
        destination = draw(st.one_of(own, other) if any_destination else st.sampled_from([*OWN[family], *groups]))
    elif direction == "out":
        source, destination = draw(own), draw(other)
    else:
        source, destination = draw(other), draw(other)
    ports = st.sampled_from([22, 53, 79, 80, 81, 443, 1023, 1024, 8080, 40000, 65535])
    names = st.sampled_from(["em0", "em1", "em9", "lo0"] if direction != "forward" else ["em0", "em1", "em9"])
    with_ports = protocol in WITH_PORTS
    return Flying(
        direction, protocol, source, destination, draw(ports) if with_ports else 0, draw(ports) if with_ports else 0,
        draw(st.sampled_from(TYPES[protocol])) if protocol in TYPES else None, draw(st.booleans()) if protocol == 6 else True,
        draw(names) if direction != "out" else None, draw(names) if direction != "in" else None,
    )  # fmt: skip


@st.composite
def conversations(draw, directions=("in", "out", "forward"), any_destination=False):
    """Packets in a row, of which some belong together."""
    found = draw(st.lists(packets(directions, any_destination), min_size=1, max_size=4))
    for _more in range(draw(st.integers(0, 3))):
        one = draw(st.sampled_from(found))
        again = draw(st.sampled_from([one, one.back(), replace(one, opens=False), replace(one.back(), opens=True)]))
        if again.icmp_type is not None and draw(st.booleans()):
            again = replace(again, icmp_type=draw(st.sampled_from(TYPES[again.protocol])))
        found.append(again)
    return found


def carried(policy):
    """The policy less what ipfw cannot carry: prefixes and rates of logs, ICMP types above its bounds, some forwarding."""
    rules = []
    for one in policy.rules:
        types = tuple(kind for kind in one.icmp_types if kind <= (31 if one.protocol == 1 else 201))
        if one.direction == "forward" and one.action != "deny" and one.family != 6 and one.protocol != 6:
            one = replace(one, action="deny")
        if types or not one.icmp_types:
            rules.append(replace(one, icmp_types=types, log=Log() if one.log else None))
    forward = policy.defaults["forward"]
    defaults = dict(policy.defaults, forward=forward if forward == "unmanaged" else "deny")
    forwards = any(one.direction == "forward" and one.action == "allow" for one in rules)
    guard = tuple(
        one
        for one in policy.guard
        if defaults[one.direction] != "unmanaged" and (forwards or one.direction != "forward" or not one.icmp_types)
    )
    return replace(policy, rules=tuple(rules), labels=(), defaults=defaults, guard=guard, log_denied=Log() if policy.log_denied else None)


class Model:
    """What the policy says about packets in a row: a connection is known when one of its packets was allowed before.

    What ipfw does not make known is not known here either: packets on loopback, and ICMP that is never answered. ICMP errors belong to no
    connection; of ICMP only answers do.
    """

    def __init__(self, policy):
        guard = tuple(replace(normalise(rule), stateful=rule.stateful) for rule in policy.guard)
        self.policy = replace(policy, rules=tuple(normalise(rule) for rule in policy.rules), guard=guard)
        self.known = set()

    def allows(self, packet):
        """Whether a packet passes; remembers its connection if so."""
        known = packet.ends in self.known and (packet.icmp_type is None or packet.icmp_type in ANSWERS[packet.protocol])
        state = "established-reply" if known else "new" if packet.opens or packet.protocol != 6 else "invalid"
        traced = trace(
            self.policy,
            Packet(
                packet.direction, packet.protocol, ipaddress.ip_address(packet.source), ipaddress.ip_address(packet.destination),
                packet.source_port if packet.protocol in WITH_PORTS else None, packet.port if packet.protocol in WITH_PORTS else None,
                packet.icmp_type, packet.arriving, packet.leaving, state,
            ),
        )  # fmt: skip
        rule = traced.decided.rule
        allowed = traced.verdict == "allow"
        if allowed and (rule is None or rule.established or rule.stateful or not stateless(rule)):
            self.known.add(packet.ends)
        return allowed


class Kernel:
    """The stand-in under some rules, packet by packet."""

    def __init__(self, rules):
        self.rules = rules
        self.connections = IpfwConnections()

    def allows(self, packet):
        """Whether a packet passes, each time that ipfw is asked about it."""
        return all(self.connections.verdict(self.rules, one).allowed for one in packet.passes())
