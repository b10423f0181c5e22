# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets at the edges of what rules name, and what the ordered list of a policy says about them: an evaluator of its own. Pure."""

from __future__ import annotations

import ipaddress

from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.windows.windows_host import Packet

_TOPS = {4: 2**32 - 1, 6: 2**128 - 1}


def expected(policy, packet):
    """Return ``allow`` or ``block`` by the first rule of the policy that matches."""
    for rule in (*policy.guard, *policy.rules):
        if rule.direction == packet.direction and not rule.established and rule.interface is None and _matches(rule, packet):
            return "allow" if rule.action == "allow" else "block"
    return "block" if policy.defaults[packet.direction] == "deny" else "allow"


def _matches(rule, packet):
    version = packet.local.version
    if rule.family not in (None, version) or rule.protocol not in (None, packet.protocol):
        return False
    inward = packet.direction == "in"
    source, destination = (packet.remote, packet.local) if inward else (packet.local, packet.remote)
    my_ports = (packet.remote_port, packet.local_port) if inward else (packet.local_port, packet.remote_port)
    for addresses, host in ((rule.source, source), (rule.destination, destination)):
        if addresses.networks and any(host in one for one in addresses.networks if one.version == version) == addresses.negated:
            return False
        if addresses.networks and addresses.networks[0].version != version:
            return False
    for ports, port in ((rule.source_ports, my_ports[0]), (rule.ports, my_ports[1])):
        if ports and not any(one.first <= port <= one.last for one in ports):
            return False
    if rule.icmp_types and packet.kind not in rule.icmp_types:
        return False
    if rule.scope is not None:
        if rule.scope.program not in (None, packet.program) or rule.scope.service not in (None, packet.service):
            return False
        if rule.scope.profiles and packet.profile not in rule.scope.profiles:
            return False
    return True


def packets(policy, rng, count=60):
    """Return packets of which each number is at an edge of what some rule names."""
    rules = [rule for rule in (*policy.guard, *policy.rules) if rule.direction != "forward"]
    hosts = {4: {1, _TOPS[4]}, 6: {0, 2, _TOPS[6]}}
    ports, kinds, numbers = {1, 443, 65535}, {0, 8, 255}, {6, 17, 1, 58, 47, 200}
    programs, services = {None}, {None}
    for rule in rules:
        for addresses in (rule.source, rule.destination):
            for one in addresses.networks:
                low, high = int(one.network_address), int(one.broadcast_address)
                hosts[one.version] |= {number for number in (low - 1, low, high, high + 1) if 0 <= number <= _TOPS[one.version]}
        for span in (*rule.ports, *rule.source_ports):
            ports |= {number for number in (span.first - 1, span.first, span.last, span.last + 1) if 0 < number < 65536}
        kinds |= {number for one in rule.icmp_types for number in (one, one + 1) if number < 256}
        if rule.protocol is not None:
            numbers |= {rule.protocol}
        if rule.scope is not None:
            programs.add(rule.scope.program)
            services.add(rule.scope.service)
    pools = [sorted(ports), sorted(kinds), sorted(numbers), sorted(programs, key=str), sorted(services, key=str)]
    # Loopback passes before any rule is asked, so no rule names it, and it is no question to the rules.
    listed = {version: sorted(found - ({1} if version == 6 else set())) for version, found in hosts.items()}
    for _number in range(count):
        version = rng.choice((4, 6))
        protocol = rng.choice(pools[2])
        if (protocol, version) in ((1, 6), (58, 4)):
            version = 4 if version == 6 else 6
        local, remote = (_address(rng.choice(listed[version]), version) for _side in range(2))
        with_ports = protocol in (6, 17)
        yield Packet(
            rng.choice(("in", "out")), protocol, local, remote, rng.choice(pools[0]) if with_ports else 0,
            rng.choice(pools[0]) if with_ports else 0, rng.choice(pools[1]), rng.choice(("domain", "private", "public")),
            rng.choice(pools[3]), rng.choice(pools[4]),
        )  # fmt: skip


def _address(number, version):
    return str(ipaddress.IPv4Address(number) if version == 4 else ipaddress.IPv6Address(number))
