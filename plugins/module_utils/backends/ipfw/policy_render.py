# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole policy as the file that ipfw loads, and what of a policy ipfw cannot carry.

Pure: touches nothing.
"""

from __future__ import annotations

import re
import typing as t

from ...policy.errors import HoldfastError
from ...policy.policy import ANY_DIRECTION, Policy
from ...policy.protocols import ICMP, ICMP_ERRORS, TCP
from ...policy.rule import Rule
from ..base import GUARD_MARK, LAYOUTS, Unsupported
from .listing import LOSES_NOT, loses_not, read_listing, split_comment
from .policy_compile import compiled
from .policy_lines import contents_of, file_text, flow_name, lay_out, number
from .policy_program import Step, program
from .policy_words import NATIVE_MARK, SETS, Item, encodable
from .render import MAX_PORTS, fits, unsupported_log, unsupported_match

#: Policies of more rules than this are compiled, unless the caller says otherwise or hardly any would be joined.
AUTO = 100

_TWICE = (
    "ipfw sees a forwarded packet when it comes in, before it is known whether it is for this host: a packet to a broadcast address of "
    "this host looks the same, so that passing the one would let in the other"
)
_ADVICE = "; IPv6 and TCP have no such packets: set family to ipv6 or protocol to tcp, or use pf"
#: First words that make no rule, and the one that a policy has already.
_PLAIN_COMMENT = re.compile(r"(?!%s)[A-Za-z0-9]([A-Za-z0-9 ._:/-]{0,70}[A-Za-z0-9.])?\Z" % re.escape(GUARD_MARK), re.ASCII)
_NO_RULES = frozenset("table nat pipe queue set delete flush sched enable disable zero resetlog list show check-state".split())


def render_policy(policy: Policy, layout: str = "auto", set_number: int = SETS[0]) -> str:
    """Return the file that loads a policy (``ipfw -q FILE``): its tables, then its rules in a set of their own.

    :raises HoldfastError: when ipfw cannot carry the policy.
    """
    steps, items = steps_of(policy, layout)
    return file_text(lay_out(steps, number(steps), set_number), contents_of(items, policy.guard))


def steps_of(policy: Policy, layout: str = "auto") -> t.Tuple[t.List[Step], t.Sequence[Item]]:
    """Return the steps of a policy, and its rules as the layout has them.

    :raises HoldfastError: when ipfw cannot carry the policy.
    """
    refused = policy_unsupported(policy, layout)
    if refused:
        raise HoldfastError("ipfw cannot carry this policy: %s" % "; ".join("%s: %s" % (one.field, one.reason) for one in refused[:10]))
    items: t.Sequence[Item] = policy.rules
    if layout == "compiled" or (layout == "auto" and len(policy.rules) > AUTO):
        fewer = compiled(policy.rules)
        if layout == "compiled" or 2 * len(fewer) <= len(policy.rules):
            items = fewer
    return program(policy, items, flow_name), items


def policy_unsupported(policy: Policy, layout: str = "auto") -> t.Tuple[Unsupported, ...]:
    """Return everything in the policy that ipfw cannot carry exactly."""
    found: t.List[Unsupported] = []
    if layout not in LAYOUTS:
        found.append(Unsupported("layout", layout, "the layouts are %s" % ", ".join(LAYOUTS)))
    for at, rule in enumerate(policy.guard):
        found += _rule(rule, "guard[%d]" % at, True)
    for at, rule in enumerate(policy.rules):
        if _plain(rule):
            continue
        found += _rule(rule, policy.label(at), False)
    for at, nat in enumerate(policy.nat):
        place = policy.nat_labels[at] if at < len(policy.nat_labels) else "nat[%d]" % at
        reason = (
            "ipfw translates IPv4 only, outside of its rules, and whether a translated packet still meets the rules is one switch for "
            "the whole host (net.inet.ip.fw.one_pass); use pf"
        )
        found.append(Unsupported(place, nat.describe(), reason))
    found += _defaults(policy)
    found += [Unsupported("logging.%s" % one.field[4:], one.value, one.reason) for one in unsupported_log(policy.log_denied)]
    found += _native(policy)
    return tuple(found)


def _plain(rule: Rule) -> bool:
    """Return whether a rule has only what every ipfw rule carries: most have, and there may be many."""
    if rule.direction == "forward" or rule.reply or rule.established or rule.protocol == 0 or rule.interface is not None:
        return False
    if rule.log is not None or rule.condition is not None or rule.icmp_types or rule.source_ports or len(rule.ports) > MAX_PORTS:
        return False
    return rule.comment is None or _PLAIN_COMMENT.match(rule.comment) is not None


def _rule(rule: Rule, place: str, guard: bool) -> t.List[Unsupported]:
    found = [Unsupported("%s.%s" % (place, one.field), one.value, one.reason) for one in unsupported_match(rule)]
    if rule.reply:
        found.append(Unsupported(place, rule.describe(), "a policy passes replies by its known connections"))
    if rule.comment is not None and fits(rule.comment):
        reason = None
        if not encodable(rule.comment):
            reason = "a file of ipfw rules keeps at most 80 bytes, of which # takes 3 and a blank behind a comma 2, and not the sign \uff03"
        elif rule.comment.startswith(GUARD_MARK) != guard:
            reason = "'%s' begins the comments of the guard, and of nothing else" % GUARD_MARK
        if reason is not None:
            found.append(Unsupported("%s.comment" % place, rule.comment, reason))
    # Errors of ICMP go to single hosts only (RFC 1122, 3.2.2), and the guard passes them to this host as well.
    error = guard and rule.protocol == ICMP and bool(rule.icmp_types) and set(rule.icmp_types) <= set(ICMP_ERRORS[ICMP])
    passes = rule.direction == "forward" and not rule.established and rule.action != "deny" and not error
    if passes and rule.family != 6 and rule.protocol != TCP:
        found.append(Unsupported("%s.direction" % place, "forward", _TWICE + _ADVICE))
    return found


def _defaults(policy: Policy) -> t.List[Unsupported]:
    found = []
    action = policy.defaults["forward"]
    if action == "allow":
        found.append(Unsupported("defaults.forward", action, _TWICE + "; where this host does not forward, unmanaged means the same"))
    elif action == "reject":
        reason = (
            "ipfw drops most forwarded packets when they come in, without an answer, since it cannot tell them from those for this host"
        )
        found.append(Unsupported("defaults.forward", action, reason))
    known = {rule.direction for rule in policy.guard if rule.established}
    host = [one for one in ("in", "out") if policy.defaults[one] != "unmanaged"]
    if known & set(host) not in (set(), set(host)):
        found.append(Unsupported("guard", ",".join(sorted(known)), "ipfw's states pass known connections in both directions, or in none"))
    return found


def _native(policy: Policy) -> t.List[Unsupported]:
    found: t.List[Unsupported] = []
    lines = policy.native.get("ipfw")
    for place in ("before", "after") if lines is not None else ():
        for direction, texts in getattr(lines, place).items():
            field = "native.ipfw.%s.%s" % (place, direction)
            if direction != ANY_DIRECTION:
                found.append(Unsupported(field, direction, "ipfw has one list for all directions: any"))
            for text in texts:
                reason = _not_a_rule(text, place)
                if reason is not None:
                    found.append(Unsupported(field, text, reason))
    return found


def _not_a_rule(text: str, place: str) -> t.Optional[str]:
    """Return why a native line cannot stand in a policy, or None."""
    parsed = read_listing(text).lines
    words = parsed[0].body.split() if len(parsed) == 1 else []
    if "\n" in text or not words or words[0] in _NO_RULES:
        return "a native line is one rule, such as: allow tcp from any to me 8080 in"
    if parsed[0].number or parsed[0].set or text.strip() != parsed[0].body:
        return "a native line of a policy has no number, set or add: its place in the policy says where it stands"
    if loses_not(parsed[0].body):
        return LOSES_NOT
    if words[0] == "skipto" or "tablearg" in words:
        return "the numbers of a policy's rules are not known, so nothing can lead to one"
    comment = split_comment(text)[1]
    if comment is not None and not encodable("%s%s: %s" % (NATIVE_MARK, place, comment)):
        return "ipfw keeps at most 80 bytes of a comment, of which a policy needs 24"
    if split_comment(text)[0] != " ".join(split_comment(text)[0].split()) or "#" in split_comment(text)[0]:
        return "a native line has single blanks between its words, and no #"
    return None
