# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two network namespaces with a cable between them: a sender, and a host whose rules are judged by what arrives behind them.

Touches only namespaces it makes and ends. A packet has passed when it reaches a chain of our own that runs after all filters.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import typing as t

SENDER_V4, HOST_V4 = "192.0.2.2", "192.0.2.1"
INSIDE, OUTSIDE = "10.0.0.5", "172.16.0.5"
SENDER_V6, HOST_V6 = "2001:db8::2", "2001:db8::1"
_SEND = """
import socket, sys
for line in sys.stdin:
    kind, source, target, port = line.split()
    family = socket.AF_INET6 if ":" in target else socket.AF_INET
    one = socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
    one.bind((source, 0))
    one.setblocking(False)
    try:
        one.connect((target, int(port))) if kind == "tcp" else one.sendto(b"x", (target, int(port)))
    except BlockingIOError:
        pass
    one.close()
"""


class TwoHosts:
    """The pair; use ``two_hosts`` to make and end it."""

    def __init__(self) -> None:
        self.sender = "hf-send-%d" % os.getpid()
        self.host = "hf-host-%d" % os.getpid()

    def run(self, where: str, *words: str, text: str = "") -> str:
        """Run a program in one of the two; it has to succeed."""
        done = subprocess.run(["ip", "netns", "exec", where, *words], input=text, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError("%s: %s" % (" ".join(words), done.stderr.strip() or done.stdout.strip()))
        return done.stdout

    def make(self) -> None:
        """Make both namespaces and the cable."""
        for name in (self.sender, self.host):
            subprocess.run(["ip", "netns", "add", name], check=True)
        subprocess.run(["ip", "link", "add", "a0", "netns", self.sender, "type", "veth", "peer", "b0", "netns", self.host], check=True)
        hardware = {}
        for name, link in ((self.sender, "a0"), (self.host, "b0")):
            self.run(name, "sysctl", "-qw", "net.ipv6.conf.%s.accept_dad=0" % link, "net.ipv4.conf.%s.rp_filter=0" % link)
            self.run(name, "ip", "link", "set", link, "up")
            self.run(name, "ip", "link", "set", "lo", "up")
            hardware[name] = json.loads(self.run(name, "ip", "-j", "link", "show", link))[0]["address"]
        for address in (SENDER_V4 + "/24", INSIDE + "/8", OUTSIDE + "/16", SENDER_V6 + "/64"):
            self.run(self.sender, "ip", "address", "add", address, "dev", "a0")
        for address in (HOST_V4 + "/24", HOST_V6 + "/64"):
            self.run(self.host, "ip", "address", "add", address, "dev", "b0")
        for route in ("10.0.0.0/8", "172.16.0.0/16"):
            self.run(self.host, "ip", "route", "add", route, "dev", "b0")
        # Neighbours by hand: a policy that drops everything also drops the questions after them.
        self.run(self.sender, "ip", "neigh", "replace", HOST_V6, "lladdr", hardware[self.host], "dev", "a0", "nud", "permanent")
        self.run(self.host, "ip", "neigh", "replace", SENDER_V6, "lladdr", hardware[self.sender], "dev", "b0", "nud", "permanent")

    def end(self) -> None:
        """Remove both."""
        for name in (self.sender, self.host):
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)

    def load(self, text: str) -> None:
        """Load nft text into the host."""
        self.run(self.host, "nft", "-f", "-", text=text)

    def clear(self) -> None:
        """Remove all rules of the host and put the judge there."""
        self.load("flush ruleset\n")
        self.load(
            "table inet hf_judge {\n chain input { type filter hook input priority 300; policy accept;\n"
            "  meta l4proto { tcp, udp } counter\n }\n}\n"
        )

    def passes(self, kind: str, source: str, target: str, port: int) -> bool:
        """Send one packet and return whether it got past the host's rules."""
        before = self._counted()
        self.run(self.sender, "python3", "-c", _SEND, text="%s %s %s %d\n" % (kind, source, target, port))
        return self._counted() > before

    def rules(self) -> int:
        """Return how many rules the host has, without the judge's."""
        listed = json.loads(self.run(self.host, "nft", "-j", "list", "ruleset"))["nftables"]
        return sum(1 for one in listed if "rule" in one and one["rule"]["table"] != "hf_judge")

    def _counted(self) -> int:
        listed = json.loads(self.run(self.host, "nft", "-j", "list", "table", "inet", "hf_judge"))["nftables"]
        return next(part["counter"]["packets"] for one in listed if "rule" in one for part in one["rule"]["expr"] if "counter" in part)


@contextlib.contextmanager
def two_hosts() -> t.Iterator[TwoHosts]:
    """Make the pair, and end it."""
    pair = TwoHosts()
    try:
        pair.make()
        yield pair
    finally:
        pair.end()
