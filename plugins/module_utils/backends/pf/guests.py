# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Anchors that other programs of a Mac call from the main rules while pf runs, without a line in pf.conf.

Pure: touches nothing. Internet Sharing and the network of virtual machines (``com.apple.internet-sharing``) and VPN clients put such calls
in; the pf.conf of macOS says so in its comments, and that they go with a load of the file. So a load of ours has them again: their rules
stay in the kernel as long as something calls them. The file itself never gets them.
"""

from __future__ import annotations

import collections
import re
import typing as t

from .statements import SECTIONS, Statement, join, split

#: What stands behind such a call in the text of a change.
_MARK = "# holdfast: called by another program, not by this file"
_CALL = re.compile(r'((?:scrub-|nat-|rdr-|binat-)?anchor) "([^"\n]+)" all(?: fragment reassemble)?\Z')
_LINE = re.compile(r'^((?:scrub-|nat-|rdr-|binat-)?anchor "[^"\n]+") %s\n' % re.escape(_MARK), re.MULTILINE)


def guests_in(rules: t.Sequence[str], expected: t.Sequence[str]) -> t.Optional[t.Tuple[str, ...]]:
    """Return the calls that live rules have beyond those of a file, as lines of pf.conf; None where they differ in anything else."""
    wanted = collections.Counter(expected)
    rest: t.List[str] = []
    guests: t.List[str] = []
    for rule in rules:
        call = _CALL.match(rule)
        if wanted[rule] or call is None:
            wanted[rule] -= 1
            rest.append(rule)
        else:
            guests.append('%s "%s"' % call.groups())
    return tuple(dict.fromkeys(guests)) if rest == list(expected) else None


def with_guests(text: str, guests: t.Iterable[str]) -> str:
    """Return the text of a file with such calls, each behind the last of its kind: there the program that needs it has put it, too."""
    statements = split(text if text.endswith("\n") or not text else text + "\n")
    for guest in guests:
        line = split("%s %s\n" % (guest, _MARK))[0]
        statements.insert(_place(statements, line), line)
    return join(statements)


def _place(statements: t.Sequence[Statement], line: Statement) -> int:
    word, section = line.text.split(None, 1)[0], SECTIONS[line.kind]
    if word != "anchor":
        same = [place for place, one in enumerate(statements) if one.text.split(None, 1)[:1] == [word]]
        later = [place for place, one in enumerate(statements) if SECTIONS[one.kind] > section]
        if same or later:
            return same[-1] + 1 if same else later[0]
    return len(statements)


def without_guests(text: str) -> t.Tuple[str, t.Tuple[str, ...]]:
    """Return the text of a change less such calls, and these."""
    return _LINE.sub("", text), tuple(_LINE.findall(text))
