# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changing a Windows host from the control node so that it undoes the change by itself unless it is confirmed.

Touches the host through ``WindowsHost``: saves its firewall, arms a scheduled task, and lets another task put the change in force, so that
neither needs the connection which the change may cut. On Windows rules are on disk at once: the first task also runs at a boot.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import time
import typing as t
import uuid
from dataclasses import dataclass

from ...backends.base import Backend, Transaction, listing_fingerprint
from ...backends.detect import Detection
from ...backends.mac_choice import Asked
from ...backends.registry import make_backend
from ...backends.ruleset import Ruleset
from ...policy.errors import HoldfastError
from ..engine import Engine
from ..management import Management, parse_session
from ..timers import NO_TIMER
from .confirm import undo
from .record import ARMED, CLOCK, WindowsHost, claim_folder, clock, forget, look, seconds_left
from .script import (
    PENDING,
    ROOT,
    apply_definition,
    apply_script,
    apply_task,
    batch_line,
    restore_script,
    rollback_definition,
    rollback_task,
    rules_script,
)

#: What reaches the desktop and the shells of Windows: RDP and WinRM with and without TLS. Always kept open.
RDP_PORT = 3389
WINRM_PORTS = (5985, 5986)
#: Where the port of RDP is, which many administrators change ("Change the listening port for Remote Desktop" of Microsoft).
RDP_KEY = "HKLM\\SYSTEM\\CurrentControlSet\\Control\\Terminal Server\\WinStations\\RDP-Tcp"
#: Seconds until the change is likely in force: its script waits for one, then netsh starts.
SETTLES_IN = 1.5
#: Seconds after the deadline from which on the rollback counts as lost.
OVERDUE = 30
#: Seconds that another task may take from the folder of its change to its rollback.
ARMING = 45.0
#: Seconds that it may take to the first file in there.
CLAIMING = 3.0


@dataclass(frozen=True)
class Reached:
    """How the control node reaches the host.

    :ivar port: the port that it connects to, or None when that is not known.
    :ivar local: the control node's own address towards it, or None.
    """

    port: t.Optional[int] = None
    local: t.Optional[str] = None


