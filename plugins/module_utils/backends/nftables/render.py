# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing one rule of the language as nft lines.

Pure: touches nothing. Each line exists twice: as it is typed (accepted by nft 0.9.3 and later) and as nft lists it. The forms are those
that a listing keeps whole: nft leaves ``meta nfproto ipv4`` out of the listing of some rules (before ``reject`` and before an ICMP
match) so that the listed text, loaded again, is wider than the rule; ``meta nfproto != ipv6`` says the same and stays.
"""

from __future__ import annotations

import hashlib
import json
import re
import typing as t
from dataclasses import dataclass, replace

from ...policy.addresses import Addresses, Network, network_text
from ...policy.ports import PortRange
from ...policy.protocols import ICMP, ICMPV6, TCP, WITH_PORTS, protocol_name
from ...policy.rates import DEFAULT_BURST, Limit
from ...policy.rule import Log, Rule
from ..base import Unsupported, unsupported_scope
from .names import ICMP_NAMES, LIMIT_SET, LIMIT_SIZE, MAX_COMMENT, MAX_INTERFACE, MAX_PREFIX, PRINTED

_VERDICTS = {"allow": "accept", "deny": "drop"}
_ADDRESS_WORD = {4: "ip", 6: "ip6"}
_TCP = "meta l4proto tcp"
HOUR = 3600


@dataclass(frozen=True)
class Statement:
    """One line of a chain: what is typed, and what nft makes of it in a listing."""

    typed: str
    listed: str


@dataclass(frozen=True)
class LimitSet:
    """The dynamic set that holds one count for each source address.

    :ivar timeout: seconds without a packet after which a source is forgotten; by then its burst is full again, so that forgetting it
        lets nothing more through.
    """

    name: str
    family: int
    timeout: int

    def definition(self) -> str:
        """Return the set's body on one line, as it is typed."""
        return "{ type ipv%d_addr; size %d; flags dynamic,timeout; timeout %s; }" % (self.family, LIMIT_SIZE, duration(self.timeout))

    def listed(self) -> t.Tuple[str, ...]:
        """Return the set's body as nft lists it."""
        return ("type ipv%d_addr" % self.family, "size %d" % LIMIT_SIZE, "flags dynamic,timeout", "timeout %s" % duration(self.timeout))


def unsupported(rule: Rule) -> t.Tuple[Unsupported, ...]:
    """Return what nft cannot carry of a rule."""
    found = unsupported_scope(rule, "nftables sees packets, and not which program they are for")
    for word, name in (("interface", rule.interface), ("out_interface", rule.out_interface)):
        found += unsupported_interface(word, name)
    found += unsupported_comment(rule.comment)
    found += unsupported_prefix(rule.log)
    if rule.limit is not None and rule.limit.per_source and rule.log is not None and rule.log.rate is not None:
        found.append(Unsupported("log_limit", str(rule.log.rate), "nftables would count each source twice; use log without log_limit here"))
    return tuple(found)


def unsupported_interface(word: str, name: t.Optional[str]) -> t.List[Unsupported]:
    """Return why nft cannot name an interface; ``word`` is the field it stands in."""
    if name is None:
        return []
    if not name or re.search(r'[\s"*;{}\\]', name) or not name.isprintable():
        return [Unsupported(word, name, "nftables names one interface by its plain name")]
    if len(name.encode("utf-8")) > MAX_INTERFACE:
        return [Unsupported(word, name, "interface names of Linux have at most %d bytes" % MAX_INTERFACE)]
    return []


def unsupported_comment(comment: t.Optional[str]) -> t.List[Unsupported]:
    """Return why nft cannot keep a comment."""
    if comment is None:
        return []
    if len(comment.encode("utf-8")) > MAX_COMMENT:
        return [Unsupported("comment", comment, "nftables keeps comments of at most %d bytes" % MAX_COMMENT)]
    if '"' in comment or not comment.isprintable():
        return [Unsupported("comment", comment, "nftables has no way to write a double quote or a line break in a comment")]
    return []


