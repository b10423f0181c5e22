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
from ...policy.protocols import ICMP, TCP
from ...policy.rule import Log, Rule
from ..base import Unsupported, unsupported_scope
from .listing import table_name
from .protocols import protocol_text

CHECK_STATE = "check-state :default"
#: What passes the packets of known connections, and makes one known.
STATE = "keep-state :default"
#: Bytes of a comment that ipfw keeps.
MAX_COMMENT = 80
#: Networks that one instruction holds (63 words; an IPv4 pair takes 2, an IPv6 pair 8).
INLINE = {4: 31, 6: 7}
#: Port ranges of one instruction (ipfw(8)), and of one rule (255 words in all).
PORTS_IN_A_LIST = 30
MAX_PORTS = 120
#: The highest ICMP type that the tool takes (ICMP_MAXTYPE, ICMP6_MAXTYPE).
TYPE_TOP = {4: 31, 6: 201}
#: The name of the loopback interface in the language and on FreeBSD.
LOOPBACK = {"lo": "lo0"}
MAX_INTERFACE = 15


def unsupported(rule: Rule) -> t.Tuple[Unsupported, ...]:
    """Return every field of the rule that ipfw cannot carry exactly as a single rule."""
    found = []
    if rule.direction == "forward":
        reason = "ipfw asks about a packet that goes through the host twice, as in and as out; write a rule for each"
        found.append(Unsupported("direction", "forward", reason))
    if rule.comment is not None and rule.comment.startswith("/") and fits(rule.comment):
        reason = "ipfw takes a last word that begins with / for the name of a file"
        found.append(Unsupported("comment", rule.comment, reason))
    return tuple(found) + unsupported_match(rule)


def unsupported_match(rule: Rule) -> t.Tuple[Unsupported, ...]:
    """Return every field that no ipfw rule can carry, in whatever list it stands."""
    found = unsupported_scope(rule, "ipfw sees packets, and not which program they are for")
    if rule.protocol == 0:
        found.append(Unsupported("protocol", "0", "ipfw does not take protocol 0"))
    if len(rule.ports) + len(rule.source_ports) > MAX_PORTS:
        number = len(rule.ports) + len(rule.source_ports)
        found.append(Unsupported("port", "%d ranges" % number, "an ipfw rule has room for %d ranges" % MAX_PORTS))
    if rule.icmp_types:
        top = TYPE_TOP[4 if rule.protocol == ICMP else 6]
        found += [Unsupported("icmp_type", str(one), "ipfw takes types up to %d" % top) for one in rule.icmp_types if one > top]
    for field, name in (("interface", rule.interface), ("out_interface", rule.out_interface)):
        if name is not None and not _one_interface(name):
            found.append(Unsupported(field, name, "ipfw does not take this for the name of one interface"))
    if rule.limit is not None:
        reason = "ipfw bounds the number of connections, not their rate; rates need dummynet"
        found.append(Unsupported("limit", str(rule.limit.rate), reason))
    found += unsupported_log(rule.log)
    if rule.comment is not None and not fits(rule.comment):
        reason = "ipfw keeps at most %d bytes of printable text that neither begins nor ends with a blank" % MAX_COMMENT
        found.append(Unsupported("comment", rule.comment, reason))
    return tuple(found)


def unsupported_log(log: t.Optional[Log]) -> t.Tuple[Unsupported, ...]:
    """Return what ipfw cannot do of a log."""
    found = []
    if log is not None and log.prefix is not None:
        found.append(Unsupported("log_prefix", log.prefix, "ipfw logs the rule's number and the packet, without a text"))
    if log is not None and log.rate is not None:
        reason = "ipfw limits how many lines a rule logs in all (logamount), not their rate"
        found.append(Unsupported("log_limit", str(log.rate), reason))
    return tuple(found)


def normalise(rule: Rule) -> Rule:
    """Return the rule as ipfw keeps it.

    A deny or reject has no state of its own, it stops what no rule before it passed; the loopback interface is lo0.
    """
    changes: t.Dict[str, t.Any] = {}
    if rule.action != "allow" and rule.stateful:
        changes["stateful"] = False
    for field in ("interface", "out_interface"):
        if getattr(rule, field) in LOOPBACK:
            changes[field] = LOOPBACK[getattr(rule, field)]
    return Rule(**dict(rule.__dict__, **changes)) if changes else rule


def render(rule: Rule) -> t.Tuple[str, ...]:
    """Return the rule's lines: the tables it names, then one rule, or two (IPv4 first) where the answer of a reject differs.

    :raises HoldfastError: when ipfw cannot carry the rule.
    """
    if rule.reply or rule.established:
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
    if rule.reply or rule.established:
        return (CHECK_STATE,)
    state = STATE if rule.stateful and rule.action == "allow" else ""
    return by_family(rule, "setup " + state if state and rule.protocol == TCP else state)


def in_table(addresses: Addresses) -> bool:
    """Return whether these addresses go into a table."""
    return bool(addresses.networks) and len(addresses.networks) > INLINE[addresses.networks[0].version]


