# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the words of a source or destination: addresses, ``any``, ``!`` and named sets.

Pure: touches nothing. ``parse_addresses`` is for one flat rule, ``parse_by_family`` for a document, where words of both families make two
rules.
"""

from __future__ import annotations

import typing as t

from .addresses import (
    ALLOWED,
    ANY,
    Addresses,
    Interval,
    Network,
    intervals_of,
    joined,
    make_addresses,
    networks_of,
    parse_network,
    without,
)
from .bounds import Budget
from .errors import PolicyError
from .names import unknown_name

MAX_NESTED = 50
#: Addresses by family; a family that is missing does not match. ANY in both is the same as None: any address.
ByFamily = t.Dict[int, Addresses]


class AddressSets:
    """Named sets of addresses, of one family or both; each is worked out once, when it is first used.

    :ivar used: the names that something outside of the sets has used.
    """

    def __init__(self, sets: t.Mapping[str, t.Sequence[t.Any]], place: str = "address_sets", budget: t.Optional[Budget] = None) -> None:
        self._sets = sets
        self._place = place
        self._known: t.Dict[str, t.Tuple[Network, ...]] = {}
        self.budget = budget or Budget()
        self.used: t.Set[str] = set()

    def check(self) -> None:
        """Work out every set, so that a mistake is found in one that nothing uses, too.

        :raises PolicyError: as ``networks``.
        """
        for name in self._sets:
            self._resolve(name, self._place, ())

    def networks(self, name: str, place: str) -> t.Tuple[Network, ...]:
        """Return the networks of a set, IPv4 first, each family canonical.

        :raises PolicyError: for an unknown set, a cycle, a set without addresses, or a member that is no address.
        """
        self.used.add(name)
        return self._resolve(name, place, ())

    def _resolve(self, name: str, place: str, within: t.Tuple[str, ...]) -> t.Tuple[Network, ...]:
        known = self._known.get(name)
        if known is not None:
            return known
        if name in within:
            raise PolicyError(place, "@" + name, "a set that does not contain itself", "the cycle is %s" % " -> ".join((*within, name)))
        if len(within) >= MAX_NESTED:
            raise PolicyError(place, "@" + name, "sets inside each other at most %d levels deep" % MAX_NESTED)
        if name not in self._sets:
            raise unknown_name(name, self._sets, place, "address set", "address_sets", "@")
        where = "%s.%s" % (self._place, name)
        if not self._sets[name]:
            raise PolicyError(where, "(nothing)", "at least one address", "an empty set matches nothing")
        members: t.List[Network] = []
        for number, value in enumerate(self._sets[name]):
            at = "%s[%d]" % (where, number)
            negated, word = _word(value, at)
            if negated or not word:
                raise PolicyError(at, value, "an address, a network, a range or @NAME", "any and ! have no place in a set")
            found = self._resolve(word[1:], at, (*within, name)) if word[0] == "@" else parse_network(word, at)
            self.budget.spend(len(found), at)
            members.extend(found)
        self._known[name] = _canonical(members)
        return self._known[name]


def parse_addresses(
    values: t.Sequence[t.Any], place: str, sets: t.Union[AddressSets, t.Mapping[str, t.Sequence[t.Any]]]
) -> t.Tuple[Addresses, t.Optional[int]]:
    """Read the words of one source or destination of a flat rule, which are of one family.

    Included words are joined; words with ``!`` are taken out of them, or, where there are only such words, mean every other
    address. Returns the canonical addresses and the family they fix (``0.0.0.0/0`` is any IPv4 address: no networks, family 4).

    :raises PolicyError: for anything that is not an address, host bits, mixed families, an unknown set, or an empty result.
    """
    found = _read(values, place, sets if isinstance(sets, AddressSets) else AddressSets(sets))
    if found is None:
        return ANY, None
    included, excluded = found
    families = sorted({network.version for network in included + excluded})
    if len(families) > 1:
        raise PolicyError(place, list(values), ALLOWED, "IPv4 and IPv6 are mixed in one rule; write one rule for each family")
    result = _by_family(included, excluded)
    if not result:
        raise PolicyError(place, list(values), ALLOWED, "the words with ! leave no address")
    return result[families[0]], families[0]


def parse_by_family(values: t.Sequence[t.Any], place: str, sets: AddressSets) -> t.Optional[ByFamily]:
    """Read the words of a source or destination of a document, which may be of both families; None is any address.

    Words mean what they mean in ``parse_addresses``, in each family by itself. Where something is included, a family in which nothing is
    included does not match; where there are only words with ``!``, only the families of these words match.

    :raises PolicyError: as ``parse_addresses``, but for mixed families.
    """
    if len(values) == 1 and type(values[0]) is str and values[0][:1].isdigit():
        networks = parse_network(values[0].strip(), place)
        if len(networks) == 1 and networks[0].prefixlen:
            sets.budget.spend(1, place)
            return {networks[0].version: Addresses(networks)}
    found = _read(values, place, sets)
    if found is None:
        return None
    result = _by_family(*found)
    if not result:
        raise PolicyError(place, list(values), ALLOWED, "the words with ! leave no address")
    if len(result) == 2 and result[4].any and result[6].any:
        return None
    return result


def _read(
    values: t.Sequence[t.Any], place: str, sets: AddressSets
) -> t.Optional[t.Tuple[t.List[Network], t.List[Network]]]:  # fmt: skip
    """Return the included and the excluded networks; None where every address matches."""
    included: t.List[Network] = []
    excluded: t.List[Network] = []
    anything = False
    for number, value in enumerate(values):
        where = "%s[%d]" % (place, number) if len(values) > 1 else place
        negated, word = _word(value, where)
        if not word:
            if negated:
                raise PolicyError(where, value, ALLOWED, "everything but any address is nothing")
            anything = True
            continue
        found = sets.networks(word[1:], where) if word[0] == "@" else parse_network(word, where)
        sets.budget.spend(len(found), where)
        (excluded if negated else included).extend(found)
    if anything and (included or excluded):
        raise PolicyError(place, list(values), ALLOWED, "any stands alone")
    return None if anything or not values else (included, excluded)


def _word(value: t.Any, place: str) -> t.Tuple[bool, str]:
    """Return whether a word is negated, and the word less its ``!``, empty for any address."""
    if not isinstance(value, str) or not value.strip():
        raise PolicyError(place, value, ALLOWED)
    word = value.strip()
    negated = word.startswith("!")
    if negated:
        word = word[1:].strip()
        if not word:
            raise PolicyError(place, value, ALLOWED)
    return negated, "" if word.lower() in ("any", "all") else word


def _by_family(included: t.Sequence[Network], excluded: t.Sequence[Network]) -> ByFamily:
    """Return what is left in each family that has something left."""
    result: ByFamily = {}
    for version in (4, 6):
        inside = [network for network in included if network.version == version]
        outside = [network for network in excluded if network.version == version]
        if inside and outside:
            inside = list(networks_of(without(_intervals(inside), _intervals(outside)), version))
        if inside:
            result[version] = _less_zero(make_addresses(inside))
        elif outside and not included:
            left = make_addresses(outside, negated=True)
            if left.networks[0].prefixlen:
                result[version] = left
    return result


def _less_zero(addresses: Addresses) -> Addresses:
    """Return ANY for every address of a family (``0.0.0.0/0``): its family then says the rest."""
    return addresses if addresses.networks[0].prefixlen else ANY


def _intervals(networks: t.Iterable[Network]) -> t.List[Interval]:
    return joined(intervals_of(networks))


def _canonical(networks: t.Sequence[Network]) -> t.Tuple[Network, ...]:
    return tuple(
        network
        for version in (4, 6)
        for network in networks_of(_intervals(one for one in networks if one.version == version), version)
    )  # fmt: skip
