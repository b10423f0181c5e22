# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The model of one rule: what it matches, what it does, and its words in the common language.

Pure: touches nothing. A rule is canonical by construction (see the parsers), so two rules that say the same are equal.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace

from .addresses import ANY, Addresses
from .ports import PortRange
from .protocols import protocol_name
from .rates import DEFAULT_BURST, Limit, Rate
from .scope import Scope

ACTIONS = ("allow", "deny", "reject")
DIRECTIONS = ("in", "out", "forward")
FAMILIES = {"any": None, "ipv4": 4, "ipv6": 6}
#: What besides the packet decides whether a rule matches it.
Condition = t.Union[Limit, Scope, t.Tuple[Limit, Scope]]
FAMILY_NAMES = {None: "any", 4: "ipv4", 6: "ipv6"}


@dataclass(frozen=True)
class Log:
    """That matching packets are logged; ``rate`` bounds the log lines, never the verdict."""

    prefix: t.Optional[str] = None
    rate: t.Optional[Rate] = None


@dataclass(frozen=True)
class Rule:
    """One match and one action.

    :ivar action: ``allow``, ``deny`` (dropped silently) or ``reject`` (answered: a TCP reset or an ICMP error).
    :ivar direction: ``in`` (to the host), ``out`` (from the host) or ``forward`` (through the host).
    :ivar family: 4, 6 or None for both; always set when an address or the protocol fixes it.
    :ivar protocol: the IP protocol number, or None for any.
    :ivar ports: destination ports; empty means any.
    :ivar source_ports: source ports; empty means any.
    :ivar icmp_types: ICMP types, sorted; empty means any. Only with protocol 1 or 58.
    :ivar interface: the interface a packet arrives on (``in``, ``forward``) or leaves by (``out``).
    :ivar out_interface: the interface a forwarded packet leaves by; only with direction ``forward``.
    :ivar stateful: an allow also passes the replies of the connections it lets in, and nothing that belongs to no connection;
        a deny or reject only stops new connections.
    :ivar limit: how often the rule matches at most.
    :ivar scope: conditions that are not in the packet (program, system service, network profile).
    :ivar reply: not a word of the language: the rule matches only the replies of tracked connections, and ``ports`` are their source
        ports. Backends whose states do not pass replies by themselves get such a rule beside a stateful allow, where it is needed.
    :ivar established: not a word of the language either: the rule matches only packets of tracked connections, in both of their
        directions, and packets related to one. Every policy starts with such a rule; pf and ipfw say it by their states.
    """

    action: str
    direction: str = "in"
    family: t.Optional[int] = None
    protocol: t.Optional[int] = 6
    source: Addresses = ANY
    destination: Addresses = ANY
    ports: t.Tuple[PortRange, ...] = ()
    interface: t.Optional[str] = None
    stateful: bool = False
    limit: t.Optional[Limit] = None
    log: t.Optional[Log] = field(default=None)
    comment: t.Optional[str] = field(default=None)
    reply: bool = False
    source_ports: t.Tuple[PortRange, ...] = ()
    icmp_types: t.Tuple[int, ...] = ()
    out_interface: t.Optional[str] = None
    established: bool = False
    scope: t.Optional[Scope] = None

    @property
    def condition(self) -> t.Optional[Condition]:
        """What besides the packet decides whether the rule matches it, or None: then every packet of the rule meets its action."""
        if self.scope is None:
            return self.limit
        return self.scope if self.limit is None else (self.limit, self.scope)

    def identity(self) -> Rule:
        """Return the rule less its log and comment: what makes two rules the same rule."""
        return self if self.log is None and self.comment is None else replace(self, log=None, comment=None)

    def reply_rule(self) -> Rule:
        """Return the rule that passes the replies of the connections this stateful allow lets in."""
        opposite = {"in": "out", "out": "in", "forward": "forward"}[self.direction]
        interface = self.out_interface if self.direction == "forward" else self.interface
        return Rule(
            action="allow", direction=opposite, family=self.family, protocol=self.protocol, source=self.destination,
            destination=self.source, ports=self.ports, source_ports=self.source_ports, interface=interface, reply=True,
        )  # fmt: skip

    def families(self) -> t.FrozenSet[int]:
        """Return the address families the rule applies to."""
        return frozenset({4, 6}) if self.family is None else frozenset({self.family})

    def as_dict(self) -> t.Dict[str, t.Any]:
        """Return the rule in the words of the common language; parsing them gives an equal rule."""
        words: t.Dict[str, t.Any] = {"action": self.action, "direction": self.direction, "protocol": protocol_name(self.protocol)}
        if self.ports:
            if all(one.single for one in self.ports):
                words["port"] = [one.first for one in self.ports]
            else:
                words["port_range"] = ["%d-%d" % (one.first, one.last) for one in self.ports]
        if self.source_ports:
            words["source_port"] = [one.first if one.single else "%d-%d" % (one.first, one.last) for one in self.source_ports]
        if self.icmp_types:
            words["icmp_type"] = list(self.icmp_types)
        words["source"] = self.source.words()
        words["destination"] = self.destination.words()
        words["family"] = FAMILY_NAMES[self.family]
        if self.interface is not None:
            words["interface"] = self.interface
        if self.out_interface is not None:
            words["out_interface"] = self.out_interface
        words["stateful"] = self.stateful
        if self.limit is not None:
            words["limit"] = str(self.limit.rate)
            words["limit_per"] = "source" if self.limit.per_source else "rule"
            if self.limit.burst != DEFAULT_BURST:
                words["limit_burst"] = self.limit.burst
        if self.scope is not None:
            words.update(self.scope.words())
        words["log"] = self.log is not None
        if self.log is not None and self.log.prefix is not None:
            words["log_prefix"] = self.log.prefix
        if self.log is not None and self.log.rate is not None:
            words["log_limit"] = str(self.log.rate)
        if self.comment is not None:
            words["comment"] = self.comment
        return words

    def describe(self) -> str:
        """Return one short line for messages."""
        parts = [self.action, self.direction, protocol_name(self.protocol)]
        if self.family is not None:
            parts.append(FAMILY_NAMES[self.family])
        parts.append("from %s to %s" % (",".join(self.source.words()), ",".join(self.destination.words())))
        if self.ports:
            parts.append("port " + ",".join(str(one) for one in self.ports))
        if self.source_ports:
            parts.append("source port " + ",".join(str(one) for one in self.source_ports))
        if self.icmp_types:
            parts.append("type " + ",".join(str(one) for one in self.icmp_types))
        if self.interface:
            parts.append("on " + self.interface)
        if self.out_interface:
            parts.append("to " + self.out_interface)
        if self.stateful:
            parts.append("stateful")
        if self.limit:
            parts.append("limit %s" % self.limit.rate)
        if self.scope:
            parts.append("for %s" % self.scope)
        if self.reply:
            parts.append("(replies)")
        if self.established:
            parts.append("(known connections)")
        return " ".join(parts)


def condition_words(condition: t.Optional[Condition]) -> str:
    """Return a condition in a few words, for example ``up to 6/minute``; empty for None."""
    if condition is None:
        return ""
    if isinstance(condition, tuple):
        return "%s %s" % (condition_words(condition[0]), condition_words(condition[1]))
    return "up to %s" % condition.rate if isinstance(condition, Limit) else "for %s" % condition
