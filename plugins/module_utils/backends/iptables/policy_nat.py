# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Address translations as lines of our chains in the nat table, and back.

Pure: touches nothing. ``dnat`` and ``redirect`` are for packets that arrive, ``masquerade`` and ``snat`` for packets that leave; what the
host sends to itself is not translated. Facts: iptables-extensions(8), the targets DNAT, REDIRECT, SNAT and MASQUERADE.
"""

from __future__ import annotations

import ipaddress
import typing as t

from ...policy.errors import HoldfastError
from ...policy.nat import DESTINATION_KINDS, NatRule
from ...policy.protocols import WITH_PORTS
from ...policy.rule import Rule
from ..base import Unsupported
from . import render
from .conditions import Line
from .intervals import address_text
from .meaning import rule_of
from .policy_chains import NAT_CHAINS
from .words import quote

_KINDS = {"MASQUERADE": "masquerade", "SNAT": "snat", "DNAT": "dnat", "REDIRECT": "redirect"}


def nat_side(rule: NatRule) -> str:
    """Return the key of ``NAT_CHAINS`` for a translation."""
    return "destination" if rule.kind in DESTINATION_KINDS else "source"


def nat_unsupported(rule: NatRule, can: render.Abilities) -> t.List[Unsupported]:
    """Return what cannot be carried exactly."""
    found = render.unsupported(_matching(rule, rule.family), can)
    if rule.to_port is not None and rule.protocol not in WITH_PORTS:
        found.append(
            Unsupported("to_port", str(rule.to_port), "iptables translates ports of tcp, udp and sctp; name one of them as protocol")
        )
    if rule.kind in ("snat", "dnat") and (rule.to_address is None or rule.to_address.version != rule.family):
        found.append(Unsupported("to", str(rule.to_address), "iptables translates to an address of the same family"))
    return found


def nat_lines(rule: NatRule, family: int, can: render.Abilities) -> str:
    """Return the line of a supported translation for one family."""
    words = ["-A", NAT_CHAINS[nat_side(rule)][1], *render.match_words(_matching(rule, family), family, can)]
    if rule.comment is not None:
        words += ["-m", "comment", "--comment", quote(rule.comment)]
    return " ".join(words + _target(rule))


def nat_sets(rule: NatRule) -> t.Dict[str, t.Any]:
    """Return the address sets that its line refers to."""
    return render.rule_sets(_matching(rule, rule.family))


def nat_of_line(line: Line, text: str, side: str, family: int) -> NatRule:
    """Return the translation that a line of our chains says.

    :raises HoldfastError: when it is not of our making.
    """
    kind = _KINDS.get(line.target or "")
    rule = rule_of(line.conditions, "allow", "in" if side == "destination" else "out", family) if line.conditions is not None else None
    if kind is None or rule is None or line.goto or rule != _plain(rule):
        raise _unread(text)
    target = _target_of(line, text)
    found = NatRule(
        kind, family, rule.protocol, rule.source, rule.destination, rule.ports, rule.interface, comment=line.comment, **target
    )  # fmt: skip
    if not found.complete or nat_side(found) != side or tuple(_target(found)[2:]) != line.options:
        raise _unread(text)
    return found


def nat_in_order(rules: t.Sequence[NatRule]) -> t.Tuple[NatRule, ...]:
    """Return translations as two chains keep them: those of arriving packets first."""
    return tuple(sorted(rules, key=lambda one: one.kind not in DESTINATION_KINDS))


def _matching(rule: NatRule, family: t.Optional[int]) -> Rule:
    """Return a rule with the same conditions."""
    direction = "in" if rule.kind in DESTINATION_KINDS else "out"
    return Rule(
        "allow", direction, family, rule.protocol, rule.source, rule.destination, rule.ports, rule.interface, comment=rule.comment
    )  # fmt: skip


def _plain(rule: Rule) -> Rule:
    return Rule("allow", rule.direction, rule.family, rule.protocol, rule.source, rule.destination, rule.ports, rule.interface)


def _target(rule: NatRule) -> t.List[str]:
    if rule.kind == "masquerade":
        return ["-j", "MASQUERADE"]
    if rule.kind == "redirect":
        return ["-j", "REDIRECT"] + ([] if rule.to_port is None else ["--to-ports", str(rule.to_port)])
    address = address_text(int(t.cast(t.Any, rule.to_address)), t.cast(int, rule.family))
    if rule.to_port is not None:
        address = ("[%s]:%d" if ":" in address else "%s:%d") % (address, rule.to_port)
    return ["-j", rule.kind.upper(), "--to-source" if rule.kind == "snat" else "--to-destination", address]


def _target_of(line: Line, text: str) -> t.Dict[str, t.Any]:
    if not line.options:
        return {}
    option, value = line.options[0], line.options[-1]
    try:
        if option == "--to-ports":
            return {"to_port": int(value)}
        address, _bracket, port = value[1:].partition("]:") if value.startswith("[") else (value, "", "")
        if "." in value and ":" in value and not value.startswith("[") and value.count(":") == 1:
            address, _colon, port = value.partition(":")
        return {"to_address": ipaddress.ip_address(address), "to_port": int(port) if port else None}
    except ValueError:
        raise _unread(text) from None


def _unread(text: str) -> HoldfastError:
    return HoldfastError("This line of our chains was not written by a policy and has no words in one: %s" % text)
