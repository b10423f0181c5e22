# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One rule of Windows Defender Firewall, in one canonical form whatever it was read from.

Pure: touches nothing.
"""

from __future__ import annotations

import ipaddress
import typing as t
from dataclasses import dataclass, field, replace

from ...policy.addresses import Interval, joined

#: The last address of each family.
TOPS = {4: 2**32 - 1, 6: 2**128 - 1}
PORT_TOP = 65535
#: The keywords of netsh as the registry has them.
KEYWORDS = {
    "localsubnet": "LocalSubnet", "dns": "DNS", "dhcp": "DHCP", "wins": "WINS", "defaultgateway": "DefaultGateway", "internet": "Internet",
    "intranet": "Intranet", "rpc": "RPC", "rpc-epmap": "RPC-EPMap", "rpcepmap": "RPC-EPMap", "iphttps": "IPHTTPSIn",
    "iphttpsin": "IPHTTPSIn", "teredo": "Teredo",
}  # fmt: skip
ANY_PORTS: t.Tuple[Interval, ...] = ((0, PORT_TOP),)


@dataclass(frozen=True)
class Hosts:
    """Addresses of a rule; with nothing in it any address.

    :ivar v4: sorted intervals that do not touch.
    :ivar words: keywords such as LocalSubnet, sorted.
    """

    v4: t.Tuple[Interval, ...] = ()
    v6: t.Tuple[Interval, ...] = ()
    words: t.Tuple[str, ...] = ()

    @property
    def any(self) -> bool:
        """Whether any address matches."""
        return not self.v4 and not self.v6 and not self.words

    def texts(self) -> t.List[str]:
        """Return them as netsh takes them: networks as prefixes, everything else as ranges, none of which begins with ``::``."""
        v6 = [part for one in self.v6 for part in _without_lowest(one)]
        return [*self.words, *(interval_text(one, 4) for one in self.v4), *(interval_text(one, 6) for one in v6)]


@dataclass(frozen=True)
class Ports:
    """Ports of a rule; with nothing in it any port."""

    numbers: t.Tuple[Interval, ...] = ()
    words: t.Tuple[str, ...] = ()

    def texts(self) -> t.List[str]:
        """Return them as netsh writes them."""
        return [*self.words, *(str(low) if low == high else "%d-%d" % (low, high) for low, high in self.numbers)]


@dataclass(frozen=True)
class NativeRule:
    """One rule.

    :ivar action: ``allow``, ``block`` or ``bypass``.
    :ivar protocol: its number, or None for any.
    :ivar icmp: pairs of type and code (None: any code); empty means any type.
    :ivar profiles: ``domain``, ``private``, ``public``; empty means any.
    :ivar group: the name of the group, which netsh cannot set.
    :ivar extra: everything else that the registry says of it, as pairs.
    :ivar source: ``local`` or ``gpo`` (a group policy, which cannot be changed here).
    :ivar identity: how the registry calls it, where it was read from there; rules that differ in this only are equal.
    """

    name: str
    direction: str
    action: str
    enabled: bool = True
    protocol: t.Optional[int] = None
    local: Hosts = Hosts()
    remote: Hosts = Hosts()
    local_ports: Ports = Ports()
    remote_ports: Ports = Ports()
    icmp: t.Tuple[t.Tuple[int, t.Optional[int]], ...] = ()
    profiles: t.Tuple[str, ...] = ()
    program: t.Optional[str] = None
    service: t.Optional[str] = None
    description: str = ""
    group: str = ""
    extra: t.Tuple[t.Tuple[str, str], ...] = ()
    source: str = "local"
    identity: str = field(default="", compare=False)

    def unnamed(self) -> NativeRule:
        """Return what it does, without what it is called."""
        return replace(self, name="", description="", group="")


def make_hosts(intervals: t.Mapping[int, t.Sequence[Interval]], words: t.Iterable[str] = ()) -> Hosts:
    """Return addresses in canonical form."""
    return Hosts(tuple(joined(intervals.get(4, ()))), tuple(joined(intervals.get(6, ()))), tuple(sorted(set(words))))


def make_ports(intervals: t.Iterable[Interval], words: t.Iterable[str] = ()) -> Ports:
    """Return ports in canonical form."""
    found = tuple(joined(intervals))
    return Ports(() if found == ANY_PORTS else found, tuple(sorted(set(words))))


def _without_lowest(interval: Interval) -> t.List[Interval]:
    """Return an interval of IPv6 in parts that Windows takes.

    No range may begin with the unspecified address (MS-FASP 2.2.10), while a network may (2.2.6), if it is not all of IPv6. So the largest
    network from there on stands alone. For what begins with the address of loopback see ``natives``.
    """
    low, high = interval
    if low > 0 or high == 0:
        return [interval]
    size = 1 << min((high + 1).bit_length() - 1, 127)
    return [(0, size - 1)] + ([(size, high)] if size <= high else [])


def interval_text(interval: Interval, version: int) -> str:
    """Return an address, a network or a range."""
    low, high = interval
    kind = ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address
    if low == high:
        return str(kind(low))
    size = (high - low + 1).bit_length() - 1
    bits = 32 if version == 4 else 128
    if high - low + 1 == 1 << size and low % (1 << size) == 0 and size < bits:
        return "%s/%d" % (kind(low), bits - size)
    return "%s-%s" % (kind(low), kind(high))


def parse_interval(word: str) -> t.Tuple[int, Interval]:
    """Read an address, a network (a prefix length or a mask) or a range; returns the family with it.

    :raises ValueError: when it is none of these.
    """
    if "-" in word:
        first, last = (ipaddress.ip_address(one) for one in word.split("-", 1))
        if first.version != last.version or int(first) > int(last):
            raise ValueError(word)
        return first.version, (int(first), int(last))
    network = ipaddress.ip_network(word, strict=False)
    return network.version, (int(network.network_address), int(network.broadcast_address))


def parse_hosts(words: t.Iterable[str]) -> Hosts:
    """Read addresses; what is no address is a keyword."""
    found: t.Dict[int, t.List[Interval]] = {4: [], 6: []}
    keywords = []
    for word in words:
        if word.lower() in ("any", "*"):
            return Hosts()
        try:
            version, interval = parse_interval(word)
        except ValueError:
            keywords.append(KEYWORDS.get(word.lower(), word))
        else:
            found[version].append(interval)
    return make_hosts(found, keywords)


def parse_ports(words: t.Iterable[str]) -> Ports:
    """Read ports; what is no number or range is a keyword."""
    found: t.List[Interval] = []
    keywords = []
    for word in words:
        if word.lower() in ("any", "*"):
            return Ports()
        first, _dash, last = word.partition("-")
        if first.isdigit() and (last or first).isdigit() and int(first) <= int(last or first) <= PORT_TOP:
            found.append((int(first), int(last or first)))
        else:
            keywords.append(KEYWORDS.get(word.lower(), word))
    return make_ports(found, keywords)
