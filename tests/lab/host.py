# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One host: what is written down about it, and its processes on this machine.

Layout of a host's folder: ``host.json`` (this record), ``host_key`` and ``host_key.pub``, ``console.log``, ``upper`` and ``work``
(overlayfs), ``root`` (mounted only for the supervisor), ``ready`` (there once a login has worked), ``cp`` (sockets of OpenSSH's
connection sharing).
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from . import network
from .cgroup import Cgroup
from .errors import LabError
from .process import PATH, Identity, parent

RECORD = "host.json"
CONTROL_SOCKETS = "cp"
CONSOLE = "console.log"
ENVIRONMENT = (f"PATH={PATH}", "HOME=/root", "USER=root", "LANG=C.UTF-8")


@dataclass(frozen=True)
class Host:
    """A host of a lab.

    :ivar folder: its folder in the state of the lab.
    :ivar scope: see Settings.scope.
    :ivar machine: see Settings.machine.
    :ivar index: see network.ipv4.
    :ivar supervisor: the process that keeps it running; None while it is being made.
    """

    name: str
    kind: str
    flavour: str
    index: int
    ssh_port: int
    scope: str
    machine: str
    folder: Path
    supervisor: Identity | None = None

    @property
    def ipv4(self) -> str:
        return network.ipv4(self.index)

    @property
    def ipv6(self) -> str:
        return network.ipv6(self.index)

    @property
    def cgroup(self) -> Cgroup:
        return Cgroup.of(self.scope, self.name)

    def running(self) -> bool:
        return self.supervisor is not None and self.supervisor.alive()

    def supervised_by(self, identity: Identity | None) -> Host:
        return replace(self, supervisor=identity)

    def save(self) -> None:
        """Write the record, all of it or nothing."""
        record = {key: value for key, value in asdict(self).items() if key != "folder"}
        draft = self.folder / f"{RECORD}.new"
        draft.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        draft.rename(self.folder / RECORD)

    @classmethod
    def load(cls, folder: Path) -> Host | None:
        """Read the record back; None if there is none that makes sense (a run was killed while it wrote)."""
        try:
            record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
            supervisor = record.pop("supervisor")
            return cls(**record, folder=folder, supervisor=Identity(**supervisor) if supervisor else None)
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def leader(self) -> Identity | None:
        """Process 1 of the host, seen from this machine; None when it is down or between two boots."""
        if self.supervisor is None:
            return None
        for pid in self.cgroup.pids():
            # supervisor > systemd-nspawn > leader
            nspawn = parent(pid)
            if nspawn and parent(nspawn) == self.supervisor.pid and _is_first_in_namespace(pid):
                return Identity.of(pid)
        return None

    def inside(self, argv: list[str], terminal: str = "dumb") -> list[str]:
        """Command line that runs ``argv`` in the host without its network: through the namespaces of its first process."""
        leader = self.leader()
        if leader is None:
            raise LabError(f"{self.name} is not running; its console is in {self.folder / CONSOLE}")
        namespaces = ["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup"]
        enter = ["nsenter", f"--target={leader.pid}", *namespaces, "--root", "--wd", "--"]
        # nsenter waits outside for a child inside: who ends it (a timeout) means the child.
        environment = ["env", "-i", *ENVIRONMENT, f"TERM={terminal}", "setpriv", "--pdeathsig=KILL", "--"]
        return [*self.cgroup.joined(), *enter, *environment, *argv]

    def console(self) -> str:
        """What the host and what keeps it running have printed, without colours and empty lines."""
        try:
            text = (self.folder / CONSOLE).read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return "(its console is gone: it was destroyed)"
        plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text).replace("\r", "")
        return "\n".join(line for line in plain.split("\n") if line.strip())

    def listens(self) -> bool:
        """Whether something waits for SSH connections, asked of the kernel and not of the network."""
        leader = self.leader()
        if leader is None:
            return False
        try:
            tables = [Path(f"/proc/{leader.pid}/net/{table}").read_text(encoding="ascii") for table in ("tcp", "tcp6")]
        except OSError:
            return False
        return any(listening(table, self.ssh_port) for table in tables)


def listening(table: str, port: int) -> bool:
    """Whether a socket listens on the port.

    :param table: text of /proc/PID/net/tcp or tcp6; state 0A is TCP_LISTEN.
    """
    rows = [line.split() for line in table.splitlines()[1:]]
    return any(row[1].endswith(f":{port:04X}") and row[3] == "0A" for row in rows)


def _is_first_in_namespace(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as status:
            ids = next((line.split()[1:] for line in status if line.startswith("NSpid:")), [])
    except OSError:
        return False
    return len(ids) > 1 and ids[-1] == "1" and ids[0] != "1" and os.getpid() != pid
