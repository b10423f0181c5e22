# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Arming and applying a change on the target so that it undoes itself unless it is confirmed.

Touches the target: writes the backup and the restore script, arms the timer, and applies the rules at run time only, in a process of
its own that outlives the connection which the change may cut.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import sys
import time
import typing as t

from ..backends.base import Backend, Snapshot, Transaction, listing_fingerprint
from ..backends.ruleset import Ruleset
from ..host import Host
from ..policy.errors import HoldfastError, WriteError, told
from .pending import APPLIED, APPLIER, ARMED, Pending, exclusive, last_rollback
from .script import boot_command, files_script, restore_script
from .timers import Timer, choose_timer, end_sleeper, timer_named

#: Seconds between the end of the task's process and the change, so that the task's answer is on its way before rules change.
SETTLE = 0.1
#: Seconds that processes need to start and to write what they did, on top of SETTLE.
SLACK = 0.03
#: Files that a task's process can have open at most.
DESCRIPTORS = 4096
#: Seconds to wait at most for the task's process to end.
PATIENCE = 5.0
#: Seconds after the deadline from which on a timer counts as lost.
OVERDUE = 5


def begin(
    host: Host,
    backend: Backend,
    ruleset: Ruleset,
    transaction: Transaction,
    window: int,
    hold: t.Callable[[], None] = lambda: None,
    attended: bool = False,
) -> t.Dict[str, t.Any]:
    """Back up, arm the rollback, and start the process that applies the change in a moment.

    With ``attended`` that process then stays to confirm the change when it is asked, for at most the window.

    Returns the facts of the pending change: ``change`` (its identity), ``confirm_within`` (seconds), ``timer``, and ``settles_in``: after
    how many seconds the change is likely in force, judged by the time that its check took; with ``attended`` also ``ask``, the path of
    the script that asks for the confirmation.
    ``hold`` is called in the applying process only (tests use it).

    :raises HoldfastError: when anything refuses; then nothing has been changed and nothing is left behind.
    """
    from .attend import SCRIPT, ask_script, attend, forget_answers

    if not host.is_root():
        raise HoldfastError("Changing %s rules needs root; add become: true (or -b)" % backend.NAME)
    with untouched(), exclusive():
        forget_answers()
        refuse_beside_pending()
        started = time.monotonic()
        backend.validate(transaction)
        settles_in = round(_head_start(transaction) + SLACK + backend.loads_in(time.monotonic() - started), 3)
        timer = choose_timer(host)
        snapshot = backend.snapshot(ruleset, transaction)
        pending = Pending.create()
        ref = None
        try:
            facts = _write_record(host, backend, transaction, snapshot, pending, timer, window, listing_fingerprint(ruleset.listing))
            ref = timer.arm(host, pending.identity, pending.path("restore.sh"), window)
            pending.write_json("timer.json", {"timer": timer.NAME, "ref": ref, "change": pending.identity})
            if attended:
                pending.write(SCRIPT, ask_script(pending), 0o700)
                facts["ask"] = pending.path(SCRIPT)
        except BaseException:
            if ref is not None:
                timer.disarm(host, ref)
            end_sleeper(host, pending.folder)
            pending.remove()
            raise
    if attended:
        backend.make_ready()

    def after() -> None:
        if attended:
            attend(host, pending, window + OVERDUE)

    _apply_detached(host, backend, transaction, pending, hold, after)
    return dict(facts, settles_in=settles_in)


@contextlib.contextmanager
def untouched() -> t.Iterator[None]:
    """Say of a file that cannot be written that nothing has been changed.

    :raises HoldfastError: in that case.
    """
    try:
        yield
    except WriteError as exc:
        raise HoldfastError("%s, so nothing was changed" % exc.msg) from exc


def settle_leftovers(host: Host) -> None:
    """Tidy up what an interrupted run left, before rules are read: an overdue change is undone as its timer would have done."""
    if not Pending.all():
        return
    with exclusive():
        boot = boot_identity(host)
        for pending in Pending.all():
            _settle(host, pending, boot)


def refuse_beside_pending() -> None:
    """Refuse to work beside a change that waits for its confirmation, or to call its rules in force: they may be undone in a moment.

    :raises HoldfastError: with the change and how long it waits.
    """
    for pending in Pending.all():
        raise HoldfastError(
            "Change %s on this host waits for its confirmation for another %d seconds. Confirm it (holdfast.firewall.confirm), "
            "undo it (holdfast.firewall.confirm with state: restored), or wait" % (pending.identity, max(1, pending.seconds_left())),
            waiting=pending.identity,
        )


def _settle(host: Host, pending: Pending, boot: str) -> None:
    facts = pending.read_json("change.json")
    if pending.identity.startswith("."):
        shutil.rmtree(pending.folder, ignore_errors=True)
    elif not facts or not pending.holds("timer.json"):
        pending.remove()  # it died before it was armed, so nothing was applied
    elif facts.get("boot") != boot or facts["deadline"] + OVERDUE < time.time():
        restore_now(host, pending)  # the timer is overdue, or went with a reboot


def restore_now(host: Host, pending: Pending) -> t.Dict[str, t.Any]:
    """Run the restore script of a change at once and disarm its timer; returns the account of the rollback."""
    result = host.run(["/bin/sh", pending.path("restore.sh")], timeout=120.0)
    disarm(host, pending)
    account = rollback_account(pending.identity)
    if account is None:
        raise HoldfastError("Restoring the rules from before change %s failed: %s" % (pending.identity, (result.err or result.out).strip()))
    return account


