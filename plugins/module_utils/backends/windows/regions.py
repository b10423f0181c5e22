# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sets of first packets of connections in the dimensions of Windows, and what is left of one without another.

Pure: touches nothing. A region is of one family, and has for each dimension sorted intervals that do not touch. Ports are narrowed only
where the protocol is TCP or UDP alone, types only where it is ICMP or ICMPv6 alone. A program and a service are conditions that cannot be
turned round: "every program but this one" has no words on Windows.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, replace

from ...policy.addresses import Addresses, Interval, common, intervals_of, joined, without
from ...policy.ports import PortRange
from ...policy.rule import Rule
from ...policy.scope import PROFILES
from .native_rule import PORT_TOP, TOPS

Side = t.Tuple[Interval, ...]
REMOTE, LOCAL, PROFILE, PROTOCOL, LOCAL_PORT, REMOTE_PORT, TYPE = range(7)
#: The dimensions in the order in which two rules mostly differ.
_TELLING = (PROTOCOL, LOCAL_PORT, REMOTE, LOCAL, REMOTE_PORT, TYPE, PROFILE)
ANY_PROTOCOL: Side = ((0, 255),)
ANY_PORT: Side = ((0, PORT_TOP),)
ANY_TYPE: Side = ((0, 255),)
ANY_PROFILE: Side = ((0, 2),)
ANY_HOST: t.Dict[int, Side] = {4: ((0, TOPS[4]),), 6: ((0, TOPS[6]),)}
Condition = t.Tuple[t.Optional[str], t.Optional[str]]
#: A path of which two that are written differently are different programs: no variables, no short names.
_PLAIN_PATH = re.compile(r"[A-Za-z]:\\[^%~/]*\Z")


class Inexact(Exception):
    """A set that Windows has no words for."""


@dataclass(frozen=True)
class Region:
    """Packets of one family; ``condition`` is the program and the service that they are for, each None for any."""

    family: int
    sides: t.Tuple[Side, ...]
    condition: Condition = (None, None)


def regions_of(rule: Rule) -> t.List[Region]:
    """Return the packets that a rule matches, one region for each family."""
    here, there = (rule.destination, rule.source) if rule.direction == "in" else (rule.source, rule.destination)
    my_ports, their_ports = (rule.ports, rule.source_ports) if rule.direction == "in" else (rule.source_ports, rule.ports)
    profile = ANY_PROFILE
    condition: Condition = (None, None)
    if rule.scope is not None:
        condition = (rule.scope.program, rule.scope.service)
        if rule.scope.profiles:
            profile = tuple(joined([(PROFILES.index(one), PROFILES.index(one)) for one in rule.scope.profiles]))
    found = []
    for family in sorted(rule.families()):
        if (rule.protocol, family) in ((1, 6), (58, 4)):
            continue
        sides = (
            _hosts(there, family), _hosts(here, family), profile,
            ANY_PROTOCOL if rule.protocol is None else ((rule.protocol, rule.protocol),), _ports(my_ports), _ports(their_ports),
            tuple(joined([(one, one) for one in rule.icmp_types])) or ANY_TYPE,
        )  # fmt: skip
        if all(sides):
            found.append(Region(family, sides, condition))
    return found


def _hosts(addresses: Addresses, family: int) -> Side:
    if addresses.any:
        return ANY_HOST[family]
    if addresses.family != family:
        return ()
    intervals = joined(intervals_of(addresses.networks))
    return tuple(without(ANY_HOST[family], intervals) if addresses.negated else intervals)


def _ports(ports: t.Sequence[PortRange]) -> Side:
    return tuple(joined([(one.first, one.last) for one in ports])) or ANY_PORT


def meets(one: Region, other: Region) -> bool:
    """Return whether some packet may lie in both."""
    if one.family != other.family:
        return False
    mine, theirs = one.sides, other.sides
    for place in _TELLING:
        left, right = mine[place], theirs[place]
        if left is not right and not _touch(left, right):
            return False
    return not apart(one.condition, other.condition)


def _touch(mine: Side, theirs: Side) -> bool:
    if mine[0][0] > theirs[-1][1] or theirs[0][0] > mine[-1][1]:
        return False
    return (len(mine) == 1 and len(theirs) == 1) or bool(common(mine, theirs))


def apart(one: Condition, other: Condition) -> bool:
    """Return whether no packet fulfils both conditions: they name two programs whose paths cannot be the same."""
    mine, theirs = one[0], other[0]
    if mine is None or theirs is None or mine.lower() == theirs.lower():
        return False
    return bool(_PLAIN_PATH.match(mine) and _PLAIN_PATH.match(theirs))


def within(one: Region, other: Region) -> t.Optional[Region]:
    """Return the packets that lie in both, or None where there are none.

    :raises Inexact: when they are for two programs at once, as far as their names tell.
    """
    if not meets(one, other):
        return None
    condition = []
    for mine, theirs in zip(one.condition, other.condition):
        if mine is not None and theirs is not None and mine != theirs:
            raise Inexact("one is for %s, the other for %s" % (mine, theirs))
        condition.append(mine if mine is not None else theirs)
    sides = tuple(tuple(common(mine, theirs)) for mine, theirs in zip(one.sides, other.sides))
    return Region(one.family, sides, (condition[0], condition[1]))


def less(regions: t.Sequence[Region], other: Region, most: int) -> t.List[Region]:
    """Return disjoint regions less another one.

    :raises Inexact: when the other one has a condition that cannot be turned round, or there are more than ``most`` parts.
    """
    found: t.List[Region] = []
    for one in regions:
        if not meets(one, other):
            found.append(one)
            continue
        for mine, theirs in zip(one.condition, other.condition):
            if theirs is not None and mine != theirs:
                raise Inexact("Windows cannot say: every program or service but %s" % theirs)
        sides = list(one.sides)
        for place, (mine_side, their_side) in enumerate(zip(one.sides, other.sides)):
            if len(their_side) == 1 and their_side[0][0] <= mine_side[0][0] and mine_side[-1][1] <= their_side[0][1]:
                continue  # all of it is in the other one
            rest = tuple(without(mine_side, their_side))
            if rest:
                found.append(replace(one, sides=(*sides[:place], rest, *sides[place + 1 :])))
            sides[place] = tuple(common(mine_side, their_side))
        if len(found) > most:
            raise Inexact("it takes more than %d rules" % most)
    return found


def count_protocols(region: Region) -> int:
    """Return how many rules of Windows a region takes: a rule has one protocol, and one type of ICMP, or any."""
    if region.sides[TYPE] != ANY_TYPE:
        return sum(high - low + 1 for low, high in region.sides[TYPE])
    if region.sides[PROTOCOL] == ANY_PROTOCOL:
        return 1
    return sum(high - low + 1 for low, high in region.sides[PROTOCOL])
