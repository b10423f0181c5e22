# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of a policy as lines of pf.conf.

Pure: touches nothing. Known connections pass by their states before any rule is asked, so every allow keeps state: a stateless one for
any packet (``flags any``), a stateful one only for the first of a connection (``flags S/SA``). Only TCP has such flags: for other
protocols there is no packet that neither opens a connection nor belongs to one, and stateful makes no difference.
"""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ...policy.addresses import Addresses, network_text
from ...policy.protocols import ICMPV6, TCP
from ...policy.rule import Rule
from ..states_first import LOOPBACK_COMMENT
from .policy_forwarding import FORWARD, HOST, KNOWN, Scope
from .render import head_text, hosts_text, types_text
from .tables import table_name

#: What the names of our tables start with; those of single rules (see ``tables``) are others, so that each can go without the other.
PREFIX = "hfp_"
#: Protocols whose packets always carry an option of IP that pf stops otherwise: IGMP, and multicast listener discovery of ICMPv6.
_IGMP = 2
_LISTENERS = frozenset({130, 131, 132, 143})
_EVERYTHING = "from any to any"


class TableBook:
    """The tables that lines name, each once."""

    def __init__(self) -> None:
        self._known: t.Dict[str, Addresses] = {}
        self._told: t.Dict[str, t.List[str]] = {}
        self._defined: t.Set[str] = set()

    def name(self, addresses: Addresses) -> str:
        """Return the name of the table with exactly these networks, and note that it is needed."""
        name = table_name(addresses, PREFIX)
        self._known[name] = addresses
        return name

    def join(self, name: str, addresses: Addresses, comments: t.List[str]) -> None:
        """Note that a table with a name of its own is needed, with comments above it."""
        self._known[name] = addresses
        self._told[name] = comments

    def definitions(self) -> t.List[str]:
        """Return the lines that define the tables that were named since the last time."""
        lines: t.List[str] = []
        for name, addresses in self._known.items():
            if name not in self._defined:
                lines += self._told.get(name, [])
                lines.append("table <%s> const { %s }" % (name, ", ".join(network_text(one) for one in addresses.networks)))
        self._defined.update(self._known)
        return lines


def policy_lines(rule: Rule, book: TableBook, scope: Scope, joined: t.Optional[t.Tuple[Addresses, str]] = None) -> t.List[str]:
    """Return the lines of a rule: one, but several for a forwarded packet that may have arrived with several tags.

    :param joined: addresses that have a table of their own, and its name.
    """
    if rule.direction != "forward":
        told = "" if not scope.scoped else " tagged " + HOST if rule.direction == "in" else " ! tagged " + FORWARD
        return [_line(rule, book, joined) + told]
    if not scope.at_leaving:
        return [_line(rule, book, joined) + " tagged " + FORWARD]
    line = _line(replace(rule, direction="out", interface=rule.out_interface, out_interface=None), book, joined)
    known = " tag " + KNOWN if rule.action == "allow" else ""
    return ["%s%s tagged %s" % (line, known, tag) for tag in scope.tags_of(rule.interface)]


def _line(rule: Rule, book: TableBook, joined: t.Optional[t.Tuple[Addresses, str]]) -> str:
    if joined is None:
        hosts = hosts_text(rule, book.name)
    else:
        hosts = hosts_text(rule, lambda addresses: joined[1] if addresses is joined[0] else book.name(addresses), joined[0])
    line = "%s %s" % (head_text(rule), "all" if hosts == _EVERYTHING else hosts)
    if rule.icmp_types:
        line += " " + types_text(rule)
    flags = rule.protocol == TCP or rule.protocol is None
    if rule.action != "allow":
        line += " flags S/SA" if rule.stateful and flags else ""
    elif rule.comment == LOOPBACK_COMMENT:
        # The host's talk with itself may be older than pf: a state from the middle of a connection knows too little about it.
        line += " no state"
    elif flags:
        line += " flags S/SA keep state" if rule.stateful else " flags any keep state"
    else:
        line += " keep state"
    if rule.action == "allow" and _carries_options(rule):
        line += " allow-opts"
    if rule.comment is not None:
        line += ' label "%s"' % rule.comment
    return line


def _carries_options(rule: Rule) -> bool:
    if rule.protocol == ICMPV6:
        return not rule.icmp_types or not _LISTENERS.isdisjoint(rule.icmp_types)
    return rule.protocol is None or rule.protocol == _IGMP