def unsupported_prefix(log: t.Optional[Log]) -> t.List[Unsupported]:
    """Return why nft cannot write a log's prefix."""
    if log is None or log.prefix is None:
        return []
    if len(log.prefix.encode("utf-8")) > MAX_PREFIX:
        return [Unsupported("log_prefix", log.prefix, "nftables takes log prefixes of at most %d bytes" % MAX_PREFIX)]
    if any(c in log.prefix for c in '"$\\') or not log.prefix.isprintable():
        return [Unsupported("log_prefix", log.prefix, 'nftables gives ", $ and \\ in a log prefix a meaning of its own')]
    return []


def statements(rule: Rule, table_family: str, turn: int = 0) -> t.Tuple[Statement, ...]:
    """Return the lines of a rule in a chain of a table of that family (inet, ip, ip6), in order; ``turn``: see ``limit_sets``."""
    comment = [] if rule.comment is None else ['comment "%s"' % rule.comment]
    if rule.limit is not None and rule.limit.per_source:
        log = [] if rule.log is None else [log_text(rule.log)]
        lines = []
        for one in limit_sets(rule, turn):
            matches = matches_of(replace(rule, family=one.family), table_family)
            count = "update @%s { %s saddr %s }" % (one.name, _ADDRESS_WORD[one.family], _limit(rule.limit))
            typed, listed = _verdict(rule, table_family, one.family)
            lines.append(_statement(matches + [count] + log, typed, listed, comment))
        return tuple(lines)
    matches = matches_of(rule, table_family)
    if rule.limit is not None:
        matches.append(_limit(rule.limit))
    named = bool(rule.icmp_types) or not (rule.source.any and rule.destination.any)
    known = rule.family if rule.family is not None and named else None
    if known is None and rule.family == 4 and rule.protocol == ICMP:
        known = 4
    typed, listed = _verdict(rule, table_family, known)
    if rule.log is not None and rule.log.rate is not None:
        line = " ".join(matches + [_limit(Limit(rule.log.rate)), log_text(rule.log)] + comment)
        return Statement(line, line), _statement(matches, typed, listed, comment, "inet" if rule.limit else table_family)
    if rule.log is not None:
        matches.append(log_text(rule.log))
    # A statement between the match and the verdict keeps nft from leaving the match out.
    return (_statement(matches, typed, listed, comment, "inet" if rule.limit or rule.log else table_family),)


def limit_sets(rule: Rule, turn: int = 0) -> t.Tuple[LimitSet, ...]:
    """Return the sets that a rule with a limit per source needs, one for each family; none for other rules.

    :param turn: how many times the same rule stands before this one in the policy: each has counts of its own.
    """
    if rule.limit is None or not rule.limit.per_source:
        return ()
    words = json.dumps(rule.identity().as_dict(), sort_keys=True) + "+" * turn
    stem = LIMIT_SET + hashlib.sha256(words.encode("utf-8")).hexdigest()[:8]
    timeout = max(HOUR, rule.limit.rate.seconds * rule.limit.burst)
    return tuple(LimitSet("%s_v%d" % (stem, family), family, timeout) for family in sorted(rule.families()))


