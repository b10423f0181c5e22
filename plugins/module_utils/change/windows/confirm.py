# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Confirming, undoing and asking after the pending change of a Windows host, from the control node.

Touches the host: disarms the rollback and removes its files; or lets it restore the old rules at once.
"""

from __future__ import annotations

import time
import typing as t

from ...backends.base import Backend
from ...backends.registry import make_backend
from ...policy.errors import HoldfastError
from ..policy_record import forget_record, write_record
from .record import APPLIED, CONFIRMING, REFUSED, Seen, WindowsHost, forget, look, seconds_left, take
from .script import PENDING, ROOT, rollback_task

#: Seconds that the host may take to put the old rules back, also when the firewall's service does not answer at once.
RESTORES = 90.0

Fields = t.Dict[str, t.Any]


def is_applied(host: WindowsHost, identity: t.Optional[str]) -> t.Optional[bool]:
    """Return whether the pending change is in force; None when there is none of that identity, or the host refused it."""
    seen = look(host)
    if seen.identity is None or identity not in (None, seen.identity) or REFUSED in seen.names:
        return None
    return APPLIED in seen.names


def confirm(host: WindowsHost, identity: t.Optional[str]) -> Fields:
    """Make a pending change last: see that its rules are in force, and disarm the rollback. The connection is the proof.

    :raises HoldfastError: when there is no such change, it was rolled back, or other rules are in force (then it is undone).
    """
    seen = look(host)
    if seen.identity is None or identity not in (None, seen.identity):
        return _nothing_pending(seen, identity)
    found = seen.identity
    if REFUSED in seen.names:
        seen = _await_restored(host, found)
        return _nothing_pending(seen, found)
    if APPLIED not in seen.names:
        return {"too_early": True, "change": found, "changed": False}
    backend = make_backend(str(seen.facts.get("backend")), host)
    if backend.fingerprint() != seen.facts.get("after"):
        undo(host, found)
        said = look(host).log.replace("\n", " / ") or "nothing"
        raise HoldfastError(
            "After the change other rules are in force than those that were planned, so it was undone. Either netsh refused a line, or "
            "somebody else changed the rules at the same time. What netsh said: %s" % said,
            rolled_back=True, change=found,
        )  # fmt: skip
    if not take(host, CONFIRMING):
        raise HoldfastError("Change %s is being rolled back: its confirmation came too late" % found, rolled_back=True, change=found)
    persist = seen.facts.get("persist") or {}
    notes = backend.persist(persist)
    try:
        forget(host, found)
    except HoldfastError as exc:
        if look(host).identity is not None:
            raise
        notes.append(exc.msg)  # it is no pending change any more; a later task removes what is left
    _note_policy(host, backend, persist.get("policy_record"))
    return {
        "msg": "Change %s confirmed" % found, "changed": True, "change": found, "backend": backend.NAME, "persisted": notes,
        "pending": False,
    }  # fmt: skip


def undo(host: WindowsHost, identity: t.Optional[str]) -> Fields:
    """Put the rules from before a pending change back at once.

    :raises HoldfastError: when the host does not.
    """
    seen = look(host)
    if seen.identity is None or identity not in (None, seen.identity):
        return _nothing_pending(seen, identity, wanted_back=True)
    found = seen.identity
    if not host.run(["schtasks.exe", "/run", "/tn", rollback_task(found)]).ok:
        host.run(["cmd.exe", "/d", "/c", "%s\\restore.cmd" % PENDING, found])
    after = _await_restored(host, found)
    if after.restored[1:] != ("0",):
        raise HoldfastError(
            "Restoring the rules from before change %s failed: %s" % (found, after.log or "it did not begin"), change=found, restored=False
        )
    return {
        "msg": "Change %s undone, the rules from before it are in force" % found, "changed": True, "change": found, "rolled_back": True,
        "pending": False,
    }  # fmt: skip


def inquire(host: WindowsHost, identity: t.Optional[str]) -> Fields:
    """Return what is known of a change: pending and for how long, rolled back, and whether the old rules are in force again."""
    seen = look(host)
    if seen.identity is not None and identity in (None, seen.identity):
        left = max(0, int(seconds_left(host, seen.facts)))
        return {
            "msg": "Change %s waits for its confirmation for another %d seconds" % (seen.identity, left), "changed": False,
            "change": seen.identity, "pending": True, "seconds_left": left, "backend": seen.facts.get("backend"),
            "timer": seen.facts.get("timer"), "applied": APPLIED in seen.names,
        }  # fmt: skip
    if identity is None or seen.restored[:1] != (identity,):
        return {"msg": "No change is pending on this host", "changed": False, "pending": False}
    backend = make_backend(str(seen.last.get("backend")), host)
    return {
        "msg": "Change %s was rolled back" % identity, "changed": False, "change": identity, "pending": False, "rolled_back": True,
        "restored": seen.restored[1:] == ("0",), "identical": backend.fingerprint() == seen.last.get("fingerprint"), "log": seen.log,
        "error": "netsh refused it" if seen.refused else None,
    }  # fmt: skip


def _nothing_pending(seen: Seen, identity: t.Optional[str], wanted_back: bool = False) -> Fields:
    rolled_back = identity is not None and seen.restored[:1] == (identity,)
    if rolled_back and not wanted_back:
        why = "the host refused it: %s" % (seen.log or "it said nothing") if seen.refused else "nobody confirmed it in time"
        in_force = "are in force" if seen.restored[1:] == ("0",) else "could NOT be restored: %s" % seen.log
        raise HoldfastError(
            "Change %s was rolled back, %s. The firewall rules from before it %s" % (identity, why, in_force),
            rolled_back=True, change=identity,
        )  # fmt: skip
    if identity is not None and not wanted_back:
        raise HoldfastError("No change %s is pending on this host; it was confirmed before, or this is another host" % identity)
    said = "No change is pending on this host"
    if seen.restored:
        said += "; the last one that was rolled back is %s" % seen.restored[0]
    return {"msg": said, "changed": False, "pending": False}


def _await_restored(host: WindowsHost, identity: str) -> Seen:
    """Wait until the restore script has left its account and removed the change."""
    until = time.monotonic() + RESTORES
    while True:
        seen = look(host)
        if (seen.restored[:1] == (identity,) and not seen.folder) or time.monotonic() > until:
            return seen
        time.sleep(0.3)


def _note_policy(host: WindowsHost, backend: Backend, record: t.Optional[t.Mapping[str, t.Any]]) -> None:
    """Note which document the live rules come from; a note that fails costs only time later."""
    if record is None:
        return
    path = ROOT + "\\policy.json"
    try:
        if record:
            write_record(host, backend, record["document"], record["whole"], path)
        else:
            forget_record(host, path)
    except Exception:  # the change is confirmed, whatever becomes of the note
        pass
