# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses: networks, lists, negation and named sets, and their one canonical form.

Pure: touches nothing, resolves no names (a name that does not resolve at boot leaves a host without rules).
"""

from __future__ import annotations

import ipaddress
import typing as t
from dataclasses import dataclass

from .errors import PolicyError, nearest

Network = t.Union[ipaddress.IPv4Network, ipaddress.IPv6Network]
ALLOWED = (
    "any, an IPv4 or IPv6 address, a network such as 192.0.2.0/24, a range FIRST-LAST, @NAME of an address set, or ! before one of these"
)


@dataclass(frozen=True)
class Addresses:
    """The addresses that a rule's source or destination matches.

    ``networks`` is collapsed and sorted and of one family; empty means any address. ``negated`` turns it round.
    """

    networks: t.Tuple[Network, ...] = ()
    negated: bool = False

    @property
    def any(self) -> bool:
        """Whether every address matches."""
        return not self.networks

    @property
    def family(self) -> t.Optional[int]:
        """4, 6, or None when any address matches."""
        return self.networks[0].version if self.networks else None

    def words(self) -> t.List[str]:
        """Return the language's words for these addresses, a host without its prefix length."""
        sign = "!" if self.negated else ""
        return [sign + network_text(network) for network in self.networks] or ["any"]


ANY = Addresses()


def network_text(network: Network) -> str:
    """Return the shortest usual text: a host without ``/32`` or ``/128``."""
    if network.prefixlen == network.max_prefixlen:
        return str(network.network_address)
    return str(network)


def make_addresses(networks: t.Iterable[Network], negated: bool = False) -> Addresses:
    """Return the canonical form of networks that are all of one family."""
    return Addresses(tuple(_collapsed(networks)), negated)


def _collapsed(networks: t.Iterable[Network]) -> t.List[Network]:
    """Return the same addresses as sorted networks that neither overlap nor can be joined; all are of one family."""
    one_family = t.cast("t.Iterable[ipaddress.IPv4Network]", networks)
    return list(ipaddress.collapse_addresses(one_family))


def parse_addresses(values: t.Sequence[t.Any], place: str, sets: t.Mapping[str, t.Sequence[t.Any]]) -> t.Tuple[Addresses, t.Optional[int]]:
    """Read the words of one source or destination.

    Included words are joined; words with ``!`` are taken out of them, or, where there are only such words, mean every other
    address. Returns the canonical addresses and the family they fix (``0.0.0.0/0`` is any IPv4 address: no networks, family 4).

    :raises PolicyError: for anything that is not an address, host bits, mixed families, an unknown set, or an empty result.
    """
    included: t.List[Network] = []
    excluded: t.List[Network] = []
    anything = False
    for number, value in enumerate(values):
        where = "%s[%d]" % (place, number) if len(values) > 1 else place
        negated, found = _parse_word(value, where, sets, ())
        if not found:
            if negated:
                raise PolicyError(where, value, ALLOWED, "everything but any address is nothing")
            anything = True
        (excluded if negated else included).extend(found)
    if anything and (included or excluded):
        raise PolicyError(place, list(values), ALLOWED, "any stands alone")
    if anything or not values:
        return ANY, None
    families = sorted({network.version for network in included + excluded})
    if len(families) > 1:
        raise PolicyError(place, list(values), ALLOWED, "IPv4 and IPv6 are mixed in one rule; write one rule for each family")
    if not included:
        result = make_addresses(excluded, negated=True)
    elif excluded:
        result = make_addresses(_without(included, excluded))
        if not result.networks:
            raise PolicyError(place, list(values), ALLOWED, "the words with ! leave no address")
    else:
        result = make_addresses(included)
    if result.networks and result.networks[0].prefixlen == 0:
        if result.negated:
            raise PolicyError(place, list(values), ALLOWED, "the words with ! leave no address")
        return ANY, families[0]
    return result, families[0]


