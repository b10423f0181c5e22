# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Confirming, undoing and asking after a pending change, on the target.

Touches the target: makes the verified rules last, disarms the timer, removes the record; or restores the old rules at once.
"""

from __future__ import annotations

import contextlib
import os
import time
import typing as t

from ..backends.base import Backend
from ..backends.registry import make_backend
from ..backends.switched_off import note_switch, switched_off
from ..host import Host
from ..policy.errors import HoldfastError, told
from .begin import disarm, last_rolled_back, restore_now, rollback_account
from .pending import APPLIED, ARMED, CONFIRMING, Pending, exclusive
from .policy_record import forget_record, write_record

#: Seconds to wait for the applying process to begin (it is started before the task that opened the change ends), and for its own undoing.
APPLY_PATIENCE = 15.0
#: Seconds after the deadline of a change by which its timer has ended whatever still applies it.
AFTER_DEADLINE = 30.0


def confirm(host: Host, identity: t.Optional[str], waited: t.Optional[float] = None) -> t.Dict[str, t.Any]:
    """Make a pending change last and disarm its rollback.

    ``waited`` is how many seconds the caller let pass between the end of the changing task and the opening of the connection that
    carries this call. When the change came into force later than that, the connection may be older than the change and proves
    nothing: the result then has ``too_early`` and ``in_force_after`` (the seconds by which it was), and nothing is confirmed.

    :raises HoldfastError: when there is no such change, it was rolled back, or it cannot be made to last (then it is undone).
    """
    if not host.is_root():
        raise HoldfastError("Confirming a firewall change needs root; add become: true (or -b)")
    with exclusive():
        pending = find(identity)
        if pending is None:
            return _nothing_pending(identity)
        applied = _await_applied(pending)
        facts = pending.read_json("change.json")
        if applied.get("error") is not None:
            if applied.get("died"):
                restore_now(host, pending)
            _await_undone(pending)
            raise HoldfastError(
                "The change was refused by the host and undone: %s" % applied["error"], rolled_back=True, change=pending.identity
            )
        if waited is not None and applied["after"] > waited:
            return {"too_early": True, "change": pending.identity, "changed": False, "in_force_after": applied["after"]}
        if not pending.claim(CONFIRMING):
            raise HoldfastError(
                "Change %s is being rolled back: its confirmation came too late" % pending.identity,
                rolled_back=True,
                change=pending.identity,
            )
        try:
            backend = make_backend(facts["backend"], host)
            wanted = facts.get("persist") or {}
            notes = backend.persist(wanted)
            if "switch" in wanted:
                note_switch(host, backend.NAME, wanted["switch"])
            elif wanted.get("policy_record") and switched_off(host) == backend.NAME:
                note_switch(host, backend.NAME, "enabled")  # a policy that is put in force switches its firewall on
        except Exception as exc:
            account = _undo(host, pending)
            raise HoldfastError(
                "The change works but could not be made to last, %s: %s" % (
                    "so it was undone" if account["restored"] else "and it could NOT be undone (%s)" % account["log"], told(exc)
                ),
                rolled_back=account["restored"], change=pending.identity,
            ) from exc  # fmt: skip
        disarm(host, pending)
        pending.remove()
        _note_policy(host, backend, wanted.get("policy_record"))
    return {
        "msg": "Change %s confirmed" % pending.identity, "changed": True, "change": pending.identity, "backend": facts["backend"],
        "persisted": notes, "pending": False,
    }  # fmt: skip


def _note_policy(host: Host, backend: Backend, record: t.Optional[t.Dict[str, t.Any]]) -> None:
    """Note which document the live rules come from; only whole policies are noted, and a note that fails costs only time later."""
    if record is None:
        return
    try:
        if record:
            write_record(host, backend, record["document"], record["whole"])
        else:
            forget_record(host)
    except Exception:  # the change is confirmed, whatever becomes of the note
        pass


def undo(host: Host, identity: t.Optional[str]) -> t.Dict[str, t.Any]:
    """Put the rules from before a pending change back at once.

    :raises HoldfastError: when the restore fails.
    """
    if not host.is_root():
        raise HoldfastError("Undoing a firewall change needs root; add become: true (or -b)")
    with exclusive():
        pending = find(identity)
        if pending is None:
            return _nothing_pending(identity, wanted_back=True)
        _await_applied(pending)
        account = restore_now(host, pending)
    if not account["restored"]:
        raise HoldfastError("Restoring the rules from before change %s failed: %s" % (pending.identity, account["log"]), **account)
    return {
        "msg": "Change %s undone, the rules from before it are in force" % pending.identity, "changed": True,
        "change": pending.identity, "rolled_back": True, "pending": False,
    }  # fmt: skip


def inquire(host: Host, identity: t.Optional[str]) -> t.Dict[str, t.Any]:
    """Return what is known of a change: pending and for how long, rolled back and when, and whether the old rules are in force again.

    :raises HoldfastError: without root, who alone can see pending changes.
    """
    if not host.is_root():
        raise HoldfastError("Asking after a pending firewall change needs root; add become: true (or -b)")
    pending = find(identity)
    if pending is not None:
        facts = pending.read_json("change.json")
        left, ago = pending.seconds_left(), _applied_ago(pending)
        return {
            "msg": "Change %s waits for its confirmation for another %d seconds" % (pending.identity, left), "changed": False,
            "change": pending.identity, "pending": True, "seconds_left": left, "backend": facts.get("backend"), "timer": facts.get("timer"),
            "applied": ago is not None, "applied_ago": ago,
        }  # fmt: skip
    account = rollback_account(identity) if identity else None
    if account is None:
        return {"msg": "No change is pending on this host", "changed": False, "pending": False}
    in_force = None
    try:
        in_force = make_backend(str(account["backend"]), host).fingerprint() == account["fingerprint_before"]
    except HoldfastError:
        pass
    return {
        "msg": "Change %s was rolled back" % identity, "changed": False, "change": identity, "pending": False, "rolled_back": True,
        "restored": account["restored"], "restored_at": account["restored_at"], "identical": in_force, "log": account["log"],
        "error": account["error"],
    }  # fmt: skip


def _applied_ago(pending: Pending) -> t.Optional[float]:
    """Return how many seconds ago the change came into force, or None when it has not yet."""
    applied = pending.read_json(APPLIED)
    return max(0.0, time.monotonic() - applied["at"]) if "at" in applied and applied.get("error") is None else None


def find(identity: t.Optional[str]) -> t.Optional[Pending]:
    """Return the change of that identity, or the only one that is pending.

    :raises HoldfastError: when several are pending and none is named.
    """
    everything = [one for one in Pending.all() if one.holds("timer.json")]
    if identity is not None:
        return next((one for one in everything if one.identity == identity), None)
    if len(everything) > 1:
        raise HoldfastError("Several changes are pending: name one with change: %s" % ", ".join(one.identity for one in everything))
    return everything[0] if everything else None


def _nothing_pending(identity: t.Optional[str], wanted_back: bool = False) -> t.Dict[str, t.Any]:
    account = rollback_account(identity) if identity else None
    if account is not None and not wanted_back:
        why = "the host refused it: %s" % account["error"] if account["error"] else "nobody confirmed it in time"
        raise HoldfastError(
            "Change %s was rolled back, %s. The firewall rules from before it %s" % (
                identity, why, "are in force" if account["restored"] else "could NOT be restored: %s" % account["log"]
            ),
            rolled_back=True, change=identity,
        )  # fmt: skip
    if identity is not None and account is None and not wanted_back:
        raise HoldfastError("No change %s is pending on this host; it was confirmed before, or this is another host" % identity)
    last = last_rolled_back()
    said = "No change is pending on this host" + ("; the last one that was rolled back is %s" % last if last is not None else "")
    return {"msg": said, "changed": False, "pending": False}


def _await_applied(pending: Pending) -> t.Dict[str, t.Any]:
    """Wait until the change is in force, however long a large one takes; its timer ends what takes longer than its window."""
    begun = time.monotonic()
    window = max(0.0, pending.read_json("change.json").get("deadline", 0) + AFTER_DEADLINE - time.time())
    while True:
        working = pending.being_applied()
        applied = pending.read_json(APPLIED)
        if applied:
            return applied
        account = None if pending.exists else rollback_account(pending.identity)
        if account is not None:
            return {"error": account["error"] or "the rollback timer was faster", "after": 0.0}
        patience = window if working else APPLY_PATIENCE
        if (working is False and pending.exists) or time.monotonic() > begun + patience:
            return {"error": "the process that applies it has died", "after": 0.0, "died": True}
        time.sleep(0.02)


def _await_undone(pending: Pending) -> None:
    """Wait until the process that applied the change has restored the old rules."""
    deadline = time.monotonic() + APPLY_PATIENCE
    while pending.exists and time.monotonic() < deadline:
        time.sleep(0.02)


def _undo(host: Host, pending: Pending) -> t.Dict[str, t.Any]:
    """Restore a change that is already claimed for confirmation, also on a disk that has no room for another file."""
    with contextlib.suppress(OSError):  # its timer took it over
        os.rename(pending.path(CONFIRMING), pending.path(ARMED))
    return restore_now(host, pending)
