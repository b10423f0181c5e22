# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of the pending change on a Windows host, seen from the control node.

Reads and writes files below ``ROOT`` on the host, through ``WindowsHost`` only. There is one folder for the one change that may be pending;
making it is what claims it. Who acts on the change is decided by one rename: ``armed`` becomes ``confirming`` or ``restoring``.
"""

from __future__ import annotations

import datetime as dt
import json
import time
import typing as t
from dataclasses import dataclass

from ...host import Host, Result
from ...policy.errors import HoldfastError
from .script import LAST, PENDING, ROOT, apply_task, rollback_task

#: Files of a pending change.
ARMED, CONFIRMING, RESTORING, APPLIED, REFUSED = "armed", "confirming", "restoring", "applied", "refused"
#: How the host's clock is written.
CLOCK = "%Y-%m-%dT%H:%M:%S"
#: What parts the answers to one look.
_RULE = "--holdfast--"
#: Administrators and the system alone may write here, whoever made the folder first: what is in it runs as the system.
_OWN = (
    "mkdir {root} 2>nul & icacls {root} /setowner *S-1-5-32-544 /t /c /q >nul & icacls {root}\\* /reset /t /c /q >nul 2>nul & "
    "icacls {root} /inheritance:r /grant:r *S-1-5-18:(OI)(CI)F *S-1-5-32-544:(OI)(CI)F /q"
).format(root=ROOT)


class WindowsHost(Host):
    """A Windows machine that is reached from the control node."""

    #: Whether the folder of everything of ours is known to be there, and to be the administrators'.
    owned = False

    def place(self, path: str, data: bytes) -> None:
        """Write a file that nobody reads yet, in one transfer."""
        raise NotImplementedError

    def shell(self, line: str) -> Result:
        """Run a line for cmd.exe. It is never made of people's text, and has no quotes, no dollar signs and no percent signs."""
        return self.run(["cmd.exe", "/d", "/c", line])


@dataclass(frozen=True)
class Seen:
    """What one look at the host showed.

    :ivar names: the files of the pending change; empty when there is none.
    :ivar facts: its ``change.json``.
    :ivar restored: identity and exit code of the last rollback.
    :ivar last: the ``change.json`` of that.
    :ivar log: what its scripts said, each line once: netsh says the same word to a thousand lines, in its own language.
    :ivar refused: whether it was the host that refused the change.
    :ivar folder: whether the folder of a pending change is there, in whatever state.
    """

    names: t.FrozenSet[str]
    facts: t.Mapping[str, t.Any]
    restored: t.Tuple[str, ...]
    last: t.Mapping[str, t.Any]
    log: str
    refused: bool
    folder: bool

    @property
    def identity(self) -> t.Optional[str]:
        """The change that is pending, or None."""
        if not self.names & {ARMED, CONFIRMING, RESTORING}:
            return None
        found = self.facts.get("change")
        return str(found) if found else None


def look(host: WindowsHost) -> Seen:
    """Look at the pending change and the last rollback in one call.

    :raises HoldfastError: when the host does not answer as Windows does.
    """
    parts = (
        "dir /b /a-d %s 2>nul" % PENDING, "type %s\\change.json 2>nul" % PENDING, "type %s\\restored 2>nul" % LAST,
        "type %s\\change.json 2>nul" % LAST, "type %s\\log 2>nul" % LAST, "dir /b /a-d %s\\refused 2>nul" % LAST,
        # Last, since everything behind an if belongs to it.
        "if exist %s echo there" % PENDING,
    )  # fmt: skip
    done = host.shell((" & echo %s & " % _RULE).join(parts))
    found = [part.strip("\r\n ") for part in done.out.split(_RULE)]
    if len(found) != len(parts):
        raise HoldfastError("The host did not answer as Windows does: %s" % (done.err or done.out).strip()[:500])
    names = frozenset(line.strip() for line in found[0].splitlines() if line.strip())
    log = "\n".join(dict.fromkeys(line.strip() for line in found[4].splitlines() if line.strip()))
    return Seen(names, _json(found[1]), tuple(found[2].split()), _json(found[3]), log[-2000:], bool(found[5]), bool(found[6]))


def own_root(host: WindowsHost) -> None:
    """Make the folder of everything of ours, for administrators alone.

    :raises HoldfastError: when that cannot be done.
    """
    if host.owned:
        return
    done = host.shell(_OWN)
    if not done.ok:
        said = (done.err or done.out).strip()[:500]
        raise HoldfastError("The folder %s cannot be made, or not be kept to administrators, so nothing was changed: %s" % (ROOT, said))
    host.owned = True


def claim_folder(host: WindowsHost) -> bool:
    """Make the folder of the pending change; returns False when there is one."""
    own_root(host)
    return host.shell("mkdir %s" % PENDING).ok


def take(host: WindowsHost, holder: str) -> bool:
    """Take the armed change; returns False when somebody else was first."""
    return host.shell("ren %s\\%s %s" % (PENDING, ARMED, holder)).ok


def forget(host: WindowsHost, identity: str) -> None:
    """Remove the tasks and the folder of a change that is over.

    :raises HoldfastError: when they do not go.
    """
    line = (
        "schtasks /delete /f /tn {0} >nul 2>nul & schtasks /delete /f /tn {1} >nul 2>nul & del /q {2}\\change.json >nul 2>nul & "
        "rmdir /s /q {2} & if exist {2} exit 1"
    )
    for _attempt in range(5):
        if host.shell(line.format(apply_task(identity), rollback_task(identity), PENDING)).ok:
            return
        time.sleep(0.5)
    raise HoldfastError("The folder %s of change %s cannot be removed; remove it by hand" % (PENDING, identity))


def clock(host: WindowsHost) -> dt.datetime:
    """Return the time in UTC by the host's clock; PowerShell is the only part of Windows that says it in no language.

    :raises HoldfastError: when it does not.
    """
    said = host.run(["powershell.exe", "-NoProfile", "-NonInteractive", "-Command", "[DateTime]::UtcNow.ToString('s')"])
    try:
        return dt.datetime.strptime(said.out.strip(), CLOCK)
    except ValueError:
        raise HoldfastError("The host does not tell its time: %s" % (said.err or said.out).strip()[:500]) from None


def seconds_left(host: WindowsHost, facts: t.Mapping[str, t.Any]) -> float:
    """Return the seconds until the host undoes the change; negative when that is overdue."""
    deadline = dt.datetime.strptime(str(facts["deadline"]), CLOCK)
    return (deadline - clock(host)).total_seconds()


def _json(text: str) -> t.Dict[str, t.Any]:
    try:
        data = json.loads(text or "{}")
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}
