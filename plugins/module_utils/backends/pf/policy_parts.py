# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of a pf.conf that are written from a policy, and the text around them.

Pure: touches nothing. A part stands between two comment lines. There is one for each section of the file that a policy needs, since pf
of FreeBSD and macOS insists on their order; what stands outside of them belongs to the administrator and is never touched.
"""

from __future__ import annotations

import re
import typing as t

from ...policy.errors import HoldfastError

#: The parts, in the order in which they stand.
PARTS = ("scrub", "translation", "filter")

_BEGIN = "# holdfast policy: begin %s (written from a policy; a change by hand is undone by its next run)"
_END = "# holdfast policy: end %s"
_MARK = re.compile(r"^# holdfast policy: (begin|end) (\w+)[^\n]*\n?", re.MULTILINE)
#: What encloses raw lines of a policy, and anchor calls that are there for other programs.
SUBPARTS = ("native before", "native after", "anchors")
SUB_BEGIN = "# holdfast policy: %s"
SUB_END = "# holdfast policy: %s ends"
#: How a host that does not tell forwarded packets apart keeps the default of their direction.
FORWARDING = "# holdfast policy: forwarding: %s (this host forwards nothing while net.inet.ip.forwarding is 0)"


def enclose(part: str, lines: t.Sequence[str]) -> str:
    """Return the text of a part, empty for no lines."""
    if not lines:
        return ""
    return "\n".join((_BEGIN % part, *lines, _END % part)) + "\n"


def cut(text: str) -> t.Tuple[str, t.Dict[str, str]]:
    """Return a file less our parts, and the text of each part less its two marks.

    :raises HoldfastError: when a mark was removed or doubled by hand, so that nobody can tell what is ours.
    """
    rest: t.List[str] = []
    parts: t.Dict[str, str] = {}
    at = 0
    current: t.Optional[str] = None
    for mark in _MARK.finditer(text):
        kind, part = mark.groups()
        ours = text[at : mark.start()]
        if (
            (kind == "begin") != (current is None)
            or part not in PARTS
            or (kind == "begin" and part in parts)
            or current not in (None, part)
        ):
            raise HoldfastError(
                "pf.conf has the line '%s' out of its place, so it cannot be told what was written from a policy. Put the lines that begin "
                "with '# holdfast policy: ' back as they were, or remove them with everything between them" % mark.group(0).strip()
            )
        if kind == "begin":
            rest.append(ours)
            current = part
        else:
            parts[part] = ours
            current = None
        at = mark.end()
    if current is not None:
        raise HoldfastError("pf.conf lacks the line '%s', so it cannot be told what was written from a policy" % (_END % current))
    rest.append(text[at:])
    return "".join(rest), parts


def own_parts(text: str) -> str:
    """Return only our parts of a file, with their marks."""
    if not has_parts(text):
        return ""
    _rest, parts = cut(text)
    return "".join("%s\n%s%s\n" % (_BEGIN % part, parts[part], _END % part) for part in PARTS if part in parts)


def has_parts(text: str) -> bool:
    """Return whether a file has something that is written from a policy."""
    return _MARK.search(text) is not None
