# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The network interfaces and addresses that the stand-in host has.

A file ``interfaces.json`` in the state folder decides (``{"em0": ["192.0.2.10/24", "2001:db8::10/64"]}``); without it the real
machine is read, with ``lo`` also known as ``lo0``.  Nothing is changed.
"""

from __future__ import annotations

import fcntl
import ipaddress
import json
import socket
import struct
from dataclasses import dataclass, field
from pathlib import Path

_CLONED = frozenset("bridge carp disc edsc enc epair faith gif gre ipsec lagg lo me ovpn pflog pfsync stf tap tun vlan vxlan wg".split())
SIOCGIFADDR, SIOCGIFNETMASK = 0x8915, 0x891B


@dataclass(frozen=True)
class Interfaces:
    """Interface names, each with its ``ip_interface`` addresses in order.

    ``driver_groups``: every driver's name is a group of its interfaces (OpenBSD, macOS); FreeBSD has that for cloned interfaces only.
    """

    addresses: dict[str, tuple] = field(default_factory=dict)
    driver_groups: bool = True

    def _is_group(self, name: str) -> bool:
        return bool(name) and not name[-1].isdigit() and (self.driver_groups or name in _CLONED)

    def names_of(self, name: str) -> list[str]:
        """The interfaces that ``name`` means: itself, the members of a group (``em``, ``egress``), or all for ``self``."""
        if name == "self":
            return list(self.addresses)
        if name in self.addresses:
            return [name]
        if name == "egress" and self.driver_groups:
            return [known for known in self.addresses if not known.startswith("lo")]
        if self._is_group(name):
            return [known for known in self.addresses if known.startswith(name) and known[len(name) :].isdigit()]
        return []

    def exists(self, name: str) -> bool:
        """True for an interface, a group of interfaces, or ``self``."""
        return bool(self.names_of(name))

    def matches(self, wanted: str, actual: str | None) -> bool:
        """Whether a packet on interface ``actual`` satisfies ``on wanted``; works for interfaces the host does not have, too."""
        if actual is None:
            return False
        if wanted == actual or wanted == "any":
            return True
        if wanted == "egress" and self.driver_groups:
            return not actual.startswith("lo")
        return self._is_group(wanted) and actual.startswith(wanted) and actual[len(wanted) :].isdigit()

    def lookup(self, name: str, modifiers: tuple = ()) -> list:
        """Addresses of ``name`` as ``(family, address text, prefix length)``; modifiers: network, broadcast, peer, 0."""
        found = []
        for interface in self.names_of(name):
            seen: set[int] = set()
            for address in self.addresses[interface]:
                if "0" in modifiers and address.version in seen:
                    continue
                seen.add(address.version)
                width = 32 if address.version == 4 else 128
                if "network" in modifiers:
                    if address.version == 6 and address.is_link_local:
                        continue
                    found.append((address.version, str(address.network.network_address), address.network.prefixlen))
                elif "broadcast" in modifiers:
                    if address.version == 4 and not address.is_loopback:
                        found.append((4, str(address.network.broadcast_address), width))
                elif "peer" not in modifiers:
                    found.append((address.version, str(address.ip), width))
        return found


def from_mapping(mapping: dict) -> Interfaces:
    """Build ``Interfaces`` from ``{name: [address/prefix, ...]}``."""
    return Interfaces({name: tuple(ipaddress.ip_interface(text) for text in texts) for name, texts in mapping.items()})


def load(state_dir: Path) -> Interfaces:
    """Read ``interfaces.json`` of the state folder, or the machine itself."""
    path = state_dir / "interfaces.json"
    if path.exists():
        return from_mapping(json.loads(path.read_text(encoding="utf-8")))
    return from_mapping(_read_machine())


def _read_machine() -> dict:
    found: dict[str, list[str]] = {}
    for _index, name in socket.if_nameindex():
        found[name] = []
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as query:
            request = struct.pack("256s", name.encode()[:15])
            try:
                address = socket.inet_ntoa(fcntl.ioctl(query.fileno(), SIOCGIFADDR, request)[20:24])
                mask = socket.inet_ntoa(fcntl.ioctl(query.fileno(), SIOCGIFNETMASK, request)[20:24])
            except OSError:
                continue
            found[name].append("%s/%s" % (address, mask))
    table = Path("/proc/net/if_inet6")
    if table.exists():
        for line in table.read_text(encoding="ascii").splitlines():
            digits, _number, prefix, _scope, _flags, name = line.split()
            text = ":".join(digits[i : i + 4] for i in range(0, 32, 4))
            found.setdefault(name, []).append("%s/%d" % (text, int(prefix, 16)))
    if "lo" in found and "lo0" not in found:
        found["lo0"] = found.pop("lo")
    return found
