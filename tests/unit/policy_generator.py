# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Large random policies from a seed, of chosen shapes, and the guard that every host gets; standard library only."""

from __future__ import annotations

import ipaddress

from ansible_collections.holdfast.firewall.plugins.module_utils.policy.addresses import ANY, Addresses, make_addresses
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.policy import DEFAULTS, Policy
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.ports import PortRange, merge_ports
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rates import Limit, Rate
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rule import Log, Rule

SHAPES = ("exact", "blocklist", "services", "ranges", "forward", "mixed")
NEIGHBOURS = (*range(130, 137), 143)


def standard_guard(ssh_ports=(22,), agent_ports=(), sources=(), untracked=None):
    """The rules in front of every policy, as a host with these ports gets them (the real ones are made by the change engine).

    :param untracked: ``untracked_icmp`` of the backend.
    """

    def answers(direction):
        for protocol, types in sorted(untracked(direction).items() if untracked else ()):
            yield one(direction, "ICMP answers", protocol=protocol, family={1: 4, 58: 6}[protocol], icmp_types=types)

    def one(direction, comment, **words):
        return Rule(action="allow", direction=direction, comment="holdfast: " + comment, **words)

    guard = []
    for direction in ("in", "out"):
        guard.append(one(direction, "loopback", protocol=None, interface="lo"))
        guard.append(one(direction, "known connections", protocol=None, established=True))
        guard.append(one(direction, "neighbour discovery", protocol=58, family=6, icmp_types=NEIGHBOURS))
        guard.extend(answers(direction))
        if direction == "in":
            ports = merge_ports(PortRange(port, port) for port in (*ssh_ports, *agent_ports))
            for source in sources or (ANY,):
                guard.append(one("in", "management", ports=ports, source=source, family=source.family))
        else:
            guard.extend(one("out", "DNS", protocol=protocol, ports=(PortRange(53, 53),)) for protocol in (17, 6))
        for family, port in ((4, 68), (6, 546)) if direction == "in" else ((4, 67), (6, 547)):
            guard.append(one(direction, "DHCP", protocol=17, family=family, ports=(PortRange(port, port),)))
    guard.append(one("forward", "known connections", protocol=None, established=True))
    guard.extend(answers("forward"))
    return tuple(guard)


def random_policy(rng, rules=1000, shape="mixed", comments=True, guard=False):
    """A valid policy with this many rules.

    ``rng`` is a ``random.Random``: the same seed gives the same policy. Shapes: ``exact`` (allow, one host and one port each, tcp and udp,
    both families), ``blocklist`` (deny single hosts and networks), ``services`` (any source, some ports), ``ranges`` (networks and ranges
    of ports that overlap), ``forward`` (networks to networks through two interfaces), ``mixed`` (all of them, with deny and reject between,
    and now and then a limit, a log, a negation).
    """
    if shape not in SHAPES:
        raise ValueError("shape is one of %s" % ", ".join(SHAPES))
    make = _SHAPES[shape]
    found = tuple(make(rng, number, "rule %d" % number if comments else None) for number in range(rules))
    return Policy(
        rules=found,
        defaults=dict(DEFAULTS),
        labels=tuple("rules[%d]" % number for number in range(rules)),
        guard=standard_guard() if guard is True else tuple(guard or ()),
    )


def _host(rng, family):
    if family == 4:
        return Addresses((ipaddress.IPv4Network(0x0A000000 + rng.getrandbits(24)),))
    return Addresses((ipaddress.IPv6Network((0x20010DB8 << 96) + rng.getrandbits(48)),))


def _network(rng, family, shortest=8):
    if family == 4:
        length = rng.randint(max(8, shortest), 32)
        value = 0x0A000000 + rng.getrandbits(24)
        return Addresses((ipaddress.IPv4Network((value >> (32 - length) << (32 - length), length)),))
    length = rng.randint(32, 128)
    value = (0x20010DB8 << 96) + rng.getrandbits(96)
    return Addresses((ipaddress.IPv6Network((value >> (128 - length) << (128 - length), length)),))


def _exact(rng, number, comment):
    family = rng.choice((4, 4, 6))
    port = rng.randint(1, 65535)
    return Rule(
        "allow", family=family, protocol=rng.choice((6, 6, 17)), source=_host(rng, family), ports=(PortRange(port, port),), comment=comment
    )


def _blocklist(rng, number, comment):
    family = rng.choice((4, 4, 6))
    source = _host(rng, family) if rng.random() < 0.7 else _network(rng, family, 16)
    return Rule("deny", family=family, protocol=None, source=source, comment=comment)


def _services(rng, number, comment):
    ports = merge_ports(PortRange(one, one) for one in rng.sample(range(1, 65536), rng.randint(1, 3)))
    return Rule("allow", protocol=rng.choice((6, 17)), ports=ports, comment=comment)


def _ranges(rng, number, comment):
    family = rng.choice((4, 4, 6))
    first = rng.randint(1, 65535)
    return Rule(
        rng.choice(("allow", "allow", "deny")), family=family, protocol=rng.choice((6, 17)), source=_network(rng, family),
        destination=_network(rng, family) if rng.random() < 0.3 else ANY,
        ports=(PortRange(first, min(65535, first + rng.randint(0, 2000))),), comment=comment,
    )  # fmt: skip


def _forward(rng, number, comment):
    family = rng.choice((4, 6))
    port = rng.randint(1, 65535)
    return Rule(
        rng.choice(("allow", "allow", "deny")), "forward", family, 6, _network(rng, family), _network(rng, family),
        (PortRange(port, port),), "eth0", out_interface="eth1", comment=comment,
    )  # fmt: skip


def _mixed(rng, number, comment):
    dice = rng.random()
    if dice < 0.75:
        return rng.choice((_exact, _blocklist, _services, _ranges, _forward))(rng, number, comment)
    family = rng.choice((4, 6))
    return Rule(
        rng.choice(("allow", "deny", "reject")), rng.choice(("in", "in", "out")), family, rng.choice((6, 17, None)),
        source=make_addresses(_network(rng, family).networks, negated=rng.random() < 0.1),
        interface=rng.choice((None, "eth0", "eth1")), stateful=rng.random() < 0.3,
        limit=Limit(Rate(rng.randint(1, 9), 60)) if rng.random() < 0.05 else None,
        log=Log("hf ", Rate(1, 1)) if rng.random() < 0.05 else None, comment=comment,
    )  # fmt: skip


_SHAPES = {"exact": _exact, "blocklist": _blocklist, "services": _services, "ranges": _ranges, "forward": _forward, "mixed": _mixed}
