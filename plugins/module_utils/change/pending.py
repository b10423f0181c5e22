# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of a pending change on the target: one folder with the backup, the restore script and who holds it.

Touches files below the state folder only (readable by root alone). Who may act on a change is decided by one atomic rename:
``armed`` becomes ``confirming`` (the confirmation) or ``restoring`` (the timer), never both.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import time
import typing as t
import uuid

from ..policy.errors import HoldfastError, writing
from ..state_folder import state_root

ARMED, CONFIRMING, RESTORING = "armed", "confirming", "restoring"
#: The process group that puts the change in force; ``applied.json`` says how that ended.
APPLIER, APPLIED = "applier", "applied.json"


def changes_root() -> str:
    """Return the folder of pending changes."""
    return os.path.join(state_root(), "change")


def last_rollback() -> str:
    """Return the folder that keeps the account of the last rollback."""
    return os.path.join(state_root(), "last-rollback")


class Pending:
    """One change that is armed and not yet confirmed."""

    def __init__(self, identity: str, root: t.Optional[str] = None) -> None:
        self.identity = identity
        self.folder = os.path.join(root or changes_root(), identity)

    @classmethod
    def create(cls) -> Pending:
        """Make a new folder, 0700, with a fresh identity."""
        pending = cls(time.strftime("%Y%m%d%H%M%S-", time.gmtime()) + uuid.uuid4().hex[:8])
        with writing(pending.folder):
            for folder in (state_root(), changes_root()):
                os.makedirs(folder, mode=0o700, exist_ok=True)
                os.chmod(folder, 0o700)
            os.mkdir(pending.folder, 0o700)
        return pending

    @classmethod
    def all(cls) -> t.List[Pending]:
        """Return the pending changes, oldest first."""
        try:
            names = sorted(os.listdir(changes_root()))
        except OSError:
            return []
        return [cls(name) for name in names if os.path.isdir(os.path.join(changes_root(), name))]

    def path(self, name: str) -> str:
        """Return the path of a file in the folder."""
        return os.path.join(self.folder, name)

    @property
    def exists(self) -> bool:
        """Whether the change is still pending in some way."""
        return os.path.isdir(self.folder)

    def holds(self, name: str) -> bool:
        """Return whether a file of that name is in the folder."""
        return os.path.exists(self.path(name))

    def write(self, name: str, text: str, mode: int = 0o600) -> None:
        """Write a file whole (renamed into place)."""
        temporary = self.path(".%s.new" % name)
        with writing(self.path(name)):
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
            with os.fdopen(descriptor, "wb") as out:
                out.write(text.encode("utf-8", "surrogateescape"))
                out.flush()
                os.fsync(out.fileno())
            os.replace(temporary, self.path(name))

    def write_json(self, name: str, data: t.Any) -> None:
        """Write JSON."""
        self.write(name, json.dumps(data, sort_keys=True) + "\n")

    def read(self, name: str) -> t.Optional[str]:
        """Return a file's text, or None."""
        try:
            with open(self.path(name), "rb") as handle:
                return handle.read().decode("utf-8", "surrogateescape")
        except OSError:
            return None

    def read_json(self, name: str) -> t.Dict[str, t.Any]:
        """Return JSON data, or an empty dict when it is not there or not whole."""
        try:
            data = json.loads(self.read(name) or "{}")
        except ValueError:
            return {}
        return data if isinstance(data, dict) else {}

    def seconds_left(self) -> int:
        """Return the seconds until the timer undoes the change."""
        return max(0, int(self.read_json("change.json").get("deadline", 0) - time.time()))

    def claim(self, holder: str) -> bool:
        """Take the armed change; returns False when another holder was first."""
        try:
            os.rename(self.path(ARMED), self.path(holder))
        except OSError:
            return False
        return True

    def being_applied(self) -> t.Optional[bool]:
        """Return whether the process that applies the change is at work, or None when it has not begun."""
        group = (self.read(APPLIER) or "").strip()
        if not group.isdigit():
            return None
        try:
            os.killpg(int(group), 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass  # somebody else's, so it lives
        return True

    def remove(self) -> None:
        """Remove the folder: out of sight first, so that nobody finds a half of it."""
        gone = os.path.join(os.path.dirname(self.folder), ".gone-%s" % self.identity)
        try:
            os.rename(self.folder, gone)
        except FileNotFoundError:
            return
        shutil.rmtree(gone, ignore_errors=True)


@contextlib.contextmanager
def exclusive() -> t.Iterator[None]:
    """Hold the lock of this host's changes; the kernel frees it when the process ends.

    :raises HoldfastError: when another task holds it for more than 10 seconds.
    """
    lock = os.path.join(state_root(), "lock")
    with writing(lock):
        os.makedirs(state_root(), mode=0o700, exist_ok=True)
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        for attempt in range(101):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if attempt == 100:
                    raise HoldfastError("Another firewall task is at work on this host for more than 10 seconds; try again later") from None
                time.sleep(0.1)
        yield
    finally:
        os.close(descriptor)
