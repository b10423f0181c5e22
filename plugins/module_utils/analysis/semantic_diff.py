# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What changes for packets between two policies: what becomes allowed, denied, rejected, limited, logged or translated.

Pure: touches nothing. Exact: every line is true, and the lines together are all that changes; where the result says ``at least`` there is
more that could not be listed in time. Native lines are not judged; that they change is told.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ..policy.nat import NatRule
from ..policy.policy import Policy
from ..policy.rule import DIRECTIONS, Rule
from .boxes import Box, Interfaces, Sides, TooComplex, sides_of
from .differences import Leaf, comparing, differing_boxes
from .first_match import DEFAULT, Item, Outcome, Tokens, policy_list, translation_list, translation_sides, whole_cell
from .packets import Packet, likely_point
from .regions import common_region, region_dict, region_words, regions_of
from .trace import step_of, translation_label

KINDS = ("allowed", "limited", "denied", "rejected", "translated", "logged")
#: So many boxes are looked at in one direction.
MAX_LEAVES = 4000
#: So many lines are shown.
MAX_LINES = 100
#: In so many regions a change is shown as they are; in more as what the two rules that decide have in common.
_REGIONS = 3
#: Of so many boxes that the same two rules decide no more are looked for.
_SETTLED = 256
#: So many rules are named in a line.
_NAMED = 4


@dataclass(frozen=True)
class Change:
    """Some packets that meet something else than before.

    :ivar kind: one of KINDS: what they are now.
    :ivar region: the packets in words.
    :ivar sides: the packets.
    :ivar except_others: packets of the region that other rules decide, before or after, are not meant.
    :ivar before_by: where the rules stand that decided before.
    :ivar packet: one of the packets.
    """

    kind: str
    region: str
    sides: Sides
    before: str
    after: str
    before_by: t.Tuple[str, ...]
    after_by: t.Tuple[str, ...]
    packet: Packet
    words: t.Mapping[str, t.Any]
    except_others: bool = False

    def describe(self) -> str:
        """Return the change in one line."""
        rest = ", except what other rules decide" if self.except_others else ""
        return "%s%s: %s (%s) -> %s (%s)" % (self.region, rest, self.before, _named(self.before_by), self.after, _named(self.after_by))

    def as_dict(self) -> t.Dict[str, t.Any]:
        """Return it for a task's result."""
        return {
            "kind": self.kind,
            "packets": dict(self.words),
            "except_others": self.except_others,
            "before": self.before,
            "after": self.after,
            "before_by": list(self.before_by[:MAX_LINES]),
            "after_by": list(self.after_by[:MAX_LINES]),
            "example": self.packet.as_dict(),
            "text": self.describe(),
        }


@dataclass(frozen=True)
class SemanticDiff:
    """All changes between two policies.

    :ivar changes: the first MAX_LINES of them, what becomes allowed first.
    :ivar count: how many there are.
    :ivar complete: False when there are more than ``count``: at least these.
    :ivar notes: what was not judged.
    """

    changes: t.Tuple[Change, ...]
    count: int
    complete: bool = True
    notes: t.Tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether nothing changes for any packet."""
        return not self.changes and self.complete

    def describe(self) -> str:
        """Return the changes in lines for people."""
        if self.empty:
            lines = ["no packet meets anything else than before"]
        else:
            lines = ["%s%d change%s" % ("" if self.complete else "at least ", self.count, "" if self.count == 1 else "s")]
            lines.extend("  " + change.describe() for change in self.changes)
            if self.count > len(self.changes):
                lines.append("  ... and %d more" % (self.count - len(self.changes)))
        return "\n".join([*lines, *self.notes])

    def as_dict(self) -> t.Dict[str, t.Any]:
        """Return them for a task's result."""
        return {
            "text": self.describe(),
            "count": self.count,
            "complete": self.complete,
            "changes": [change.as_dict() for change in self.changes],
            "notes": list(self.notes),
        }


_Pair = t.Tuple[int, int]


class _Side(t.NamedTuple):
    """What is asked about the lists of one policy: where a rule stands, and what it matches."""

    label: t.Callable[[int], str]
    sides: t.Callable[[int], t.Optional[Sides]]


class _Question(t.NamedTuple):
    """Two lists to compare."""

    interfaces: Interfaces
    cell: Box
    before: _Side
    after: _Side


def semantic_diff(before: Policy, after: Policy) -> SemanticDiff:
    """Return what changes for packets from one policy to another one.

    :raises TooComplex: when not one change was found within the bounds on time, and neither that there is none.
    """
    found: t.List[Change] = []
    complete = True
    interfaces = Interfaces.of(before.guard + before.rules + after.guard + after.rules)
    tokens = Tokens()
    for direction in DIRECTIONS:
        lists = [policy_list(one, direction, interfaces, tokens) for one in (before, after)]
        question = _Question(
            interfaces,
            whole_cell(interfaces, direction),
            _filter_side(before, direction, interfaces),
            _filter_side(after, direction, interfaces),
        )
        changes, all_found = _changes(lists[0], lists[1], tokens, question)
        found.extend(changes)
        complete = complete and all_found
    if before.nat or after.nat:
        changes, all_found = _translation_changes(before, after)
        found.extend(changes)
        complete = complete and all_found
    found.sort(key=lambda change: KINDS.index(change.kind))
    notes = ["the native lines change; what they do is not judged"] if _native(before) != _native(after) else []
    return SemanticDiff(tuple(found[:MAX_LINES]), len(found), complete, tuple(notes))


