# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What iptables cannot carry of a policy.

Asks the host only which tools it has.
"""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ...policy.errors import HoldfastError
from ...policy.policy import Policy
from ...policy.rule import Rule
from ..base import GUARD_MARK, Unsupported
from . import render
from .policy_build import native_lines, native_rule
from .policy_chains import AFTER, BEFORE, FILTER_CHAINS, NATIVE, PREFIX
from .policy_nat import nat_unsupported
from .tools import Tools

#: Options that are for the command and not for the rule.
_COMMANDS = ("-t", "--table", "-A", "--append", "-I", "--insert", "-D", "--delete", "-R", "-F", "-X", "-N", "-P", "-E")


def policy_unsupported(policy: Policy, tools: Tools) -> t.Tuple[Unsupported, ...]:
    """Return everything that cannot be carried exactly, with its place.

    Rules for IPv6 are carried on a host without IPv6 too: they are for packets that it does not have.
    """
    can = tools.abilities()
    found = _host(tools)
    for number, rule in enumerate(policy.rules):
        place = "rules[%d]" % number
        found += _placed(place, render.unsupported(rule, can, True))
        found += _reserved(place, rule.comment)
        found += _unmanaged(policy, rule, place)
    for number, rule in enumerate(policy.guard):
        found += _placed("guard[%d]" % number, render.unsupported(rule, can))
    for number, translation in enumerate(policy.nat):
        found += _placed("nat[%d]" % number, nat_unsupported(translation, can)) + _reserved("nat[%d]" % number, translation.comment)
    if policy.log_denied is not None:
        found += _placed("logging", render.unsupported(Rule("deny", protocol=None, log=policy.log_denied), can))
    for direction in sorted({one for place in ("before", "after") for one in _native_directions(policy, place)}):
        found += _natives(policy, direction)
    return tuple(found)


def _host(tools: Tools) -> t.List[Unsupported]:
    if tools.installed() and not tools.ipv6() and tools.host.exists("/proc/net/if_inet6"):
        return [Unsupported("family", "ipv6", "this host has IPv6 but no ip6tables, so IPv6 would stay open; install it")]
    return []


def _placed(place: str, found: t.Iterable[Unsupported]) -> t.List[Unsupported]:
    return [replace(one, field="%s.%s" % (place, one.field)) for one in found]


def _reserved(place: str, comment: t.Optional[str]) -> t.List[Unsupported]:
    if comment is None or not comment.startswith(GUARD_MARK):
        return []
    reason = "comments that start with %r are those of the rules that keep the host reachable" % GUARD_MARK
    return [Unsupported(place + ".comment", comment, reason)]


def _unmanaged(policy: Policy, rule: Rule, place: str) -> t.List[Unsupported]:
    if policy.defaults[rule.direction] != "unmanaged":
        return []
    reason = "defaults.%s is unmanaged, so there is no chain for this rule" % rule.direction
    return [Unsupported(place + ".direction", rule.direction, reason)]


def _native_directions(policy: Policy, place: str) -> t.List[str]:
    lines = policy.native.get(NATIVE)
    return [direction for direction, texts in getattr(lines, place).items() if texts] if lines is not None else []


def _natives(policy: Policy, direction: str) -> t.List[Unsupported]:
    if direction not in FILTER_CHAINS:
        return [Unsupported("native.%s" % NATIVE, direction, "native lines of iptables stand under in, out or forward")]
    found: t.List[Unsupported] = []
    for place, texts in native_lines(policy, direction).items():
        where = "native.%s.%s.%s" % (NATIVE, place.lstrip("-"), direction)
        if texts and policy.defaults[direction] == "unmanaged":
            reason = "defaults.%s is unmanaged, so there is no chain for these lines" % direction
            found.append(Unsupported(where, direction, reason))
            continue
        for number, text in enumerate(texts):
            reason = _bad_native(text, FILTER_CHAINS[direction][1] + (BEFORE if place == BEFORE else AFTER))
            if reason:
                found.append(Unsupported("%s[%d]" % (where, number), text, reason))
    return found


def _bad_native(text: str, chain: str) -> str:
    words = text.split()
    if words[:1] and words[0] in ("-4", "-6", "--ipv4", "--ipv6"):
        words = words[1:]
    if not words or not words[0].startswith(("-", "!")) or words[0] in _COMMANDS or "\n" in text:
        return "in a policy a native line is conditions and a target alone, such as -p tcp --dport 9 -j ACCEPT, perhaps after -4 or -6"
    try:
        rule = native_rule(text, chain)
    except HoldfastError as exc:
        return exc.msg
    if rule.table != "filter":
        return "native lines of a policy belong to the table filter"
    if " -j %s" % PREFIX in rule.line or " -g %s" % PREFIX in rule.line:
        return "the chains of a policy are not for native lines to lead to"
    return ""
