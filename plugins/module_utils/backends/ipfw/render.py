# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One rule of the common language as ipfw rules, in the form in which ``ipfw list`` of FreeBSD 12 and later shows them.

Pure: touches nothing. The tool accepts wrong values in silence (port 70000 becomes 4464, an IPv4 source with an IPv6 destination),
so they are checked here once more.
"""

from __future__ import annotations

import typing as t

from ...policy.addresses import Addresses, network_text
from ...policy.errors import HoldfastError
from ...policy.ports import PortRange
from ...policy.protocols import TCP
from ...policy.rule import Rule
from ..base import Unsupported
from .listing import table_name
from .protocols import protocol_text

CHECK_STATE = "check-state :default"
#: Bytes of a comment that ipfw keeps.
MAX_COMMENT = 80
#: Networks that one instruction holds (63 words; an IPv4 pair takes 2, an IPv6 pair 8).
INLINE = {4: 31, 6: 7}
#: Port ranges of one instruction (ipfw(8)), and of one rule (255 words in all).
PORTS_IN_A_LIST = 30
MAX_PORTS = 120


def unsupported(rule: Rule) -> t.Tuple[Unsupported, ...]:
    """Return every field of the rule that ipfw cannot carry exactly."""
    found = []
    if rule.direction == "forward":
        reason = "ipfw asks about a packet that goes through the host twice, as in and as out; write a rule for each"
        found.append(Unsupported("direction", "forward", reason))
    if rule.protocol == 0:
        found.append(Unsupported("protocol", "0", "ipfw does not take protocol 0"))
    if len(rule.ports) > MAX_PORTS:
        found.append(Unsupported("port", "%d ranges" % len(rule.ports), "an ipfw rule has room for %d ranges" % MAX_PORTS))
    if rule.interface is not None and (rule.interface[0].isdigit() or rule.interface == "any"):
        found.append(Unsupported("interface", rule.interface, "ipfw does not take this for the name of one interface"))
    if rule.limit is not None:
        reason = "ipfw bounds the number of connections, not their rate; rates need dummynet"
        found.append(Unsupported("limit", str(rule.limit.rate), reason))
    if rule.log is not None and rule.log.prefix is not None:
        found.append(Unsupported("log_prefix", rule.log.prefix, "ipfw logs the rule's number and the packet, without a text"))
    if rule.log is not None and rule.log.rate is not None:
        reason = "ipfw limits how many lines a rule logs in all (logamount), not their rate"
        found.append(Unsupported("log_limit", str(rule.log.rate), reason))
    if rule.comment is not None and not _fits(rule.comment):
        reason = "ipfw keeps at most %d bytes of printable text that neither begins nor ends with a blank" % MAX_COMMENT
        found.append(Unsupported("comment", rule.comment, reason))
    return tuple(found)


def normalise(rule: Rule) -> Rule:
    """Return the rule as ipfw keeps it: a deny or reject has no state of its own, it stops what no rule before it passed."""
    if rule.action == "allow" or not rule.stateful:
        return rule
    return Rule(**dict(rule.__dict__, stateful=False))


def render(rule: Rule) -> t.Tuple[str, ...]:
    """Return the rule's lines: the tables it names, then one rule, or two (IPv4 first) where the answer of a reject differs.

    :raises HoldfastError: when ipfw cannot carry the rule.
    """
    if rule.reply:
        return (CHECK_STATE,)
    lines: t.List[str] = []
    for side in (rule.source, rule.destination):
        if in_table(side):
            lines.append("table %s create type addr" % table_name(side))
            lines.append("table %s add %s" % (table_name(side), " ".join("%s 0" % one for one in side.networks)))
    return tuple(dict.fromkeys(lines)) + bodies(rule)


def bodies(rule: Rule) -> t.Tuple[str, ...]:
    """Return the rules themselves, which share one number."""
    refused = unsupported(rule)
    if refused:
        raise HoldfastError("ipfw cannot carry %s: %s" % (rule.describe(), "; ".join(one.reason for one in refused)))
    if rule.reply:
        return (CHECK_STATE,)
    if rule.action == "reject" and rule.family is None:
        return tuple(_body(Rule(**dict(rule.__dict__, family=family))) for family in (4, 6))
    return (_body(rule),)


def in_table(addresses: Addresses) -> bool:
    """Return whether these addresses go into a table."""
    return bool(addresses.networks) and len(addresses.networks) > INLINE[addresses.networks[0].version]


def _body(rule: Rule) -> str:
    words = [_action(rule)]
    if rule.log is not None:
        words.append("log")
    protocol = None if rule.protocol is None else protocol_text(rule.protocol)
    if rule.family is None or _fixed_by_address(rule):
        words.append(protocol or "ip")
        protocol = None
    else:
        words.append("ip%d" % rule.family)
    words.append("from %s to %s" % (_addresses(rule, rule.source), _addresses(rule, rule.destination)))
    ports = _ports(rule.ports)
    if len(ports) == 1:
        words.append(ports[0])
    if protocol is not None:
        words.append("proto " + protocol)
    if len(ports) > 1:
        words.append("{ %s }" % " or ".join("dst-port " + one for one in ports))
    words.append(rule.direction)
    if rule.interface is not None:
        words.append("%s %s" % ("recv" if rule.direction == "in" else "xmit", rule.interface))
    if rule.stateful and rule.action == "allow":
        if rule.protocol == TCP:
            words.append("setup")
        words.append("keep-state :default")
    if rule.comment is not None:
        words.append("// " + rule.comment)
    return " ".join(words)


def _action(rule: Rule) -> str:
    if rule.action != "reject":
        return rule.action
    if rule.protocol == TCP:
        return "reset6" if rule.family == 6 else "reset"
    return "unreach6 port" if rule.family == 6 else "unreach port"


def _fixed_by_address(rule: Rule) -> bool:
    """Return whether an address already keeps the other family out; ``not 10.0.0.0/8`` also matches all of IPv6."""
    return any(side.networks and not side.negated and not in_table(side) for side in (rule.source, rule.destination))


def _addresses(rule: Rule, addresses: Addresses) -> str:
    if addresses.any:
        return "any"
    if addresses.family != rule.family:
        raise HoldfastError("An IPv%s address does not belong into this rule: %s" % (addresses.family, rule.describe()))
    sign = "not " if addresses.negated else ""
    if in_table(addresses):
        return "%stable(%s)" % (sign, table_name(addresses))
    return sign + ",".join(network_text(one) for one in addresses.networks)


def _ports(ports: t.Sequence[PortRange]) -> t.List[str]:
    words = []
    for one in ports:
        if not 1 <= one.first <= one.last <= 65535:
            raise HoldfastError("%s is not a range of ports" % one)
        words.append(str(one))
    return [",".join(words[start : start + PORTS_IN_A_LIST]) for start in range(0, len(words), PORTS_IN_A_LIST)]


def _fits(comment: str) -> bool:
    return comment == comment.strip() and comment.isprintable() and 0 < len(comment.encode("utf-8", "surrogateescape")) <= MAX_COMMENT
