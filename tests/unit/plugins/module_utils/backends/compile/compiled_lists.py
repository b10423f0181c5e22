# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests of compiled lists share: bounds so small that short lists are compiled, packets to try, and what a list or steps do to one.

A packet is judged by the sequence of what it meets: each rule that counts packets by its number (a packet above the rate goes on), and last
what decides.
"""

from __future__ import annotations

import contextlib
import ipaddress
import random
from unittest import mock

from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.boxes import Interfaces, sides_of
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.compile import axes, cells, forks, planner
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.compile.effects import effect_of
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.compile.graph import Elements, Lines, Ways
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.compile.steps import Line, Split, Table
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.addresses import ANY, make_addresses
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.ports import PortRange
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rule import Rule

_DIMENSIONS = {"source": 5, "destination": 6, "source_port": 7, "port": 8}
_PROTOCOLS = (1, 6, 17, 58, 132, 47)


@contextlib.contextmanager
def small_bounds(cell=2, tables=True):
    """Compile whatever can be compiled, however short the list, and cut it into the smallest cells."""
    with contextlib.ExitStack() as stack:
        for module, name, value in (
            (planner, "LINEAR", 1), (planner, "REPEATED", 0), (planner, "BESIDE", 1), (planner, "CHEAP", 0), (planner, "LINE", 10**6),
            (planner, "CROWD", 0 if tables else 10**6), (planner, "SMALL_TABLE", 1 if tables else 10**6), (planner, "GROWTH", 10**4),
            (planner, "MAX_DEPTH", 4), (cells, "CELL", cell), (cells, "MAX_SPREAD", 2), (forks, "FEWEST_ASKED", 0), (forks, "WORTH", 0.99),
        ):  # fmt: skip
            stack.enter_context(mock.patch.object(module, name, value))
        yield


def random_packets(rng, rules, count):
    """Packets at and beside the edges of what the rules match."""
    interfaces = Interfaces.of(rules)
    sides = [one for one in (sides_of(rule, interfaces) for rule in rules) if one is not None]
    for _number in range(count if sides else 0):
        one, other = rng.choice(sides), rng.choice(sides)
        point = []
        for dimension in range(10):
            low, high = rng.choice((one if rng.random() < 0.75 else other)[dimension])
            point.append(rng.choice((low, high, rng.randint(low, high), low - 1, high + 1) if rng.random() < 0.2 else (low, high)))
        point[0] = one[0][0][0]
        point[1], point[2] = (min(max(number, 0), interfaces.top) for number in point[1:3])
        point[3] = min(max(point[3], 0), 1)
        if point[4] not in _PROTOCOLS:
            point[4] = rng.choice(_PROTOCOLS)
        point[5:7] = [min(max(number, 0), 2**32 - 1 if point[3] == 0 else 2**128 - 1) for number in point[5:7]]
        point[7:9] = [min(max(number, 0), 65535) for number in point[7:9]]
        point[9] = min(max(point[9], 0), 6)
        yield tuple(point)


def met_in_list(rules, packet, interfaces=None):
    """What a packet meets in a first-match list; ``interfaces`` are those that the packet's numbers are of, else those of the list."""
    interfaces = interfaces or Interfaces.of(rules)
    met = []
    for number, rule in enumerate(rules):
        sides = sides_of(rule, interfaces)
        if sides is not None and _matches(sides, packet):
            met.append(number if effect_of(rule) is None else effect_of(rule))
            if rule.limit is None:
                break
    return met


def met_in_steps(steps, rules, packet):
    """What a packet meets in the steps that a list was compiled to."""
    met = []
    _walk(steps, rules, Interfaces.of(rules), packet, met)
    return met


def _walk(steps, rules, interfaces, packet, met):
    for step in steps:
        if isinstance(step, Line):
            if _matches(sides_of(rules[step.number], interfaces), packet) and (
                _walk(step.before, rules, interfaces, packet, met) or _meet(rules, step.number, met)
            ):
                return True
        elif isinstance(step, Table):
            found = _entry(step, rules, interfaces, packet)
            if found is not None and _meet(rules, found, met):
                return True
        elif isinstance(step, Split):
            coordinate = _coordinate(step.axis, packet)
            inside = [cell.steps for cell in step.cells if coordinate is not None and cell.low <= coordinate <= cell.high]
            assert len(inside) <= 1, "cells overlap"
            if _walk(inside[0] if inside else step.rest, rules, interfaces, packet, met):
                return True
        elif _walk(step.steps, rules, interfaces, packet, met):
            return True
    return False


def _meet(rules, number, met):
    met.append(number if effect_of(rules[number]) is None else effect_of(rules[number]))
    return rules[number].limit is None


def _entry(table, rules, interfaces, packet):
    shape = table.shape
    conditions = Rule(
        shape.stateful or "allow", rules[0].direction, shape.family, shape.protocol, interface=shape.interface,
        out_interface=shape.out_interface, stateful=shape.stateful is not None, ports=shape.ports or (),
    )  # fmt: skip
    if not _matches(sides_of(conditions, interfaces), packet):
        return None
    found = [
        number
        for key, number in table.entries
        if all(low <= packet[_DIMENSIONS[name]] <= high for name, (low, high) in zip(shape.fields, key))
    ]
    assert len(found) <= 1, "entries overlap"
    return found[0] if found else None


