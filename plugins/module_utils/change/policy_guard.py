# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules that every policy starts with, so that the host stays reachable; they cannot be switched off.

Pure, but for what ``management`` found on the host. A document can add ports and narrow the sources of its management ports; the lockout
proof then says whether the session that carries the task would still pass.
"""

from __future__ import annotations

import ipaddress
import typing as t
from dataclasses import replace

from ..backends.base import GUARD_MARK, MANAGEMENT
from ..policy.addresses import ANY, Addresses, Network, make_addresses
from ..policy.nat import DESTINATION_KINDS
from ..policy.policy import ManagementAccess, Policy
from ..policy.ports import PortRange, merge_ports
from ..policy.protocols import FAMILY_OF, ICMPV6, TCP, UDP
from ..policy.rule import DIRECTIONS, Rule
from .management import Management

LOOPBACK, KNOWN, NEIGHBOURS, ANSWERS, DHCP, DNS = (
    GUARD_MARK + word for word in ("loopback", "known connections", "neighbour discovery", "ICMP answers", "DHCP", "DNS")
)
#: The ICMP types, by protocol, that a firewall passes in a direction by no state.
Untracked = t.Callable[[str], t.Mapping[int, t.Tuple[int, ...]]]
#: Multicast listener and neighbour discovery (RFC 4890, 4.4.1): without them IPv6 stops.
ICMPV6_NEEDED = (130, 131, 132, 133, 134, 135, 136, 143)


def with_guard(policy: Policy, management: Management, untracked: t.Optional[Untracked] = None) -> Policy:
    """Return the policy with the guard for this host.

    :param untracked: ``Backend.untracked_icmp`` of its firewall.
    """
    rules = [
        rule
        for direction in DIRECTIONS
        if policy.defaults[direction] != "unmanaged"
        for rule in _guard(direction, policy, management, untracked(direction) if untracked else {})
    ]
    return policy.guarded(rules)


def _guard(direction: str, policy: Policy, management: Management, untracked: t.Mapping[int, t.Tuple[int, ...]]) -> t.List[Rule]:
    known = Rule("allow", direction, protocol=None, established=True, comment=KNOWN)
    answers = [
        Rule("allow", direction, family=FAMILY_OF[protocol], protocol=protocol, icmp_types=types, comment=ANSWERS)
        for protocol, types in sorted(untracked.items())
    ]
    if direction == "forward":
        passes = any(rule.direction == "forward" and rule.action == "allow" for rule in policy.rules)
        return [known, *answers] if passes or policy.defaults["forward"] == "allow" else [known]
    rules = [
        Rule("allow", direction, protocol=None, interface="lo", comment=LOOPBACK),
        known,
        Rule("allow", direction, family=6, protocol=ICMPV6, icmp_types=ICMPV6_NEEDED, comment=NEIGHBOURS),
        *answers,
    ]
    if direction == "in":
        rules += management_rules(policy.management, management)
        rules.append(_port("in", UDP, 68, 4, DHCP))
        rules.append(_port("in", UDP, 546, 6, DHCP))
    else:
        rules += [_port("out", protocol, 53, None, DNS) for protocol in (UDP, TCP)]
        rules.append(_port("out", UDP, 67, 4, DHCP))
        rules.append(_port("out", UDP, 547, 6, DHCP))
    return rules


def management_rules(access: ManagementAccess, management: Management) -> t.List[Rule]:
    """Return the rules that let administrators and agents in: the ports found on the host and those of the document."""
    ports = {*management.ssh_ports, *management.agent_ports, *access.ssh_ports, *access.agent_ports}
    base = Rule("allow", "in", protocol=TCP, ports=merge_ports(PortRange(port, port) for port in ports), comment=MANAGEMENT)
    if not access.sources:
        return [base]
    sources: t.Sequence[Addresses] = access.sources
    return [replace(base, family=source.family, source=source) for source in sources]


def with_access(live: Policy, ssh_ports: t.Container[int]) -> Policy:
    """Return a policy that was read from rules, with the access for administrators that its guard gives.

    Without it the policy, put in force again or merged into, would open the management ports to everybody. Ports of ``ssh_ports`` are the
    host's own; the others are told as ports of agents, since rules do not say which is which.
    """
    rules = [rule for rule in live.guard if rule.comment == MANAGEMENT]
    ports = {port for rule in rules for one in rule.ports for port in range(one.first, one.last + 1) if port not in ssh_ports}
    sources: t.List[Addresses] = []
    if rules and not any(rule.source.any for rule in rules):
        for version in (4, 6):
            networks = {network for rule in rules for network in rule.source.networks if network.version == version}
            if networks:
                sources.append(make_addresses(networks))
    return replace(live, management=ManagementAccess((), tuple(sorted(ports)), tuple(sources)))


def needs(policy: Policy, management: Management) -> t.List[Rule]:
    """Return what must pass once the policy is in force, each as the narrowest packets that matter.

    Where the session's address is not known (a console) and the document names the sources of management, those sources count. The session
    needs the address that it came to. Other access is not needed at single addresses that a translation names: those are given to another
    host on purpose. Also directions without a list of ours count, since translations come before all lists.
    """
    sources: t.Sequence[Addresses] = policy.management.sources
    wanted: t.List[Rule] = []
    for need in management.needs():
        if need.direction == "out":
            wanted.append(need)
            continue
        session = need.protocol == TCP and management.server is not None and need.source is not ANY
        if session:
            server = ipaddress.ip_address(t.cast(str, management.server))
            if server.version == need.family:
                wanted.append(replace(need, destination=make_addresses([ipaddress.ip_network(server)])))
                continue
        narrowed = [need]
        if need.protocol == TCP and need.source is ANY and sources:
            narrowed = [replace(need, family=one.family, source=one) for one in sources]
        for one in narrowed:
            wanted += _at_the_host(one, policy)
    return wanted


def _at_the_host(need: Rule, policy: Policy) -> t.List[Rule]:
    """Return the need less the single addresses that translations name as theirs."""
    named: t.Dict[int, t.List[Network]] = {4: [], 6: []}
    for one in policy.nat:
        if one.kind in DESTINATION_KINDS and not one.destination.any and not one.destination.negated:
            for network in one.destination.networks:
                if network.num_addresses == 1:
                    named[network.version].append(network)
    if not any(named[family] for family in need.families()):
        return [need]
    return [
        replace(need, family=family, destination=make_addresses(named[family], negated=True) if named[family] else ANY)
        for family in sorted(need.families())
    ]


def _port(direction: str, protocol: int, port: int, family: t.Optional[int], comment: str) -> Rule:
    return Rule("allow", direction, family=family, protocol=protocol, ports=(PortRange(port, port),), comment=comment)
