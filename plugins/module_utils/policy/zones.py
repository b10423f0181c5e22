# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Zones: names for the interfaces and networks that packets come from or go to.

Pure: touches nothing. Where a zone has both, a packet is of the zone only when it passes one of the interfaces and has an address in one of
the networks: a forged source address does not bring a packet into a zone.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from .address_words import AddressSets, ByFamily, parse_by_family
from .addresses import Addresses, Interval, common, intervals_of, joined, networks_of, without
from .errors import PolicyError
from .names import parse_name, unknown_name
from .parse import check_keys, parse_interface, parse_list

KEYS = ("interfaces", "networks")


@dataclass(frozen=True)
class Zone:
    """One zone.

    :ivar interfaces: at least one name, or None: any interface.
    :ivar networks: addresses by family, or None: any address.
    :ivar intervals: the same as sorted intervals, worked out once.
    """

    interfaces: t.Tuple[t.Optional[str], ...] = (None,)
    networks: t.Optional[ByFamily] = None
    intervals: t.Mapping[int, t.Sequence[Interval]] = field(default_factory=dict)


#: Interfaces, each with the zone whose networks count.
Sides = t.List[t.Tuple[t.Optional[str], t.Optional[Zone]]]


class Zones:
    """The zones of a document."""

    def __init__(self, zones: t.Mapping[str, Zone], sets: AddressSets) -> None:
        self._zones = zones
        self._sets = sets
        # What is compared by its identity stays alive with it.
        self._narrowed: t.Dict[t.Tuple[int, int], t.Tuple[t.Optional[ByFamily], t.Optional[Zone], t.Optional[ByFamily]]] = {}
        self._named: t.Set[str] = set()

    def used(self) -> t.Set[str]:
        """Return the names that a rule or a translation has used."""
        return self._named

    def named(self, values: t.Sequence[t.Any], place: str) -> t.Tuple[Zone, ...]:
        """Return the zones of a rule's field.

        :raises PolicyError: for a zone that is not defined.
        """
        found = []
        for number, value in enumerate(values):
            where = "%s[%d]" % (place, number) if len(values) > 1 else place
            if not isinstance(value, str):
                raise PolicyError(where, value, "the name of a defined zone")
            name = value.strip()
            if name not in self._zones:
                raise unknown_name(name, self._zones, where, "zone", "zones")
            self._named.add(name)
            found.append(self._zones[name])
        return tuple(found)

    def narrowed(self, addresses: t.Optional[ByFamily], sides: Sides, place: str) -> t.List[t.Tuple[t.Optional[str], t.Optional[ByFamily]]]:
        """Return each interface with the addresses that are also in its zone, which may be none; None stands for any address."""
        found = []
        for interface, zone in sides:
            key = (id(addresses), id(zone))
            if key not in self._narrowed:
                self._narrowed[key] = (addresses, zone, _in_zone(addresses, zone, self._sets, place))
            found.append((interface, self._narrowed[key][2]))
        return found


def parse_zones(value: t.Any, place: str, sets: AddressSets) -> t.Dict[str, Zone]:
    """Read the zones of a document.

    :raises PolicyError: when one is not valid. Zones may overlap: a zone is a name, not a place that a packet is in.
    """
    if value is None:
        return {}
    if not isinstance(value, t.Mapping):
        raise PolicyError(place, value, "a mapping of names to zones, each with the keys " + ", ".join(KEYS))
    zones: t.Dict[str, Zone] = {}
    for key, given in value.items():
        name = parse_name(key, place)
        where = "%s.%s" % (place, name)
        zones[name] = _parse_zone(given, where, sets)
    return zones


def _parse_zone(given: t.Any, where: str, sets: AddressSets) -> Zone:
    check_keys(given, KEYS, where)
    names = parse_list(given.get("interfaces"), where + ".interfaces")
    words = parse_list(given.get("networks"), where + ".networks")
    if not names and not words:
        raise PolicyError(where, given, "interfaces, networks, or both", "a zone without either is everything; leave it out of the rule")
    interfaces = tuple(
        parse_interface(one, "%s.interfaces%s" % (where, "[%d]" % number if len(names) > 1 else "")) for number, one in enumerate(names)
    )
    if words and all(isinstance(one, str) and one.strip().startswith("!") for one in words):
        raise PolicyError(where + ".networks", words, "the networks of the zone", "a zone says what it has, not what it has not")
    networks = parse_by_family(words, where + ".networks", sets) if words else None
    intervals = {version: _intervals(addresses) for version, addresses in (networks or {}).items()}
    return Zone(tuple(dict.fromkeys(interfaces)) or (None,), networks, intervals)


def _in_zone(addresses: t.Optional[ByFamily], zone: t.Optional[Zone], sets: AddressSets, place: str) -> t.Optional[ByFamily]:
    if zone is None or zone.networks is None:
        return addresses
    if addresses is None:
        return zone.networks
    result: ByFamily = {}
    for version in (4, 6):
        if version not in addresses or version not in zone.networks:
            continue
        inner, outer = addresses[version], zone.networks[version]
        if outer.any:
            result[version] = inner
        elif inner.any:
            result[version] = outer
        else:
            sets.budget.spend(len(inner.networks), place)
            inside, around = _intervals(inner), zone.intervals[version]
            left = networks_of(without(around, inside) if inner.negated else common(inside, around), version)
            sets.budget.spend(len(left), place)
            if left:
                result[version] = Addresses(left)
    return result


def _intervals(addresses: Addresses) -> t.List[Interval]:
    return joined(intervals_of(addresses.networks))
