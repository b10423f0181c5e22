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
from ...policy.nat import NatRule
from ...policy.ports import PortRange
from ...policy.protocols import ICMP, ICMPV6, TCP, UDP, protocol_name
from ...policy.rule import Rule
from ..base import Unsupported, unsupported_scope
from ..states_first import LOOPBACK, LOOPBACK_NAME, unsupported_log
from .names import TYPE_TOP
from .tables import needs_table, table_line, table_name

#: Bytes that a label holds; the 64th ends it (PF_RULE_LABEL_SIZE).
MAX_LABEL = 63
#: What pfctl puts something else for in a label, also where a longer word begins so.
LABEL_WORDS = ("$if", "$srcaddr", "$dstaddr", "$srcport", "$dstport", "$proto", "$nr")
LABEL_REASON = "pf keeps a comment as a label of 1 to %d bytes without double quotes, backslashes, control characters and the words %s" % (
    MAX_LABEL, ", ".join(LABEL_WORDS)
)  # fmt: skip
_PROTOCOLS = {TCP: "tcp", UDP: "udp", ICMP: "icmp", ICMPV6: "ipv6-icmp"}
# A name without a digit may be a word of the grammar (``log``); in quotes it is always a name.
_PLAIN_INTERFACE = re.compile(r"[A-Za-z_][A-Za-z_.:@-]*[0-9][A-Za-z0-9_.:@-]*\Z")


def unsupported(rule: Rule) -> t.Tuple[Unsupported, ...]:
    """Return every field of the rule that pf cannot carry exactly."""
    found = unsupported_scope(rule, "pf sees packets, and not which program they are for")
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
    if rule.interface is not None and odd_interface(rule.interface):
        found.append(Unsupported("interface", rule.interface, "pf does not take this for the name of one interface"))
    if rule.limit is not None:
        reason = "pf has no rate for a rule that all its systems know; it can only bound the number of states"
        found.append(Unsupported("limit", str(rule.limit.rate), reason))
    found += unsupported_log(rule.log, "pf", "pflog")
    if rule.comment is not None and not fits_label(rule.comment):
        found.append(Unsupported("comment", rule.comment, LABEL_REASON))
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


def odd_interface(name: str) -> bool:
    """Return whether pf would take a name for something else than one interface."""
    return name.isdigit() or name in ("any", "all")


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
    words = [head_text(rule), hosts_text(rule, table_name), types_text(rule)]
    if rule.action == "allow":
        if rule.stateful and rule.protocol in (TCP, None):
            words.append("flags S/SA")
        words.append("keep state" if rule.stateful else "no state")
    if rule.comment is not None:
        words.append('label "%s"' % rule.comment)
    return " ".join(word for word in words if word)


def head_text(rule: Rule) -> str:
    """Return the words up to the protocol."""
    words = [{"allow": "pass", "deny": "block drop"}.get(rule.action, "block return-rst" if rule.protocol == TCP else "block return")]
    words.append("out" if rule.direction == "out" else "in")
    words.append("log quick" if rule.log is not None else "quick")
    if rule.interface is not None:
        words.append("on " + interface_text(rule.interface))
    words.append(match_text(rule.family, rule.protocol))
    return " ".join(word for word in words if word)


def interface_text(name: str) -> str:
    """Return an interface as it is written."""
    name = LOOPBACK_NAME if name == LOOPBACK else name
    return name if _PLAIN_INTERFACE.match(name) else '"%s"' % name


def match_text(family: t.Optional[int], protocol: t.Optional[int]) -> str:
    """Return the words about the family and the protocol."""
    words = []
    if family is not None:
        words.append("inet" if family == 4 else "inet6")
    if protocol is not None:
        words.append("proto %s" % _PROTOCOLS.get(protocol, protocol))
    return " ".join(words)


def hosts_text(rule: t.Union[Rule, NatRule], name: t.Callable[[Addresses], str], table: t.Optional[Addresses] = None) -> str:
    """Return the words about addresses and ports.

    :param name: returns the name of the table that holds a long or negated list.
    :param table: addresses that go into a table however few they are.
    """
    words = ["from", _addresses(rule, rule.source, name, table)]
    if isinstance(rule, Rule) and rule.source_ports:
        words.append("port " + _ports(rule.source_ports))
    words += ["to", _addresses(rule, rule.destination, name, table)]
    if rule.ports:
        words.append("port " + _ports(rule.ports))
    return " ".join(words)


def types_text(rule: Rule) -> str:
    """Return the words about ICMP types."""
    if not rule.icmp_types:
        return ""
    word = "icmp-type" if rule.protocol == ICMP else "icmp6-type"
    return "%s %s" % (word, _list([str(one) for one in rule.icmp_types]))


def _addresses(rule: t.Union[Rule, NatRule], addresses: Addresses, name: t.Callable[[Addresses], str], table: t.Optional[Addresses]) -> str:
    if addresses.any:
        return "any"
    if addresses.family != rule.family:
        raise HoldfastError("An IPv%s address does not belong into this rule: %s" % (addresses.family, rule.describe()))
    sign = "! " if addresses.negated else ""
    if addresses is table or needs_table(addresses):
        return "%s<%s>" % (sign, name(addresses))
    return sign + _list([network_text(one) for one in addresses.networks])


def _ports(ports: t.Sequence[PortRange]) -> str:
    for one in ports:
        if not 1 <= one.first <= one.last <= 65535:
            raise HoldfastError("%s is not a range of ports" % one)
    return _list([str(one.first) if one.single else "%d:%d" % (one.first, one.last) for one in ports])


def _list(items: t.Sequence[str]) -> str:
    return items[0] if len(items) == 1 else "{ %s }" % ", ".join(items)


def fits_label(comment: str) -> bool:
    """Return whether a comment can be a label, which pfctl takes as it stands between double quotes, but for a few words."""
    if not comment.isprintable() or any(word in comment for word in LABEL_WORDS):
        return False
    return 0 < len(comment.encode("utf-8")) <= MAX_LABEL and '"' not in comment and "\\" not in comment
