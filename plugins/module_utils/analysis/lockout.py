# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proof that a policy keeps management access open: every packet that opens such a connection passes.

Pure: touches nothing. Exact for rules, defaults and translations of destinations. An allow with a limit is no access, since above its rate
its packets go on; a deny or reject with a limit takes access away. Native lines are not judged: the proof holds as far as these let the
packets come to the guard and the rules.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ..policy.nat import NatRule
from ..policy.policy import Policy
from ..policy.rule import Rule
from .boxes import (
    DESTINATION,
    DIMENSIONS,
    FAMILY,
    PORT,
    PROTOCOL,
    SOURCE,
    STATE,
    Box,
    Interfaces,
    Interval,
    Sides,
    complement_of,
    sides_of,
)
from .differences import differing_boxes
from .first_match import DEFAULT, Entry, Item, Tokens, default_of, intervals_meet, past, translation_sides, translation_words
from .packets import Packet, likely_point
from .trace import Trace, trace, translation_label

_EVERYTHING: t.Tuple[None, ...] = (None,) * DIMENSIONS
#: The dimensions in which most rules miss a need, first.
_ORDER = (PROTOCOL, PORT, SOURCE, FAMILY, DESTINATION, STATE, 7, 1, 2)


@dataclass(frozen=True)
class Refusal:
    """Why a policy would lock out, and the packet that proves it.

    :ivar need: the access that would be lost.
    :ivar packet: opens a connection that is needed, and does not get through.
    :ivar decided: what the filter rules do with the packet; None when a translation takes it elsewhere.
    :ivar sentence: the reason in one sentence, without a full stop.
    """

    need: Rule
    packet: Packet
    decided: t.Optional[Trace]
    sentence: str

    def as_dict(self) -> t.Dict[str, t.Any]:
        """Return it for a task's result."""
        words: t.Dict[str, t.Any] = {"reason": self.sentence, "need": self.need.describe(), "packet": self.packet.as_dict()}
        if self.decided is not None:
            words["decided_by"] = self.decided.decided.as_dict()
            words["trace"] = self.decided.as_dict()
        return words


def prove_access(policy: Policy, needs: t.Sequence[Rule]) -> t.Optional[Refusal]:
    """Return None when every packet in state ``new`` that a need matches is allowed, else the first refusal.

    Arriving packets must also not be translated: a dnat takes them to another address, a redirect to another port. A need's action, limit
    and states do not count.

    :raises TooComplex: when that cannot be told within the bounds on time.
    """
    interfaces = Interfaces.of(policy.guard + policy.rules + tuple(needs), policy.nat)
    sides: t.Dict[int, t.Optional[Sides]] = {}
    for need in needs:
        found = sides_of(need, interfaces)
        if found is None:
            continue
        wanted = (*found[:STATE], ((0, 0),))
        refusal = None
        if need.direction == "in" and policy.nat:
            refusal = _translated(policy, need, wanted, interfaces)
        refusal = refusal or _denied(policy, need, wanted, interfaces, sides)
        if refusal is not None:
            return refusal
    return None


def _denied(
    policy: Policy, need: Rule, wanted: Sides, interfaces: Interfaces, known: t.Dict[int, t.Optional[Sides]]
) -> t.Optional[Refusal]:  # fmt: skip
    tokens = Tokens()
    allow = tokens.number("allow")
    box = _hull(wanted)
    items = _outside(wanted, box, allow)
    for number, rule in enumerate(policy.guard + policy.rules):
        if rule.direction != need.direction or (rule.protocol is not None and need.protocol is not None and rule.protocol != need.protocol):
            continue
        if rule.condition is not None and rule.action == "allow":
            continue
        sides = known[number] if number in known else known.setdefault(number, sides_of(rule, interfaces))
        entry = _clipped(sides, box, allow if rule.action == "allow" else tokens.number("deny")) if sides is not None else None
        if entry is not None:
            items.append((entry, number))
            if entry[1:] == _EVERYTHING:
                break
    else:
        action = default_of(policy, need.direction)[0]
        items.append(((allow if action == "allow" else tokens.number("deny"), *_EVERYTHING), DEFAULT))
    for leaf in differing_boxes(items, [((allow, *_EVERYTHING), DEFAULT)], box, tokens):
        packet = Packet.at_point(likely_point([(one,) for one in leaf.box]), interfaces)
        decided = trace(policy, packet)
        what = past(decided.verdict) if decided.verdict != "allow" else "not always allowed"
        by = decided.decided.describe() if decided.verdict != "allow" else decided.passed[0].describe()
        sentence = "%s would be %s by %s; what has to pass is: %s" % (packet.describe(), what, by, need.describe())
        return Refusal(need, packet, decided, sentence)
    return None


def _translated(policy: Policy, need: Rule, wanted: Sides, interfaces: Interfaces) -> t.Optional[Refusal]:
    tokens = Tokens()
    stays, goes = tokens.number("stays"), tokens.number("goes")
    box = _hull(wanted)
    items = _outside(wanted, box, stays)
    for number, one in enumerate(policy.nat):
        if one.kind in ("dnat", "redirect"):
            sides = translation_sides(one, interfaces)
            for token, part in _ways(one, sides, stays, goes):
                entry = _clipped(part, box, token)
                if entry is not None:
                    items.append((entry, number))
    items.append(((stays, *_EVERYTHING), DEFAULT))
    for leaf in differing_boxes(items, [((stays, *_EVERYTHING), DEFAULT)], box, tokens):
        packet = Packet.at_point(likely_point([(one,) for one in leaf.box]), interfaces)
        one = policy.nat[leaf.left[-1]]
        sentence = "%s would be %s by %s: %s; what has to pass is: %s" % (
            packet.describe(), translation_words(one), translation_label(policy, leaf.left[-1]), one.describe(), need.describe(),
        )  # fmt: skip
        return Refusal(need, packet, None, sentence)
    return None


def _ways(one: NatRule, sides: Sides, stays: int, goes: int) -> t.Iterator[t.Tuple[int, Sides]]:
    """Yield the packets that a translation leaves at their port of this host, then those that it takes elsewhere."""
    if one.kind == "redirect":
        if one.to_port is None:
            yield stays, sides
            return
        yield stays, (*sides[:PORT], ((one.to_port, one.to_port),), *sides[PORT + 1 :])
    yield goes, sides


def _hull(sides: Sides) -> Box:
    return tuple((side[0][0], side[-1][1]) for side in sides)


def _outside(wanted: Sides, box: Box, token: int) -> t.List[Item]:
    """Return entries for the packets of a box that are not wanted, so that they do not count."""
    items: t.List[Item] = []
    for dimension, side in enumerate(wanted):
        if len(side) > 1:
            gaps = tuple(one for one in complement_of(side, box[dimension][1]) if one[0] > box[dimension][0])
            items.append(((token, *_EVERYTHING[:dimension], gaps, *_EVERYTHING[dimension + 1 :]), DEFAULT))
    return items


def _clipped(sides: Sides, box: Box, token: int) -> t.Optional[Entry]:
    """Return the entry of what sides have in common with a box, or None for nothing."""
    found: t.List[t.Any] = [token, *_EVERYTHING]
    for dimension in _ORDER:
        low, high = box[dimension]
        side = sides[dimension]
        if side[0][0] <= low and side[0][1] >= high:
            continue
        if not intervals_meet(side, ((low, high),)):
            return None
        part: t.Tuple[Interval, ...] = tuple((max(a, low), min(b, high)) for a, b in side if a <= high and b >= low)
        found[dimension + 1] = None if part == ((low, high),) else part
    return tuple(found)
