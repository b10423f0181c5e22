# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a rule to rich rules, and what they cannot carry.

Pure: touches nothing. A rich rule has one port and one ICMP type, so a rule with several becomes several rich rules; several networks
become a set.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import replace

from ...policy.addresses import Addresses, network_text
from ...policy.protocols import ICMP, ICMPV6, SCTP, TCP, UDP, protocol_name
from ...policy.rates import DEFAULT_BURST, Rate
from ...policy.rule import Log, Rule
from ..base import Unsupported, unsupported_scope
from .names import ICMP_NAMES, set_name
from .rich import Match, RichLog, RichRule

ACTIONS = {"allow": "accept", "deny": "drop", "reject": "reject"}
PORT_NAMES = {TCP: "tcp", UDP: "udp", SCTP: "sctp"}
FAMILIES = {None: None, 4: "ipv4", 6: "ipv6"}
#: The answer to TCP that is rejected.
RESET = "tcp-reset"
#: Rich rules that one rule may become.
MAX_PARTS = 4096
#: Rich rules of one policy that fit between the lowest and the highest priority.
MAX_RULES = 65_000
#: Networks in one set: firewalld hands them to the kernel one by one.
MAX_NETWORKS = 20_000
_PREFIX = re.compile(r"[A-Za-z0-9_.:/#@+,()\[\]<>!?*-][A-Za-z0-9 _.:/#@+,()\[\]<>!?*-]{0,126}\Z")


def normalise(rule: Rule) -> Rule:
    """Return the rule as firewalld keeps it: known connections pass before all rules and invalid packets are dropped before them."""
    return replace(rule, stateful=False) if rule.stateful and (rule.direction != "out" or rule.action != "allow") else rule


def unsupported(rule: Rule) -> t.Tuple[Unsupported, ...]:
    """Return every field that rich rules cannot carry exactly."""
    found = unsupported_scope(rule, "firewalld knows no programs, services of the system or network profiles; leave it out")
    if rule.reply or rule.established:
        found.append(Unsupported("established", "true", "firewalld passes known connections by itself, before all rules"))
    for field in ("interface", "out_interface"):
        name = getattr(rule, field)
        if name is not None:
            reason = "rich rules know no interfaces; bind %s to a zone of its own and put the rule there, or leave it out" % name[:15]
            found.append(Unsupported(field, name, reason))
    if rule.stateful and rule.direction == "out":
        reason = "rich rules know no states, and firewalld drops invalid packets only where they arrive; leave it out, replies pass anyway"
        found.append(Unsupported("stateful", "true", reason))
    if rule.ports and rule.source_ports:
        reason = "a rich rule has a source port or a destination port, not both"
        found.append(Unsupported("source_port", ",".join(str(one) for one in rule.source_ports), reason))
    if (rule.ports or rule.source_ports) and rule.protocol not in PORT_NAMES:
        found.append(Unsupported("port", str(rule.ports[:1]), "firewalld has ports for tcp, udp and sctp only"))
    for field in ("source", "destination"):
        found += _unsupported_addresses(field, getattr(rule, field))
    names = ICMP_NAMES.get(rule.protocol or 0, {})
    odd = [str(one) for one in rule.icmp_types if one not in names]
    if odd:
        reason = "firewalld knows only ICMP types with a name of its own; leave icmp_type out, or take one of %s" % ", ".join(
            map(str, names)
        )
        found.append(Unsupported("icmp_type", ",".join(odd), reason))
    count = parts(rule)
    if count > MAX_PARTS:
        reason = "it would become %d rich rules; the most for one rule are %d" % (count, MAX_PARTS)
        found.append(Unsupported("port", "%d ports and ranges" % max(len(rule.ports), len(rule.source_ports)), reason))
    found += _unsupported_limit(rule, count)
    if rule.log is not None:
        found += unsupported_log(rule.log, count)
    return tuple(found)


def parts(rule: Rule) -> int:
    """Return how many rich rules a rule becomes."""
    families = 2 if _resets(rule) and rule.family is None else 1
    return max(1, len(rule.ports)) * max(1, len(rule.source_ports)) * max(1, len(rule.icmp_types)) * families


def _resets(rule: Rule) -> bool:
    """Return whether a rule answers with a reset; such an answer needs a family in a rich rule."""
    return rule.action == "reject" and rule.protocol == TCP


def _unsupported_addresses(field: str, addresses: Addresses) -> t.List[Unsupported]:
    if addresses.negated and any(one.prefixlen == 0 for one in addresses.networks):
        return [Unsupported(field, "!" + str(addresses.networks[0]), "this matches no packet; leave the rule out")]
    if len(addresses.networks) > MAX_NETWORKS:
        reason = "firewalld takes long for sets of more than %d networks; use the backend nftables for such lists" % MAX_NETWORKS
        return [Unsupported(field, "%d networks" % len(addresses.networks), reason)]
    return []


