# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An ordered list of which the first match decides, as rules of which a block beats every allow.

Pure: touches nothing. A packet that no rule matches meets the default. Where that is deny:

* an allow stays as it is,
* a deny becomes blocks of what the allows before it leave of it. Where that takes too many (all protocols but three are 253 rules), of rare
  protocols only what later allows would let through is blocked. Where even that takes too many, the later allows are cut instead. What is
  not blocked meets the default; a block would only have kept allows of others from it.

Where the default is allow, denies become blocks in the same way, all of them, and allows need nothing. Where that takes many rules, the
default of Windows is turned to deny, and the document's default becomes a last rule that allows everything.

So for each packet: if an allow is the first match, no block meets it; if a deny is, it is blocked, or no allow meets it.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace

from ...policy.addresses import common
from ...policy.rule import Rule
from .regions import ANY_TYPE, PROTOCOL, TYPE, Inexact, Region, count_protocols, less, meets, regions_of, within

#: A deny gets blocks for all of what it stops where they are at most so many; they also beat the allows of others.
FEW = 8
#: The protocols that a deny blocks in any case, where all together are too many: ICMP, TCP, UDP, ICMPv6.
USUAL = ((1, 1), (6, 6), (17, 17), (58, 58))
#: The most blocks of usual protocols for one deny, and the most regions that are looked at for them.
MOST_USUAL = 16
MOST_PARTS = 64
#: A deny gets blocks for rare protocols rather than that later allows are cut, where they are at most so many.
SOME = 24
#: The default of Windows is left alone where that takes at most so many blocks.
MANY = 64
#: The most regions that one rule may become.
MOST = 600
#: The most rules of Windows for one direction.
TOTAL = 6000
_TOO_MANY = "with the rules before it, it takes too many rules of Windows (more than %d for one direction)" % TOTAL


class Unsplittable(Exception):
    """The place of a rule (its number in the list) whose order cannot be kept, and why."""

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(reason)
        self.number = number
        self.reason = reason


@dataclass
class Compiled:
    """One direction.

    :ivar default: the default of Windows.
    :ivar regions: what each rule of the list becomes; of allows what they allow, of denies what they block.
    :ivar last: the allow that stands for the document's default, or nothing.
    """

    default: str
    regions: t.List[t.List[Region]] = field(default_factory=list)
    last: t.List[Region] = field(default_factory=list)


def compile_list(rules: t.Sequence[Rule], direction: str, default: str) -> Compiled:
    """Return what a list becomes.

    :raises Unsplittable: when its order cannot be kept exactly.
    """
    if len(rules) > TOTAL:
        raise Unsplittable(TOTAL, _TOO_MANY)
    if default == "deny":
        return _checked(_with_deny(rules))
    try:
        found = Compiled("allow", _blocks(rules))
        if _count(found.regions) - len(rules) <= MANY:
            return _checked(found)
    except Unsplittable:
        pass
    everything = Rule("allow", direction, protocol=None)
    compiled = _with_deny([*rules, everything])
    compiled.last = compiled.regions.pop()
    return _checked(compiled)


def _count(regions: t.Iterable[t.Sequence[Region]]) -> int:
    return sum(count_protocols(one) for found in regions for one in found)


def _checked(compiled: Compiled) -> Compiled:
    if _count(compiled.regions) > TOTAL:
        largest = max(range(len(compiled.regions)), key=lambda number: _count([compiled.regions[number]]))
        raise Unsplittable(largest, _TOO_MANY)
    return compiled


def _blocks(rules: t.Sequence[Rule]) -> t.List[t.List[Region]]:
    """Return the regions where the default is allow."""
    found: t.List[t.List[Region]] = []
    allows: t.List[Region] = []
    for number, rule in enumerate(rules):
        mine = regions_of(rule)
        if rule.action == "allow":
            found.append(mine)
            allows += mine
        else:
            found.append(_cut(mine, allows, MOST, number))
    return found


def _cut(regions: t.Sequence[Region], others: t.Iterable[Region], most: int, number: int) -> t.List[Region]:
    left = list(regions)
    try:
        for other in others:
            left = less(left, other, most)
    except Inexact as exc:
        raise Unsplittable(number, str(exc)) from None
    return left


def _with_deny(rules: t.Sequence[Rule]) -> Compiled:
    """Return the regions where the default is deny."""
    regions = [regions_of(rule) for rule in rules]
    cuts: t.List[t.List[Region]] = [[] for _rule in rules]
    allows = [number for number, rule in enumerate(rules) if rule.action == "allow"]
    for number, rule in enumerate(rules):
        if rule.action == "allow":
            continue
        mine = regions[number]
        before = [one for other in allows if other < number for one in regions[other] if any(meets(one, part) for part in mine)]
        after = [other for other in allows if other > number and any(meets(one, part) for one in regions[other] for part in mine)]
        left = _left(mine, before)
        blocks = left if left is not None and _count([left]) <= max(FEW, len(mine)) else None
        if blocks is None:
            usual = _usual_part(left or ())
            later = [one for other in after for one in regions[other]]
            blocks = _attempt_needed(mine, before, later, SOME, usual)
            if blocks is None and any(any(one.condition) for one in mine):
                blocks = _attempt_needed(mine, before, later, MOST, usual)
                if blocks is None:
                    raise Unsplittable(
                        number, "rules before and behind it overlap it, and Windows cannot say: every program or service but this one. "
                        "Put it before the allows that it overlaps",
                    )  # fmt: skip
            if blocks is None:
                blocks = usual
                for other in after:
                    cuts[other] += mine
        regions[number] = blocks
    for number in allows:
        if cuts[number]:
            regions[number] = _cut(regions[number], cuts[number], MOST, number)
    return Compiled("deny", regions)


def _left(mine: t.Sequence[Region], before: t.Sequence[Region]) -> t.Optional[t.List[Region]]:
    """Return what is left of regions, or None when Windows cannot say it, or it is in too many parts."""
    left = list(mine)
    try:
        for other in before:
            left = less(left, other, max(MOST_PARTS, len(mine)))
    except Inexact:
        return None
    return left


def _usual_part(left: t.Sequence[Region]) -> t.List[Region]:
    """Return the usual protocols of regions, or nothing where that is too much."""
    found = []
    for one in left:
        if count_protocols(one) > 1 and one.sides[TYPE] == ANY_TYPE:
            kept = tuple(common(one.sides[PROTOCOL], USUAL))
            if not kept:
                continue
            one = replace(one, sides=(*one.sides[:PROTOCOL], kept, *one.sides[PROTOCOL + 1 :]))
        found.append(one)
    return found if _count([found]) <= MOST_USUAL else []


def _attempt_needed(
    mine: t.Sequence[Region], before: t.Sequence[Region], after: t.Sequence[Region], most: int, known: t.Sequence[Region]
) -> t.Optional[t.List[Region]]:
    """Return ``known`` blocks with what later allows would let through besides, or None when that cannot be said in so many rules."""
    found = list(known)
    try:
        for one in mine:
            for other in after:
                part = within(one, other)
                pieces = [part] if part is not None else []
                for earlier in before:
                    pieces = less(pieces, earlier, most)
                for block in found:
                    pieces = _without(pieces, block, most)
                found += pieces
                if _count([found]) - _count([known]) > most:
                    return None
    except Inexact:
        return None
    return found


def _without(pieces: t.List[Region], block: Region, most: int) -> t.List[Region]:
    """Leave out what is blocked already, where that can be said; a packet that is blocked twice is blocked."""
    try:
        return less(pieces, block, most)
    except Inexact:
        return pieces
