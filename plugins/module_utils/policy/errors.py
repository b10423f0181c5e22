# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The errors a person reads: one class for everything that stops a task, one for what is wrong in a document.

Pure: touches nothing.
"""

from __future__ import annotations

import contextlib
import difflib
import reprlib
import typing as t

#: How much of what was found, and of a key, a message shows.
MAX_SHOWN = 120
MAX_KEY = 60
#: Suggestions are looked for among this many names at most.
MAX_KNOWN = 2000


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


def told(exc: BaseException) -> str:
    """Return what an exception says to people, with its kind where it is none of ours."""
    return exc.msg if isinstance(exc, HoldfastError) else "%s: %s" % (type(exc).__name__, exc)


class WriteError(HoldfastError):
    """A file that the machine does not take: a full disk, a file system that can only be read."""


@contextlib.contextmanager
def writing(path: str) -> t.Iterator[None]:
    """Say of what the machine refuses inside which file it was.

    :raises WriteError: in that case.
    """
    try:
        yield
    except OSError as exc:
        raise WriteError("%s cannot be written: %s" % (path, exc.strerror or exc)) from exc


class PolicyError(HoldfastError):
    """A document or an argument that does not say something valid.

    ``place`` is where in the document (``rule.port[1]``), ``found`` what stands there, ``allowed`` what may stand there,
    ``hint`` what to do next.
    """

    def __init__(self, place: str, found: t.Any, allowed: str, hint: str = "") -> None:
        shown = _shown(found)
        msg = "%s: found %s; allowed: %s" % (place, shown, allowed)
        if hint:
            msg += ". " + hint[0].upper() + hint[1:]
        super().__init__(msg + ("" if msg.endswith((".", "?")) else "."), place=place, found=shown, allowed=allowed)
        self.place = place
        self.allowed = allowed
        self.hint = hint

    def within(self, place: str, renamed: t.Optional[t.Mapping[str, str]] = None) -> PolicyError:
        """Return the same error for a place that was given relative to ``place``.

        ``renamed`` are the keys that stand in the document under another name (``source``: ``cidr``).
        """
        inner = self.place.lstrip(".")
        for key, written in (renamed or {}).items():
            if inner == key or inner.startswith((key + "[", key + ".")):
                inner = written + inner[len(key) :]
                break
        return self.at("%s%s%s" % (place, "" if inner.startswith("[") or not inner else ".", inner))

    def at(self, place: str) -> PolicyError:
        """Return the same error for another place."""
        return PolicyError(place, _Shown(self.details["found"]), self.allowed, self.hint)

    def hinted(self, hint: str) -> PolicyError:
        """Return the same error with another next step."""
        return PolicyError(self.place, _Shown(self.details["found"]), self.allowed, hint)


class _Shown(str):
    """What was found, in the words of a message already."""


class _Short(reprlib.Repr):
    """``repr`` that stays short and quick for any value."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 4
        self.maxstring = self.maxother = MAX_SHOWN
        self.maxlist = self.maxtuple = self.maxdict = 20

    def repr_int(self, x: int, level: int) -> str:
        """Python refuses to write out ints of many thousand digits, and before 3.11 takes minutes."""
        return repr(x) if x.bit_length() <= 128 else "(a number of %d bits)" % x.bit_length()


_SHORT = _Short()


def _shown(found: t.Any) -> str:
    if isinstance(found, _Shown):
        return str(found)
    if isinstance(found, str):
        # A text in brackets describes what was found.
        found = found[: 2 * MAX_SHOWN]
        shown = found if found.startswith("(") and found.isprintable() else repr(found)
    else:
        shown = _SHORT.repr(found)
    return shown if len(shown) <= MAX_SHOWN else shown[: MAX_SHOWN - 3] + "..."


def key_text(key: t.Any) -> str:
    """Return a key of a document for a place: as it is, or short and printable where it is neither."""
    if isinstance(key, str) and len(key) <= MAX_KEY and key.isprintable():
        return key
    shown = _shown(key)
    return shown if len(shown) <= MAX_KEY else shown[: MAX_KEY - 3] + "..."


def some_names(names: t.Iterable[str], most: int = 20) -> str:
    """Return names for a message, sorted, the first of them where they are many."""
    words = sorted(names)
    more = ", … (%d in all)" % len(words) if len(words) > most else ""
    return ", ".join(words[:most]) + more


def nearest(word: str, known: t.Iterable[str]) -> t.Optional[str]:
    """Return the known word that is closest to ``word``, or None when none is close."""
    words = sorted(known)
    if len(word) > MAX_KEY or len(words) > MAX_KNOWN:
        return None
    plain = word.lower().replace("-", "_")
    spelt = {one.lower().replace("-", "_"): one for one in words}
    starts = [one for one in spelt if len(plain) > 2 and (one.startswith(plain) or plain.startswith(one))]
    close = starts or difflib.get_close_matches(plain, list(spelt), n=1, cutoff=0.6)
    return spelt[close[0]] if close else None