def _unsupported_limit(rule: Rule, count: int) -> t.List[Unsupported]:
    limit = rule.limit
    if limit is None:
        return []
    found = _unsupported_rate("limit", limit.rate)
    if limit.per_source:
        found.append(Unsupported("limit_per", "source", "firewalld counts for a rule, not for each source; set limit_per to rule"))
    if limit.burst != DEFAULT_BURST:
        reason = "rich rules have no burst, and nftables takes %d where none is given; leave limit_burst out" % DEFAULT_BURST
        found.append(Unsupported("limit_burst", str(limit.burst), reason))
    if count > 1:
        reason = "the rule becomes %d rich rules, and each would have a count of its own; write one rule for each port and family" % count
        found.append(Unsupported("limit", str(limit.rate), reason))
    if rule.log is not None:
        reason = "firewalld would also log what is over the limit; leave log or limit out"
        found.append(Unsupported("log", "true", reason))
    return found


def _unsupported_rate(field: str, rate: Rate) -> t.List[Unsupported]:
    if rate.count == 1 and rate.seconds == 86400:
        return [Unsupported(field, str(rate), "firewalld refuses a rate of 1 a day as too slow")]
    return []


def unsupported_log(log: Log, count: int = 1) -> t.List[Unsupported]:
    """Return what a log line of a rich rule cannot carry."""
    found = []
    if log.prefix is not None and not _PREFIX.match(log.prefix):
        reason = "firewalld takes prefixes of up to 127 letters, digits, spaces inside and marks other than quotes, =, \\, $, % and &"
        found.append(Unsupported("log_prefix", log.prefix, reason))
    if log.rate is not None:
        found += _unsupported_rate("log_limit", log.rate)
        if count > 1:
            reason = (
                "the rule becomes %d rich rules, and each would have a count of its own; write one rule for each port and family" % count
            )
            found.append(Unsupported("log_limit", str(log.rate), reason))
    return found


def rich_rules(rule: Rule) -> t.Tuple[RichRule, ...]:
    """Return the rich rules of a supported rule, without priorities."""
    if not _resets(rule):
        return _rich_rules(rule)
    found = [replace(rule, family=family) for family in sorted(rule.families())]
    parts_of = zip(*(_rich_rules(one) for one in found))
    return tuple(replace(one, reject_type=RESET) for some in parts_of for one in some)


def _rich_rules(rule: Rule) -> t.Tuple[RichRule, ...]:
    base = RichRule(
        family=FAMILIES[rule.family], source=_match(rule.source), destination=_match(rule.destination), log=rich_log(rule.log),
        action=ACTIONS[rule.action], limit=_rate(rule.limit.rate) if rule.limit is not None else None,
    )  # fmt: skip
    if rule.ports or rule.source_ports:
        element = "port" if rule.ports else "source-port"
        protocol = PORT_NAMES[t.cast(int, rule.protocol)]
        return tuple(
            replace(base, element=element, words=(("port", str(one)), ("protocol", protocol))) for one in rule.ports or rule.source_ports
        )
    if rule.icmp_types:
        names = ICMP_NAMES[t.cast(int, rule.protocol)]
        return tuple(replace(base, element="icmp-type", words=(("name", names[one]),)) for one in rule.icmp_types)
    if rule.protocol is not None:
        return (replace(base, element="protocol", words=(("value", _protocol(rule.protocol)),)),)
    return (base,)


def rich_log(log: t.Optional[Log]) -> t.Optional[RichLog]:
    """Return the log of a rich rule."""
    return RichLog(log.prefix, None, _rate(log.rate) if log.rate is not None else None) if log is not None else None


def sets_of(rule: Rule) -> t.Dict[str, Addresses]:
    """Return the sets that the rich rules of a rule name."""
    return {set_name(one): replace(one, negated=False) for one in (rule.source, rule.destination) if len(one.networks) > 1}


def _match(addresses: Addresses) -> t.Optional[Match]:
    if addresses.any:
        return None
    if len(addresses.networks) == 1:
        return Match(address=network_text(addresses.networks[0]), invert=addresses.negated)
    return Match(ipset=set_name(addresses), invert=addresses.negated)


def _rate(rate: Rate) -> str:
    return "%d/%s" % (rate.count, rate.unit[0])


def _protocol(number: int) -> str:
    """Return a word that needs no list of protocols on the host, but for the two whose names nftables lists."""
    return {ICMP: "icmp", ICMPV6: "ipv6-icmp"}.get(number) or (protocol_name(number) if number in PORT_NAMES else str(number))
