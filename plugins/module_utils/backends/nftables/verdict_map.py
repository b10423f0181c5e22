# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdict maps: one rule line that decides by a table of values (``tcp dport vmap { 22 : accept, 25 : jump mail }``).

Pure: touches nothing. The elements of a map exclude each other, so their order has no meaning.
"""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ..ruleset import Chain, Entry
from .fold import Line, entry_of
from .listing import RuleLine, TableKey
from .meaning import MAX_ELEMENTS, Elements, Meaning, Statement, Unread, understand
from .names import FAMILIES_OF


def expand_map(
    rule: RuleLine, statements: t.Sequence[Statement], directions: t.Sequence[str], table: TableKey, elements: Elements, chain: str
) -> t.Tuple[Entry, t.List[Chain]]:
    """Return the entry of a rule that ends in a verdict map, with a chain that stands for the map where an entry alone cannot say it."""
    unread = Entry((rule.text,), ref=(rule.handle,))
    before, last = list(statements[:-1]), statements[-1]
    if "vmap" not in last or any("vmap" in one for one in before):
        return unread, []
    pairs = _pairs(last["vmap"].get("data"), elements)
    key = last["vmap"].get("key")
    if pairs is None or not isinstance(key, dict):
        return unread, []
    pieces = []
    for value, verdict in pairs:
        operator = "in" if "ct" in key else "=="
        line = [*before, {"match": {"op": operator, "left": key, "right": value}}, verdict]
        pieces.append(entry_of(Line(rule, _read(line, table, elements)), directions, table))
    established = any(one.established for one in pieces)
    jumps = [one for one in pieces if one.jump is not None]
    deciding = [one for one in pieces if one.parts]
    if not jumps:
        parts = tuple(part for one in deciding for part in one.parts)
        return replace(unread, parts=parts, established=established), []
    if len(jumps) == 1 and not deciding:
        return replace(jumps[0], established=established), []
    everything = _read([*before, {"jump": {"target": "map"}}], table, elements)
    matched = entry_of(Line(rule, everything), directions, table)
    name = "%s (map %s)" % (chain, rule.handle if rule.handle is not None else rule.text)
    families = FAMILIES_OF[table[0]] if directions else frozenset()
    view = Chain(name, frozenset(directions), families, entries=tuple(pieces), base=False, owner="nftables")
    return replace(unread, jump=name, match=matched.match, established=established), [view]


def _read(statements: t.Sequence[Statement], table: TableKey, elements: Elements) -> t.Optional[Meaning]:
    try:
        meaning = understand(statements, table[0], elements)
    except Unread:
        return None
    meaning.literal = False  # an element is no line of its own that could be removed
    return meaning


def _pairs(data: t.Any, elements: Elements) -> t.Optional[t.List[t.Tuple[t.Any, Statement]]]:
    if isinstance(data, str) and data.startswith("@"):
        members = elements.get(data[1:])
    else:
        members = data.get("set") if isinstance(data, dict) else None
    if not isinstance(members, (list, tuple)) or len(members) > MAX_ELEMENTS:
        return None
    pairs: t.List[t.Tuple[t.Any, Statement]] = []
    for one in members:
        if not isinstance(one, (list, tuple)) or len(one) != 2 or not isinstance(one[1], dict):
            return None
        value = one[0]["elem"]["val"] if isinstance(one[0], dict) and "elem" in one[0] else one[0]
        pairs.append((value, one[1]))
    return pairs