def table_of(addresses: Addresses) -> t.Optional[str]:
    """Return the name of the table that these addresses go into, or None where they stand in the rule itself."""
    return table_name(addresses) if in_table(addresses) else None


def by_family(rule: Rule, state: str, table: t.Callable[[Addresses], t.Optional[str]] = table_of) -> t.Tuple[str, ...]:
    """Return one rule, or two (IPv4 first) where the answer of a reject differs; ``state`` are its words about states."""
    if rule.action == "reject" and rule.family is None:
        return tuple(body(Rule(**dict(rule.__dict__, family=family)), state, table=table) for family in (4, 6))
    return (body(rule, state, table=table),)


def body(rule: Rule, state: str, protocol: t.Optional[str] = None, table: t.Callable[[Addresses], t.Optional[str]] = table_of) -> str:
    """Return one rule in the form in which ipfw lists it.

    :param protocol: what stands for the protocol, instead of the rule's own.
    :param table: returns the name of the table that addresses go into, or None where they stand in the rule.
    """
    words = [_action(rule)]
    if rule.log is not None:
        words.append("log")
    if protocol is None and rule.protocol is not None:
        protocol = protocol_text(rule.protocol)
    if rule.family is None or _fixed_by_address(rule, table):
        words.append(protocol or "ip")
        protocol = None
    else:
        words.append("ip%d" % rule.family)
    words += ["from", _addresses(rule, rule.source, table)]
    options: t.List[str] = []
    if rule.source_ports:
        _add_ports(rule.source_ports, "src-port", words, options)
    words += ["to", _addresses(rule, rule.destination, table)]
    if rule.ports:
        _add_ports(rule.ports, "dst-port", words, options)
    if protocol is not None:
        words.append("not proto " + protocol[4:] if protocol.startswith("not ") else "proto " + protocol)
    words += options
    words.append(_way(rule))
    if rule.icmp_types:
        words.append("%s %s" % ("icmptypes" if rule.protocol == ICMP else "icmp6types", ",".join(str(one) for one in rule.icmp_types)))
    if state:
        words.append(state)
    if rule.comment is not None:
        words.append("// " + rule.comment)
    return " ".join(words)


def _way(rule: Rule) -> str:
    """Return the direction and the interfaces. A forwarded packet is one that goes out and has come in by an interface."""
    arriving, leaving = LOOPBACK.get(rule.interface or "", rule.interface), LOOPBACK.get(rule.out_interface or "", rule.out_interface)
    if rule.direction == "forward":
        return "out recv %s" % (arriving or "*") + (" xmit %s" % leaving if leaving is not None else "")
    if arriving is None:
        return rule.direction
    return "%s %s %s" % (rule.direction, "recv" if rule.direction == "in" else "xmit", arriving)


def _action(rule: Rule) -> str:
    if rule.action != "reject":
        return rule.action
    if rule.protocol == TCP:
        return "reset6" if rule.family == 6 else "reset"
    return "unreach6 port" if rule.family == 6 else "unreach port"


def _fixed_by_address(rule: Rule, table: t.Callable[[Addresses], t.Optional[str]]) -> bool:
    """Return whether an address already keeps the other family out; ``not 10.0.0.0/8`` also matches all of IPv6."""
    return any(side.networks and not side.negated and table(side) is None for side in (rule.source, rule.destination))


def _addresses(rule: Rule, addresses: Addresses, table: t.Callable[[Addresses], t.Optional[str]]) -> str:
    if not addresses.networks:
        return "any"
    if addresses.family != rule.family:
        raise HoldfastError("An IPv%s address does not belong into this rule: %s" % (addresses.family, rule.describe()))
    sign = "not " if addresses.negated else ""
    name = table(addresses)
    if name is not None:
        return "%stable(%s)" % (sign, name)
    return sign + ",".join([network_text(one) for one in addresses.networks])


def _add_ports(ports: t.Sequence[PortRange], option: str, words: t.List[str], options: t.List[str]) -> None:
    """Add ports where they stand: behind the address, or as alternatives where there are more than one list takes."""
    found = []
    for one in ports:
        if not 1 <= one.first <= one.last <= 65535:
            raise HoldfastError("%s is not a range of ports" % one)
        found.append(str(one))
    if len(found) <= PORTS_IN_A_LIST:
        words.append(",".join(found))
        return
    lists = [",".join(found[start : start + PORTS_IN_A_LIST]) for start in range(0, len(found), PORTS_IN_A_LIST)]
    options.append("{ %s }" % " or ".join("%s %s" % (option, one) for one in lists))


def _one_interface(name: str) -> bool:
    return not (name[0].isdigit() or name == "any" or any(sign in name for sign in "*?[(") or len(name) > MAX_INTERFACE)


def fits(comment: str) -> bool:
    """Return whether ipfw keeps a comment as it is."""
    return comment == comment.strip() and comment.isprintable() and 0 < len(comment.encode("utf-8", "surrogateescape")) <= MAX_COMMENT
