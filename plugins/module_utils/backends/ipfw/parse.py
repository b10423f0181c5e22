# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A listing of ipfw as one chain of entries.

Pure but for the service database.
"""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ..ruleset import ALL_DIRECTIONS, BOTH_FAMILIES, Chain, Entry, Ruleset
from .body import Meaning, Unreadable, probes_states, read_body
from .listing import DEFAULT_NUMBER, Line, Listing, Tables, read_listing, tables_in

NAME = "ipfw"


def parse(text: str, ref: t.Any = None) -> Ruleset:
    """Read ``ipfw -S list``, ``ipfw list`` or the lines of ``render``."""
    listing = read_listing(text)
    return Ruleset((chain_of(listing, ref),), text)


def chain_of(listing: Listing, ref: t.Any = None) -> Chain:
    """Return the chain; the ``ref`` of an entry is the tuple of the indices of its lines."""
    tables: Tables = dict(listing.tables)
    default = "deny"
    entries: t.List[Entry] = []
    pending: t.Optional[t.Tuple[Line, Meaning]] = None
    for index, line in enumerate(listing.lines):
        if line.number == DEFAULT_NUMBER:
            default = "allow" if line.body.split()[0] in ("allow", "accept", "pass", "permit") else "deny"
            continue
        if line.disabled:
            continue
        meaning = _meaning(line.body, tables)
        entry = _entry(index, line, meaning, tables)
        if entries and pending is not None and meaning is not None and _is_pair(pending, (line, meaning)):
            first = entries[-1]
            both = replace(first.rule, family=None) if first.rule is not None else None
            entries[-1] = Entry(first.native + entry.native, rule=both, ref=first.ref + entry.ref)
            pending = None
            continue
        entries.append(entry)
        pending = (line, meaning) if meaning is not None else None
    return Chain(NAME, ALL_DIRECTIONS, BOTH_FAMILIES, default, tuple(entries), ref=ref)


def _meaning(body: str, tables: Tables) -> t.Optional[Meaning]:
    try:
        return read_body(body, tables)
    except Unreadable:
        return None


def _entry(index: int, line: Line, meaning: t.Optional[Meaning], tables: Tables) -> Entry:
    native = tuple("table(%s): %s" % (name, " ".join(str(one) for one in tables[name])) for name in tables_in(line.body) if name in tables)
    native += ("%05d %s" % (line.number, line.body) if line.number else line.body,)
    established = probes_states(line.body)
    if meaning is None:
        return Entry(native, ref=(index,), established=established)
    if meaning.exact and len(meaning.rules) == 1:
        return Entry(native, rule=meaning.rules[0], ref=(index,), established=established)
    return Entry(native, parts=tuple(meaning.rules), ref=(index,), established=established)


def _is_pair(first: t.Tuple[Line, Meaning], second: t.Tuple[Line, Meaning]) -> bool:
    """Return whether two rules of one number are the two families of one reject."""
    (line, meaning), (other_line, other) = first, second
    if (line.number, line.set) != (other_line.number, other_line.set) or len(meaning.rules) != 1 or len(other.rules) != 1:
        return False
    one, two = meaning.rules[0], other.rules[0]
    exact = meaning.exact and other.exact
    return exact and one.action == "reject" and (one.family, two.family) == (4, 6) and replace(one, family=6) == two
