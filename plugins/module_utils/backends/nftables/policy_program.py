# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole policy as what stands in our table: base chains, other chains, sets and maps, before it becomes text.

Pure: touches nothing. The order of ``sets`` and ``chains`` is the order in which they are made; a line may name what comes later.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .render import LimitSet, Statement

#: What the names of all objects start with that a layout adds to the base chains.
LAID = "hf_"


class Element(t.NamedTuple):
    """One element of a set or map.

    :ivar key: as it is typed, concatenations with `` . `` (``192.0.2.0/24 . 22-23``).
    :ivar verdict: of a map only: ``accept``, ``drop``, ``goto hf_1`` or ``jump hf_1``.
    """

    key: str
    verdict: t.Optional[str] = None
    comment: t.Optional[str] = None

    def typed(self) -> str:
        """Return it as it is typed."""
        text = self.key if self.comment is None else '%s comment "%s"' % (self.key, self.comment)
        return text if self.verdict is None else "%s : %s" % (text, self.verdict)


@dataclass(frozen=True)
class NamedSet:
    """A named set or map.

    :ivar kind: ``set`` or ``map``.
    :ivar body: its declaration as nft lists it, one part a line, without elements: ``type ipv4_addr . inet_service : verdict``,
        ``flags interval``.
    """

    kind: str
    name: str
    body: t.Tuple[str, ...]
    elements: t.Tuple[Element, ...] = ()

    @classmethod
    def counting(cls, one: LimitSet) -> NamedSet:
        """Return the dynamic set of a limit per source."""
        return cls("set", one.name, one.listed())

    def definition(self) -> str:
        """Return the declaration on one line, as it is typed."""
        return "{ %s; }" % "; ".join(self.body)


@dataclass(frozen=True)
class Hook:
    """Where a base chain stands: ``kind`` is ``filter`` or ``nat``; ``priority`` as nft lists it; ``policy`` accept or drop."""

    kind: str
    hook: str
    priority: str
    policy: str = "accept"

    def typed(self) -> str:
        """Return the line of the chain that says so; nft lists it in the same words."""
        return "type %s hook %s priority %s; policy %s;" % (self.kind, self.hook, self.priority, self.policy)


@dataclass(frozen=True)
class ProgramChain:
    """A chain and its lines; a base chain has a hook."""

    name: str
    lines: t.Tuple[Statement, ...]
    hook: t.Optional[Hook] = None


@dataclass(frozen=True)
class Laid:
    """How the rules of one direction are laid out.

    :ivar lines: what stands in the base chain itself, between the guard and the default.
    :ivar chains: chains that the lines, maps or other chains lead to; a packet that no rule decides must come back to the base chain or
        leave its last chain without a verdict (``jump``, not ``goto``, from the base chain).
    :ivar sets: sets and maps, the dynamic ones of limits per source included.
    """

    lines: t.Tuple[Statement, ...]
    chains: t.Tuple[ProgramChain, ...] = ()
    sets: t.Tuple[NamedSet, ...] = ()


@dataclass(frozen=True)
class Program:
    """Everything in our table: base chains first among the chains, in the order input, output, forward, then NAT."""

    chains: t.Tuple[ProgramChain, ...]
    sets: t.Tuple[NamedSet, ...] = ()