def disarm(host: Host, pending: Pending) -> None:
    """Cancel the timer of a change."""
    for folder in (pending.folder, last_rollback()):
        facts = Pending(os.path.basename(folder), os.path.dirname(folder)).read_json("timer.json")
        if facts and (folder == pending.folder or facts.get("change") == pending.identity):
            timer_named(facts["timer"]).disarm(host, facts["ref"])
            end_sleeper(host, folder)
            return


def last_rolled_back() -> t.Optional[str]:
    """Return the identity of the change that was rolled back last, or None."""
    facts = Pending(os.path.basename(last_rollback()), os.path.dirname(last_rollback())).read_json("change.json")
    return facts.get("change")


def rollback_account(identity: str) -> t.Optional[t.Dict[str, t.Any]]:
    """Return what is known of the rollback of a change, or None when the last rollback was of another change."""
    last = Pending(os.path.basename(last_rollback()), os.path.dirname(last_rollback()))
    facts = last.read_json("change.json")
    restored = (last.read("restored") or "").split()
    if facts.get("change") != identity or len(restored) != 2:
        return None
    return {
        "change": identity,
        "restored": restored[0] == "0",
        "restored_at": int(restored[1]),
        "log": (last.read("log") or "").strip()[-2000:],
        "fingerprint_before": facts.get("fingerprint"),
        "backend": facts.get("backend"),
        "error": last.read_json(APPLIED).get("error"),
    }


def boot_identity(host: Host) -> str:
    """Return a word that changes with every boot of the host."""
    return host.run(boot_command()).out.strip()


def _write_record(
    host: Host,
    backend: Backend,
    transaction: Transaction,
    snapshot: Snapshot,
    pending: Pending,
    timer: Timer,
    window: int,
    fingerprint: str,
) -> t.Dict[str, t.Any]:
    boot = boot_identity(host)
    for name, text in snapshot.files.items():
        pending.write(name, text)
    copies: t.Dict[str, t.Optional[str]] = {}
    for number, path in enumerate(snapshot.paths):
        if os.path.isfile(path):
            copies[path] = "file%d" % number
            shutil.copy2(path, pending.path("file%d" % number))
        else:
            copies[path] = None
    pending.write("rules.sh", snapshot.script)
    pending.write("files.sh", files_script(copies))
    deadline = int(time.time()) + window
    pending.write(
        "restore.sh",
        restore_script(pending.identity, pending.folder, last_rollback(), deadline, window, boot, snapshot.after_reboot),
        0o700,
    )
    for name in ("restore.sh", "rules.sh", "files.sh"):
        checked = host.run(["/bin/sh", "-n", pending.path(name)])
        if not checked.ok:
            raise HoldfastError("The restore script is not valid, nothing was changed: %s" % checked.err.strip())
    facts = {
        "change": pending.identity, "backend": backend.NAME, "deadline": deadline, "confirm_within": window, "boot": boot,
        "timer": timer.NAME, "persist": dict(transaction.persist), "fingerprint": fingerprint,
    }  # fmt: skip
    pending.write_json("change.json", facts)
    pending.write(ARMED, "")
    return {"change": pending.identity, "confirm_within": window, "timer": timer.NAME}


def _apply_detached(
    host: Host, backend: Backend, transaction: Transaction, pending: Pending, hold: t.Callable[[], None], after: t.Callable[[], None]
) -> None:
    """Fork a process that waits for this one to end, applies the change, and calls ``after`` where that worked."""
    started = time.monotonic()
    reader, writer = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        os.close(reader)
        os.set_inheritable(writer, False)  # closed by the kernel when this process ends, and by nothing else
        os.waitpid(child, 0)
        return
    try:
        os.close(writer)
        os.setsid()
        if os.fork():
            os._exit(0)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        # Whoever started the task may wait until nobody holds its pipes any more.
        os.closerange(3, reader)
        os.closerange(reader + 1, DESCRIPTORS)
        os.chdir("/")
        pending.write(APPLIER, "%d\n" % os.getpgrp())
        select.select([reader], [], [], PATIENCE)
        # The task's answer reaches nobody before its process ends, so nobody counts from earlier than this.
        started = time.monotonic()
        time.sleep(_head_start(transaction))
        hold()
        if _apply(host, backend, transaction, pending, started):
            after()
    except BaseException as exc:
        pending.write_json(APPLIED, {"error": told(exc), "after": time.monotonic() - started, "at": time.monotonic()})
    finally:
        os._exit(0)


def _head_start(transaction: Transaction) -> float:
    return 0.0 if transaction.keeps_connections else SETTLE


def _apply(host: Host, backend: Backend, transaction: Transaction, pending: Pending, started: float) -> bool:
    if not pending.holds(ARMED):
        return False
    try:
        backend.apply(transaction)
    except HoldfastError as exc:
        pending.write_json(APPLIED, {"error": exc.msg, "after": time.monotonic() - started, "at": time.monotonic()})
        restore_now(host, pending)
        return False
    pending.write_json(APPLIED, {"error": None, "after": time.monotonic() - started, "at": time.monotonic()})
    return True
