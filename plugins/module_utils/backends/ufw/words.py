# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tuples as a person types them after ``ufw``, and back.

Pure: touches nothing. What is written here is always the long form; other forms that ufw knows are for ufw itself to read.
"""

from __future__ import annotations

import re
import typing as t

from .tuples import Tuple

_LINE = re.compile(
    r"(?P<route>route )?(?P<action>allow|deny|reject|limit)(?: (?P<way>in|out))?(?: on (?P<first>\S+))?(?: out on (?P<second>\S+))?"
    r"(?: (?P<log>log|log-all))?(?: proto (?P<protocol>\S+))?"
    r" from (?P<source>\S+)(?: port (?P<source_ports>\S+))? to (?P<destination>\S+)(?: port (?P<ports>\S+))?"
    r"(?: comment '(?P<comment>[^']*)')?(?P<only> \(v[46]\))?\Z"
)


def words_of(one: Tuple, only: t.Optional[int] = None) -> str:
    """Return what a person types for a tuple.

    :param only: the one family that it is for, where its addresses do not tell.
    """
    words = ["route"] if one.direction == "forward" else []
    words.append(one.action)
    if one.direction == "forward":
        words += ["in on " + one.arriving] if one.arriving is not None else []
        words += ["out on " + one.leaving] if one.leaving is not None else []
    else:
        interface = one.leaving if one.direction == "out" else one.arriving
        words += [one.direction] + (["on " + interface] if interface is not None else [])
    words += [one.log] if one.log else []
    words += ["proto " + one.protocol] if one.protocol != "any" else []
    for word, network, ports in (("from", one.source, one.source_ports), ("to", one.destination, one.ports)):
        words.append("%s %s" % (word, network or "any"))
        words += ["port " + ports] if ports != "any" else []
    words += ["comment '%s'" % one.comment] if one.comment is not None else []
    return " ".join(words) + (" (v%d)" % only if only is not None and not one.source and not one.destination else "")


def parse_words(line: str) -> t.Optional[t.Tuple[Tuple, t.Tuple[int, ...]]]:
    """Read a line of ``words_of`` with the families that it is for; None for any other."""
    found = _LINE.match(line.strip())
    if found is None:
        return None
    word = found.group
    direction = "forward" if word("route") else (word("way") or "in")
    first, second = word("first"), word("second")
    if direction == "forward" and word("way") == "out":
        first, second = None, first
    leaving = first if direction == "out" else second
    arriving = first if direction != "out" else None
    source, destination = ("" if word(side) == "any" else word(side) for side in ("source", "destination"))
    one = Tuple(
        word("action"), direction, word("protocol") or "any", destination, word("ports") or "any", source, word("source_ports") or "any",
        arriving, leaving, word("log") or "", False, word("comment"),
    )  # fmt: skip
    if source or destination:
        return one, ((6,) if ":" in source + destination else (4,))
    return one, ((int(word("only")[3]),) if word("only") else (4, 6))
