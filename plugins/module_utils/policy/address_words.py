# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the words of a source or destination: addresses, ``any``, ``!`` and named sets.

Pure: touches nothing. ``parse_addresses`` is for one flat rule, ``parse_by_family`` for a document, where words of both families make two
rules.
"""

from __future__ import annotations

import typing as t

from .addresses import ALLOWED, ANY, BITS, Addresses, Interval, Network, intervals_of, joined, networks_of, parse_network, without
from .bounds import Budget
from .errors import PolicyError
from .names import reached, unknown_name

MAX_NESTED = 50
#: Addresses by family; a family that is missing does not match. ANY in both is the same as None: any address.
ByFamily = t.Dict[int, Addresses]
Parts = t.Dict[int, t.List[Interval]]


class AddressSets:
    """Named sets of addresses, of one family or both; each is worked out once, when it is first used.

    :ivar budget: what its members are counted against.
    """

    def __init__(self, sets: t.Mapping[str, t.Sequence[t.Any]], place: str = "address_sets", budget: t.Optional[Budget] = None) -> None:
        self._sets = sets
        self._place = place
        self._known: t.Dict[str, Parts] = {}
        self._addresses: t.Dict[str, ByFamily] = {}
        self.budget = budget or Budget()
        self._named: t.Set[str] = set()
        self._inner: t.Dict[str, t.List[str]] = {}

    def check(self) -> None:
        """Work out every set, so that a mistake is found in one that nothing uses, too.

        :raises PolicyError: as ``networks``.
        """
        for name in self._sets:
            self._resolve(name, self._place, ())

    def used(self) -> t.Set[str]:
        """Return the names that something outside of the sets has used, and those that these use."""
        return reached(self._named, self._inner)

    def parts(self, name: str, place: str) -> Parts:
        """Return the intervals of a set by family, sorted and apart.

        :raises PolicyError: for an unknown set, a cycle, a set without addresses, or a member that is no address.
        """
        self._named.add(name)
        return self._resolve(name, place, ())

    def addresses(self, name: str, place: str) -> ByFamily:
        """Return the addresses of a set by family, the same objects each time.

        :raises PolicyError: as ``parts``.
        """
        parts = self.parts(name, place)
        if name not in self._addresses:
            self._addresses[name] = _by_family(parts, {}, self.budget, place)
        return self._addresses[name]

    def _resolve(self, name: str, place: str, within: t.Tuple[str, ...]) -> Parts:
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
        members: Parts = {}
        for number, value in enumerate(self._sets[name]):
            at = "%s[%d]" % (where, number)
            negated, word = _word(value, at)
            if negated or not word:
                raise PolicyError(at, value, "an address, a network, a range or @NAME", "any and ! have no place in a set")
            if word[0] == "@":
                self._inner.setdefault(name, []).append(word[1:])
                found = self._resolve(word[1:], at, (*within, name))
            else:
                found = _parts_of(parse_network(word, at))
            _join(members, found, self.budget, at)
        self._known[name] = {version: joined(members[version]) for version in sorted(members)}
        return self._known[name]


def parse_addresses(
    values: t.Sequence[t.Any], place: str, sets: t.Union[AddressSets, t.Mapping[str, t.Sequence[t.Any]]]
) -> t.Tuple[Addresses, t.Optional[int]]:
    """Read the words of one source or destination of a flat rule, which are of one family.

    Included words are joined; words with ``!`` are taken out of them, or, where there are only such words, mean every other
    address. Returns the canonical addresses and the family they fix (``0.0.0.0/0`` is any IPv4 address: no networks, family 4).

    :raises PolicyError: for anything that is not an address, host bits, mixed families, an unknown set, or an empty result.
    """
    sets = sets if isinstance(sets, AddressSets) else AddressSets(sets)
    found = _read(values, place, sets)
    if found is None:
        return ANY, None
    families = sorted({*found[0], *found[1]})
    if len(families) > 1:
        raise PolicyError(place, list(values), ALLOWED, "IPv4 and IPv6 are mixed in one rule; write one rule for each family")
    result = _by_family(*found, sets.budget, place)
    if not result:
        raise PolicyError(place, list(values), ALLOWED, "the words with ! leave no address")
    return result[families[0]], families[0]


def parse_by_family(values: t.Sequence[t.Any], place: str, sets: AddressSets) -> t.Optional[ByFamily]:
    """Read the words of a source or destination of a document, which may be of both families; None is any address.

    Words mean what they mean in ``parse_addresses``, in each family by itself. Where something is included, a family in which nothing is
    included does not match; where there are only words with ``!``, only the families of these words match.

    :raises PolicyError: as ``parse_addresses``, but for mixed families.
    """
    word = values[0].strip() if len(values) == 1 and isinstance(values[0], str) else ""
    if word[:1].isdigit():
        networks = parse_network(word, place)
        if len(networks) == 1 and networks[0].prefixlen:
            sets.budget.spend(1, place)
            return {networks[0].version: Addresses(networks)}
    result = sets.addresses(word[1:], place) if word[:1] == "@" else None
    if result is None:
        found = _read(values, place, sets)
        if found is None:
            return None
        result = _by_family(*found, sets.budget, place)
    if not result:
        raise PolicyError(place, list(values), ALLOWED, "the words with ! leave no address")
    if len(result) == 2 and result[4].any and result[6].any:
        return None
    return result


def _read(values: t.Sequence[t.Any], place: str, sets: AddressSets) -> t.Optional[t.Tuple[Parts, Parts]]:
    """Return what is included and what is excluded; None where every address matches."""
    included: Parts = {}
    excluded: Parts = {}
    anything = False
    for number, value in enumerate(values):
        where = "%s[%d]" % (place, number) if len(values) > 1 else place
        negated, word = _word(value, where)
        if not word:
            if negated:
                raise PolicyError(where, value, ALLOWED, "everything but any address is nothing")
            anything = True
            continue
        found = sets.parts(word[1:], where) if word[0] == "@" else _parts_of(parse_network(word, where))
        _join(excluded if negated else included, found, sets.budget, where)
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


def _by_family(included: Parts, excluded: Parts, budget: Budget, place: str) -> ByFamily:
    """Return what is left in each family that has something left."""
    result: ByFamily = {}
    for version in (4, 6):
        if version in included:
            left = joined(included[version])
            if version in excluded:
                left = without(left, joined(excluded[version]))
            negated = False
        elif version in excluded and not included:
            left, negated = joined(excluded[version]), True
        else:
            continue
        every = left == [(0, (1 << BITS[version]) - 1)]
        if every and not negated:
            result[version] = ANY
        elif left and not every:
            result[version] = Addresses(networks_of(left, version), negated)
            budget.spend(len(result[version].networks), place)
    return result


def _parts_of(networks: t.Sequence[Network]) -> Parts:
    return {networks[0].version: intervals_of(networks)}


def _join(parts: Parts, more: t.Mapping[int, t.Sequence[Interval]], budget: Budget, place: str) -> None:
    for version, intervals in more.items():
        budget.spend(len(intervals), place)
        parts.setdefault(version, []).extend(intervals)
