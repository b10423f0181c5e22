# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names that a document gives to its sets, services and zones.

Pure: touches nothing.
"""

from __future__ import annotations

import re
import typing as t

from .errors import PolicyError, key_text, nearest, some_names

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,30}\Z")
ALLOWED = "a name of 1 to 31 letters (a to z), digits, underscores and dashes that starts with a letter"


def parse_name(value: t.Any, place: str) -> str:
    """Read the name of a set, a service or a zone.

    :raises PolicyError: when it is no such name; YAML reads some words without quotes (``no``, ``on``, ``22``) as something else.
    """
    if not isinstance(value, str):
        raise PolicyError("%s.%s" % (place, key_text(value)), value, ALLOWED, "put the name in quotes" if isinstance(value, bool) else "")
    if not _NAME.match(value):
        raise PolicyError("%s.%s" % (place, key_text(value)), value, ALLOWED)
    return str(value)


def reached(used: t.Iterable[str], names: t.Mapping[str, t.Iterable[str]]) -> t.Set[str]:
    """Return the used names and those that their definitions name, however far away."""
    found: t.Set[str] = set()
    open_names = list(used)
    while open_names:
        name = open_names.pop()
        if name not in found:
            found.add(name)
            open_names.extend(names.get(name, ()))
    return found


def unknown_name(word: str, known: t.Iterable[str], place: str, what: str, section: str, sign: str = "") -> PolicyError:
    """Return the error for a name that nothing has: the names there are, and the nearest."""
    names = list(known)
    close = nearest(word, names)
    return PolicyError(
        place,
        sign + word,
        "the name of a defined %s (%s)" % (what, some_names(names) or "none is defined"),
        "did you mean %s%s?" % (sign, close) if close else "define it in %s" % section,
    )
