# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Raw rules as a person types them after ``ufw``: the real ufw turns them into tuples, without changing anything.

Runs ``ufw --dry-run``.
"""

from __future__ import annotations

import re
import shlex
import typing as t

from ...host import Host
from ...policy.errors import HoldfastError
from .tuples import MARK
from .user_file import Item, parse_user_file

_FIRST = ("allow", "deny", "reject", "limit", "route", "insert", "prepend")

Placed = t.List[t.Tuple[int, int, Item]]


def asked(host: Host, line: str, files: t.Mapping[int, t.Sequence[Item]]) -> t.Tuple[Placed, t.Dict[int, t.List[str]]]:
    """Return what ufw would do for a line: the tuples it adds, each with its family and its place among all, and the tuple lines that it
    finds there already, or puts the new ones in the place of.

    :raises HoldfastError: when ufw refuses the line.
    """
    words = _words(line)
    out = _dry_run(host, words, line)
    added: Placed = []
    there: t.Dict[int, t.List[str]] = {}
    for family, items in _answers(out).items():
        known = [item.line for item in files.get(family, ())]
        new = [item.line for item in items]
        added += [(family, number, item) for number, item in enumerate(items) if item.line not in known]
        there[family] = [one for one in known if one not in new]
    if "Skipping" in out:
        bare = [
            word for number, word in enumerate(words) if not (word in ("insert", "prepend") or words[number - 1 : number] == ["insert"])
        ]
        for family, items in _answers(
            _dry_run(host, ["delete", *bare] if bare[0] != "route" else ["route", "delete", *bare[1:]], line)
        ).items():
            left = [item.line for item in items]
            there.setdefault(family, []).extend(item.line for item in files.get(family, ()) if item.line not in left)
    return added, {family: lines for family, lines in there.items() if lines}


def _words(line: str) -> t.List[str]:
    try:
        words = shlex.split(line)
    except ValueError:
        raise HoldfastError("native rule %r: a quote is not closed" % line) from None
    words = words[1:] if words[:1] == ["ufw"] else words
    words = words[1:] if words[:1] == ["rule"] else words
    if not words or words[0] not in _FIRST or "\n" in line:
        raise HoldfastError("native rule %r: on ufw a raw rule is what follows the word ufw, for example: allow 22/tcp" % line)
    if any(word.startswith("--") for word in words) or (words[0] == "route" and "delete" in words[1:2]):
        raise HoldfastError("native rule %r: only a rule itself, without options and without delete (use state: absent)" % line)
    return words


def _dry_run(host: Host, words: t.Sequence[str], line: str) -> str:
    answer = host.run(["ufw", "--dry-run", *words])
    if not answer.ok or answer.err.strip().startswith("ERROR"):
        said = " ".join((answer.err or answer.out).split())
        raise HoldfastError("native rule %r was refused by ufw, nothing was changed: %s" % (line, said[:500]))
    return answer.out


def _answers(text: str) -> t.Dict[int, t.List[Item]]:
    """Return the tuples of each file that a dry run prints."""
    found: t.Dict[int, t.List[Item]] = {}
    for part in re.split(r"^\*filter$", text, flags=re.MULTILINE)[1:]:
        family = 6 if ":ufw6-" in part else 4
        if MARK in part or "### RULES ###" in part:
            found[family] = list(parse_user_file("*filter" + part, "ufw --dry-run").items)
    return found
