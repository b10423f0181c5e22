# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the raw lines that a policy document has for single backends.

Pure: touches nothing. What the lines say is the backend's business; here only their place and their characters are checked.
"""

from __future__ import annotations

import typing as t

from .errors import PolicyError
from .parse import check_keys
from .policy import ANY_DIRECTION, NativeLines
from .rule import DIRECTIONS

#: Backends with a list for each direction, and those with one list for all.
BY_DIRECTION = ("nftables", "iptables", "ufw", "firewalld")
ONE_LIST = ("pf", "ipfw", "npf", "windows", "macos")
MAX_LINES = 10_000
MAX_LINE = 4096


def parse_native(value: t.Any, place: str, defaults: t.Mapping[str, str]) -> t.Dict[str, NativeLines]:
    """Read ``native``: a mapping of backends to the lines ``before`` and ``after`` the rules.

    :raises PolicyError: for an unknown backend, lines without the direction that the backend needs, lines of a direction that the policy
        does not manage, line breaks inside a line or control characters.
    """
    if value is None:
        return {}
    check_keys(value, (*BY_DIRECTION, *ONE_LIST), place)
    found: t.Dict[str, NativeLines] = {}
    for backend, given in value.items():
        where = "%s.%s" % (place, backend)
        if given is None:
            continue
        check_keys(given, ("before", "after"), where)
        before, after = (_parse_side(given.get(side), backend, "%s.%s" % (where, side), defaults) for side in ("before", "after"))
        if before or after:
            found[backend] = NativeLines(before, after)
    return found


def _parse_side(value: t.Any, backend: str, place: str, defaults: t.Mapping[str, str]) -> t.Dict[str, t.Tuple[str, ...]]:
    if value is None:
        return {}
    if backend in ONE_LIST:
        given = value if isinstance(value, t.Mapping) else {ANY_DIRECTION: value}
        if any(one in given for one in DIRECTIONS):
            raise PolicyError(place, value, "a list of lines", "there is one list for all directions of %s; the lines say theirs" % backend)
        check_keys(given, (ANY_DIRECTION,), place)
    else:
        given = value
        if not isinstance(value, t.Mapping):
            hint = "give %s a list for each direction, for example {in: [...]}" % backend
            raise PolicyError(place, value, "a mapping of in, out and forward to lines", hint)
        check_keys(given, DIRECTIONS, place)
    sides = {}
    for direction, lines in given.items():
        where = place if given is not value else "%s.%s" % (place, direction)
        if lines is None:
            continue
        if defaults.get(direction) == "unmanaged":
            raise PolicyError(
                where,
                lines,
                "lines of directions that this policy manages",
                "the policy leaves this direction alone: defaults.%s is unmanaged" % direction,
            )
        found = _parse_lines(lines, where)
        if found:
            sides[direction] = found
    return sides


def _parse_lines(value: t.Any, place: str) -> t.Tuple[str, ...]:
    lines = value.splitlines() if isinstance(value, str) else value
    if not isinstance(lines, (list, tuple)):
        raise PolicyError(place, value, "a list of lines, or text with one rule a line")
    if len(lines) > MAX_LINES:
        raise PolicyError(place, "(%d lines)" % len(lines), "at most %d lines" % MAX_LINES)
    found = []
    for number, line in enumerate(lines):
        where = "%s[%d]" % (place, number)
        if not isinstance(line, str):
            raise PolicyError(where, line, "one line of text", "put it in quotes" if isinstance(line, (t.Mapping, bool, int)) else "")
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        if not text.replace("\t", " ").isprintable():
            raise PolicyError(where, line, "one line of printable text", "line breaks and control characters are refused")
        if len(text) > MAX_LINE:
            raise PolicyError(where, line, "at most %d characters in a line" % MAX_LINE)
        found.append(text)
    return tuple(found)