def _coordinate(axis, packet):
    family = 4 if packet[3] == 0 else 6
    if axis == axes.FAMILY:
        return family
    if axis in (axes.PROTOCOL, axes.ARRIVING, axes.LEAVING):
        return packet[{axes.PROTOCOL: 4, axes.ARRIVING: 1, axes.LEAVING: 2}[axis]]
    if axis == axes.PORT:
        return axes.coordinate_of(axis, packet[4], packet[8])
    return axes.coordinate_of(axis, family, packet[5 if axis == axes.SOURCE else 6])


def _matches(sides, packet):
    return all(any(low <= number <= high for low, high in side) for side, number in zip(sides, packet))


def mixed_rules(seed, count, wide=True):
    """Allow and deny rules of hosts, networks, ranges and any source, of one port, a few, or any."""
    rng = random.Random(seed)

    def network(shortest, longest):
        length = rng.randint(shortest, longest)
        return make_addresses(
            [ipaddress.IPv4Network((0x0A000000 + rng.getrandbits(24)) >> (32 - length) << (32 - length)).supernet(new_prefix=length)]
        )

    def stretch():
        low = 0x0A000000 + rng.getrandbits(24)
        return make_addresses(
            ipaddress.summarize_address_range(ipaddress.IPv4Address(low), ipaddress.IPv4Address(low + rng.randint(1, 300)))
        )

    rules = []
    while len(rules) < count:
        source = rng.choice([lambda: network(32, 32), lambda: network(12, 28), stretch] + [lambda: ANY] * wide)()
        first = rng.randint(1, 60000)
        ports = rng.choice([(), (PortRange(first, first),), (PortRange(first, first + rng.randint(1, 2000)),)])
        if source.any and not ports:
            continue
        protocol = rng.choice((6, 17)) if ports else rng.choice((6, 17, None))
        comment = "rule %d" % len(rules) if len(rules) % 3 else None
        rules.append(
            Rule(rng.choice(("allow", "deny")), "in", None if source.any else 4, protocol, source, ports=ports, comment=comment)
        )  # fmt: skip
    return rules


def met_in_chains(items, chains, interfaces, packet):
    """The effect that items and the chains they lead to have on a packet, None where nothing decides; for rules that count nothing."""
    effect, _stop = _walk_items(items, chains, interfaces, packet)
    return effect


def _walk_items(items, chains, interfaces, packet):
    for item in items:
        if isinstance(item, (Lines, Elements)):
            for rule, _hint in item.rules:
                sides = sides_of(rule, interfaces)
                if sides is not None and _matches(sides, packet):
                    return effect_of(rule), True
        elif isinstance(item, Ways):
            coordinate = _coordinate(item.axis, packet)
            inside = [name for low, high, name in item.cells if coordinate is not None and low <= coordinate <= high]
            if inside:
                effect, stop = _walk_items(chains(inside[0]), chains, interfaces, packet)
                if stop or item.final:
                    return effect, stop
        elif item.match is None or _matches(sides_of(item.match, interfaces) or ((),) * 10, packet):
            effect, stop = _walk_items(chains(item.chain), chains, interfaces, packet)
            if stop or item.final:
                return effect, stop
    return None, False


def crowded_rules(rng, count):
    """Rules of every kind among 64 addresses and 55 ports, so that most of them overlap; none counts packets or logs."""

    def addresses(family):
        if rng.random() < 0.35:
            return ANY
        bits = 32 if family == 4 else 128
        length = bits - rng.choice((0, 0, 1, 2, 3, 4))
        first = (0x0A000000 if family == 4 else 0x20010DB8 << 96) + rng.getrandbits(6)
        kind = ipaddress.IPv4Network if family == 4 else ipaddress.IPv6Network
        return make_addresses([kind((first >> (bits - length) << (bits - length), length))], rng.random() < 0.05)

    def ports():
        if rng.random() < 0.35:
            return ()
        first = rng.randint(1, 40)
        return (PortRange(first, first + rng.choice((0, 0, 3, 15))),)

    direction = rng.choice(("in", "out", "forward"))
    rules = []
    while len(rules) < count:
        family, protocol = rng.choice((4, 4, 6)), rng.choice((6, 6, 17, None))
        source, destination = addresses(family), addresses(family) if rng.random() < 0.4 else ANY
        wanted = ports() if protocol else ()
        if source.any and destination.any and (not wanted or rng.random() < 0.3):
            continue
        rules.append(
            Rule(
                rng.choice(("allow", "allow", "deny", "deny", "reject")), direction,
                None if source.any and destination.any else family, protocol, source, destination, wanted,
                rng.choice((None, None, None, "eth0", "eth1")), rng.random() < 0.15,
                comment="rule %d" % len(rules) if rng.random() < 0.5 else None,
            )
        )  # fmt: skip
    return rules
