# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One rule of the common language as lines of pf.conf that FreeBSD 12 to 15, OpenBSD, NetBSD and macOS read alike.

Pure: touches nothing. Every line is ``quick``, so that the first match decides. Order of words: pf.conf(5), "GRAMMAR".
"""

from __future__ import annotations

import re
import typing as t

from ...policy.addresses import Addresses, network_text
from ...policy.errors import HoldfastError
from ...policy.ports import PortRange
from ...policy.protocols import ICMP, ICMPV6, TCP, UDP, protocol_name
from ...policy.rule import Rule
from ..base import Unsupported
from .names import TYPE_TOP
from .tables import needs_table, table_line, table_name

#: Bytes that a label holds; the 64th ends it (PF_RULE_LABEL_SIZE).
MAX_LABEL = 63
_PROTOCOLS = {TCP: "tcp", UDP: "udp", ICMP: "icmp", ICMPV6: "ipv6-icmp"}
# A name without a digit may be a word of the grammar (``log``); in quotes it is always a name.
_PLAIN_INTERFACE = re.compile(r"[A-Za-z_][A-Za-z_.:@-]*[0-9][A-Za-z0-9_.:@-]*\Z")


def unsupported(rule: Rule) -> t.Tuple[Unsupported, ...]:
    """Return every field of the rule that pf cannot carry exactly."""
    found = []
    if rule.direction == "forward":
        reason = "pf asks about a packet that goes through the host twice, as in and as out; write a rule for each"
        found.append(Unsupported("direction", "forward", reason))
    if rule.protocol == 0:
        found.append(Unsupported("protocol", "0", "pf takes protocol 0 for any protocol"))
    if rule.ports and rule.protocol not in (TCP, UDP):
        reason = "pf has ports for tcp and udp only, not for %s" % protocol_name(rule.protocol)
        found.append(Unsupported("port", _ports(rule.ports), reason))
    if rule.source_ports and rule.protocol not in (TCP, UDP):
        reason = "pf has ports for tcp and udp only, not for %s" % protocol_name(rule.protocol)
        found.append(Unsupported("source_port", _ports(rule.source_ports), reason))
    found += _unsupported_types(rule)
    if rule.out_interface is not None:
        reason = "pf decides about a forwarded packet when it arrives, before it is known by which interface it leaves"
        found.append(Unsupported("out_interface", rule.out_interface, reason))
    if rule.interface is not None and (rule.interface.isdigit() or rule.interface in ("any", "all")):
        found.append(Unsupported("interface", rule.interface, "pf does not take this for the name of one interface"))
    if rule.limit is not None:
        reason = "pf has no rate for a rule that all its systems know; it can only bound the number of states"
        found.append(Unsupported("limit", str(rule.limit.rate), reason))
    if rule.log is not None and rule.log.prefix is not None:
        found.append(Unsupported("log_prefix", rule.log.prefix, "pf logs whole packets to pflog, without a text"))
    if rule.log is not None and rule.log.rate is not None:
        found.append(Unsupported("log_limit", str(rule.log.rate), "pf cannot limit how often a rule logs"))
    if rule.comment is not None and not _fits_label(rule.comment):
        reason = "pf keeps a comment as a label of 1 to %d ASCII characters without quotes, backslashes and $" % MAX_LABEL
        found.append(Unsupported("comment", rule.comment, reason))
    if rule.reply:
        found.append(Unsupported("reply", "true", "pf passes replies by its states"))
    if rule.established:
        found.append(Unsupported("established", "true", "pf passes known connections by its states"))
    return tuple(found)


def _unsupported_types(rule: Rule) -> t.List[Unsupported]:
    if rule.icmp_types and rule.protocol not in (ICMP, ICMPV6):
        return [Unsupported("icmp_type", ",".join(str(one) for one in rule.icmp_types), "only ICMP packets have a type")]
    reason = "pf keeps the number of a type plus one in a byte, so that %d would become any type" % (TYPE_TOP + 1)
    return [Unsupported("icmp_type", str(one), reason) for one in rule.icmp_types if one > TYPE_TOP]


def normalise(rule: Rule) -> Rule:
    """Return the rule as pf keeps it: a deny or reject only stops new connections, since states are looked up before rules."""
    if rule.action == "allow" or not rule.stateful:
        return rule
    return Rule(**dict(rule.__dict__, stateful=False))


def render(rule: Rule) -> t.Tuple[str, ...]:
    """Return the rule's lines: those of the tables it names, then its own.

    :raises HoldfastError: when pf cannot carry the rule.
    """
    refused = unsupported(rule)
    if refused:
        raise HoldfastError("pf cannot carry %s: %s" % (rule.describe(), "; ".join(one.reason for one in refused)))
    tables = [table_line(side) for side in (rule.source, rule.destination) if needs_table(side)]
    return tuple(dict.fromkeys(tables)) + (_rule_line(rule),)


def _rule_line(rule: Rule) -> str:
    words = [{"allow": "pass", "deny": "block drop"}.get(rule.action, "block return-rst" if rule.protocol == TCP else "block return")]
    words.append(rule.direction)
    if rule.log is not None:
        words.append("log")
    words.append("quick")
    if rule.interface is not None:
        words.append("on " + (rule.interface if _PLAIN_INTERFACE.match(rule.interface) else '"%s"' % rule.interface))
    if rule.family is not None:
        words.append("inet" if rule.family == 4 else "inet6")
    if rule.protocol is not None:
        words.append("proto %s" % _PROTOCOLS.get(rule.protocol, rule.protocol))
    words.append(hosts_text(rule))
    if rule.icmp_types:
        word = "icmp-type" if rule.protocol == ICMP else "icmp6-type"
        words.append("%s %s" % (word, _list([str(one) for one in rule.icmp_types])))
    if rule.action == "allow":
        if rule.stateful and rule.protocol in (TCP, None):
            words.append("flags S/SA")
        words.append("keep state" if rule.stateful else "no state")
    if rule.comment is not None:
        words.append('label "%s"' % rule.comment)
    return " ".join(words)


def hosts_text(rule: Rule) -> str:
    """Return the words about addresses and ports."""
    words = ["from", _addresses(rule, rule.source)]
    if rule.source_ports:
        words.append("port " + _ports(rule.source_ports))
    words += ["to", _addresses(rule, rule.destination)]
    if rule.ports:
        words.append("port " + _ports(rule.ports))
    return " ".join(words)


def _addresses(rule: Rule, addresses: Addresses) -> str:
    if addresses.any:
        return "any"
    if addresses.family != rule.family:
        raise HoldfastError("An IPv%s address does not belong into this rule: %s" % (addresses.family, rule.describe()))
    sign = "! " if addresses.negated else ""
    if needs_table(addresses):
        return "%s<%s>" % (sign, table_name(addresses))
    return sign + _list([network_text(one) for one in addresses.networks])


def _ports(ports: t.Sequence[PortRange]) -> str:
    for one in ports:
        if not 1 <= one.first <= one.last <= 65535:
            raise HoldfastError("%s is not a range of ports" % one)
    return _list([str(one.first) if one.single else "%d:%d" % (one.first, one.last) for one in ports])


def _list(items: t.Sequence[str]) -> str:
    return items[0] if len(items) == 1 else "{ %s }" % ", ".join(items)


def _fits_label(comment: str) -> bool:
    return 0 < len(comment) <= MAX_LABEL and comment.isascii() and comment.isprintable() and not any(c in comment for c in "\"'\\$")
