# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses: networks and their one canonical form, and the arithmetic of their intervals.

Pure: touches nothing, resolves no names (a name that does not resolve at boot leaves a host without rules).
"""

from __future__ import annotations

import ipaddress
import re
import socket
import typing as t
from bisect import bisect_left
from dataclasses import dataclass

from .errors import PolicyError

#: First and last address of an interval, both included.
Interval = t.Tuple[int, int]
Network = t.Union[ipaddress.IPv4Network, ipaddress.IPv6Network]
ALLOWED = (
    "any, an IPv4 or IPv6 address, a network such as 192.0.2.0/24, a range FIRST-LAST, @NAME of an address set, or ! before one of these"
)
BITS = {4: 32, 6: 128}
_PLAIN_IPV4 = re.compile(r"(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})(?:/(0|[1-9]\d?))?\Z", re.ASCII)
_PLAIN_IPV6 = re.compile(r"([0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7})(?:/(0|[1-9]\d{0,2}))?\Z", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, init=False)
class Addresses:
    """The addresses that a rule's source or destination matches.

    ``networks`` is collapsed and sorted and of one family; empty means any address. ``negated`` turns it round.
    """

    __slots__ = ("negated", "networks")  # there may be hundreds of thousands

    networks: t.Tuple[Network, ...]
    negated: bool

    def __init__(self, networks: t.Tuple[Network, ...] = (), negated: bool = False) -> None:
        object.__setattr__(self, "networks", networks)
        object.__setattr__(self, "negated", negated)

    def __hash__(self) -> int:
        """Return a hash in constant time, for sets of a hundred thousand networks too."""
        networks = self.networks
        return hash((networks[0], networks[-1], len(networks), self.negated)) if networks else 0

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
    found = tuple(networks)
    return Addresses(found if len(found) < 2 else collapsed(found), negated)


def collapsed(networks: t.Iterable[Network]) -> t.Tuple[Network, ...]:
    """Return the same addresses as sorted networks that neither overlap nor can be joined; all are of one family."""
    found = tuple(networks)
    return networks_of(joined(intervals_of(found)), found[0].version) if found else ()


def intervals_of(networks: t.Iterable[Network]) -> t.List[Interval]:
    """Return the first and last address of each network, in the same order."""
    found = []
    for network in networks:
        first = int(network.network_address)
        found.append((first, first | (1 << network.max_prefixlen - network.prefixlen) - 1))
    return found


def joined(intervals: t.Iterable[Interval]) -> t.List[Interval]:
    """Return the same addresses as sorted intervals that neither overlap nor touch."""
    result: t.List[Interval] = []
    for first, last in sorted(intervals):
        if result and first <= result[-1][1] + 1:
            if last > result[-1][1]:
                result[-1] = (result[-1][0], last)
        else:
            result.append((first, last))
    return result


def networks_of(intervals: t.Iterable[Interval], version: int) -> t.Tuple[Network, ...]:
    """Return the fewest networks that cover exactly these intervals, which are sorted and apart."""
    bits = BITS[version]
    kind = ipaddress.IPv4Network if version == 4 else ipaddress.IPv6Network
    result: t.List[Network] = []
    for first, last in intervals:
        while first <= last:
            size = (last - first + 1).bit_length() - 1
            if first:
                size = min(size, (first & -first).bit_length() - 1)
            result.append(kind((first, bits - size)))
            first += 1 << size
    return tuple(result)


def without(included: t.Sequence[Interval], excluded: t.Sequence[Interval]) -> t.List[Interval]:
    """Return ``included`` less ``excluded``, both sorted and apart."""
    kept: t.List[Interval] = []
    start = 0
    for low, high in included:
        while start < len(excluded) and excluded[start][1] < low:
            start += 1
        number = start
        while number < len(excluded) and excluded[number][0] <= high:
            first, last = excluded[number]
            if first > low:
                kept.append((low, first - 1))
            low = last + 1
            number += 1
        if low <= high:
            kept.append((low, high))
    return kept


def common(left: t.Sequence[Interval], right: t.Sequence[Interval]) -> t.List[Interval]:
    """Return the addresses that are in both, each sorted and apart; quick where one of them is much shorter."""
    few, many = (left, right) if len(left) <= len(right) else (right, left)
    kept: t.List[Interval] = []
    for low, high in few:
        number = max(0, bisect_left(many, (low, low)) - 1)
        while number < len(many) and many[number][0] <= high:
            first, last = max(low, many[number][0]), min(high, many[number][1])
            if first <= last:
                kept.append((first, last))
            number += 1
    return kept


def parse_network(word: str, place: str) -> t.Tuple[Network, ...]:
    """Read an address, a network or a range FIRST-LAST.

    :raises PolicyError: for anything else, host bits, a zone (``%eth0``), a mask that is no prefix length, or a reversed range.
    """
    plain = _PLAIN_IPV4.match(word)
    if plain is not None:
        one, two, three, four, length = plain.groups()
        parts = (int(one), int(two), int(three), int(four))
        size = 32 if length is None else int(length)
        value = (parts[0] << 24) + (parts[1] << 16) + (parts[2] << 8) + parts[3]
        if max(parts) < 256 and size <= 32 and not value & ((1 << 32 - size) - 1):
            return (ipaddress.IPv4Network((value, size)),)
    else:
        plain = _PLAIN_IPV6.match(word)
        if plain is not None:
            host, length = plain.groups()
            size = 128 if length is None else int(length)
            try:
                # Several times as fast as ipaddress, for the same texts.
                value = int.from_bytes(socket.inet_pton(socket.AF_INET6, host), "big")
            except OSError:
                value = -1
            if size <= 128 and value >= 0 and not value & ((1 << 128 - size) - 1):
                return (ipaddress.IPv6Network((value, size)),)
    return _parse_carefully(word, place)


def _parse_carefully(word: str, place: str) -> t.Tuple[Network, ...]:
    if "%" in word:
        raise PolicyError(place, word, ALLOWED, "an address with a zone (%) belongs to one machine; use interface instead")
    if "-" in word:
        return _parse_range(word, place)
    address, slash, length = word.partition("/")
    if slash and not (length.isascii() and length.isdigit() and len(length) <= 3):
        raise PolicyError(place, word, ALLOWED, "write the mask as a prefix length, for example /24")
    try:
        host = parse_host(address)
    except ValueError:
        hint = "leading zeros, missing or extra parts are refused"
        if any(c.isalpha() for c in address) and ":" not in address:
            hint = "host names are not looked up; write the address"
        raise PolicyError(place, word, ALLOWED, hint) from None
    size = int(length) if slash else host.max_prefixlen
    if size > host.max_prefixlen:
        raise PolicyError(place, word, ALLOWED, "the prefix length of IPv%d is at most %d" % (host.version, host.max_prefixlen))
    value = int(host)
    kept = value >> host.max_prefixlen - size << host.max_prefixlen - size
    network: Network = ipaddress.IPv4Network((kept, size)) if host.version == 4 else ipaddress.IPv6Network((kept, size))
    if kept != value:
        raise PolicyError(
            place, word, "a network without host bits", "host bits are set; write %s for the network or %s for the host" % (network, host)
        )
    return (network,)


def parse_host(word: str) -> t.Union[ipaddress.IPv4Address, ipaddress.IPv6Address]:
    """Read one address; unlike Python before 3.9.5 it refuses leading zeros, which some programs take for octal.

    :raises ValueError: when it is none.
    """
    host = ipaddress.ip_address(word)
    if "." in word and any(len(part) > 1 and part[0] == "0" for part in word.rpartition(":")[2].split(".")):
        raise ValueError("leading zero")
    return host


def _parse_range(word: str, place: str) -> t.Tuple[Network, ...]:
    parts = [part.strip() for part in word.split("-")]
    try:
        first, last = (parse_host(part) for part in parts)
    except ValueError:
        hint = "host names are not looked up; write the address" if any(c.isalpha() for c in word) and ":" not in word else ""
        raise PolicyError(place, word, ALLOWED, hint) from None
    if first.version != last.version:
        raise PolicyError(place, word, ALLOWED, "the ends of the range are of different families")
    if int(first) > int(last):
        raise PolicyError(place, word, ALLOWED, "the range is reversed; write %s-%s" % (last, first))
    return networks_of([(int(first), int(last))], first.version)
