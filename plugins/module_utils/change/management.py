# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The management ports of a host: what has to stay open so that its administrators can reach it.

Reads the host, changes nothing. The SSH port is the one really in use (the session's, else the listening sockets, else sshd's
configuration), never an assumed 22, except where nothing else is known.
"""

from __future__ import annotations

import ipaddress
import os
import re
import typing as t
from dataclasses import dataclass

from ..analysis.relation import covers
from ..backends.base import MANAGEMENT
from ..backends.ruleset import Chain, Entry, Ruleset
from ..host import Host
from ..policy.addresses import ANY, Addresses, make_addresses
from ..policy.errors import HoldfastError
from ..policy.ports import PortRange
from ..policy.protocols import ICMPV6, TCP, UDP, protocol_name
from ..policy.rule import Rule


@dataclass(frozen=True)
class Management:
    """What was found: SSH ports, the address the session comes from and the one it came to (None when unknown), ports of agents."""

    ssh_ports: t.Tuple[int, ...]
    client: t.Optional[str] = None
    agent_ports: t.Tuple[int, ...] = ()
    server: t.Optional[str] = None

    def needs(self) -> t.List[Rule]:
        """Return what must pass, each as the narrowest packets that matter: removals that would close one of them are skipped."""
        source, family = ANY, None
        if self.client is not None:
            address = ipaddress.ip_address(self.client)
            source, family = _host(address), address.version
        needs = [Rule("allow", "in", family=family, protocol=TCP, source=source, ports=(PortRange(port, port),)) for port in self.ssh_ports]
        needs += [Rule("allow", "in", protocol=TCP, ports=(PortRange(port, port),)) for port in self.agent_ports]
        needs += [Rule("allow", "out", protocol=protocol, ports=(PortRange(53, 53),)) for protocol in (UDP, TCP)]
        needs += [
            Rule("allow", "out", family=4, protocol=UDP, ports=(PortRange(67, 67),)),
            Rule("allow", "in", family=4, protocol=UDP, ports=(PortRange(68, 68),)),
        ]
        return needs

    def guard(self, direction: str) -> t.List[Rule]:
        """Return the rules that a chain which denies by default keeps when it is flushed, in order."""
        if direction == "forward":
            return []
        rules = [
            Rule("allow", direction, protocol=None, interface="lo", comment="holdfast: loopback"),
            Rule("allow", direction, protocol=None, reply=True, comment="holdfast: replies"),
            Rule("allow", direction, family=6, protocol=ICMPV6, comment="holdfast: neighbour discovery"),
        ]
        if direction == "in":
            ports = tuple(PortRange(port, port) for port in sorted({*self.ssh_ports, *self.agent_ports}))
            rules.append(Rule("allow", "in", protocol=TCP, ports=ports, stateful=True, comment=MANAGEMENT))
            rules.append(Rule("allow", "in", family=4, protocol=UDP, ports=(PortRange(68, 68),), comment="holdfast: DHCP"))
        else:
            rules += [
                Rule("allow", "out", protocol=protocol, ports=(PortRange(53, 53),), stateful=True, comment="holdfast: DNS")
                for protocol in (UDP, TCP)
            ]
            rules.append(Rule("allow", "out", family=4, protocol=UDP, ports=(PortRange(67, 67),), comment="holdfast: DHCP"))
        return rules


def find_management(host: Host, agent_ports: t.Sequence[int] = ()) -> Management:
    """Look up the management ports of the host."""
    session, listening = _session(), _listening(host)
    if host.which("launchctl") is not None:
        from .mac_remote_login import launchd_ports, mac_session

        session = session or mac_session(host)
        listening |= launchd_ports(host)
    ports: t.Set[int] = set()
    client = server = None
    if session is not None:
        client, server, port = session
        ports.add(port)
    ports |= listening
    if not ports:
        said = host.run(["sshd", "-T"]).out
        # An address may have a port of its own (ListenAddress 192.0.2.1:2222), and then nothing listens on the other one.
        found = re.findall(r"^listenaddress .*:(\d+)$", said, re.MULTILINE) or re.findall(r"^port (\d+)$", said, re.MULTILINE)
        ports = {int(one) for one in found}
    return Management(tuple(sorted(ports or {22})), client, tuple(agent_ports), server)


def closed_by_removal(ruleset: Ruleset, removed: t.Sequence[t.Tuple[Chain, Entry]], management: Management) -> t.List[str]:
    """Return the management ports (``22/tcp``) that pass now and would not pass without these entries."""
    closed = []
    for need in management.needs():
        for chain in ruleset.chains:
            gone = [entry for one, entry in removed if one.name == chain.name]
            if not gone or not chain.base or need.direction not in chain.directions or not need.families() & chain.families:
                continue
            if _passes(chain, need, ()) and not _passes(chain, need, gone):
                word = "%d/%s" % (need.ports[0].first, protocol_name(need.protocol))
                if word not in closed:
                    closed.append(word)
    return closed


def refuse_closing(rule: Rule, ports: t.Iterable[int], backend: str) -> None:
    """Refuse a rule that keeps everybody from management ports whose access no new connection proves.

    :param ports: such ports of TCP.
    :raises HoldfastError: naming the port, and what to do instead.
    """
    if rule.action == "allow" or rule.condition is not None:
        return
    for port in ports:
        if covers(rule, Rule("allow", "in", protocol=TCP, ports=(PortRange(port, port),))):
            raise HoldfastError(
                "The rule would close port %d/tcp to everybody, which always stays open on this host, so nothing was changed. Name ports "
                "beside it, or the sources that are to be kept away (source: '!192.0.2.0/24' is all but these)" % port, backend=backend,
            )  # fmt: skip


def _passes(chain: Chain, need: Rule, without: t.Sequence[Entry]) -> bool:
    narrow = need
    if need.family is None and len(chain.families) == 1:
        narrow = Rule(need.action, need.direction, next(iter(chain.families)), need.protocol, ports=need.ports)
    last: t.Optional[str] = None
    for entry in chain.entries:
        if entry in without:
            continue
        for one in entry.meanings():
            if one.reply or not covers(one, narrow):
                continue
            if not entry.weak:
                return one.action == "allow"
            last = one.action  # it decides unless a later one does
    return (last or chain.default) == "allow"


def _host(address: t.Union[ipaddress.IPv4Address, ipaddress.IPv6Address]) -> Addresses:
    return make_addresses([ipaddress.ip_network(address)])


def _session() -> t.Optional[t.Tuple[str, str, int]]:
    """Return (client address, server address, server port) of the SSH session this process belongs to.

    sudo drops the variable, so parents are asked.
    """
    found = parse_session(os.environ.get("SSH_CONNECTION"))
    pid = os.getppid()
    for _step in range(20):
        if found is not None or pid <= 1:
            break
        try:
            with open("/proc/%d/environ" % pid, "rb") as handle:
                environment = handle.read().decode("utf-8", "replace").split("\0")
            with open("/proc/%d/stat" % pid, "rb") as handle:
                pid = int(handle.read().decode("utf-8", "replace").rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            break
        found = parse_session(next((one[15:] for one in environment if one.startswith("SSH_CONNECTION=")), None))
    return found


def parse_session(text: t.Optional[str]) -> t.Optional[t.Tuple[str, str, int]]:
    """Return (client address, server address, server port) of the words of SSH_CONNECTION, or None."""
    words = (text or "").split()
    if len(words) != 4 or not words[3].isdigit():
        return None
    try:
        client, server = (ipaddress.ip_address(word.partition("%")[0]) for word in (words[0], words[2]))
    except ValueError:
        return None
    return str(getattr(client, "ipv4_mapped", None) or client), str(getattr(server, "ipv4_mapped", None) or server), int(words[3])


def _listening(host: Host) -> t.Set[int]:
    """Return the TCP ports on which sshd listens: Linux ``ss`` (also sockets that systemd holds for ssh), BSD ``sockstat``.

    NetBSD's ``sockstat`` has no ``-P`` (sockstat(1) of 9.2) and writes a dot before the port.
    """
    ports: t.Set[int] = set()
    if host.which("ss") is not None:
        for line in host.run(["ss", "-Htlnp"]).out.splitlines():
            if '"sshd' in line:
                ports.update(int(one) for one in re.findall(r":(\d+)\s", line)[:1])
        if host.which("systemctl") is not None and not ports:
            listed = host.run(["systemctl", "show", "ssh.socket", "sshd.socket", "-p", "Listen"]).out
            ports.update(int(one) for one in re.findall(r":(\d+) \(Stream\)", listed))
    elif host.which("sockstat") is not None:
        answer = host.run(["sockstat", "-46lP", "tcp"])
        if not answer.ok:
            answer = host.run(["sockstat", "-46ln"])
        for line in answer.out.splitlines():
            if " sshd" in line and " tcp" in line:
                ports.update(int(one) for one in re.findall(r"[:.](\d+)\s", line)[:1])
    return ports
