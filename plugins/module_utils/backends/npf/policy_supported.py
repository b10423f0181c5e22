# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a policy npf cannot carry exactly, and why.

Pure: touches nothing.
"""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ...policy.policy import ANY_DIRECTION, NativeLines, Policy
from ...policy.protocols import protocol_name
from ...policy.rule import Rule
from ..base import GUARD_MARK, Unsupported
from ..states_first import unsupported_connections, unsupported_guard_mark, unsupported_log
from .conf import Conf
from .policy_text import NAME
from .render import TRACKED, UNTRACKED_ICMP, unsupported_match

_OPPOSITE = {"in": "out", "out": "in"}


def policy_unsupported(policy: Policy) -> t.Tuple[Unsupported, ...]:
    """Return everything in a policy that npf cannot carry; each place starts with the rule's."""
    found: t.List[Unsupported] = []
    for number, rule in enumerate(policy.guard):
        found += _placed("guard[%d]" % number, _unsupported_guard(rule))
    for number, rule in enumerate(policy.rules):
        refused = _unsupported_rule(rule, policy)
        if refused:
            found += _placed(policy.label(number), refused)
    for number, one in enumerate(policy.nat):
        place = policy.nat_labels[number] if number < len(policy.nat_labels) else "nat[%d]" % number
        reason = (
            "npf asks its rules before it translates a destination, and a host that translates for others forwards packets, "
            "which npf cannot tell from its own; write a map line in npf.conf"
        )
        found.append(Unsupported("%s.type" % place, one.kind, reason))
    found += _placed("logging", unsupported_log(policy.log_denied, NAME, "npflog0"))
    return tuple(found + unsupported_connections(policy, NAME) + _unsupported_native(policy))


def _placed(place: str, refused: t.Iterable[Unsupported]) -> t.List[Unsupported]:
    return [Unsupported("%s.%s" % (place, one.field), one.value, one.reason) for one in refused]


def _unsupported_rule(rule: Rule, policy: Policy) -> t.List[Unsupported]:
    found: t.List[Unsupported] = []
    if rule.direction == "forward":
        reason = "npf cannot tell a forwarded packet from one to the host; it asks about it as in and as out"
        found.append(Unsupported("direction", "forward", reason))
    found += unsupported_match(rule)
    if rule.action != "allow" and rule.stateful and rule.protocol is None:
        reason = "npf can tell the packets that open a connection for tcp only; name the protocol, or leave stateful out"
        found.append(Unsupported("stateful", "true", reason))
    if rule.comment is not None and rule.comment.startswith(GUARD_MARK):
        found.append(Unsupported("comment", rule.comment, "comments that begin with '%s' mark the rules that every host gets" % GUARD_MARK))
    # The guard passes answers of ICMPv6, whose other messages have none.
    answered = rule.protocol is None or rule.protocol in (*TRACKED, *UNTRACKED_ICMP)
    if rule.action == "allow" and not answered and not _answers_pass(rule, policy):
        reason = "npf keeps no states of %s, so its answers need an allow rule of the direction %s" % (
            protocol_name(rule.protocol), _OPPOSITE.get(rule.direction, "forward"),
        )  # fmt: skip
        found.append(Unsupported("protocol", protocol_name(rule.protocol), reason))
    return found


def _answers_pass(rule: Rule, policy: Policy) -> bool:
    back = _OPPOSITE.get(rule.direction, "forward")
    if policy.defaults[back] in ("allow", "unmanaged"):
        return True
    return any(one.action == "allow" and one.direction == back and one.protocol in (rule.protocol, None) for one in policy.rules)


def _unsupported_guard(rule: Rule) -> t.List[Unsupported]:
    return unsupported_guard_mark(rule) or unsupported_match(replace(rule, established=False))


def _unsupported_native(policy: Policy) -> t.List[Unsupported]:
    found = []
    lines = policy.native.get(NAME, NativeLines())
    for place, side in (("before", lines.before), ("after", lines.after)):
        for direction, given in side.items():
            if direction != ANY_DIRECTION:
                found.append(Unsupported("native.npf.%s" % place, direction, "npf has one list for all directions"))
            for number, line in enumerate(given):
                if not is_rule_line(line):
                    reason = "only single pass and block lines can stand between the rules of a policy, without a comment"
                    found.append(Unsupported("native.npf.%s[%d]" % (place, number), line, reason))
    return found


def is_rule_line(line: str) -> bool:
    """Return whether a raw line is one pass or block statement, which leaves no brace or quote open."""
    if "\n" in line or "#" in line or "\\" in line or line != line.strip():
        return False
    conf = Conf(line)
    if len(conf.tops) != 1 or len(conf.statements) != 1 or conf.statements[0].kind != "rule" or conf.statements[0].end != len(line):
        return False
    depth = {"{": 0, "(": 0}
    for one in conf.statements[0].words:
        if one.kind == "bad":
            return False
        if one.kind == "sign" and one.text in "{}()":
            opening = {"}": "{", ")": "("}.get(one.text, one.text)
            depth[opening] += 1 if one.text == opening else -1
            if not 0 <= depth[opening] <= 1:
                return False
    return not any(depth.values())
