# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The network of the packet tests around one host of the lab, and the programs that send and see packets in it.

::

    client (the control node) --- lab0 | host0  the host  lan0 | --- far (a namespace that lives as long as its agent)

Everything is set up inside the lab's namespace, the host's and the far one's. Neighbours are permanent: rules that stop neighbour
discovery are tests of rules, not the end of the network.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable

from ansible_collections.holdfast.firewall.tests.lab.host import Host
from ansible_collections.holdfast.firewall.tests.lab.manager import Lab
from ansible_collections.holdfast.firewall.tests.lab.network import BRIDGE
from ansible_collections.holdfast.firewall.tests.lab.process import run

from .channel import Channel

HERE = Path(__file__).resolve().parent
COLLECTION = HERE.parents[2]
#: Where things are put on the host.
INSIDE = "/root/packets"
#: The ports that somebody listens on, at every side.
PORTS = (7000, 7001, 7002, 7003, 7004, 7005, 7006, 7010, 7443)
SETTINGS = {
    # A host sends few ICMP errors a second; the tests look at every one of them.
    "ipv4/icmp_ratemask": "0",
    "ipv6/icmp/ratemask": "",
    # A handshake whose answer was stopped is not tried again.
    "ipv4/tcp_synack_retries": "0",
    "ipv4/tcp_syn_retries": "1",
    "ipv4/conf/all/rp_filter": "0",
}
ROUTER = {"ipv4/ip_forward": "1", "ipv6/conf/all/forwarding": "1", "ipv4/conf/all/send_redirects": "0"}


@dataclass(frozen=True)
class Side:
    """One end of conversations.

    :ivar name: ``client``, ``far``, ``host`` or ``lan`` (the host, seen from far).
    :ivar addresses: of both families; the first of each family is the main one.
    :ivar interface: the host's interface that leads there.
    """

    name: str
    addresses: tuple[str, ...]
    interface: str

    def of(self, family: int) -> tuple[str, ...]:
        """Return the addresses of one family."""
        return tuple(one for one in self.addresses if (":" in one) == (family == 6))


def sides(host: Host) -> dict[str, Side]:
    """Return the sides around a host."""
    number = host.index
    return {
        "client": Side(
            "client", tuple(f"{net}{last}" for net in ("198.51.100.", "2001:db8:0:1::") for last in (1, 201, 202, 210)), "host0"
        ),
        "host": Side("host", (host.ipv4, f"198.51.100.{number + 100}", host.ipv6, f"2001:db8:0:1::{number + 100}"), "host0"),
        "lan": Side("lan", ("203.0.113.1", "2001:db8:0:2::1"), "lan0"),
        "far": Side("far", tuple(f"{net}{last}" for net in ("203.0.113.", "2001:db8:0:2::") for last in (10, 20)), "lan0"),
    }