class WindowsEngine(Engine):
    """A Windows host. ``planned`` is for tasks that only render or parse: they never ask the host."""

    RIGHTS = "elevated rights: connect as a member of the group Administrators whose session is elevated (become is not used here)"

    def __init__(self, host: WindowsHost, reached: Reached, planned: bool = False) -> None:
        super().__init__(host)
        self._windows = host
        self._reached = reached
        self._planned = planned
        self._nothing_waits = False
        self._rdp_port: t.Optional[int] = None

    def detect(self, wanted: str, asked: t.Callable[[], Asked] = Asked) -> Detection:
        if wanted in ("auto", "windows"):
            saw = ("windows: the shell of the task's connection is one of Windows",)
            reason = "the host is Windows, which has one firewall; its rules are planned on the control node"
            return Detection(make_backend("windows", self.host), saw, reason)
        if self._planned:
            return Detection(make_backend(wanted, self.host), (), "asked for with backend: %s" % wanted)
        raise HoldfastError("Backend %s is not on this host, which is Windows; leave backend out, or set it to windows" % wanted)

    def find_management(self, agent_ports: t.Sequence[int]) -> Management:
        agents = tuple(dict.fromkeys((*self._admin_ports(), *agent_ports)))
        port = self._reached.port
        ports = (port,) if port is not None and port not in agents else ()
        if self._planned:
            return Management(ports, None, agents)
        session = parse_session(self._windows.shell("set SSH_CONNECTION").out.strip().partition("=")[2])
        if session is not None:
            client, server, port = session
            return Management((port,), client, agents, server)
        return Management(ports, self._client(port), agents)

    def unproved_ports(self) -> t.Iterator[int]:
        yield from (port for port in self._admin_ports() if port != self._reached.port)

    def _admin_ports(self) -> t.Tuple[int, ...]:
        """Return the ports of RDP and WinRM; that of RDP is the one of this host."""
        if self._rdp_port is None:
            self._rdp_port = RDP_PORT
            said = "" if self._planned else self._windows.run(["reg.exe", "query", RDP_KEY, "/v", "PortNumber"]).out
            found = re.search(r"REG_DWORD\s+0x([0-9a-f]{1,4})\b", said, re.IGNORECASE)
            if found is not None and int(found[1], 16):
                self._rdp_port = int(found[1], 16)
        return (self._rdp_port, *WINRM_PORTS)

    def _client(self, port: t.Optional[int]) -> t.Optional[str]:
        """Return from where this session comes, as the host sees it; None when its connections do not tell."""
        if port is None:
            return None
        ends = re.findall(r"^ *TCP +(\S+):(\d+) +(\S+):([1-9]\d*) ", self._windows.run(["netstat.exe", "-n"]).out, re.MULTILINE)
        found = {remote.strip("[]").partition("%")[0] for _own, own_port, remote, _port in ends if int(own_port) == port}
        if self._reached.local in found:
            return self._reached.local
        return found.pop() if len(found) == 1 else None

    def settle_leftovers(self) -> None:
        seen = look(self._windows)
        until = time.monotonic() + (ARMING if seen.names else CLAIMING)
        while seen.folder and seen.identity is None and time.monotonic() < until:
            time.sleep(1.0)  # another task is about to arm its change, or died on the way there
            seen = look(self._windows)
        if seen.identity is not None:
            if seconds_left(self._windows, seen.facts) < -OVERDUE:
                undo(self._windows, seen.identity)
            return
        if seen.folder:
            forget(self._windows, str(seen.facts.get("change") or "none"))
        self._nothing_waits = True

    def waiting(self) -> t.List[str]:
        identity = look(self._windows).identity
        return [identity] if identity is not None else []

    def refuse_beside_pending(self) -> None:
        if self._nothing_waits:
            return  # that was seen a moment ago, and making the folder of the next change is what claims it
        seen = look(self._windows)
        if seen.identity is not None:
            raise HoldfastError(
                "Change %s on this host waits for its confirmation for another %d seconds. Confirm it (holdfast.firewall.confirm), "
                "undo it (holdfast.firewall.confirm with state: restored), or wait"
                % (seen.identity, max(1, seconds_left(self._windows, seen.facts))),
                waiting=seen.identity,
            )

    def record_path(self) -> str:
        return ROOT + "\\policy.json"

    def begin(self, backend: Backend, ruleset: Ruleset, transaction: Transaction, window: int, attended: bool) -> t.Dict[str, t.Any]:
        backend.validate(transaction)
        identity = time.strftime("%Y%m%d%H%M%S-", time.gmtime()) + uuid.uuid4().hex[:8]
        facts = {
            "change": identity, "backend": backend.NAME, "confirm_within": window, "timer": "schtasks",
            "persist": dict(transaction.persist), "fingerprint": listing_fingerprint(ruleset.listing),
            "after": listing_fingerprint(transaction.after),
        }  # fmt: skip
        if not claim_folder(self._windows):
            raise HoldfastError("Another firewall task is at work on this host; try again later")
        try:
            self._write(backend, ruleset, transaction, identity)
            begun = time.monotonic()
            self._arm(identity, facts, window)
            self._run("schtasks /run /tn %s" % apply_task(identity), "The task that puts the change in force was refused")
        except BaseException:
            forget(self._windows, identity)
            raise
        spent = round(time.monotonic() - begun, 3)
        return {"change": identity, "confirm_within": window, "timer": "schtasks", "settles_in": SETTLES_IN, "spent": spent}

    def _write(self, backend: Backend, ruleset: Ruleset, transaction: Transaction, identity: str) -> None:
        from ...backends.windows.backend import export_commands

        snapshot = backend.snapshot(ruleset, transaction)
        for command in export_commands(PENDING):
            self._run(batch_line(command.argv), "The firewall could not be saved, so nothing was changed")
        for name, text in snapshot.files.items():
            self._place(name, text)
        for command in transaction.commands:
            if command.stdin is not None:
                # Programs of Windows read scripts from files; the last word names it.
                self._windows.place(command.argv[-1], _text(command.stdin))
        self._place("rules.cmd", rules_script(snapshot.script))
        self._place("restore.cmd", restore_script(identity))
        self._place("apply.cmd", apply_script(identity, [command.argv for command in transaction.commands]))

    def _arm(self, identity: str, facts: t.Mapping[str, t.Any], window: int) -> None:
        """Arm the rollback, see that it is there, and only then let the change be put in force. The window begins here.

        :raises HoldfastError: with rc 31 when the scheduler does not take it.
        """
        deadline = (clock(self._windows) + dt.timedelta(seconds=window)).strftime(CLOCK)
        self._place("change.json", json.dumps(dict(facts, deadline=deadline), sort_keys=True) + "\n")
        self._define("rollback.xml", rollback_definition(identity, deadline, window))
        self._define("apply.xml", apply_definition(identity))
        rollback, applier = rollback_task(identity), apply_task(identity)
        line = (
            "schtasks /create /f /tn {0} /xml {2}\\rollback.xml >nul && schtasks /create /f /tn {1} /xml {2}\\apply.xml >nul && "
            "schtasks /query /tn {0} >nul && type {2}\\before.wfw >nul && type {2}\\restore.cmd >nul && type {2}\\rules.cmd >nul && "
            "type nul >{2}\\{3}"
        )
        refused = "The Task Scheduler of this host did not take the rollback, so nothing was changed"
        self._run(line.format(rollback, applier, PENDING, ARMED), refused, rc=NO_TIMER)

    def _place(self, name: str, text: str) -> None:
        self._windows.place("%s\\%s" % (PENDING, name), _text(text))

    def _define(self, name: str, text: str) -> None:
        self._windows.place("%s\\%s" % (PENDING, name), ("\ufeff" + text.replace("\n", "\r\n")).encode("utf-16-le"))

    def _run(self, line: str, refused: str, **details: t.Any) -> None:
        done = self._windows.shell(line)
        if not done.ok:
            raise HoldfastError("%s: %s" % (refused, (done.err or done.out).strip()[:1000] or "it said nothing"), **details)


def _text(text: str) -> bytes:
    """Return a text as Windows reads it."""
    return text.replace("\n", "\r\n").encode("utf-8", "surrogateescape")
