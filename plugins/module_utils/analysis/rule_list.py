# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A policy as a partition of all packets by their outcome.

Pure: touches nothing. Exact but for native lines, which are not judged. Bounded: a policy whose rules overlap in too many ways is refused
(``TooComplex``); ``equivalence``, ``semantic_diff`` and ``lockout`` can still answer for it, since they only look where they have to.
"""

from __future__ import annotations

import typing as t

from ..policy.policy import Policy
from ..policy.rule import DIRECTIONS
from .boxes import DIRECTION, Interfaces
from .diagram import Node, Space
from .first_match import Outcome, Tokens, policy_list
from .packet_set import PacketSet
from .packets import Packet
from .sweep import list_node


class Partition:
    """What a policy does with every packet.

    :ivar space: the space of its sets.
    :ivar outcomes: every outcome that some packet meets, with the packets that do. The sets are disjoint, and together everything.
    """

    def __init__(self, space: Space, node: Node) -> None:
        self.space = space
        self._node = node
        self.outcomes: t.Dict[Outcome, PacketSet] = {}
        for value in space.values(node):
            self.outcomes[value] = PacketSet(space, space.mapped(node, value.__eq__))

    def outcome(self, packet: Packet) -> Outcome:
        """Return what happens to a packet."""
        found: Outcome = self.space.value(self._node, packet.point(self.space.interfaces))
        return found

    def always(self, action: str) -> PacketSet:
        """Return the packets that meet an action at any rate; packets that a limited rule may treat otherwise are not among them."""
        return PacketSet(self.space, self.space.mapped(self._node, lambda one: one.always == action))


def partition(policy: Policy, space: t.Optional[Space] = None, logs: bool = False) -> Partition:
    """Return the partition of all packets by what a policy does with them.

    ``space`` is given to compare with other sets; its table must have the interfaces that the policy names. ``logs`` says whether packets
    that are logged differently are apart.

    :raises TooComplex: see the head of this file.
    """
    space = space or Space(Interfaces.of(policy.guard + policy.rules))
    tokens = Tokens(logs)
    targets = []
    for direction in DIRECTIONS:
        items = policy_list(policy, direction, space.interfaces, tokens)
        targets.append(list_node(space, items, tokens, tokens.outcome, DIRECTION + 1))
    return Partition(space, space.node(DIRECTION, range(len(DIRECTIONS)), targets))
