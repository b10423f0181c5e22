# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules as lines of npf.conf, and what npf cannot carry of a rule.

Pure: touches nothing. Every line is ``final``, so the first match decides. Numbers instead of names, a rule for each port range (one inside
braces never matches) and for each ICMP type.
"""

from __future__ import annotations

import itertools
import re
import typing as t

from ...policy.addresses import Addresses, network_text
from ...policy.errors import HoldfastError
from ...policy.ports import PortRange
from ...policy.protocols import ICMP, ICMP_ERRORS, ICMPV6, TCP, UDP, protocol_name
from ...policy.rule import Rule
from ..base import Unsupported, unsupported_scope
from ..states_first import LOOPBACK, LOOPBACK_NAME, unsupported_log
from .tables import PREFIX, TableBook, in_place, included, table_lines

#: Protocols of whose connections npf keeps states (of ICMP: questions and their answers).
TRACKED = frozenset({TCP, UDP, ICMP})
#: npf_state.c knows ICMP of IPv4 only: no answer to a ping over IPv6 passes by a state, and no error, also not with ``alg "icmp"``.
UNTRACKED_ICMP = {ICMPV6: (*ICMP_ERRORS[ICMPV6], 129)}
#: ICMPv6 that asks for an answer: echo, node information (RFC 4443, 4620).
_ASKING = frozenset({128, 139})
#: The flags of a packet that opens a connection, as npfctl itself adds them to stateful lines.
SYN = " flags S/SAFR"
#: The procedures that log: for single rules and for a policy.
PROCEDURE, POLICY_PROCEDURE = "hf_log", "hfp_log"

_PROTOCOLS = {TCP: "tcp", UDP: "udp", ICMP: "icmp", ICMPV6: "ipv6-icmp"}
# IPv6 headers that stand before the protocol: npf looks behind them.
_SKIPPED = frozenset({0, 43, 44, 60})
_PLAIN_INTERFACE = re.compile(r"(?!npt66|inet4|inet6)[a-z]+[0-9]+\Z", re.ASCII)
#: npfctl takes no other names (npf_data.c, npfctl_note_interface).
_INTERFACE = re.compile(r"[A-Za-z0-9]+\Z", re.ASCII)
_MARK = re.compile(r"# (rule|default)(?: of ([1-9][0-9]{0,5}) lines)?(?:: (.+))?\Z")


class Mark(t.NamedTuple):
    """The comment line above the lines of one rule (or of a direction's default): how many they are, and the rule's comment."""

    kind: str
    lines: int
    comment: t.Optional[str]


def mark_line(kind: str, count: int, comment: t.Optional[str]) -> str:
    """Return a mark as a line."""
    return "# %s%s%s" % (kind, " of %d lines" % count if count > 1 else "", "" if comment is None else ": " + comment)


def read_mark(line: str) -> t.Optional[Mark]:
    """Read a line as a mark, or return None."""
    found = _MARK.match(line.strip(" \t")) if "\n" not in line else None
    return Mark(found.group(1), int(found.group(2) or 1), found.group(3)) if found is not None else None


def unsupported(rule: Rule) -> t.Tuple[Unsupported, ...]:
    """Return every field of a single rule that npf cannot carry exactly."""
    found = unsupported_match(rule)
    if rule.direction == "forward":
        reason = "npf asks about a packet that goes through the host twice, as in and as out; write a rule for each"
        found.append(Unsupported("direction", "forward", reason))
    unanswered = rule.protocol == ICMPV6 and rule.icmp_types and not _ASKING & set(rule.icmp_types)
    if rule.stateful and rule.action == "allow" and rule.protocol is not None and rule.protocol not in TRACKED and not unanswered:
        reason = "npf keeps states of tcp, udp and icmp of IPv4 only; leave it out and write a rule for each direction"
        found.append(Unsupported("stateful", "true", reason))
    return tuple(found)


def unsupported_match(rule: Rule) -> t.List[Unsupported]:
    """Return the fields that no rule of npf can carry, whatever its direction."""
    found = unsupported_scope(rule, "npf sees packets, and not which program they are for")
    if rule.protocol in _SKIPPED:
        reason = "npf looks behind this header of IPv6, so no packet has this protocol for it"
        found.append(Unsupported("protocol", str(rule.protocol), reason))
    for name, ports in (("port", rule.ports), ("source_port", rule.source_ports)):
        if ports and rule.protocol not in (TCP, UDP):
            reason = "npf has ports for tcp and udp only, not for %s" % protocol_name(rule.protocol)
            found.append(Unsupported(name, ",".join(str(one) for one in ports), reason))
    if rule.icmp_types and rule.protocol not in (ICMP, ICMPV6):
        found.append(Unsupported("icmp_type", ",".join(str(one) for one in rule.icmp_types), "only ICMP packets have a type"))
    if rule.out_interface is not None:
        reason = "npf asks about a forwarded packet as it arrives and as it leaves, and not about both interfaces at once"
        found.append(Unsupported("out_interface", rule.out_interface, reason))
    if rule.interface is not None and _INTERFACE.match(rule.interface) is None:
        reason = "npf takes letters and digits for the name of an interface, as NetBSD names them, for example wm0"
        found.append(Unsupported("interface", rule.interface, reason))
    for name, side in (("source", rule.source), ("destination", rule.destination)):
        if side.networks and not included(side):
            found.append(Unsupported(name, ",".join(side.words()), "no address is left, so the rule would match nothing"))
    if rule.limit is not None:
        found.append(Unsupported("limit", str(rule.limit.rate), "npf cannot limit how often a rule matches"))
    found += unsupported_log(rule.log, "npf", "npflog0")
    if rule.comment is not None and not fits_comment(rule.comment):
        reason = "a comment is one line of npf.conf: printable characters, no space at its ends"
        found.append(Unsupported("comment", rule.comment, reason))
    if rule.reply:
        found.append(Unsupported("reply", "true", "npf passes replies by its states"))
    if rule.established:
        found.append(Unsupported("established", "true", "npf passes known connections by its states"))
    return found


def fits_comment(comment: str) -> bool:
    """Return whether a comment can be (a part of) a comment line and is read back as it was."""
    return bool(comment) and comment.isprintable() and comment == comment.strip() and "\\" not in comment


def render(rule: Rule) -> t.Tuple[str, ...]:
    """Return the lines of a single rule: those that define what it names, its mark where it needs one, and its own.

    :raises HoldfastError: when npf cannot carry it.
    """
    book = TableBook(PREFIX)
    lines = rule_lines(rule, book)
    tables = [line for name, addresses in book.known.items() for line in table_lines(name, addresses)]
    procedure = [procedure_line(PROCEDURE)] if rule.log is not None else []
    return (*procedure, *tables, *lines)


def rule_lines(rule: Rule, book: TableBook) -> t.List[str]:
    """Return the mark and the lines of a single rule.

    :raises HoldfastError: when npf cannot carry it.
    """
    refused = unsupported(rule)
    if refused:
        raise HoldfastError("npf cannot carry %s: %s" % (rule.describe(), "; ".join(one.reason for one in refused)))
    head = verb(rule.action) + (" stateful" if rule.action == "allow" and rule.stateful else "")
    return marked("rule", lines_of(rule, [(head, "")], book, PROCEDURE), rule.comment)


def marked(kind: str, lines: t.List[str], comment: t.Optional[str]) -> t.List[str]:
    """Return lines with a mark above them, where they need one to be read as one rule."""
    if kind == "rule" and len(lines) == 1 and comment is None:
        return lines
    return [mark_line(kind, len(lines), comment), *lines]


def procedure_line(name: str) -> str:
    """Return the line that defines a procedure that logs."""
    return 'procedure "%s" { log: npflog0 }' % name


def verb(action: str) -> str:
    """Return the word for an action."""
    return {"allow": "pass", "deny": "block"}.get(action, "block return")


def lines_of(rule: Rule, heads: t.Sequence[t.Tuple[str, str]], book: TableBook, procedure: str) -> t.List[str]:
    """Return the native lines of a rule.

    :param heads: the first words of a line, and the flags behind its protocol; several where one rule takes several lines.
    """
    where = " on " + interface_text(rule.interface) if rule.interface is not None else ""
    if rule.family is not None:
        where += " family inet%d" % rule.family
    protocol = "" if rule.protocol is None else " proto %s" % _PROTOCOLS.get(rule.protocol, rule.protocol)
    types = [" icmp-type %d" % one for one in rule.icmp_types] or [""]
    source, destination = _address_text(rule, rule.source, book), _address_text(rule, rule.destination, book)
    apply = ' apply "%s"' % procedure if rule.log is not None else ""
    found = []
    for head, flags in heads:
        for icmp_type, sports, ports in itertools.product(types, port_texts(rule.source_ports), port_texts(rule.ports)):
            hosts = " all"
            if (source, sports, destination, ports) != ("any", "", "any", ""):
                hosts = " from %s%s to %s%s" % (source, sports, destination, ports)
            found.append("%s %s final%s%s%s%s%s%s" % (head, rule.direction, where, protocol, flags, icmp_type, hosts, apply))
    return found


def interface_text(name: str) -> str:
    """Return an interface as it is written."""
    name = LOOPBACK_NAME if name == LOOPBACK else name
    return name if _PLAIN_INTERFACE.match(name) else '"%s"' % name


def port_texts(ports: t.Sequence[PortRange]) -> t.List[str]:
    """Return the conditions that together say some ports: a range is alone, up to eight others are together."""
    for one in ports:
        if not 1 <= one.first <= one.last <= 65535:
            raise HoldfastError("%s is not a range of ports" % one)
    singles = [str(one.first) for one in ports if one.single]
    texts = []
    for start in range(0, len(singles), 8):
        some = singles[start : start + 8]
        texts.append(" port %s" % (some[0] if len(some) == 1 else "{ %s }" % ", ".join(some)))
    texts += [" port %d-%d" % (one.first, one.last) for one in ports if not one.single]
    return texts or [""]


def _address_text(rule: Rule, addresses: Addresses, book: TableBook) -> str:
    if addresses.any:
        return "any"
    if addresses.family != rule.family:
        raise HoldfastError("An IPv%s address does not belong into this rule: %s" % (addresses.family, rule.describe()))
    if any(one.prefixlen == 0 for one in addresses.networks) and not addresses.negated:
        return "any"
    if not in_place(addresses):
        return "<%s>" % book.name(addresses)
    words = [network_text(one) for one in addresses.networks]
    return words[0] if len(words) == 1 else "{ %s }" % ", ".join(words)
