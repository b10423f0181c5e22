# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Do two policies do the same with every packet?

Pure: touches nothing. Exact for rules (guard included), defaults and translations, however differently they are written; limits and logs
count, but not how many rules share a rate: a limited rule and the same rule in two halves are alike here. Native lines are compared as
text. A direction that one policy leaves alone and the other one allows is no difference.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ..policy.policy import Policy
from ..policy.rule import DIRECTIONS
from .boxes import Interfaces
from .differences import differing_boxes
from .first_match import Tokens, policy_list, translation_list, whole_cell
from .packets import Packet, likely_point
from .trace import Trace, trace, translation_label

NativeText = t.Dict[t.Tuple[str, str, str], t.Tuple[str, ...]]


@dataclass(frozen=True)
class Difference:
    """Proof that two policies differ.

    :ivar what: the difference in one sentence.
    :ivar packet: a packet that they treat differently; None when native lines differ.
    :ivar left: what the left policy does with it; None when translations or native lines differ.
    """

    what: str
    packet: t.Optional[Packet] = None
    left: t.Optional[Trace] = None
    right: t.Optional[Trace] = None

    def describe(self) -> str:
        """Return the difference in one sentence."""
        return self.what

    def as_dict(self) -> t.Dict[str, t.Any]:
        """Return it for a task's result."""
        words: t.Dict[str, t.Any] = {"what": self.what}
        if self.packet is not None:
            words["packet"] = self.packet.as_dict()
        if self.left is not None and self.right is not None:
            words.update(left=self.left.as_dict(), right=self.right.as_dict())
        return words


def differ(left: Policy, right: Policy, logs: bool = True) -> t.Optional[Difference]:
    """Return one difference between two policies, or None when every packet meets the same in both.

    ``logs`` says whether it counts how packets are logged.

    :raises TooComplex: when that cannot be told within the bounds on time; hardly for policies of which one has the rules of the other in
        another order, or with a few of them changed.
    """
    interfaces = Interfaces.of(left.guard + left.rules + right.guard + right.rules)
    tokens = Tokens(logs)
    for direction in DIRECTIONS:
        mine = policy_list(left, direction, interfaces, tokens)
        theirs = policy_list(right, direction, interfaces, tokens)
        for leaf in differing_boxes(mine, theirs, whole_cell(interfaces, direction), tokens):
            packet = Packet.at_point(likely_point([(one,) for one in leaf.box]), interfaces)
            here, there = trace(left, packet), trace(right, packet)
            what = "%s: %s by %s, but %s by %s" % (
                packet.describe(),
                leaf.left_outcome.describe(),
                here.decided.label,
                leaf.right_outcome.describe(),
                there.decided.label,
            )
            return Difference(what, packet, here, there)
    return _translations_differ(left, right) or _native_differs(left, right)


def _translations_differ(left: Policy, right: Policy) -> t.Optional[Difference]:
    if not left.nat and not right.nat:
        return None
    interfaces = Interfaces.of((), left.nat + right.nat)
    for destination in (True, False):
        tokens = Tokens()
        mine = translation_list(left.nat, destination, interfaces, tokens)
        theirs = translation_list(right.nat, destination, interfaces, tokens)
        cell = list(whole_cell(interfaces))
        cell[0] = (0, 0) if destination else (1, 1)
        for leaf in differing_boxes(mine, theirs, tuple(cell), tokens):
            packet = Packet.at_point(likely_point([(one,) for one in leaf.box]), interfaces)
            what = "%s: %s by %s, but %s by %s" % (
                packet.describe(),
                leaf.left_outcome.describe(),
                translation_label(left, leaf.left[-1]),
                leaf.right_outcome.describe(),
                translation_label(right, leaf.right[-1]),
            )
            return Difference(what, packet)
    return None


def _native_differs(left: Policy, right: Policy) -> t.Optional[Difference]:
    mine, theirs = _native_text(left), _native_text(right)
    for key in sorted(set(mine) | set(theirs)):
        if mine.get(key, ()) != theirs.get(key, ()):
            return Difference("the native lines of %s %s the rules of direction %s are not the same" % key)
    return None


def _native_text(policy: Policy) -> NativeText:
    found: NativeText = {}
    for name, lines in policy.native.items():
        for place in ("before", "after"):
            for direction, text in getattr(lines, place).items():
                if text:
                    found[(name, place, direction)] = tuple(text)
    return found
