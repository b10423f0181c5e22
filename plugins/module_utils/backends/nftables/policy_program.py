# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole policy as what stands in our table, before it becomes text: base chains, and one bundle of chains, sets and maps for each.

Pure: touches nothing.

A base chain only jumps to the main chain of its bundle and then says the default; everything else is in the bundle, whose names hold a
digest of its content. So a new policy is prepared beside the old one, where no packet comes by, and comes into force by the change of
one line in each base chain. That is what makes a swap exact: the kernel changes all rules at one instant, but fills new interval sets
(the nameless ones inside of rules too) and sets the policies of base chains some microseconds later; measured with kernel 6.18, denied
packets pass in between when a transaction brings both.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ..base import GUARD_MARK
from .names import LIMIT_SET
from .render import LimitSet, Statement

#: What the names of all objects in a bundle start with.
LAID = "hf_"
#: The chains of native lines in a bundle, before it has its names.
BEFORE, AFTER = LAID + "before", LAID + "after"
#: The comment of the line that says the default, and of the one that logs what it denies.
DEFAULT_COMMENT = GUARD_MARK + "default"
DENIED_COMMENT = GUARD_MARK + "denied"


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

    @property
    def shared(self) -> bool:
        """Whether it keeps its name, and its counts, from one bundle to the next."""
        return self.name.startswith(LIMIT_SET)


@dataclass(frozen=True)
class Hook:
    """Where a base chain stands: ``kind`` is ``filter`` or ``nat``; ``priority`` as nft lists it; ``policy`` accept or drop."""

    kind: str
    hook: str
    priority: str
    policy: str = "accept"

    def line(self) -> str:
        """Return the line of the chain that says so, as nft takes and lists it."""
        return "type %s hook %s priority %s; policy %s;" % (self.kind, self.hook, self.priority, self.policy)


@dataclass(frozen=True)
class ProgramChain:
    """A chain and its lines; a base chain has a hook."""

    name: str
    lines: t.Tuple[Statement, ...]
    hook: t.Optional[Hook] = None


@dataclass(frozen=True)
class Laid:
    """How the rules of one direction are laid out; names of chains, sets and maps start with LAID and need to be unique in it only.

    :ivar lines: what stands in the main chain of the bundle, between the guard and the lines after the rules.
    :ivar chains: chains that the lines, maps or other chains lead to. A packet that no rule decides comes back to the main chain: from
        ``lines`` and their maps only ``jump`` leads on, never ``goto``.
    :ivar sets: sets and maps, the dynamic ones of limits per source included.
    :ivar notes: what people should know: rules that stay one line each although a compiled layout was asked for, and why.
    """

    lines: t.Tuple[Statement, ...]
    chains: t.Tuple[ProgramChain, ...] = ()
    sets: t.Tuple[NamedSet, ...] = ()
    notes: t.Tuple[str, ...] = ()


@dataclass(frozen=True)
class Bundle:
    """All that packets of one base chain walk through: the first chain is the main one."""

    chains: t.Tuple[ProgramChain, ...]
    sets: t.Tuple[NamedSet, ...] = ()

    @property
    def name(self) -> str:
        """The name of its main chain."""
        return self.chains[0].name


@dataclass(frozen=True)
class Program:
    """Everything in our table: base chains in the order input, output, forward, prerouting, postrouting, and the bundle of each."""

    bases: t.Tuple[ProgramChain, ...]
    bundles: t.Tuple[Bundle, ...]

    def sets(self) -> t.List[NamedSet]:
        """Return all sets and maps, each once."""
        return list({one.name: one for bundle in self.bundles for one in bundle.sets}.values())

    def chains(self) -> t.List[ProgramChain]:
        """Return all chains, base chains first."""
        return [*self.bases, *(chain for bundle in self.bundles for chain in bundle.chains)]
