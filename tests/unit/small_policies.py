# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hypothesis strategies for policies over so few addresses, ports and types that all packets that matter can be tried one by one.

Addresses are four of each family, ports 1 to 4; packets also have one address, port, type, interface and protocol that no rule names, which
stands for all others.
"""

from __future__ import annotations

import ipaddress
import itertools

from hypothesis import strategies as st

from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.boxes import STATES
from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.packets import Packet
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.addresses import ANY, make_addresses
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.policy import Policy
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.ports import PortRange, merge_ports
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rates import Limit, Rate
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rule import Log, Rule

BASES = {4: int(ipaddress.ip_address("198.51.100.0")), 6: int(ipaddress.ip_address("2001:db8::"))}
LIMITS = (None, None, None, Limit(Rate(6, 60)), Limit(Rate(1, 1), 9, True))
LOGS = (None, None, None, Log(), Log("web: "))


def addresses(family):
    """Any, or some of four addresses, perhaps negated."""
    longest = 32 if family == 4 else 128

    def build(number, bits):
        return ipaddress.ip_network((BASES[family] + (number >> bits << bits), longest - bits))

    network = st.builds(build, st.integers(0, 3), st.sampled_from([0, 0, 1, 2]))
    return st.one_of(st.just(ANY), st.builds(make_addresses, st.lists(network, min_size=1, max_size=3), st.booleans()))


def ports():
    """No ports, or some of four."""
    pair = st.tuples(st.integers(1, 4), st.integers(1, 4)).map(sorted)
    return st.one_of(st.just(()), st.lists(pair, max_size=2).map(lambda pairs: merge_ports(PortRange(*one) for one in pairs)))


@st.composite
def rules(draw, directions=("in", "out", "forward"), limits=True):
    """A valid rule."""
    direction = draw(st.sampled_from(directions))
    protocol = draw(st.sampled_from([None, 6, 6, 17, 1, 58, 50]))
    family = {1: 4, 58: 6}.get(protocol) or draw(st.sampled_from([None, 4, 4, 6]))
    source = draw(addresses(family)) if family else ANY
    destination = draw(addresses(family)) if family else ANY
    carries = protocol in (6, 17)
    established = draw(st.integers(0, 9)) == 0
    return Rule(
        action=draw(st.sampled_from(["allow", "deny", "reject"])),
        direction=direction,
        family=family,
        protocol=protocol,
        source=source,
        destination=destination,
        ports=draw(ports()) if carries else (),
        source_ports=draw(st.sampled_from([(), (), (PortRange(1, 2),)])) if carries else (),
        icmp_types=draw(st.sampled_from([(), (8,), (3, 4, 8)])) if protocol in (1, 58) else (),
        interface=draw(st.sampled_from([None, None, "eth0", "eth1"])),
        out_interface=draw(st.sampled_from([None, None, "eth0"])) if direction == "forward" else None,
        stateful=draw(st.booleans()) and not established,
        established=established,
        limit=draw(st.sampled_from(LIMITS)) if limits else None,
        log=draw(st.sampled_from(LOGS)),
    )


@st.composite
def policies(draw, directions=("in",), limits=True, most=6):
    """A policy without translations or native lines."""
    defaults = {direction: draw(st.sampled_from(["allow", "deny", "reject"])) for direction in ("in", "out", "forward")}
    some = rules(directions, limits)
    return Policy(
        tuple(draw(st.lists(some, max_size=most))), defaults,
        log_denied=draw(st.sampled_from(LOGS)), guard=tuple(draw(st.lists(some, max_size=1))),
    )  # fmt: skip


def packets(directions=("in",), states=STATES):
    """Every packet that matters to rules of these strategies, once for each that no rule tells from it."""
    found = []
    for direction, family in itertools.product(directions, (4, 6)):
        kind = ipaddress.IPv4Address if family == 4 else ipaddress.IPv6Address
        hosts = [kind(BASES[family] + number) for number in (0, 1, 2, 3, 77)]
        for protocol, source, destination, state in itertools.product((6, 17, 1 if family == 4 else 58, 50), hosts, hosts, states):
            for arriving, leaving in itertools.product(
                (None,) if direction == "out" else (None, "eth0", "eth1"), (None,) if direction == "in" else (None, "eth0", "eth1")
            ):
                common = {"arriving": arriving, "leaving": leaving, "state": state}
                if protocol in (6, 17):
                    for source_port, port in itertools.product((1, 9), (1, 2, 3, 4, 9)):
                        found.append(Packet(direction, protocol, source, destination, source_port, port, **common))
                elif protocol == 50:
                    found.append(Packet(direction, protocol, source, destination, **common))
                else:
                    for icmp_type in (3, 4, 8, 9):
                        found.append(Packet(direction, protocol, source, destination, icmp_type=icmp_type, **common))
    return found


def matches(rule, packet):
    """Whether a packet fulfils the conditions of a rule, said in another way than the product does."""
    if rule.direction != packet.direction or rule.family not in (None, packet.family):
        return False
    if rule.protocol not in (None, packet.protocol):
        return False
    for wanted, address in ((rule.source, packet.source), (rule.destination, packet.destination)):
        if wanted.networks and any(address in network for network in wanted.networks) == wanted.negated:
            return False
    for wanted, port in ((rule.ports, packet.port), (rule.source_ports, packet.source_port)):
        if wanted and not any(one.first <= port <= one.last for one in wanted):
            return False
    if rule.icmp_types and packet.icmp_type not in rule.icmp_types:
        return False
    if rule.interface not in (None, packet.leaving if packet.direction == "out" else packet.arriving):
        return False
    if rule.out_interface not in (None, packet.leaving):
        return False
    known = ("established-original", "established-reply")
    if rule.established:
        return packet.state in (*known, "related-original", "related-reply")
    if rule.stateful:
        return packet.state == "new" or (rule.action == "allow" and packet.state in known)
    return True


def fate(policy, packet, logs=True):
    """What happens to a packet: (limited effects it meets, action, log)."""
    met = []
    for rule in policy.guard + policy.rules:
        if matches(rule, packet):
            log = rule.log if logs else None
            if rule.limit is None:
                return _plain(met, rule.action, log)
            met.append((rule.limit, rule.action, log))
    action = policy.defaults[packet.direction]
    return _plain(met, action, policy.log_denied if logs and action != "allow" else None)


def _plain(met, action, log):
    while met and met[-1][1:] == (action, None) and log is None:
        met = met[:-1]
    return tuple(met), action, log
