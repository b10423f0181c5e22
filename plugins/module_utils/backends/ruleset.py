# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host enforces, read into our terms: chains of entries in the order in which they decide.

Pure: touches nothing. Shared by all backends; a backend with one list for everything (pf, ipfw) has one chain.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ..policy.rule import Rule

ALL_DIRECTIONS = frozenset({"in", "out", "forward"})
BOTH_FAMILIES = frozenset({4, 6})

#: The ``jump`` of an entry that ends the walk through its chain without a verdict.
RETURN = "(return)"


@dataclass(frozen=True)
class Entry:
    """One entry of a chain.

    :ivar native: the lines as the backend lists them; several where one rule of the language takes several (a log line and its verdict).
    :ivar rule: its whole meaning in the common language, or None where it cannot be expressed.
    :ivar parts: where one rule of the language is not enough, the rules that together mean the same (a BSD rule without a direction);
        ``rule`` is then None.
    :ivar ref: the backend's own pointer to it (a handle, a number, a line), for removal and for placing before it.
    :ivar jump: the name of the chain that it hands packets to, or RETURN; then ``match`` is the condition (its action has no meaning).
    :ivar match: the condition of a jump, or None where it cannot be expressed.
    :ivar established: whether it accepts the packets of tracked connections whatever they are (``ct state established accept``).
    :ivar most: where it cannot be expressed, allows of all packets that it may let through: what is to stop them goes before it.
    :ivar weak: whether a later match takes precedence over it (pf without ``quick``).
    :ivar passing: whether it goes with the next boot (firewalld); then its meaning is in ``parts`` alone, so that it is not the rule of
        somebody who wants one that lasts.
    """

    native: t.Tuple[str, ...]
    rule: t.Optional[Rule] = None
    parts: t.Tuple[Rule, ...] = ()
    ref: t.Any = None
    jump: t.Optional[str] = None
    match: t.Optional[Rule] = None
    established: bool = False
    weak: bool = False
    passing: bool = False
    most: t.Tuple[Rule, ...] = ()

    def meanings(self) -> t.Tuple[Rule, ...]:
        """Return the rules of the language that this entry consists of; empty where it cannot be expressed."""
        return (self.rule,) if self.rule is not None else self.parts


@dataclass(frozen=True)
class Chain:
    """One list of entries.

    :ivar name: what the administrator calls it (``inet filter input``, ``INPUT (ipv4)``); unique in the ruleset.
    :ivar directions: the directions whose packets walk through it.
    :ivar families: the address families whose packets walk through it.
    :ivar default: ``allow`` or ``deny``, for packets that no entry decides.
    :ivar base: whether packets enter it by themselves (else only by a jump).
    :ivar owner: None for the administrator's, ``holdfast`` for ours, else the program that keeps it (``docker``, ``fail2ban``): such a
        chain is never changed.
    :ivar missing: whether it does not exist yet and would be made by the first entry put into it.
    :ivar ref: the backend's own pointer to it.
    """

    name: str
    directions: t.FrozenSet[str]
    families: t.FrozenSet[int]
    default: str = "allow"
    entries: t.Tuple[Entry, ...] = ()
    base: bool = True
    owner: t.Optional[str] = None
    missing: bool = False
    ref: t.Any = None

    @property
    def changeable(self) -> bool:
        """Whether entries may be put here."""
        return self.owner in (None, "holdfast")


@dataclass(frozen=True)
class Ruleset:
    """All chains of one backend on one host, and the text they were read from.

    ``listing`` is what an administrator would see (``nft list ruleset``, ``iptables-save``), less counters: it is the text of
    diffs and of the proof that a restore was exact.
    """

    chains: t.Tuple[Chain, ...]
    listing: str

    def chain(self, name: str) -> t.Optional[Chain]:
        """Return the chain of that name."""
        return next((one for one in self.chains if one.name == name), None)

    def bases(self, direction: str, family: int) -> t.List[Chain]:
        """Return the base chains that the packets of a direction and family walk through."""
        return [one for one in self.chains if one.base and direction in one.directions and family in one.families]


@dataclass(frozen=True)
class Edit:
    """One change of a chain: put ``rule`` (or ``native`` text) before ``before`` (None: at the end), or remove ``remove``.

    With both ``remove`` and ``rule`` the entry is replaced where it stands.
    """

    chain: Chain
    rule: t.Optional[Rule] = None
    native: t.Optional[str] = None
    before: t.Optional[Entry] = None
    remove: t.Optional[Entry] = None
    families: t.FrozenSet[int] = BOTH_FAMILIES
