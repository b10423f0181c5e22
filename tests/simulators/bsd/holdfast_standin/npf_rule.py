# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What npf.conf says once it is read: rules, groups, translations, tables. Plain data."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field


@dataclass
class Address:
    """One element of ``from`` or ``to``: a network, a table, or the addresses of an interface."""

    kind: str
    value: str
    prefix: int | None = None

    @property
    def network(self):
        """The network, its host bits masked as the comparison does."""
        return ipaddress.ip_network("%s/%d" % (self.value, self.prefix) if self.prefix is not None else self.value, strict=False)

    @property
    def family(self) -> int | None:
        """4, 6, or None for a table."""
        return ipaddress.ip_address(self.value).version if self.kind == "net" else None


@dataclass
class Side:
    """``from`` or ``to``: negated, elements, port ranges; no elements mean any."""

    negated: bool = False
    addresses: list[Address] = field(default_factory=list)
    ports: list[tuple[int, int]] = field(default_factory=list)


@dataclass
class Protocol:
    """One protocol with its options: TCP flags and mask, ICMP type and code."""

    number: int
    flags: tuple[str, str] | None = None
    icmp: tuple[int, int | None] | None = None


@dataclass
class Rule:
    """One ``pass`` or ``block`` line."""

    block: bool = False
    reply: str = ""
    stateful: str = ""
    direction: str = ""
    final: bool = False
    interface: str = ""
    family: int | None = None
    protocols: list[Protocol] = field(default_factory=list)
    source: Side = field(default_factory=Side)
    destination: Side = field(default_factory=Side)
    pcap: str | None = None
    apply: str = ""


@dataclass
class Group:
    """A group, or (``dynamic``) a ruleset that is filled while it runs."""

    name: str = ""
    default: bool = False
    direction: str = ""
    interface: str = ""
    dynamic: bool = False
    items: list = field(default_factory=list)


@dataclass
class Map:
    """One translation, already in the form in which it is shown."""

    shown: str


@dataclass
class Config:
    """A whole file."""

    tables: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    params: dict[str, int] = field(default_factory=dict)
    procedures: dict[str, list[str]] = field(default_factory=dict)
    algs: list[str] = field(default_factory=list)
    maps: list[Map] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    default: Group | None = None
    interfaces: list[str] = field(default_factory=list)

    @property
    def asked(self) -> list[Group]:
        """The groups in the order in which packets meet them."""
        return self.groups + ([self.default] if self.default is not None else [])
