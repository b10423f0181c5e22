# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The errors a person reads: one class for everything that stops a task, one for what is wrong in a document.

Pure: touches nothing.
"""

from __future__ import annotations

import difflib
import typing as t


class HoldfastError(Exception):
    """Something that ends a task with a message for a person.

    ``details`` are JSON-able fields that go into the task's result beside ``msg`` (for example ``rc`` or ``unsupported``).
    """

    def __init__(self, msg: str, **details: t.Any) -> None:
        super().__init__(msg)
        self.msg = msg
        self.details = details

    def as_failure(self) -> t.Dict[str, t.Any]:
        """Return the fields of a failed task."""
        return dict(self.details, msg=self.msg)


class PolicyError(HoldfastError):
    """A document or an argument that does not say something valid.

    ``place`` is where in the document (``rule.port[1]``), ``found`` what stands there, ``allowed`` what may stand there,
    ``hint`` what to do next.
    """

    def __init__(self, place: str, found: t.Any, allowed: str, hint: str = "") -> None:
        shown = found if isinstance(found, str) and found.startswith("(") else repr(found)
        if len(shown) > 120:
            shown = shown[:117] + "..."
        msg = "%s: found %s; allowed: %s" % (place, shown, allowed)
        if hint:
            msg += ". " + hint[0].upper() + hint[1:]
        super().__init__(msg + ("" if msg.endswith((".", "?")) else "."), place=place, found=shown, allowed=allowed)
        self.place = place
        self.allowed = allowed
        self.hint = hint


def nearest(word: str, known: t.Iterable[str]) -> t.Optional[str]:
    """Return the known word that is closest to ``word``, or None when none is close."""
    words = sorted(known)
    plain = word.lower().replace("-", "_")
    starts = [one for one in words if len(plain) > 2 and (one.startswith(plain) or plain.startswith(one))]
    close = starts or difflib.get_close_matches(plain, words, n=1, cutoff=0.6)
    return close[0] if close else None
