# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The address families that the conditions of one rule of a document leave, and the error where they leave none.

Pure: touches nothing.
"""

from __future__ import annotations

import typing as t

from .address_words import ByFamily
from .addresses import ANY, Addresses
from .errors import PolicyError
from .protocols import FAMILY_OF
from .rule import FAMILY_NAMES
from .services import ServiceEntry

#: Family, source and destination of one flat rule.
Flat = t.Tuple[t.Optional[int], Addresses, Addresses]


def flat_families(
    entry: ServiceEntry, family: t.Optional[int], source: t.Optional[ByFamily], destination: t.Optional[ByFamily]
) -> t.List[Flat]:
    """Return (family, source, destination) of each flat rule: one for both families where that says the same, none where nothing fits."""
    fixed = entry.family if entry.family is not None else FAMILY_OF.get(entry.protocol) if entry.protocol is not None else None
    if source is None and destination is None:
        if fixed is None or family is None or fixed == family:
            return [(fixed if family is None else family, ANY, ANY)]
        return []
    return [
        (version, ANY if source is None else source[version], ANY if destination is None else destination[version])
        for version in (4, 6)
        if (family is None or version == family)
        and (fixed is None or version == fixed)
        and (source is None or version in source)
        and (destination is None or version in destination)
    ]


def nothing_matches(
    given: t.Mapping[str, t.Any],
    entries: t.Sequence[ServiceEntry],
    family: t.Optional[int],
    source: t.Optional[ByFamily],
    destination: t.Optional[ByFamily],
) -> PolicyError:
    """Return the error for conditions that no packet fulfils all of: they are of different families, or outside of the zone."""
    of_entries = {one.family or FAMILY_OF.get(one.protocol or 0) for one in entries}
    votes: t.List[t.Tuple[str, t.Set[int]]] = []
    for key, found in (("source", source), ("destination", destination)):
        if found is not None:
            votes.append((key, set(found)))
    if None not in of_entries:
        votes.append(("service" if given.get("service") is not None else "protocol", t.cast("t.Set[int]", of_entries)))
    if family is not None:
        votes.append(("family", {family}))
    allowed = "conditions that one packet can fulfil"
    for number, (key, families) in enumerate(votes):
        for other, others in votes[:number]:
            if not families & others:
                said = "%s is %s and %s is %s" % (other, _family_names(others), key, _family_names(families))
                return PolicyError(key, "(%s)" % _family_names(families), allowed, said + ", so no packet matches")
    for key in ("zone", "from_zone", "to_zone"):
        if given.get(key) is not None:
            return PolicyError(
                key, given[key], allowed, "the addresses or the family of the rule are not in the zone, so no packet matches"
            )
    return PolicyError("", "(conditions of different families)", allowed, "no packet matches")


def _family_names(families: t.Iterable[int]) -> str:
    return " and ".join(FAMILY_NAMES[one] for one in sorted(families))
