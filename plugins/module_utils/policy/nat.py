# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The model of one address translation: masquerade, snat, dnat or redirect.

Pure: touches nothing. Translations are ordered like rules: the first one that matches a new connection translates it, and the packets of
that connection follow. Filter rules see a packet after destination translation and before source translation, on every backend.
"""

from __future__ import annotations

import ipaddress
import typing as t
from dataclasses import dataclass

from .addresses import ANY, Addresses
from .ports import PortRange
from .protocols import protocol_name
from .rule import FAMILY_NAMES

KINDS = ("masquerade", "snat", "dnat", "redirect")
#: The kinds that change where a packet goes; the others change where it comes from.
DESTINATION_KINDS = frozenset({"dnat", "redirect"})

Address = t.Union[ipaddress.IPv4Address, ipaddress.IPv6Address]


@dataclass(frozen=True)
class NatRule:
    """One translation.

    :ivar kind: ``masquerade`` (source becomes the leaving interface's address), ``snat`` (source becomes ``to_address``), ``dnat``
        (destination becomes ``to_address`` and perhaps ``to_port``) or ``redirect`` (destination becomes this host, port ``to_port``).
    :ivar family: 4, 6 or None for both; always set for snat and dnat.
    :ivar protocol: the IP protocol number, or None for any; set where ports are.
    :ivar ports: destination ports before the translation; empty means any.
    :ivar interface: the interface a packet arrives on (dnat, redirect) or leaves by (masquerade, snat).
    :ivar to_port: dnat, redirect: the new destination port; None keeps the port.
    """

    kind: str
    family: t.Optional[int] = None
    protocol: t.Optional[int] = None
    source: Addresses = ANY
    destination: Addresses = ANY
    ports: t.Tuple[PortRange, ...] = ()
    interface: t.Optional[str] = None
    to_address: t.Optional[Address] = None
    to_port: t.Optional[int] = None
    comment: t.Optional[str] = None

    @property
    def complete(self) -> bool:
        """Whether a document can say it: a redirect names its port and a masquerade its interface."""
        return (self.kind != "redirect" or self.to_port is not None) and (self.kind != "masquerade" or self.interface is not None)

    def families(self) -> t.FrozenSet[int]:
        """Return the address families the translation applies to."""
        return frozenset({4, 6}) if self.family is None else frozenset({self.family})

    def as_dict(self) -> t.Dict[str, t.Any]:
        """Return the translation in the words of the common language; parsing them gives an equal one."""
        words: t.Dict[str, t.Any] = {"type": self.kind, "protocol": protocol_name(self.protocol), "family": FAMILY_NAMES[self.family]}
        words["source"] = self.source.words()
        words["destination"] = self.destination.words()
        if self.ports:
            words["port"] = [one.first if one.single else str(one) for one in self.ports]
        if self.interface is not None:
            words["interface"] = self.interface
        if self.to_address is not None:
            words["to"] = str(self.to_address)
        if self.to_port is not None:
            words["to_port"] = self.to_port
        if self.comment is not None:
            words["comment"] = self.comment
        return words

    def describe(self) -> str:
        """Return one short line for messages."""
        parts = [self.kind, protocol_name(self.protocol)]
        parts.append("from %s to %s" % (",".join(self.source.words()), ",".join(self.destination.words())))
        if self.ports:
            parts.append("port " + ",".join(str(one) for one in self.ports))
        if self.interface:
            parts.append("on " + self.interface)
        if self.to_address is not None or self.to_port is not None:
            parts.append("-> %s%s" % (self.to_address or "this host", ":%d" % self.to_port if self.to_port else ""))
        return " ".join(parts)
