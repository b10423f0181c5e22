# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remote Login (SSH) of a Mac: the session that a task belongs to, and the ports that launchd holds for sshd.

Reads the host (``ps``, ``lsof``, property lists of launchd), changes nothing. There is no process of sshd that listens on a Mac, the port
is not that of sshd_config, which ``sshd -T`` prints, and sudo drops SSH_CONNECTION while no /proc tells what it was.
"""

from __future__ import annotations

import ipaddress
import os
import plistlib
import re
import typing as t

from ..host import Host

#: Apple's own job, and the folder of those with which administrators choose another port: Apple's cannot be changed (SIP).
_JOBS = "/System/Library/LaunchDaemons/ssh.plist /Library/LaunchDaemons/*.plist"
_END = re.compile(r"\[?([0-9a-fA-F.:]+)\]?:(\d+)\Z")


def mac_session(host: Host) -> t.Optional[t.Tuple[str, str, int]]:
    """Return (client address, server address, server port) of the connection of the sshd that this process descends from, or None."""
    parents = dict(re.findall(r"(\d+)[ \t]+(\d+)", host.run(["ps", "-axo", "pid=,ppid="]).out))
    pids: t.List[str] = []
    pid = str(os.getpid())
    while parents.get(pid, "1") not in ("0", "1") and len(pids) < 20:
        pid = parents[pid]
        pids.append(pid)
    if not pids:
        return None
    # One line a field: c is the command of a process, n a connection; that of the login has the lowest descriptor.
    said = host.run(["lsof", "-nP", "-a", "-p", ",".join(pids), "-iTCP", "-sTCP:ESTABLISHED", "-Fcn"]).out
    command = ""
    for line in said.splitlines():
        if line.startswith("c"):
            command = line[1:]
        elif line.startswith("n") and command.startswith("sshd"):
            server, _arrow, client = line[1:].partition("->")
            ends = _END.match(server), _END.match(client)
            if ends[0] is not None and ends[1] is not None:
                return _address(ends[1].group(1)), _address(ends[0].group(1)), int(ends[0].group(2))
    return None


def _address(word: str) -> str:
    """Return an address as packets have it: the kernel writes the number of the interface into a link-local one."""
    address = ipaddress.ip_address(word)
    if isinstance(address, ipaddress.IPv6Address):
        if address.is_link_local:
            return str(ipaddress.IPv6Address(int(address) & ~(((1 << 48) - 1) << 64)))
        return str(address.ipv4_mapped or address)
    return word


def launchd_ports(host: Host) -> t.Set[int]:
    """Return the ports on which launchd waits for connections to start an sshd with."""
    ports: t.Set[int] = set()
    for path in host.run(["sh", "-c", "grep -ls sshd %s" % _JOBS]).out.splitlines():
        try:
            job = plistlib.loads((host.read(path) or "").encode("utf-8", "surrogateescape"))
        except (ValueError, plistlib.InvalidFileException, OverflowError):
            continue
        if isinstance(job, dict) and host.run(["launchctl", "list", str(job.get("Label"))]).ok:
            ports |= _ports_of(job.get("Sockets"), host.read("/etc/services") or "")
    return ports


def _ports_of(sockets: t.Any, services: str) -> t.Set[int]:
    """Return the ports of a job's ``Sockets``: names to a socket or a list of them, each with a service's name or number.

    :param services: /etc/services, in which some administrators give ``ssh`` another number.
    """
    found: t.Set[int] = set()
    for one in sockets.values() if isinstance(sockets, dict) else ():
        for each in one if isinstance(one, list) else [one]:
            name = str(each.get("SockServiceName", "")) if isinstance(each, dict) else ""
            listed = re.search(r"^%s[ \t]+(\d+)/tcp\b" % re.escape(name), services, re.MULTILINE) if name else None
            number = name if name.isdigit() else listed.group(1) if listed is not None else "22" if name == "ssh" else "0"
            found.add(int(number))
    return {port for port in found if 0 < port < 65536}