class Testbed:
    """One host with its clients, ready for rules and packets."""

    __test__ = False

    def __init__(self, lab: Lab, host: Host) -> None:
        self.lab, self.host = lab, host
        self.sides = sides(host)
        leader = host.leader()
        assert leader is not None
        self._host_space = ["nsenter", f"--target={leader.pid}", "--net", "--"]
        agent = [sys.executable, str(HERE / "packet_agent.py")]
        self._copy()
        self.channels = {
            "client": Channel("client", lab.entered(agent)),
            "far": Channel("far", lab.entered(["unshare", "--net", "--", *agent])),
            "host": Channel(host.name, host.inside(["python3", f"{INSIDE}/packet_agent.py"])),
        }
        self.rules = Channel(f"{host.name}, rules", host.inside(["python3", f"{INSIDE}/rule_writer.py"]))
        self._wire(leader.pid)
        addresses = {"client": ("client",), "far": ("far",), "host": ("host", "lan")}
        for name, channel in self.channels.items():
            mine = [one for side in addresses[name] for one in self.sides[side].addresses]
            channel.ask("listen", addresses=mine, ports=list(PORTS))

    def agent(self, side: str) -> Channel:
        """Return the agent that sends and sees the packets of a side."""
        return self.channels["host" if side == "lan" else side]

    def end(self) -> None:
        """End the programs; the far namespace and its wire go with its agent."""
        for channel in (self.rules, *self.channels.values()):
            channel.end()

    # -- inside

    def _copy(self) -> None:
        files = ["plugins/module_utils", "tests/integration/lab/packet_agent.py", "tests/integration/lab/rule_writer.py"]
        packed = subprocess.run(
            ["tar", "-C", str(COLLECTION), "--exclude=__pycache__", "--exclude=.hypothesis", "-cz", *files], capture_output=True, check=True
        ).stdout
        there = f"{INSIDE}/ansible_collections/holdfast/firewall"
        script = f"rm -rf {INSIDE} && mkdir -p {there} && cd {there} && tar -xz && mv tests/integration/lab/*.py {INSIDE}"
        subprocess.run(self.host.inside(["sh", "-c", script]), input=packed, check=True, capture_output=True)

    def _wire(self, leader: int) -> None:
        client, host, lan, far = (self.sides[name] for name in ("client", "host", "lan", "far"))
        inside = self.lab.network.prefix
        far_space = ["nsenter", f"--target={self.channels['far'].pid}", "--net", "--"]
        run([*inside, "ip", "link", "delete", "lan0"], check=False)
        run([*self._host_space, "ip", "link", "delete", "lan0"], check=False)
        run([*inside, "ip", "link", "add", "lan0", "address", "02:00:00:00:02:01", "type", "veth", "peer", "far0"])
        run([*inside, "ip", "link", "set", "far0", "address", "02:00:00:00:02:0a", "netns", str(self.channels["far"].pid)])
        run([*inside, "ip", "link", "set", "lan0", "netns", str(leader)])
        for space, settings in ((inside, SETTINGS), (far_space, SETTINGS), (self._host_space, {**SETTINGS, **ROUTER})):
            script = "; ".join(f"echo {value} >/proc/sys/net/{key}" for key, value in settings.items())
            run([*space, "sh", "-ec", script])
        bridge, host0 = _mac(inside, BRIDGE), _mac(self._host_space, "host0")
        # The address of a bridge is that of one of its ports unless it is given one.
        run([*inside, "ip", "link", "set", BRIDGE, "address", bridge])
        _give(inside, BRIDGE, client)
        _give(self._host_space, "host0", host)
        _give(self._host_space, "lan0", lan)
        _give(far_space, "far0", far)
        _know(inside, BRIDGE, host0, host.addresses)
        _know(self._host_space, "host0", bridge, client.addresses)
        _know(self._host_space, "lan0", "02:00:00:00:02:0a", far.addresses)
        _know(far_space, "far0", "02:00:00:00:02:01", lan.addresses)
        for net, gateway in (("203.0.113.0/24", self.host.ipv4), ("2001:db8:0:2::/64", self.host.ipv6)):
            run([*inside, "ip", "route", "replace", net, "via", gateway])
        for net, gateway in (("198.51.100.0/24", lan.addresses[0]), ("2001:db8:0:1::/64", lan.addresses[1])):
            run([*far_space, "ip", "route", "replace", net, "via", gateway])


def _mac(space: list[str], interface: str) -> str:
    return str(json.loads(run([*space, "ip", "-json", "link", "show", "dev", interface]).stdout)[0]["address"])


def _give(space: list[str], interface: str, side: Side) -> None:
    run([*space, "ip", "link", "set", "lo", "up"])
    run([*space, "ip", "link", "set", interface, "up"])
    here = {one["local"] for one in json.loads(run([*space, "ip", "-json", "address", "show", "dev", interface]).stdout)[0]["addr_info"]}
    for family, main, single in ((4, 24, 32), (6, 64, 128)):
        for number, address in enumerate(side.of(family)):
            if address in here:
                continue
            words = ["ip", "address", "add", f"{address}/{single if number else main}", "dev", interface]
            if family == 6:
                # The kernel never takes a deprecated address as its own source.
                words += ["preferred_lft", "0", "nodad"] if number else ["nodad"]
            run([*space, *words])


def _know(space: list[str], interface: str, mac: str, addresses: Iterable[str]) -> None:
    for address in addresses:
        run([*space, "ip", "neighbour", "replace", address, "lladdr", mac, "dev", interface, "nud", "permanent"])
