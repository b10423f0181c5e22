# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a policy pf cannot carry exactly, and why.

Pure: touches nothing.
"""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ...policy.nat import DESTINATION_KINDS, NatRule
from ...policy.policy import ANY_DIRECTION, NativeLines, Policy
from ...policy.protocols import TCP, UDP, protocol_name
from ...policy.rule import Rule
from ..base import GUARD_MARK, Unsupported
from ..states_first import unsupported_connections, unsupported_guard_mark, unsupported_log
from .dialect import Dialect
from .parse import DECIDING, NAME
from .policy_forwarding import scope_of
from .policy_nat import translates_twice
from .render import LABEL_REASON, fits_label, odd_interface, unsupported
from .statements import split

_KINDS_OF_LINES = (*DECIDING, "table", "macro")


def policy_unsupported(policy: Policy, dialect: Dialect) -> t.Tuple[Unsupported, ...]:
    """Return everything in a policy that a system's pf cannot carry; each place starts with the rule's."""
    found: t.List[Unsupported] = []
    for number, rule in enumerate(policy.guard):
        found += _placed("guard[%d]" % number, _unsupported_guard(rule))
    scope = scope_of(policy, dialect, False)
    hindrance = _hindrance(policy, dialect) if scope.at_leaving else ""
    for number, rule in enumerate(policy.rules):
        refused = _unsupported_rule(rule, policy.nat, dialect, scope.at_leaving, hindrance)
        if refused:
            found += _placed(policy.label(number), refused)
    for number, one in enumerate(policy.nat):
        place = policy.nat_labels[number] if number < len(policy.nat_labels) else "nat[%d]" % number
        found += _placed(place, _unsupported_nat(one))
    found += _placed("logging", unsupported_log(policy.log_denied, NAME, "pflog"))
    return tuple(found + unsupported_connections(policy, NAME) + _unsupported_native(policy))


def _placed(place: str, refused: t.Iterable[Unsupported]) -> t.List[Unsupported]:
    return [Unsupported("%s.%s" % (place, one.field), one.value, one.reason) for one in refused]


def _hindrance(policy: Policy, dialect: Dialect) -> str:
    """Return why the policy cannot decide about forwarded packets when they leave, and empty text where it can."""
    reason = "pf knows by which interface a forwarded packet leaves only when it leaves, and %s"
    if any(one.kind == "dnat" for one in policy.nat):
        return reason % "a translation of its destination (dnat) has made a state for it before; name the destination in the rule instead"
    if any(getattr(policy.native.get(NAME), side, None) for side in ("before", "after")):
        return reason % "raw lines of this policy would be asked about it as of a packet of the host"
    if not dialect.old_translation and translates_twice(policy.nat):
        return reason % "more than one translation of its source may have matched before"
    return ""


def _unsupported_rule(rule: Rule, nat: t.Sequence[NatRule], dialect: Dialect, at_leaving: bool, hindrance: str) -> t.List[Unsupported]:
    found: t.List[Unsupported] = []
    forward = rule.direction == "forward"
    if forward and not dialect.tells_forwarding:
        reason = "pf of this system cannot tell a forwarded packet from one to the host; it asks about it as in and as out"
        found.append(Unsupported("direction", "forward", reason))
    if forward and rule.out_interface is not None:
        if odd_interface(rule.out_interface):
            found.append(Unsupported("out_interface", rule.out_interface, "pf does not take this for the name of one interface"))
        elif hindrance:
            found.append(Unsupported("out_interface", rule.out_interface, hindrance))
    found += unsupported(replace(rule, direction="in", out_interface=None) if forward else rule)
    if rule.comment is not None and rule.comment.startswith(GUARD_MARK):
        found.append(Unsupported("comment", rule.comment, "comments that begin with '%s' mark the rules that every host gets" % GUARD_MARK))
    if nat and (rule.direction == "out" or (forward and at_leaving)) and (not rule.source.any or rule.source_ports):
        change = next((one for one in nat if _changes_source(one, rule)), None)
        if change is not None:
            reason = "pf asks about a packet that leaves after its source was translated, here by: %s" % change.describe()
            found.append(Unsupported("source", ",".join(rule.source.words()), reason))
    return found


def _changes_source(one: NatRule, rule: Rule) -> bool:
    """Return whether a translation may change the source of packets that a rule is about."""
    if one.kind in DESTINATION_KINDS or not one.families() & rule.families():
        return False
    leaving = rule.interface if rule.direction == "out" else rule.out_interface
    other_interface = one.interface is not None and leaving is not None and one.interface != leaving
    other_protocol = one.protocol is not None and rule.protocol is not None and one.protocol != rule.protocol
    return not other_interface and not other_protocol


def _unsupported_guard(rule: Rule) -> t.List[Unsupported]:
    return unsupported_guard_mark(rule) or list(unsupported(replace(rule, established=False, direction="in")))


def _unsupported_nat(one: NatRule) -> t.List[Unsupported]:
    found: t.List[Unsupported] = []
    if one.protocol == 0:
        found.append(Unsupported("protocol", "0", "pf takes protocol 0 for any protocol"))
    if one.protocol not in (TCP, UDP):
        reason = "pf has ports for tcp and udp only, not for %s" % protocol_name(one.protocol)
        if one.ports:
            found.append(Unsupported("port", ",".join(str(span) for span in one.ports), reason))
        if one.to_port is not None:
            found.append(Unsupported("to_port", str(one.to_port), reason))
    if one.kind == "masquerade" and one.interface is None:
        found.append(Unsupported("interface", "(nothing)", "pf has to be told whose address packets get"))
    if one.interface is not None and odd_interface(one.interface):
        found.append(Unsupported("interface", one.interface, "pf does not take this for the name of one interface"))
    if one.comment is not None and not fits_label(one.comment):
        found.append(Unsupported("comment", one.comment, LABEL_REASON))
    return found


def _unsupported_native(policy: Policy) -> t.List[Unsupported]:
    found = []
    lines = policy.native.get(NAME, NativeLines())
    for place, side in (("before", lines.before), ("after", lines.after)):
        for direction, given in side.items():
            if direction != ANY_DIRECTION:
                found.append(Unsupported("native.pf.%s" % place, direction, "pf has one list for all directions"))
            for number, line in enumerate(given):
                pieces = split(line + "\n")
                if len(pieces) != 1 or pieces[0].kind not in _KINDS_OF_LINES or (pieces[0].words is None and "$" not in line):
                    reason = "only single lines of the filter section, tables and macros can stand between the rules of a policy"
                    found.append(Unsupported("native.pf.%s[%d]" % (place, number), line, reason))
    return found
