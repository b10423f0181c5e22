# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of the common language as lines of iptables, in the very form that iptables-save prints them.

Pure: touches nothing. One rule is one line for each family, with a ``LOG`` line before it where it is logged.
"""

from __future__ import annotations

import hashlib
import json
import re
import typing as t
from dataclasses import dataclass, replace

from ...policy.addresses import Addresses
from ...policy.ports import PortRange
from ...policy.protocols import AH, ICMP, TCP, protocol_name
from ...policy.rates import Limit
from ...policy.rule import Rule
from ..base import Unsupported, unsupported_scope
from .intervals import address_text, gaps, network_words, range_conditions, single_network
from .limits import HASHLIMIT_SCALE, LIMIT_SCALE, LONGEST_REFILL, carries, hashlimit_words, limit_words, refill_milliseconds
from .protocols import IPV6_EXTENSIONS, ProtocolNames
from .sets import MAX_RANGES, SIDES, needs_set, set_name
from .words import quote

CHAINS = {"in": "INPUT", "out": "OUTPUT", "forward": "FORWARD"}
#: A multiport match has 15 places, and a range takes two (XT_MULTI_PORTS).
PORT_PLACES = 15
MAX_PORT_MATCHES = 8
#: The kernel's field has 30 bytes with its closing NUL.
MAX_PREFIX = 29
MAX_COMMENT = 255
MAX_INTERFACE = 15
_BARE = re.compile(r"[^\s\"'\\!/][^\s\"'\\/]*\Z").match


@dataclass(frozen=True)
class Abilities:
    """What the tools of one host can do.

    :ivar names: its protocol names.
    :ivar legacy: whether the legacy variant is used, whose ``limit`` counts in the kernel's small credits.
    :ivar sets: whether ``ipset`` is there.
    :ivar kinds: the types of sets that the kernel has.
    """

    names: ProtocolNames
    legacy: bool = False
    sets: bool = True
    kinds: t.FrozenSet[str] = frozenset(SIDES)


def unsupported(rule: Rule, can: Abilities, whole: bool = False) -> t.List[Unsupported]:
    """Return every field that cannot be carried exactly.

    :param whole: whether the rule is one of a policy, where packets of several lines can be counted in a chain of ours.
    """
    found = unsupported_scope(rule, "iptables sees packets, and not which program they are for")

    def refuse(field: str, value: t.Any, reason: str) -> None:
        found.append(Unsupported(field, str(value), reason))

    if rule.protocol == 0:
        refuse("protocol", 0, "iptables reads protocol 0 as any protocol")
    elif rule.protocol in IPV6_EXTENSIONS and rule.protocol != AH and 6 in rule.families():
        refuse("protocol", protocol_name(rule.protocol), "ip6tables never matches an extension header as a protocol; set family: ipv4")
    for field, addresses in (("source", rule.source), ("destination", rule.destination)):
        if needs_set(addresses) and not can.sets:
            count = len(range_conditions(addresses))
            refuse(field, "%d ranges" % count, "more than %d separate ranges need ipset; install the package ipset" % MAX_RANGES)
    for field, ports in (("port", rule.ports), ("source_port", rule.source_ports)):
        if _port_matches(ports) is None:
            refuse(field, "%d ranges" % len(ports), "too many separate ports for one rule of iptables; write several rules")
    for field, name in (("interface", rule.interface), ("out_interface", rule.out_interface)):
        if name is not None and (not name or name.endswith("+") or len(name.encode("utf-8", "replace")) > MAX_INTERFACE or not _BARE(name)):
            refuse(field, name, "iptables needs a plain name of at most %d bytes; with + at its end it is a wildcard" % MAX_INTERFACE)
    if rule.protocol == ICMP and 255 in rule.icmp_types:
        refuse("icmp_type", 255, "iptables reads ICMP type 255 as any type")
    if counts_types(rule) and not whole:
        types = ",".join(str(one) for one in rule.icmp_types)
        refuse("icmp_type", types, "iptables takes one type in a line and each line counts for itself; write one rule for each type")
    if rule.limit is not None:
        _check_limit(rule.limit, can, refuse)
    if rule.log is not None:
        if rule.log.prefix is not None and len(rule.log.prefix.encode()) > MAX_PREFIX:
            refuse("log_prefix", rule.log.prefix, "the kernel keeps %d characters" % MAX_PREFIX)
        if rule.log.rate is not None:
            _check_rate("log_limit", Limit(rule.log.rate), LIMIT_SCALE, can.legacy, refuse)
    if rule.comment is not None and len(rule.comment.encode("utf-8", "replace")) > MAX_COMMENT:
        refuse("comment", rule.comment, "the kernel keeps %d bytes" % MAX_COMMENT)
    return found


def counts_types(rule: Rule) -> bool:
    """Return whether the packets of several ICMP types are counted together; a line takes one type."""
    return len(rule.icmp_types) > 1 and (rule.limit is not None or (rule.log is not None and rule.log.rate is not None))


def _check_limit(limit: Limit, can: Abilities, refuse: t.Callable[[str, t.Any, str], None]) -> None:
    if limit.per_source:
        _check_rate("limit", limit, HASHLIMIT_SCALE, True, refuse)
    else:
        _check_rate("limit", limit, LIMIT_SCALE, can.legacy, refuse)


def _check_rate(field: str, limit: Limit, scale: int, bounded: bool, refuse: t.Callable[[str, t.Any, str], None]) -> None:
    if not carries(limit.rate, scale):
        refuse(field, limit.rate, "the kernel counts in whole periods of 1/%d second, which makes it another rate" % scale)
    elif bounded and refill_milliseconds(limit) > LONGEST_REFILL * 1000:
        shown = "%s, burst %d" % (limit.rate, limit.burst)
        refuse(field, shown, "the kernel counts at most a day ahead; lower limit_burst or raise the rate")


def rule_lines(rule: Rule, family: int, can: Abilities, chain: t.Optional[str] = None, twin: int = 0) -> t.List[str]:
    """Return the lines of a supported rule for one family; one for each ICMP type, since a line takes only one.

    :param chain: the chain to name; by default the built-in one of the direction.
    :param twin: how many rules like it stand before it in the chain, so that each counts for itself.
    """
    if len(rule.icmp_types) > 1:
        single = [replace(rule, icmp_types=(one,)) for one in rule.icmp_types]
        return [line for one in single for line in rule_lines(one, family, can, chain, twin)]
    return verdict_lines(rule, family, "-A %s" % (chain or CHAINS[rule.direction]), match_words(rule, family, can), twin)


def verdict_lines(rule: Rule, family: int, start: str, match: t.List[str], twin: int = 0) -> t.List[str]:
    """Return what a rule does to packets that its conditions, given as words, match: its log and its verdict, within its limit."""
    comment = ["-m", "comment", "--comment", quote(rule.comment)] if rule.comment is not None else []
    lines: t.List[str] = []
    if rule.log is not None:
        words = match + _limit_words(rule, "log", twin)
        if rule.log.rate is not None:
            words += limit_words(Limit(rule.log.rate))
        target = ["-j", "LOG"] + (["--log-prefix", quote(rule.log.prefix)] if rule.log.prefix is not None else [])
        lines.append(" ".join([start] + words + comment + target))
    lines.append(" ".join([start] + match + _limit_words(rule, "", twin) + comment + _target(rule, family)))
    return lines


def rule_sets(rule: Rule) -> t.Dict[str, Addresses]:
    """Return the sets that a rule's lines refer to."""
    return {set_name(one): one for one in (rule.source, rule.destination) if needs_set(one)}