def duration(seconds: int) -> str:
    """Return a time as nft lists it: ``1d2h3m4s`` without its zero parts."""
    text = ""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m"), (1, "s")):
        if seconds >= size:
            text += "%d%s" % (seconds // size, unit)
            seconds %= size
    return text or "0s"


def _statement(matches: t.List[str], typed: str, listed: str, comment: t.List[str], table_family: str = "inet") -> Statement:
    shown = list(matches)
    if table_family != "inet" and typed == "reject with tcp reset" and _TCP in shown:
        shown.remove(_TCP)  # the reset says it
    return Statement(" ".join(matches + [typed] + comment), " ".join(shown + [listed] + comment))


def matches_of(rule: Rule, table_family: str) -> t.List[str]:
    """Return what a rule's line matches, limits left out, in the order in which nft takes it."""
    parts = []
    if rule.interface is not None:
        parts.append('%s "%s"' % ("oifname" if rule.direction == "out" else "iifname", rule.interface))
    if rule.out_interface is not None:
        parts.append('oifname "%s"' % rule.out_interface)
    addressed = bool(rule.icmp_types) or not (rule.source.any and rule.destination.any)
    counted = rule.limit is not None and rule.limit.per_source  # its update names the family
    needs_family = table_family == "inet" and rule.family is not None and not addressed
    protocol_done = False
    if needs_family and not counted and rule.family == 4 and rule.protocol == ICMP:
        parts.append("ip protocol icmp")
        protocol_done = True
    elif needs_family and not counted and (rule.action == "reject" or rule.protocol in (ICMP, ICMPV6)):
        parts.append("meta nfproto != ipv%d" % (6 if rule.family == 4 else 4))
    elif needs_family and not counted:
        parts.append("meta nfproto ipv%d" % t.cast(int, rule.family))
    for word, side in (("saddr", rule.source), ("daddr", rule.destination)):
        if not side.any:
            parts.append("%s %s %s" % (_ADDRESS_WORD[t.cast(int, side.family)], word, _addresses(side)))
    if rule.source_ports and rule.protocol in WITH_PORTS:
        parts.append("%s %s %s" % (protocol_name(rule.protocol), "dport" if rule.reply else "sport", _ports(rule.source_ports)))
        protocol_done = True
    if rule.ports and rule.protocol in WITH_PORTS:
        parts.append("%s %s %s" % (protocol_name(rule.protocol), "sport" if rule.reply else "dport", _ports(rule.ports)))
        protocol_done = True
    if rule.icmp_types:
        parts.append("%s type %s" % ("icmp" if rule.protocol == ICMP else "icmpv6", _icmp_types(rule)))
    elif rule.protocol is not None and not protocol_done:
        parts.append("meta l4proto %s" % PRINTED.get(rule.protocol, str(rule.protocol)))
    if rule.established:
        parts.append("ct state established,related")
    elif rule.reply:
        parts.append("ct direction reply ct state established,related")
    elif rule.stateful:
        parts.append("ct state established,new" if rule.action == "allow" else "ct state new")
    return parts


def _addresses(addresses: Addresses) -> str:
    words = [_interval(first, last) for first, last in intervals(addresses.networks)]
    text = words[0] if len(words) == 1 else "{ %s }" % ", ".join(words)
    return "!= " + text if addresses.negated else text


def intervals(networks: t.Sequence[Network]) -> t.List[t.Tuple[Network, Network]]:
    """Join networks that touch, as nft does in a listing; returns the first and last network of each interval, sorted."""
    joined: t.List[t.Tuple[Network, Network]] = []
    for network in sorted(networks):
        if joined and int(joined[-1][1].broadcast_address) + 1 == int(network.network_address):
            joined[-1] = (joined[-1][0], network)
        else:
            joined.append((network, network))
    return joined


def _interval(first: Network, last: Network) -> str:
    return network_text(first) if first is last else "%s-%s" % (first.network_address, last.broadcast_address)


def _ports(ports: t.Sequence[PortRange]) -> str:
    words = [str(one) for one in ports]
    return words[0] if len(words) == 1 else "{ %s }" % ", ".join(words)


def _icmp_types(rule: Rule) -> str:
    names = ICMP_NAMES[t.cast(int, rule.protocol)]
    words = [names.get(number, str(number)) for number in rule.icmp_types]
    return words[0] if len(words) == 1 else "{ %s }" % ", ".join(words)


def _limit(limit: Limit) -> str:
    text = "limit rate %s" % limit.rate
    if limit.burst != DEFAULT_BURST:
        text += " burst %d packets" % limit.burst
    return text


def log_text(log: Log) -> str:
    """Return the words that log a packet, without the rate."""
    return "log" if log.prefix is None else 'log prefix "%s"' % log.prefix


def log_line(log: Log, comment: str) -> Statement:
    """Return a line that logs every packet that comes to it, at most at the log's rate, and decides nothing."""
    parts = [] if log.rate is None else [_limit(Limit(log.rate))]
    line = " ".join([*parts, log_text(log), 'comment "%s"' % comment])
    return Statement(line, line)


def _verdict(rule: Rule, table_family: str, known_family: t.Optional[int]) -> t.Tuple[str, str]:
    """Return the verdict as typed and as listed; ``known_family`` is the family that nft sees the rule is of."""
    if rule.action in _VERDICTS:
        return _VERDICTS[rule.action], _VERDICTS[rule.action]
    if rule.protocol == TCP:
        return "reject with tcp reset", "reject with tcp reset"
    if table_family == "inet" and known_family is not None:
        return "reject", "reject with %s port-unreachable" % ("icmp" if known_family == 4 else "icmpv6")
    return "reject", "reject"
