# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of the common language as tuples of ufw, and back.

Pure: touches nothing. A tuple has one network on each side, no states, no rate of its own, and a log of ufw's making; what it cannot say is
refused, or, in a policy, said by our block.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import replace

from ...policy.addresses import ANY, Addresses, make_addresses, network_text, parse_network
from ...policy.errors import PolicyError
from ...policy.ports import PortRange, merge_ports
from ...policy.protocols import AH, ESP, GRE, TCP, UDP, protocol_name
from ...policy.rule import Rule
from ..base import Unsupported, unsupported_scope
from .tuples import Tuple

IGMP, IPV6, VRRP = 2, 41, 112
PROTOCOLS = {TCP: "tcp", UDP: "udp", AH: "ah", ESP: "esp", GRE: "gre", IGMP: "igmp", IPV6: "ipv6"}
#: Those that are read. ufw knows vrrp since 0.36.2 (its changelog); an older one, as Ubuntu 22.04 has it, skips such a rule and loses it.
NUMBERS = {**{name: number for number, name in PROTOCOLS.items()}, "vrrp": VRRP}
#: ufw counts 15 numbers in one list of ports, two for a range.
PORT_PLACES = 15
#: A rule of a policy becomes at most so many tuples of a family.
MAX_TUPLES = 256
OWN_COMMENT = re.compile(r"holdfast (?:default\Z|\d)")
NOT_SEEN = "ufw filters by addresses and ports, and does not see which program a packet is for"
_INTERFACE = re.compile(r"[a-zA-Z0-9_.,=%@-]{1,15}\Z")
_PRINTABLE = re.compile(r"[^\x00-\x1f\x7f'\u2028\u2029\ud800-\udfff]*\Z")


def tuple_refusals(rule: Rule) -> t.List[Unsupported]:
    """Return what tuples cannot say of a rule, however many there are."""
    found = unsupported_scope(rule, NOT_SEEN)

    def refuse(field: str, value: t.Any, reason: str) -> None:
        found.append(Unsupported(field, str(value), reason))

    name = protocol_name(rule.protocol)
    if rule.protocol is not None and rule.protocol not in PROTOCOLS:
        refuse("protocol", name, "ufw has rules for %s; the module policy carries the others" % ", ".join(PROTOCOLS.values()))
    elif rule.protocol in (AH, ESP, IGMP, IPV6) and rule.family != 4:
        refuse("protocol", name, "ufw has rules for it on IPv4 only; set family: ipv4")
    for field, addresses in (("source", rule.source), ("destination", rule.destination)):
        if addresses.negated:
            refuse(field, "not " + ",".join(addresses.words()), "ufw has no negation; the module policy carries it")
    for field, ports in (("port", rule.ports), ("source_port", rule.source_ports)):
        if any(one.first == 0 for one in ports):
            refuse(field, 0, "ufw takes ports from 1 on")
    for field, interface in (("interface", rule.interface), ("out_interface", rule.out_interface)):
        if interface is not None and (not _INTERFACE.match(interface) or interface in (".", "..")):
            refuse(field, interface, "ufw takes names of at most 15 letters, digits and _ . , = %% @ -")
    if rule.limit is not None:
        refuse(
            "limit", rule.limit.rate, "ufw limits to 6 new connections in 30 seconds over all its rules; the module policy carries rates"
        )
    if rule.log is not None:
        refuse(
            "log",
            rule.log.prefix or "true",
            "ufw logs in its own words (native: deny log 22/tcp); the module policy carries prefixes and rates",
        )
    if rule.reply or rule.established:
        refuse("established", True, "ufw passes known connections by itself and has no rule for them")
    if rule.comment is not None and (not _PRINTABLE.match(rule.comment) or not rule.comment):
        refuse("comment", rule.comment, "ufw has no way to write a quote (') or a control character in a comment")
    return found


def tuples_of(rule: Rule, comment: t.Optional[str]) -> t.List[Tuple]:
    """Return the tuples that together say a rule, for one family."""
    protocol = "any" if rule.protocol is None else PROTOCOLS[rule.protocol]
    arriving = rule.interface if rule.direction != "out" else None
    leaving = rule.interface if rule.direction == "out" else rule.out_interface
    return [
        Tuple(rule.action, rule.direction, protocol, destination, ports, source, source_ports, arriving, leaving, comment=comment)
        for source in _sides(rule.source)
        for destination in _sides(rule.destination)
        for ports in _port_lists(rule.ports)
        for source_ports in _port_lists(rule.source_ports)
    ]


def count_of(rule: Rule) -> int:
    """Return how many tuples a rule takes."""
    sides = [max(1, len(one.networks)) for one in (rule.source, rule.destination)]
    return sides[0] * sides[1] * len(_port_lists(rule.ports)) * len(_port_lists(rule.source_ports))