def match_words(rule: Rule, family: int, can: Abilities) -> t.List[str]:
    """Return the conditions of a rule, its limit left out."""
    words: t.List[str] = []
    matches: t.List[str] = []
    for flag, side, addresses in (("-s", "src", rule.source), ("-d", "dst", rule.destination)):
        network = single_network(addresses)
        if network is not None:
            words += (["!"] if addresses.negated else []) + [flag, network_words(network)]
        elif needs_set(addresses):
            matches += ["-m", "set"] + (["!"] if addresses.negated else []) + ["--match-set", set_name(addresses), side]
        elif not addresses.any:
            for negated, (low, high) in range_conditions(addresses):
                text = "%s-%s" % (address_text(low, family), address_text(high, family))
                matches += ["-m", "iprange"] + (["!"] if negated else []) + ["--%s-range" % side, text]
    if rule.interface is not None:
        words += ["-o" if rule.direction == "out" else "-i", rule.interface]
    if rule.out_interface is not None:
        words += ["-o", rule.out_interface]
    if rule.protocol == AH and family == 6:
        words += ["-m", "ah"]  # -p looks behind this header
    elif rule.protocol is not None:
        words += ["-p", can.names.name(rule.protocol)]
    return words + _port_words(rule) + matches + _state_words(rule)