def _filter_side(policy: Policy, direction: str, interfaces: Interfaces) -> _Side:
    every = policy.guard + policy.rules

    def sides(number: int) -> t.Optional[Sides]:
        rule: t.Optional[Rule] = every[number] if number != DEFAULT else None
        return sides_of(rule, interfaces) if rule is not None else None

    return _Side(lambda number: step_of(policy, direction, number).label, sides)


def _translation_changes(before: Policy, after: Policy) -> t.Tuple[t.List[Change], bool]:
    interfaces = Interfaces.of((), before.nat + after.nat)
    found: t.List[Change] = []
    complete = True
    for destination in (True, False):
        tokens = Tokens()
        lists = [translation_list(one.nat, destination, interfaces, tokens) for one in (before, after)]
        cell = whole_cell(interfaces, "in" if destination else "out")
        question = _Question(interfaces, cell, _translation_side(before, interfaces), _translation_side(after, interfaces))
        changes, all_found = _changes(lists[0], lists[1], tokens, question)
        found.extend(changes)
        complete = complete and all_found
    return found, complete


def _translation_side(policy: Policy, interfaces: Interfaces) -> _Side:
    def sides(number: int) -> t.Optional[Sides]:
        one: t.Optional[NatRule] = policy.nat[number] if number != DEFAULT else None
        return translation_sides(one, interfaces) if one is not None else None

    return _Side(lambda number: translation_label(policy, number), sides)


def _changes(left: t.Sequence[Item], right: t.Sequence[Item], tokens: Tokens, question: _Question) -> t.Tuple[t.List[Change], bool]:
    """Return the changes between two lists, and whether they are all."""
    leaves: t.List[Leaf] = []
    complete = True
    times: t.Dict[_Pair, int] = {}
    settled: t.Set[_Pair] = set()
    try:
        for leaf in differing_boxes(left, right, question.cell, tokens, comparing(left, right), settled):
            leaves.append(leaf)
            pair = (leaf.left[-1], leaf.right[-1])
            times[pair] = times.get(pair, 0) + 1
            if times[pair] >= _SETTLED:
                settled.add(pair)
            if len(leaves) >= MAX_LEAVES:
                complete = False
                break
    except TooComplex:
        if not leaves:
            raise
        complete = False
    by_outcome: t.Dict[t.Tuple[Outcome, Outcome], t.List[Leaf]] = {}
    for leaf in leaves:
        by_outcome.setdefault((leaf.left_outcome, leaf.right_outcome), []).append(leaf)
    found: t.List[Change] = []
    for those in by_outcome.values():
        pairs: t.Dict[_Pair, t.List[Leaf]] = {}
        for leaf in those:
            pairs.setdefault((leaf.left[-1], leaf.right[-1]), []).append(leaf)
        changes = [change for pair, some in pairs.items() for change in _of_rules(pair, some, question, complete and pair not in settled)]
        if complete and not settled.intersection(pairs):
            regions = regions_of(leaf.box for leaf in those)
            if len(regions) <= max(_REGIONS, len(changes)):
                changes = [_change(region, [leaf for leaf in those if _meets(region, leaf.box)], question) for region in regions]
        found.extend(changes)
    return found, complete


def _of_rules(pair: _Pair, leaves: t.Sequence[Leaf], question: _Question, known: bool) -> t.List[Change]:
    """Return the changes that a pair of rules decides; ``known`` says whether ``leaves`` are all of them."""
    regions = regions_of(leaf.box for leaf in leaves) if known else []
    if 0 < len(regions) <= _REGIONS:
        return [_change(region, [leaf for leaf in leaves if _meets(region, leaf.box)], question) for region in regions]
    region: Sides = tuple((side,) for side in question.cell)
    for sides in (question.before.sides(pair[0]), question.after.sides(pair[1])):
        if sides is not None:
            region = common_region(region, sides) or region
    return [_change(region, leaves, question, True)]


def _change(region: Sides, leaves: t.Sequence[Leaf], question: _Question, except_others: bool = False) -> Change:
    first = leaves[0]
    sides = tuple((side,) for side in first.box) if except_others else region
    before_by = sorted({leaf.left[-1] for leaf in leaves}, key=_last_default)
    after_by = sorted({leaf.right[-1] for leaf in leaves}, key=_last_default)
    return Change(
        kind=_kind(first.left_outcome, first.right_outcome),
        region=region_words(region, question.interfaces),
        sides=region,
        before=first.left_outcome.describe(),
        after=first.right_outcome.describe(),
        before_by=tuple(question.before.label(number) for number in before_by),
        after_by=tuple(question.after.label(number) for number in after_by),
        packet=Packet.at_point(likely_point(sides), question.interfaces),
        words=region_dict(region, question.interfaces),
        except_others=except_others,
    )


def _last_default(number: int) -> t.Tuple[bool, int]:
    return number == DEFAULT, number


def _kind(before: Outcome, after: Outcome) -> str:
    if after.final.action not in ("allow", "deny", "reject"):
        return "translated"
    if after.always is None:
        return "limited"
    if after.always == before.always:
        return "logged"
    return {"allow": "allowed", "deny": "denied", "reject": "rejected"}[after.always]


def _meets(region: Sides, box: Box) -> bool:
    return all(any(low <= last and first <= high for first, last in side) for side, (low, high) in zip(region, box))


def _named(labels: t.Sequence[str]) -> str:
    if len(labels) <= _NAMED:
        return ", ".join(labels)
    return "%s and %d more" % (", ".join(labels[:_NAMED]), len(labels) - _NAMED)


def _native(policy: Policy) -> t.Dict[str, t.Any]:
    return {
        "%s %s %s" % (name, place, direction): tuple(lines)
        for name, one in policy.native.items()
        for place in ("before", "after")
        for direction, lines in getattr(one, place).items()
        if lines
    }
