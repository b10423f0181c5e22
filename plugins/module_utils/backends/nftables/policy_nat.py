# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Address translations as nft lines of an ``inet`` table, and back.

Pure: touches nothing. ``dnat`` and ``redirect`` are for packets that arrive (hook prerouting), ``masquerade`` and ``snat`` for packets
that leave (hook postrouting); what the host sends to itself is not translated.
"""

from __future__ import annotations

import ipaddress
import re
import typing as t

from ...policy.nat import DESTINATION_KINDS, NatRule
from ...policy.protocols import WITH_PORTS
from ...policy.rule import Rule
from ..base import Unsupported
from .names import OWN_TABLE
from .policy_lines import rules_of_lines, unread_line
from .render import Statement, matches_of, unsupported_comment, unsupported_interface

HOOKS = ("prerouting", "postrouting")
_LINE = re.compile(
    r"^(?P<matches>.*?) ?(?P<verdict>masquerade|redirect(?: to :(?P<port>\d+))?|"
    r"(?P<kind>[sd]nat) (?:ip|ip6) to (?P<to>\[[0-9a-f:.]+\]:\d+|[0-9.]+:\d+|[0-9a-f:.]+))(?P<comment> comment \"[^\"]*\")?$"
)


def nat_hook(rule: NatRule) -> str:
    """Return the hook whose chain translates."""
    return HOOKS[0] if rule.kind in DESTINATION_KINDS else HOOKS[1]


def nat_unsupported(rule: NatRule) -> t.List[Unsupported]:
    """Return what nft cannot carry of a translation."""
    found = unsupported_interface("interface", rule.interface) + unsupported_comment(rule.comment)
    if rule.to_port is not None and rule.protocol not in WITH_PORTS:
        found.append(
            Unsupported("to_port", str(rule.to_port), "nftables translates ports of tcp, udp and sctp; name one of them as protocol")
        )
    if rule.kind in ("snat", "dnat") and (rule.to_address is None or rule.to_address.version != rule.family):
        found.append(Unsupported("to", str(rule.to_address), "nftables translates to an address of the same family"))
    return found


def nat_line(rule: NatRule) -> Statement:
    """Return the line of a supported translation."""
    matches = matches_of(
        Rule(
            "allow", "in" if rule.kind in DESTINATION_KINDS else "out", rule.family, rule.protocol, rule.source, rule.destination,
            rule.ports, rule.interface,
        ),
        OWN_TABLE[0],
    )  # fmt: skip
    comment = [] if rule.comment is None else ['comment "%s"' % rule.comment]
    line = " ".join([*matches, _verdict(rule), *comment])
    return Statement(line, line)


def nat_of_line(text: str, hook: str) -> NatRule:
    """Return the translation that a listed line says.

    :raises HoldfastError: when it is not of our making.
    """
    found = _LINE.match(text)
    kind = "" if found is None else (found.group("kind") or found.group("verdict").split()[0])
    if found is None or HOOKS[kind not in DESTINATION_KINDS] != hook:
        raise unread_line(text)
    direction = "in" if hook == HOOKS[0] else "out"
    line = (found.group("matches") + " accept" + (found.group("comment") or "")).strip()
    (rule,) = rules_of_lines([line], direction)
    plain = Rule(
        "allow", direction, rule.family, rule.protocol, rule.source, rule.destination, rule.ports, rule.interface, comment=rule.comment
    )
    if rule != plain:
        raise unread_line(text)
    address, port = _target(found.group("to"), found.group("port"))
    read = NatRule(
        kind, rule.family, rule.protocol, rule.source, rule.destination, rule.ports, rule.interface, address, port, rule.comment
    )  # fmt: skip
    if not read.complete:
        raise unread_line(text)
    return read


def nat_in_order(rules: t.Sequence[NatRule]) -> t.Tuple[NatRule, ...]:
    """Return translations as two chains keep them: those of arriving packets first."""
    return tuple(sorted(rules, key=lambda one: HOOKS.index(nat_hook(one))))


def _verdict(rule: NatRule) -> str:
    port = "" if rule.to_port is None else ":%d" % rule.to_port
    if rule.kind == "masquerade":
        return "masquerade"
    if rule.kind == "redirect":
        return "redirect to " + port if port else "redirect"
    word = "ip" if rule.family == 4 else "ip6"
    address = "[%s]" % rule.to_address if port and rule.family == 6 else str(rule.to_address)
    return "%s %s to %s%s" % (rule.kind, word, address, port)


def _target(to: t.Optional[str], port: t.Optional[str]) -> t.Tuple[t.Any, t.Optional[int]]:
    if to is None:
        return None, None if port is None else int(port)
    if to.startswith("["):
        address, _end, port = to[1:].partition("]:")
    elif to.count(":") == 1:
        address, _end, port = to.partition(":")
    else:
        address, port = to, None
    return ipaddress.ip_address(address), None if port is None else int(port)
