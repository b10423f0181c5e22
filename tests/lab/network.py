# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The network of a lab: a namespace with a bridge in it. The namespace itself is the control node.

Addresses come from the documentation ranges (RFC 5737, RFC 3849). Nothing outside the namespace is changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .errors import LabError
from .process import run

BRIDGE = "lab0"
IPV4_PREFIX = 24
IPV6_PREFIX = 64
FIRST_INDEX = 10
LAST_INDEX = 250


def ipv4(index: int) -> str:
    """Address of the host with this index; 1 is the control node."""
    return f"198.51.100.{index}"


def ipv6(index: int) -> str:
    """Address of the host with this index; the last group reads like the last byte of the IPv4 address."""
    return f"2001:db8:0:1::{index}"


def free_index(taken: set[int]) -> int:
    """Lowest index that no host has."""
    for index in range(FIRST_INDEX, LAST_INDEX + 1):
        if index not in taken:
            return index
    raise LabError(f"the lab is full: {LAST_INDEX - FIRST_INDEX + 1} hosts")


def host_network_file(index: int) -> str:
    """systemd-networkd file for the one interface of a host.

    Duplicate address detection would keep the IPv6 addresses tentative for a second or more. Delayed acknowledgements would cost
    every SSH login two waits of 40 ms, hence the routes with QuickAck.
    """
    return f"""[Match]
Name=host0

[Network]
Gateway={ipv4(1)}
Gateway={ipv6(1)}
LinkLocalAddressing=ipv6
IPv6AcceptRA=no
IPv6DuplicateAddressDetection=0

[Address]
Address={ipv4(index)}/{IPV4_PREFIX}
AddPrefixRoute=no

[Address]
Address={ipv6(index)}/{IPV6_PREFIX}
AddPrefixRoute=no
DuplicateAddressDetection=none

[Route]
Destination={ipv4(0)}/{IPV4_PREFIX}
Scope=link
PreferredSource={ipv4(index)}
QuickAck=yes

[Route]
Destination={ipv6(0)}/{IPV6_PREFIX}
QuickAck=yes
"""


@dataclass(frozen=True)
class Network:
    """The namespace called ``name`` on this machine."""

    name: str

    @property
    def path(self) -> Path:
        return Path("/run/netns") / self.name

    @property
    def prefix(self) -> list[str]:
        """Words before a command that runs as the control node.

        Not ``ip netns exec``: that mounts /sys anew and hides the cgroups from systemd-nspawn.
        """
        return ["nsenter", f"--net={self.path}", "--"]

    def ensure(self) -> None:
        """Make the namespace and the bridge, or what is missing of them."""
        if not self._usable():
            self.remove()
            run(["ip", "netns", "add", self.name])
        if BRIDGE in self._links():
            return
        # What the machine has set for new interfaces must not get in the way: the settings are made inside the namespace.
        run([*self.prefix, "sh", "-c", "for key in accept_dad dad_transmits; do echo 0 >/proc/sys/net/ipv6/conf/default/$key; done"])
        # Rules for bridged packets belong to the hosts, never to the wire between them.
        run([*self.prefix, "sh", "-c", "for key in /proc/sys/net/bridge/bridge-nf-call-*; do [ ! -e $key ] || echo 0 >$key; done"])
        run(["ip", "-n", self.name, "link", "set", "lo", "up"])
        bridge = "type bridge forward_delay 0 stp_state 0 mcast_snooping 0"
        run(["ip", "-n", self.name, "link", "add", BRIDGE, *bridge.split()])
        for address in (f"{ipv4(1)}/{IPV4_PREFIX}", f"{ipv6(1)}/{IPV6_PREFIX}"):
            run(["ip", "-n", self.name, "address", "add", address, "dev", BRIDGE, "noprefixroute"])
        run(["ip", "-n", self.name, "link", "set", BRIDGE, "up"])
        # quickack: see host_network_file.
        for prefix, words in ((f"{ipv4(0)}/{IPV4_PREFIX}", f"scope link src {ipv4(1)}"), (f"{ipv6(0)}/{IPV6_PREFIX}", "")):
            run(["ip", "-n", self.name, "route", "add", prefix, "dev", BRIDGE, *words.split(), "quickack", "1"])

    def remove(self) -> None:
        """Remove the namespace if it is there."""
        if self.path.exists():
            run(["ip", "netns", "delete", self.name])

    def remove_link(self, machine: str) -> None:
        """Remove the veth of a host that was killed: the kernel buries it late, and its name is needed again."""
        if self._usable():
            run(self.remove_link_command(machine), check=False)

    def remove_link_command(self, machine: str) -> list[str]:
        """Command that removes the veth of a host; it fails if there is none."""
        return ["ip", "-n", self.name, "link", "delete", f"vb-{machine}"]

    def _usable(self) -> bool:
        # A crash can leave the file without the namespace mounted on it.
        return self.path.exists() and run([*self.prefix, "true"], check=False).returncode == 0

    def _links(self) -> list[str]:
        lines = run(["ip", "-n", self.name, "-brief", "link"]).stdout.splitlines()
        return [line.split()[0].partition("@")[0] for line in lines]