def _port_words(rule: Rule) -> t.List[str]:
    if rule.icmp_types:
        match = ["-m", "icmp", "--icmp-type"] if rule.protocol == ICMP else ["-m", "icmp6", "--icmpv6-type"]
        return match + [str(rule.icmp_types[0])]
    if not (rule.ports or rule.source_ports):
        return []
    sides = ((rule.ports, "--sport"), (rule.source_ports, "--dport")) if rule.reply else (
        (rule.source_ports, "--sport"), (rule.ports, "--dport")
    )  # fmt: skip
    words: t.List[str] = []
    lists: t.List[str] = []
    for ports, flag in sides:
        if len(ports) == 1:
            words += [flag, _port_text(ports[0])]
        else:
            for negated, text in _port_matches(ports) or []:
                lists += ["-m", "multiport"] + (["!"] if negated else []) + [flag + "s", text]
    return (["-m", protocol_name(rule.protocol)] + words if words else []) + lists


def _port_matches(ports: t.Sequence[PortRange]) -> t.Optional[t.List[t.Tuple[bool, str]]]:
    """Return the port lists that say these ports: one list, or all from the first to the last less lists of the gaps; None: too many."""
    if not ports:
        return []
    lists = _port_lists(ports)
    if len(lists) == 1:
        return [(False, lists[0])]
    between = [PortRange(low, high) for low, high in gaps([(one.first, one.last) for one in ports])]
    negated = _port_lists(between)
    if len(negated) > MAX_PORT_MATCHES:
        return None
    return [(False, _port_text(PortRange(ports[0].first, ports[-1].last)))] + [(True, text) for text in negated]


def _port_lists(ports: t.Sequence[PortRange]) -> t.List[str]:
    lists: t.List[t.List[str]] = [[]]
    places = 0
    for one in ports:
        size = 1 if one.single else 2
        if places + size > PORT_PLACES:
            lists.append([])
            places = 0
        lists[-1].append(_port_text(one))
        places += size
    return [",".join(texts) for texts in lists]


def _port_text(one: PortRange) -> str:
    return str(one.first) if one.single else "%d:%d" % (one.first, one.last)


def _state_words(rule: Rule) -> t.List[str]:
    if rule.reply:
        return ["-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED", "--ctdir", "REPLY"]
    if rule.established:
        return ["-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED"]
    if rule.stateful:
        return ["-m", "conntrack", "--ctstate", "NEW,ESTABLISHED" if rule.action == "allow" else "NEW"]
    return []


def _limit_words(rule: Rule, use: str, twin: int) -> t.List[str]:
    """Return the rule's limit. It comes last of all conditions, so that only packets of the rule are counted."""
    if rule.limit is None:
        return []
    if not rule.limit.per_source:
        return limit_words(rule.limit)
    # Rules with one hashlimit name share one table of counts, and the limits of the first: so each use has a name of its own.
    facts = [replace(rule, family=None).identity().as_dict(), rule.reply, use] + [True] * rule.established + [twin] * bool(twin)
    return hashlimit_words(rule.limit, "hf" + hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:8])


def _target(rule: Rule, family: int) -> t.List[str]:
    if rule.action != "reject":
        return ["-j", {"allow": "ACCEPT", "deny": "DROP"}[rule.action]]
    if rule.protocol == TCP:
        return ["-j", "REJECT", "--reject-with", "tcp-reset"]
    return ["-j", "REJECT", "--reject-with", "icmp-port-unreachable" if family == 4 else "icmp6-port-unreachable"]
