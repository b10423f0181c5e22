# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The model of a whole policy: everything that is enforced on one host.

Pure: touches nothing. What a packet meets, in this order, first match decides:

1. ``guard``: the rules that keep the host reachable (loopback, known connections, neighbour discovery, management ports, DHCP, DNS). A
   document does not write them, every host gets them (see ``change/management.py``); empty in a policy that was only parsed.
2. the native lines ``before``,
3. ``rules``,
4. the native lines ``after``,
5. the default of its direction; where that is not ``allow``, ``log_denied`` first writes a log line.

Because known connections pass in the guard, an allow rule needs no ``stateful`` for its replies. A backend whose states are made by
rules (pf, ipfw) therefore makes every allow of a policy keep state.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace

from .nat import NatRule
from .rule import DIRECTIONS, Log, Rule

DEFAULTS: t.Dict[str, str] = {"in": "deny", "out": "allow", "forward": "deny"}
#: The direction of native lines of backends that have one list for all directions (pf, ipfw, npf).
ANY_DIRECTION = "any"


@dataclass(frozen=True)
class NativeLines:
    """Raw lines of one backend, by direction (``in``, ``out``, ``forward``, or ANY_DIRECTION for backends with one list)."""

    before: t.Mapping[str, t.Tuple[str, ...]] = field(default_factory=dict)
    after: t.Mapping[str, t.Tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class ManagementAccess:
    """What the document says about access for administrators; the ports found on the host are added to it.

    :ivar sources: addresses from which the management ports are open (as one ``Addresses`` for each family); empty means any.
    """

    ssh_ports: t.Tuple[int, ...] = ()
    agent_ports: t.Tuple[int, ...] = ()
    sources: t.Tuple[t.Any, ...] = ()


@dataclass(frozen=True)
class Policy:
    """Ordered rules, translations, and the action for packets that no rule matches.

    :ivar labels: for each rule where it stands in the document and its name (``rules[3] (web)``); empty, or as long as ``rules``.
    :ivar nat_labels: the same for ``nat``.
    :ivar native: raw lines by backend; a backend ignores the lines of others.
    :ivar log_denied: how packets are logged that a default denies or rejects; None: they are not.
    """

    rules: t.Tuple[Rule, ...] = ()
    defaults: t.Mapping[str, str] = field(default_factory=lambda: dict(DEFAULTS))
    labels: t.Tuple[str, ...] = field(default=(), compare=False)
    nat: t.Tuple[NatRule, ...] = ()
    nat_labels: t.Tuple[str, ...] = field(default=(), compare=False)
    native: t.Mapping[str, NativeLines] = field(default_factory=dict)
    management: ManagementAccess = ManagementAccess()
    log_denied: t.Optional[Log] = None
    guard: t.Tuple[Rule, ...] = ()

    def list_for(self, direction: str) -> t.Tuple[Rule, ...]:
        """Return the guard and the rules of one direction, in order."""
        return tuple(rule for rule in self.guard + self.rules if rule.direction == direction)

    def label(self, number: int) -> str:
        """Return where rule ``number`` stands, for messages."""
        return self.labels[number] if number < len(self.labels) else "rules[%d]" % number

    def guarded(self, guard: t.Sequence[Rule]) -> Policy:
        """Return the policy with these guard rules."""
        return replace(self, guard=tuple(guard))

    def as_dict(self) -> t.Dict[str, t.Any]:
        """Return the policy as a document, sets, services and zones resolved; parsing it gives an equal policy without a guard."""
        words: t.Dict[str, t.Any] = {
            "defaults": {direction: self.defaults[direction] for direction in DIRECTIONS},
            "rules": [rule.as_dict() for rule in self.rules],
        }
        if self.nat:
            words["nat"] = [one.as_dict() for one in self.nat]
        if self.log_denied is not None:
            logging: t.Dict[str, t.Any] = {"denied": True}
            if self.log_denied.prefix is not None:
                logging["prefix"] = self.log_denied.prefix
            if self.log_denied.rate is not None:
                logging["limit"] = str(self.log_denied.rate)
            words["logging"] = logging
        if self.native:
            words["native"] = {
                name: {
                    place: {direction: list(lines) for direction, lines in getattr(one, place).items()}
                    for place in ("before", "after")
                    if getattr(one, place)
                }
                for name, one in self.native.items()
            }
        access = self.management
        if access != ManagementAccess():
            words["management"] = {}
            if access.ssh_ports:
                words["management"]["ssh_ports"] = list(access.ssh_ports)
            if access.agent_ports:
                words["management"]["agent_ports"] = list(access.agent_ports)
            if access.sources:
                words["management"]["sources"] = [word for one in access.sources for word in one.words()]
        return words