def rules_of(one: Tuple, family: int) -> t.Tuple[Rule, ...]:
    """Return what a tuple does as rules; several for a port of tcp and udp, and none where the language has no words (``limit``)."""
    if one.action == "limit" or any(name is not None and name.endswith("+") for name in (one.arriving, one.leaving)):
        return ()
    if one.protocol == "any":
        numbers: t.Tuple[t.Optional[int], ...] = (None,) if one.ports == one.source_ports == "any" else (TCP, UDP)
    elif one.protocol in NUMBERS and (family == 4 or one.protocol in ("tcp", "udp", "gre")):
        numbers = (NUMBERS[one.protocol],)
    else:
        return ()
    ports, source_ports = _ports(one.ports), _ports(one.source_ports)
    source, destination = _addresses(one.source, family), _addresses(one.destination, family)
    if ports is None or source_ports is None or source is None or destination is None:
        return ()
    if (ports or source_ports) and not {TCP, UDP} & set(numbers):
        return ()
    interface, other = (one.leaving, one.arriving) if one.direction == "out" else (one.arriving, one.leaving)
    if other is not None and one.direction != "forward":
        return ()
    return tuple(
        Rule(
            one.action, one.direction, family, number, source, destination, ports, interface, comment=one.comment,
            source_ports=source_ports, out_interface=other,
        )
        for number in numbers
    )  # fmt: skip


def reached_by(one: Tuple, family: int) -> t.Tuple[Rule, ...]:
    """Return allows of all packets that a tuple matches at most: without its count, and on all interfaces where it names several."""
    arriving, leaving = (None if name is None or name.endswith("+") else name for name in (one.arriving, one.leaving))
    return rules_of(replace(one, action="allow", arriving=arriving, leaving=leaving), family)


def joined(rules: t.Sequence[Rule]) -> t.Optional[Rule]:
    """Return the one rule that some tuples of the same number say, or None when they are not the parts of one."""
    first = rules[0]
    combinations = {(rule.source, rule.destination, rule.ports, rule.source_ports) for rule in rules}
    axes = [{one[number] for one in combinations} for number in range(4)]
    if len(combinations) != len(rules) or len(combinations) != len(axes[0]) * len(axes[1]) * len(axes[2]) * len(axes[3]):
        return None
    same = {
        (r.action, r.direction, r.family, r.protocol, r.interface, r.out_interface, r.comment, r.limit, r.log, r.stateful) for r in rules
    }
    if len(same) != 1 or len({rule.icmp_types for rule in rules}) != 1:
        return None
    sides = [_all_networks(t.cast(t.Set[Addresses], axis)) for axis in axes[:2]]
    ports = [merge_ports(one for part in t.cast(t.Set[t.Tuple[PortRange, ...]], axis) for one in part) for axis in axes[2:]]
    words = dict(first.__dict__, source=sides[0], destination=sides[1], ports=ports[0], source_ports=ports[1])
    return Rule(**words)


def _all_networks(parts: t.Set[Addresses]) -> Addresses:
    if len(parts) == 1:
        return next(iter(parts))
    return make_addresses([network for one in parts for network in one.networks])


def _sides(addresses: Addresses) -> t.List[str]:
    return [network_text(one) for one in addresses.networks] or [""]


def port_chunks(ports: t.Sequence[PortRange]) -> t.List[t.Tuple[PortRange, ...]]:
    """Return ports in lists that fit into one line each; one empty list for any port."""
    chunks: t.List[t.List[PortRange]] = [[]]
    places = 0
    for one in ports:
        size = 1 if one.single else 2
        if places + size > PORT_PLACES:
            chunks.append([])
            places = 0
        chunks[-1].append(one)
        places += size
    return [tuple(chunk) for chunk in chunks]


def _port_lists(ports: t.Sequence[PortRange]) -> t.List[str]:
    words = [",".join(str(one.first) if one.single else "%d:%d" % (one.first, one.last) for one in chunk) for chunk in port_chunks(ports)]
    return [word or "any" for word in words]


def _ports(text: str) -> t.Optional[t.Tuple[PortRange, ...]]:
    if text == "any":
        return ()
    found = []
    for part in text.split(","):
        first, _colon, last = part.partition(":")
        if not (first.isdigit() and (last or first).isdigit() and int(first) <= int(last or first) <= 65535):
            return None
        found.append(PortRange(int(first), int(last or first)))
    return merge_ports(found)


def _addresses(text: str, family: int) -> t.Optional[Addresses]:
    if not text:
        return ANY
    try:
        networks = parse_network(text, "")
    except PolicyError:
        return None
    return make_addresses(networks) if all(one.version == family for one in networks) else None


def without_states(rule: Rule) -> Rule:
    """Return a rule for itself as ufw carries it: known connections pass before all tuples, so states make no difference for a deny or a
    reject, and none for an allow of arriving packets, since ufw drops before what belongs to no connection.
    """
    if not rule.stateful or rule.reply or (rule.action == "allow" and rule.direction != "in"):
        return rule
    return Rule(**dict(rule.__dict__, stateful=False))


def networks_apart(rule: Rule) -> t.List[Rule]:
    """Return the rules of one network, or all that are not some, and of one list of ports each that a rule becomes."""
    sides = [
        [side] if side.negated or side.any else [make_addresses([one]) for one in side.networks] for side in (rule.source, rule.destination)
    ]
    return [
        Rule(**dict(rule.__dict__, source=source, destination=destination, ports=ports, source_ports=source_ports))
        for source in sides[0]
        for destination in sides[1]
        for ports in port_chunks(rule.ports)
        for source_ports in port_chunks(rule.source_ports)
    ]
