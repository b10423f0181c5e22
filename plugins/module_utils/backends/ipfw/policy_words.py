# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fixed words of a policy in ipfw: its sets, its marks in comments, its flows, and one rule of it as lines.

Pure: touches nothing.

Connections are known by dynamic states, which rules make (``record-state``) and one ``check-state`` passes. ``record-state`` and not
``keep-state``, because the latter also looks at the states wherever it stands: a packet that must not pass by a state would.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, replace

from ...policy.addresses import Addresses
from ...policy.protocols import ICMP, ICMPV6, TCP
from ...policy.rule import Rule
from ..base import GUARD_MARK
from .listing import POLICY_PREFIX, Flow, network_digest
from .render import LOOPBACK, MAX_COMMENT, body, by_family, fits

#: The rule sets that a policy may live in; one is in force, another takes the next policy.
SETS = (30, 29, 28, 27)

KNOWN = GUARD_MARK + "known connections"
LOOPBACK_MARK = GUARD_MARK + "loopback"
DEFAULT_MARK = GUARD_MARK + "default "
#: Behind the default of forward, where known connections do not pass either.
NONE_KNOWN = " (none known)"
UNMANAGED_MARK = GUARD_MARK + "unmanaged "
FORWARDED, ARRIVING, ANSWERS, QUESTIONS = (GUARD_MARK + word for word in ("forwarded", "arriving", "answers", "no answers"))
NATIVE_MARK = GUARD_MARK + "native "

#: The flows in which connections are made known. Those of stateful rules have names of their own, so that such a rule is told from a
#: stateless one where the packets are the same.
FLOWS = {("host", False): ":default", ("host", True): ":stateful", ("forward", False): ":forward", ("forward", True): ":forward-stateful"}
#: ICMP types that ask for an answer, and the answers (RFC 792, 950, 4443, 4620).
ASKING = {ICMP: frozenset({8, 13, 15, 17}), ICMPV6: frozenset({128, 139})}
ANSWERING = "{ icmptypes 0,14,16,18 or icmp6types 129,140 }"

#: The action of a rule that only logs.
LOGS = "count"

#: Networks that stand in a rule itself: both sides, ports and a comment have to fit into the 255 words of one rule.
INLINE = {4: 20, 6: 5}

_PROTECTED = "\u00a0"
_HASH = "\uff03"
_FRAGILE = re.compile("#|[ ,] |,$")


@dataclass(frozen=True)
class FlowRule:
    """Many rules of the language that differ only in host, protocol and port, as one rule with a flow table.

    :ivar rule: the rule less source, protocol and ports.
    """

    rule: Rule
    flows: t.Tuple[Flow, ...]


Item = t.Union[Rule, FlowRule]


def table_of(addresses: Addresses) -> t.Optional[str]:
    """Return the name of the table that addresses go into, or None where they stand in the rule itself."""
    if not addresses.networks or len(addresses.networks) <= INLINE[addresses.networks[0].version]:
        return None
    return POLICY_PREFIX + network_digest(addresses.networks)


def lines_of(rule: Rule) -> t.Tuple[str, ...]:
    """Return the lines of one rule, which share a number.

    An allow makes the connection known, stateful or not, but for loopback (both ends pass anyway) and for ICMP messages that are never
    answered. A stateful allow of any protocol is two rules: of TCP only the opening packet is new. What logs is a rule of its own in front
    of the allow, which would log every packet of the connection.
    """
    shown = encoded(rule)
    if rule.action != "allow":
        return by_family(shown, "", table_of)
    if not rule.stateful:
        if stateless(rule):
            return (body(shown, "", table=table_of),)
        return _known_by(shown, "", flow_of(rule, False))
    if rule.protocol == TCP:
        return _known_by(shown, "setup ", flow_of(rule, False))
    if rule.protocol is not None:
        return _known_by(shown, "", flow_of(rule, True))
    opening = _known_by(replace(shown, protocol=TCP), "setup ", flow_of(rule, False))
    return opening + _known_by(shown, "", flow_of(rule, True), "not tcp")


def _known_by(rule: Rule, condition: str, flow: str, protocol: t.Optional[str] = None) -> t.Tuple[str, ...]:
    """Return the line of an allow that makes connections known in a flow, behind the line that logs where it logs."""
    if rule.log is None:
        return (body(rule, "%srecord-state %s" % (condition, flow), protocol, table_of),)
    return (
        body(replace(rule, action=LOGS), condition.strip(), protocol, table_of),
        body(replace(rule, log=None), "%srecord-state %s" % (condition, flow), protocol, table_of),
    )


def flow_lines(item: FlowRule, name: str) -> t.Tuple[str, ...]:
    """Return the lines of a rule with a flow table."""
    rule = replace(item.rule, stateful=False)
    tcp = item.flows[0].protocol == TCP
    if rule.action == "allow":
        opens = "setup " if item.rule.stateful and tcp else ""
        texts = _known_by(rule, opens, flow_of(rule, item.rule.stateful and not tcp))
    else:
        texts = (body(rule, ""),)
    return tuple(text.replace(" from any to any ", " from any to any flow table(%s) " % name, 1) for text in texts)


def stateless(rule: Rule) -> bool:
    """Return whether a stateless allow makes nothing known."""
    if rule.protocol is not None:
        asking = ASKING.get(rule.protocol)
        return asking is not None and bool(rule.icmp_types) and not asking.intersection(rule.icmp_types)
    plain = rule.family is None and rule.source.any and rule.destination.any and rule.direction != "forward"
    return plain and rule.interface is not None and LOOPBACK.get(rule.interface, rule.interface) == "lo0"


def flow_of(rule: Rule, stateful: bool) -> str:
    """Return the flow in which the connections of a rule are made known."""
    return FLOWS["forward" if rule.direction == "forward" else "host", stateful]


def encoded(rule: Rule) -> Rule:
    """Return the rule with its comment as a file of ipfw keeps it."""
    if rule.comment is None or not _FRAGILE.search(rule.comment):
        return rule
    return replace(rule, comment=encode_comment(rule.comment))


def encode_comment(comment: str) -> str:
    """Return a comment so that a file of rules keeps it.

    There # ends the line, a blank behind a blank or a comma is lost, and so is a comma at the end.
    """
    text = re.sub("(?<=[ ,]) ", _PROTECTED, comment).replace("#", _HASH)
    return text + _PROTECTED if text.endswith(",") else text


def decode_comment(comment: str) -> str:
    """Return the comment that ``encode_comment`` was given."""
    return comment.replace(_PROTECTED, " ").replace(_HASH, "#").strip()


def encodable(comment: str) -> bool:
    """Return whether ``encode_comment`` gives what ipfw keeps, and ``decode_comment`` gives the comment back."""
    if not fits(comment) or _HASH in comment:
        return False
    return len(encode_comment(comment).encode("utf-8", "surrogateescape")) <= MAX_COMMENT
