# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of several addresses or ports that stand as several elements: joined again where the elements are just their combinations.

Pure: touches nothing.
"""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ...policy.addresses import make_addresses
from ...policy.ports import merge_ports
from ...policy.rule import Rule
from .graph import Hint

_SIDES = ("source", "destination", "source_ports", "ports")


def join_pieces(rules: t.Sequence[t.Tuple[Rule, Hint]]) -> t.List[t.Tuple[Rule, Hint]]:
    """Join the rules that carry the same number where one rule says all of them exactly; the rules exclude each other."""
    first: t.Dict[int, t.Tuple[Rule, Hint]] = {}
    more: t.Dict[int, t.List[Rule]] = {}  # most rules are of one piece, and may be many
    found: t.List[t.Tuple[Rule, Hint]] = []
    for one in rules:
        rule, hint = one
        if hint is None:
            found.append(one)
        elif first.setdefault(hint, one) is not one:
            more.setdefault(hint, [first[hint][0]]).append(rule)
    for hint, one in first.items():
        pieces = more.get(hint)
        if pieces is None:
            found.append(one)
        else:
            joined = _joined(pieces)
            found += [(joined, hint)] if joined is not None else [(piece, hint) for piece in pieces]
    return found


def _joined(pieces: t.Sequence[Rule]) -> t.Optional[Rule]:
    first = pieces[0]
    values: t.List[t.List[t.Any]] = []
    count = 1
    for name in _SIDES:
        different = list(dict.fromkeys(getattr(one, name) for one in pieces))
        values.append(different)
        count *= len(different)
    if count != len(pieces) or len(set(pieces)) != count:
        return None
    bare = {name: getattr(first, name) for name in _SIDES}
    if any(replace(one, **bare) != first for one in pieces):
        return None
    words: t.Dict[str, t.Any] = {}
    for name, different in zip(_SIDES, values):
        if len(different) > 1:
            if name in ("source", "destination"):
                words[name] = make_addresses([network for one in different for network in one.networks])
            else:
                words[name] = merge_ports([span for one in different for span in one])
    return replace(first, **words)