def _parse_word(
    value: t.Any, place: str, sets: t.Mapping[str, t.Sequence[t.Any]], within: t.Tuple[str, ...]
) -> t.Tuple[bool, t.List[Network]]:
    """Return (negated, networks); no networks means any."""
    if not isinstance(value, str) or not value.strip():
        raise PolicyError(place, value, ALLOWED)
    word = value.strip()
    negated = word.startswith("!")
    if negated:
        word = word[1:].strip()
    if word.lower() in ("any", "all"):
        return negated, []
    if word.startswith("@"):
        return negated, _parse_set(word[1:], place, sets, within)
    return negated, _parse_network(word, place)


def _parse_set(name: str, place: str, sets: t.Mapping[str, t.Sequence[t.Any]], within: t.Tuple[str, ...]) -> t.List[Network]:
    if name in within:
        raise PolicyError(place, "@" + name, "a set that does not contain itself", "the cycle is %s" % " -> ".join(within + (name,)))
    if name not in sets:
        close = nearest(name, sets)
        raise PolicyError(
            place,
            "@" + name,
            "the name of a defined address set (%s)" % (", ".join(sorted(sets)) or "none is defined"),
            "did you mean @%s?" % close if close else "define it in address_sets",
        )
    members: t.List[Network] = []
    for number, value in enumerate(sets[name]):
        where = "address_sets.%s[%d]" % (name, number)
        negated, found = _parse_word(value, where, sets, within + (name,))
        if negated or not found:
            raise PolicyError(where, value, "an address, a network, a range or @NAME", "any and ! have no place in a set")
        members.extend(found)
    if not members:
        raise PolicyError("address_sets." + name, "(nothing)", "at least one address", "an empty set matches nothing")
    return members


def _parse_network(word: str, place: str) -> t.List[Network]:
    if "%" in word:
        raise PolicyError(place, word, ALLOWED, "an address with a zone (%) belongs to one machine; use interface instead")
    if "-" in word:
        return _parse_range(word, place)
    address, slash, length = word.partition("/")
    if slash and not (length.isascii() and length.isdigit()):
        raise PolicyError(place, word, ALLOWED, "write the mask as a prefix length, for example /24")
    try:
        host = ipaddress.ip_address(address)
    except ValueError:
        hint = "leading zeros, missing or extra parts are refused"
        if any(c.isalpha() for c in address) and ":" not in address:
            hint = "host names are not looked up; write the address"
        raise PolicyError(place, word, ALLOWED, hint) from None
    if slash and int(length[:4]) > host.max_prefixlen:
        raise PolicyError(place, word, ALLOWED, "the prefix length of IPv%d is at most %d" % (host.version, host.max_prefixlen))
    network: Network = ipaddress.ip_network(word, strict=False)
    if network.network_address != host:
        raise PolicyError(
            place, word, "a network without host bits", "host bits are set; write %s for the network or %s for the host" % (network, host)
        )
    return [network]


def _parse_range(word: str, place: str) -> t.List[Network]:
    parts = [part.strip() for part in word.split("-")]
    try:
        first, last = (ipaddress.ip_address(part) for part in parts)
    except ValueError:
        hint = "host names are not looked up; write the address" if any(c.isalpha() for c in word) and ":" not in word else ""
        raise PolicyError(place, word, ALLOWED, hint) from None
    if first.version != last.version:
        raise PolicyError(place, word, ALLOWED, "the ends of the range are of different families")
    if int(first) > int(last):
        raise PolicyError(place, word, ALLOWED, "the range is reversed; write %s-%s" % (last, first))
    return list(ipaddress.summarize_address_range(first, last))


def _without(included: t.List[Network], excluded: t.List[Network]) -> t.List[Network]:
    """Return ``included`` less ``excluded``, by intervals (both of one family)."""
    version = included[0].version
    kind = ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address
    cuts = sorted((int(n.network_address), int(n.broadcast_address)) for n in excluded)
    kept: t.List[Network] = []
    for network in _collapsed(included):
        low, high = int(network.network_address), int(network.broadcast_address)
        for first, last in cuts:
            if last < low or first > high:
                continue
            if first > low:
                kept.extend(ipaddress.summarize_address_range(kind(low), kind(first - 1)))
            low = max(low, last + 1)
            if low > high:
                break
        if low <= high:
            kept.extend(ipaddress.summarize_address_range(kind(low), kind(high)))
    return kept
