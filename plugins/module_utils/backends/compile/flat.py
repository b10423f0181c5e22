# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From chains, maps and trees back to one first-match list with each rule once.

Pure: touches nothing. Nothing is believed: a rule that stands in several cells becomes one rule only when it stands in every cell that it
touches (or cannot be reached there); rules change places only where that makes no difference; what was asked before a rule is left out
only when it is found again behind it. Where that does not hold, because somebody changed something by hand, the parts are listed as they
are.
"""

from __future__ import annotations

import typing as t
from bisect import bisect_right

from ...analysis.boxes import AddressSides, Interfaces, Sides, sides_of, whole_box
from ...policy.errors import HoldfastError
from ...policy.rule import Rule
from .axes import ENDS, FAMILY, Region, cell_region, covers, footprint, fork_region, narrowed, within
from .effects import decides
from .entries import Asked, Entry, Key, in_order
from .graph import Call, Chains, Elements, Hint, Item, Lines, Ways
from .joining import join_pieces
from .meeting import Inexpressible, in_cell, meet, outside
from .merging import merge
from .settled import Settled

#: More rules than this are not listed.
MAX_RULES = 400000
_CHANGED = "The compiled rules were changed by hand so that they cannot be said as a list any more: %s"


def flat_list(
    items: t.Sequence[Item], chains: Chains, interfaces: Interfaces, covered: t.Sequence[t.Tuple[Rule, Hint]] = ()
) -> t.List[t.Tuple[Rule, int]]:
    """Return the rules that items and the chains that they lead to mean, in the order in which they decide.

    Each with the number that it carries (0 where it carries none); equal numbers are parts of one rule that was taken apart.

    :param interfaces: every interface that a rule names.
    :param covered: rules that stand in no chain, or only less packets that rules before them decide: each is put back, whole, where that
        is true of it.
    :raises HoldfastError: when the language has no words for it.
    """
    reader = _Flat(chains, interfaces)
    try:
        entries = reader.put_back(reader.read(items, {}), covered)
        found: t.List[t.Tuple[Rule, int]] = []
        for entry in entries:
            found += [(rule, entry.hint or 0) for rule in reader.said(entry)]
            if len(found) > MAX_RULES:
                raise Inexpressible
    except Inexpressible:
        raise HoldfastError(_CHANGED % "parts of a rule differ from its other parts") from None
    return found


class _Flat:
    """Reads chains."""

    def __init__(self, chains: Chains, interfaces: Interfaces) -> None:
        self._chains = chains
        self._names = interfaces.names
        self._interfaces = interfaces
        self._tops = [high for _low, high in whole_box(interfaces)]
        self._addresses = AddressSides()
        self._sides: t.Dict[int, t.Tuple[Rule, t.Optional[Sides]]] = {}
        self._asked: t.Dict[str, Asked] = {}
        self._open: t.List[str] = []
        self._visits = 0

    def read(self, items: t.Sequence[Item], region: Region) -> t.List[Entry]:
        """Return the entries of some items, for packets of a region, ascending by key."""
        found: t.List[Entry] = []
        place = len(items) - 1
        while place >= 0:
            item = items[place]
            if isinstance(item, Ways):
                cells = sorted(item.cells)
                while place and _beside(items[place - 1], item, cells):
                    place -= 1
                    cells = sorted([*cells, *t.cast(Ways, items[place]).cells])
                if item.final:
                    found = self._joined(item.axis, cells, region, found)
                else:
                    found = merge(self._joined(item.axis, cells, region, []), found, region, self._tops)
            elif isinstance(item, Call):
                found = self._called(item, found, region)
            elif isinstance(item, Elements):
                entries = [one for one in map(self._element, join_pieces(item.rules)) if one is not None]
                found = merge(sorted(entries, key=_key_of), found, region, self._tops)
            else:
                found = merge(
                    in_order(self._entry(hint, rule, origin=(id(item), at)) for at, (rule, hint) in enumerate(item.rules)),
                    found,
                    region,
                    self._tops,
                )
            place -= 1
        return found

    def put_back(self, entries: t.List[Entry], covered: t.Sequence[t.Tuple[Rule, Hint]]) -> t.List[Entry]:
        """Return the entries with those covered rules that change nothing at the place that their number gives them."""
        if not covered:
            return entries
        there = Settled(entries, self._tops)
        whole: t.List[Entry] = []
        parts: t.Set[int] = set()
        for rule, hint in covered:
            entry = self._entry(hint, rule)
            if entry is None or hint is None:
                continue
            own = there.at(entry.key)
            same = all(entries[place].kind() == entry.kind() and covers(entry.sides, entries[place].sides) for place in own)
            if same and (decides(rule) or not own) and there.settles(entry.sides, {}, entry.key, own):
                whole.append(entry)
                parts.update(own)
        left = [entry for place, entry in enumerate(entries) if place not in parts]
        return sorted(left + whole, key=_key_of)

    def said(self, entry: Entry) -> t.List[Rule]:
        """Return an entry as rules: what is still asked before it, then itself."""
        found = []
        for asked in entry.asked:
            for one in asked.entries({}):
                for rule in self.said(one):
                    part = meet(entry.rule, rule)
                    if part is not None:
                        found.append(part)
                    if len(found) > MAX_RULES:
                        raise Inexpressible
        return [*found, entry.rule]

    def _chain(self, name: str, region: Region) -> t.List[Entry]:
        self._visits += 1
        if name in self._open or self._visits > MAX_RULES:
            raise HoldfastError(_CHANGED % ("chain %s leads back to itself, or too far" % name))
        self._open.append(name)
        found = self.read(self._chains(name), region)
        self._open.pop()
        return found

    def _element(self, piece: t.Tuple[Rule, Hint]) -> t.Optional[Entry]:
        """Return the entry of an element; a map may have very many, and is read once."""
        sides = sides_of(piece[0], self._interfaces, self._addresses)
        return Entry((piece[1] or 0, 0), piece[1], piece[0], sides) if sides is not None else None

    def _entry(
        self, hint: Hint, rule: Rule, asked: t.Tuple[Asked, ...] = (), key: t.Optional[Key] = None, origin: t.Hashable = None
    ) -> t.Optional[Entry]:
        known = self._sides.get(id(rule))
        if known is None:
            # With the rule, so that its id stays its own.
            known = self._sides[id(rule)] = (rule, sides_of(rule, self._interfaces, self._addresses))
        if known[1] is None:
            return None  # no packet fulfils its conditions
        return Entry(key or (hint or 0, 0), hint, rule, known[1], asked, origin)

    def _called(self, item: Call, behind: t.List[Entry], region: Region) -> t.List[Entry]:
        if item.match is None:
            found = self._chain(item.chain, region)
            return found if item.final else merge(found, behind, region, self._tops)
        if item.final:
            raise Inexpressible
        unit = self._unit(item)
        if unit is not None:
            return merge([unit], behind, region, self._tops)
        parts = []
        for entry in self._chain(item.chain, {}):
            for rule in self.said(entry):
                part = meet(item.match, rule)
                one = self._entry(entry.hint, part, (), entry.key, entry.origin) if part is not None else None
                if one is not None:
                    parts.append(one)
        return merge(in_order(parts), behind, region, self._tops)

    def _unit(self, item: Call) -> t.Optional[Entry]:
        """Return the entry of a rule that is a chain: what it asks first, and last its own verdict."""
        match = t.cast(Rule, item.match)
        items = list(self._chains(item.chain))
        last: t.Optional[Rule] = None
        origin = item.chain
        if items and isinstance(items[-1], Lines):
            line, _hint = items[-1].rules[-1]
            items[-1:] = [Lines(items[-1].rules[:-1])] if len(items[-1].rules) > 1 else []
            last = meet(match, line, match.comment)
        elif items and isinstance(items[-1], Call) and items[-1].match is None:
            inner = self._chains(items[-1].chain)
            if len(inner) == 1 and isinstance(inner[0], Lines) and len(inner[0].rules) == 1:
                last = meet(match, inner[0].rules[0][0], match.comment)
                origin = t.cast(Call, items.pop()).chain
        if last is None:
            return None
        own = sides_of(match, self._interfaces)
        said = sides_of(last, self._interfaces)
        if own is None or own != said:
            return None  # the verdict is narrower than what is asked before it
        asked = tuple(self._asking(one, number, item.chain) for number, one in enumerate(items))
        return self._entry(item.hint, last, asked, origin=origin)

    def _asking(self, item: Item, number: int, chain: str) -> Asked:
        shared = isinstance(item, Call) and item.match is None and not item.final
        name = t.cast(Call, item).chain if shared else "%s %d" % (chain, number)
        if name not in self._asked:
            self._asked[name] = Asked([item], self.read)
        return self._asked[name]

    # -- cells --------------------------------------------------------------------------------------------------------------

    def _joined(self, axis: str, cells: t.Sequence[t.Tuple[int, int, str]], region: Region, rest: t.List[Entry]) -> t.List[Entry]:
        """Return the entries of cells that exclude each other, and of what holds outside of them."""
        where = [narrowed(region, cell_region(axis, low, high) if axis in ENDS else fork_region(axis, low)) for low, high, _name in cells]
        inside = [self._chain(name, inner) for (_low, _high, name), inner in zip(cells, where)]
        lists = [*(Settled(entries, self._tops) for entries in inside), Settled(rest, self._tops)]
        where.append(region)
        groups: t.Dict[t.Tuple[t.Any, ...], t.Dict[int, t.List[int]]] = {}
        for number, one in enumerate(lists):
            for place, entry in enumerate(one.entries):
                groups.setdefault(entry.kind(), {}).setdefault(number, []).append(place)
        found: t.List[Entry] = []
        spans = [(low, high) for low, high, _name in cells]
        for parts in groups.values():
            whole = _widest([lists[number].entries[place] for number, places in parts.items() for place in places])
            if whole is not None and all(
                _stands(whole, lists[number], parts.get(number, ()), where[number])
                for number in self._touched(whole, axis, spans, where, region)
            ):
                found.append(whole)
                continue
            for number, places in parts.items():
                for entry in (lists[number].entries[place] for place in places):
                    if number == len(cells):
                        rules = outside(entry.rule, axis, spans, self._names)
                    else:
                        rules = in_cell(entry.rule, axis, *spans[number], self._names)
                    found += [
                        one
                        for one in (self._entry(entry.hint, rule, entry.asked, entry.key, entry.origin) for rule in rules)
                        if one is not None
                    ]
        return sorted(found, key=_key_of)

    def _touched(
        self, entry: Entry, axis: str, spans: t.Sequence[t.Tuple[int, int]], where: t.Sequence[Region], region: Region
    ) -> t.List[int]:
        """Return the cells that hold packets of an entry; the number behind the last one stands for the rest."""
        here = within(entry.sides, region)
        if here is None:
            return []
        if axis not in ENDS:
            found = [number for number, inner in enumerate(where[:-1]) if within(entry.sides, inner) is not None]
            covered = self._forks_cover(axis, spans, entry)
            return found if covered else [*found, len(spans)]
        feet = footprint(here, axis)
        if feet is None:
            found = [number for number, inner in enumerate(where[:-1]) if within(entry.sides, inner) is not None]
            return [*found, len(spans)]
        found = []
        left = False
        for low, high in feet:
            at = low
            for number in range(_first(spans, low), bisect_right(spans, (high, ENDS[axis]))):
                if spans[number][0] > at:
                    left = True
                at = spans[number][1] + 1
                if not found or found[-1] != number:
                    found.append(number)
            left = left or at <= high
        return [*found, len(spans)] if left else found

    def _forks_cover(self, axis: str, spans: t.Sequence[t.Tuple[int, int]], entry: Entry) -> bool:
        """Return whether every packet of an entry has a branch of its own."""
        values = {low for low, _high in spans}
        dimension, _span = next(iter(fork_region(axis, spans[0][0]).items()))
        wanted = {number for low, high in entry.sides[dimension] for number in range(low, high + 1)}
        return wanted <= ({0 if one == 4 else 1 for one in values} if axis == FAMILY else values)


def _beside(one: Item, other: Ways, cells: t.Sequence[t.Tuple[int, int, str]]) -> bool:
    """Return whether a look-up is of the same kind as the one behind it and shares no packets with it."""
    return (
        isinstance(one, Ways) and one.axis == other.axis and one.final == other.final
        and not any(low <= last and first <= high for first, last, _name in one.cells for low, high, _other in _near(cells, first, last))
    )  # fmt: skip


def _near(cells: t.Sequence[t.Tuple[int, int, str]], low: int, high: int) -> t.Sequence[t.Tuple[int, int, str]]:
    return cells[_first(cells, low) : bisect_right(cells, (high, high, "\uffff")) + 1]


def _key_of(entry: Entry) -> Key:
    return entry.key


def _widest(entries: t.Sequence[Entry]) -> t.Optional[Entry]:
    """Return the entry that the others are parts of, or None."""
    found = entries[0]
    for entry in entries:
        if entry.sides is not found.sides and not covers(found.sides, entry.sides):
            found = entry
    if any(entry.sides != found.sides and not (decides(entry.rule) and covers(found.sides, entry.sides)) for entry in entries):
        return None
    return found


def _stands(whole: Entry, there: Settled, parts: t.Sequence[int], where: Region) -> bool:
    """Return whether a rule stands in a list: itself, or parts of it and what decides its other packets before."""
    if any(there.entries[place].sides == whole.sides for place in parts):
        return True
    # Parts of a rule with a limit do not decide; but it may be hidden by what does.
    return there.settles(whole.sides, where, whole.key, parts if decides(whole.rule) else ())


def _first(cells: t.Sequence[t.Tuple[t.Any, ...]], low: int) -> int:
    """Return the place of the first cell that ends at or behind a coordinate."""
    start, end = 0, len(cells)
    while start < end:
        middle = (start + end) // 2
        if cells[middle][1] < low:
            start = middle + 1
        else:
            end = middle
    return start
