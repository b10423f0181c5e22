# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a policy of ours back from its lines, be they the file that loads it or the live listing.

Pure but for the service database. What was read is rendered again and has to give the same lines: whatever somebody changed by hand in a
way that this reading would miss is found there.
"""

from __future__ import annotations

import ipaddress
import typing as t
from dataclasses import dataclass, field, replace

from ...policy.addresses import Addresses, make_addresses
from ...policy.errors import HoldfastError
from ...policy.policy import ANY_DIRECTION, NativeLines, Policy
from ...policy.ports import PortRange, merge_ports
from ...policy.protocols import TCP
from ...policy.rule import DIRECTIONS, Log, Rule
from ..base import GUARD_MARK
from .body import check_protocol, sides, ways
from .listing import POLICY_PREFIX, Flow, Line, Listing, Tables, network_digest, split_comment
from .parts import Parts, Unreadable, read_parts
from .policy_lines import compared, flow_name, flows_name, lay_out, number, own_lines
from .policy_program import program
from .policy_words import (
    ANSWERS,
    ARRIVING,
    DEFAULT_MARK,
    FLOWS,
    FORWARDED,
    KNOWN,
    LOGS,
    LOOPBACK_MARK,
    NATIVE_MARK,
    NONE_KNOWN,
    QUESTIONS,
    UNMANAGED_MARK,
    FlowRule,
    Item,
    decode_comment,
)

_LEADING = frozenset({FORWARDED, ARRIVING, ANSWERS, QUESTIONS})
_FLOW = " flow table("


@dataclass
class _Found:
    """What has been read so far."""

    defaults: t.Dict[str, str] = field(default_factory=dict)
    log: t.Optional[Log] = None
    known: t.Set[str] = field(default_factory=set)
    first: t.List[Rule] = field(default_factory=list)
    second: t.List[Rule] = field(default_factory=list)
    items: t.List[Item] = field(default_factory=list)
    native: t.Dict[str, t.List[str]] = field(default_factory=lambda: {"before": [], "after": []})


def parse_policy(listing: Listing) -> Policy:
    """Return the policy of ours that is in force in a listing.

    :raises HoldfastError: when there is none, or a part of it was changed so that the common language cannot say it.
    """
    lines = own_lines(listing)
    if not lines:
        raise HoldfastError("ipfw: there is no policy of ours in this text: none of its rule sets has a rule marked '%s...'" % GUARD_MARK)
    found = _read(lines, listing)
    policy = _policy(found)
    steps = program(policy, found.items, flow_name)
    wanted = compared(lay_out(steps, number(steps), lines[0].set))
    there = compared(lines, names_by_content(listing))
    if wanted != there:
        at = next((at for at, (one, two) in enumerate(zip(wanted, there)) if one != two), min(len(wanted), len(there)))
        shown = lines[at].shown() if at < len(lines) else "(the end of the list)"
        raise HoldfastError("ipfw: the policy of ours was changed by hand; this does not belong there as it stands: %s" % shown)
    return replace(policy, rules=tuple(rule for item in found.items for rule in _rules_of(item)))


def names_by_content(listing: Listing) -> t.Dict[str, str]:
    """Return for each table of a policy the name that its content gives it."""
    names = {}
    for name, networks in listing.tables:
        if name.startswith(POLICY_PREFIX):
            families = [make_addresses([one for one in networks if one.version == version]).networks for version in (4, 6)]
            names[name] = POLICY_PREFIX + network_digest(families[0] + families[1])
    for name, flows in listing.flows:
        names[name] = flows_name(sorted(flows))
    return names


def _read(lines: t.Sequence[Line], listing: Listing) -> _Found:
    found = _Found()
    tables: Tables = dict(listing.tables)
    flows = dict(listing.flows)
    led = next((int(line.body.split()[1]) for line in lines if line.body.endswith("// " + FORWARDED)), None)
    held: t.Optional[t.Tuple[int, Rule]] = None
    logs = False
    for line in lines:
        match, comment = split_comment(line.body)
        comment = decode_comment(comment) if comment is not None else None
        if comment is not None and comment.startswith(GUARD_MARK) and _structure(found, match, comment, led is None or line.number < led):
            continue
        if match.startswith("check-state"):
            found.known.add("forward" if "forward" in match else "host")
            continue
        if match.startswith(LOGS + " log "):
            logs = True
            continue
        try:
            item, rest = _item(match, comment, tables, flows)
        except Unreadable as exc:
            raise HoldfastError(
                "ipfw: the policy of ours was changed by hand; %s is not in the common language: %s" % (exc, line.shown())
            ) from None
        if logs:
            item = replace(item, log=Log()) if isinstance(item, Rule) else replace(item, rule=replace(item.rule, log=Log()))
            logs = False
        goes_on = held is not None and held[0] == line.number and isinstance(item, Rule) and _joins(held[1], item, rest)
        target = _list_for(found, item)
        if goes_on:
            whole = replace(t.cast(Rule, target[-1]), family=None) if not rest else replace(t.cast(Rule, target[-1]), protocol=None)
            target[-1] = whole
            held = None
            continue
        if rest:
            raise HoldfastError("ipfw: the policy of ours was changed by hand; this stands alone: %s" % line.shown())
        target.append(item)
        held = (line.number, item) if isinstance(item, Rule) else None
    return found


def _list_for(found: _Found, item: Item) -> t.List[t.Any]:
    if isinstance(item, Rule) and item.comment is not None and item.comment.startswith(GUARD_MARK):
        return found.second if "host" in found.known or item.direction == "forward" else found.first
    return found.items


def _joins(first: Rule, second: Rule, rest: bool) -> bool:
    """Return whether two lines of one number are one rule: the answers of a reject, or TCP and the rest of a stateful allow."""
    if rest:
        return first.protocol == TCP and first.stateful and replace(first, protocol=None) == second
    return first.action == "reject" and (first.family, second.family) == (4, 6) and replace(first, family=6) == second


def _structure(found: _Found, match: str, comment: str, host: bool) -> bool:
    """Take a line that is no rule of the guard; returns whether it is such a line."""
    if comment in _LEADING:
        return True
    if comment.startswith(UNMANAGED_MARK):
        found.defaults[comment[len(UNMANAGED_MARK) :]] = "unmanaged"
        return True
    if comment.startswith(DEFAULT_MARK):
        direction = comment[len(DEFAULT_MARK) :]
        if direction == "forward":
            found.known.add("forward")
        words = match.split()
        found.defaults[direction[: -len(NONE_KNOWN)] if direction.endswith(NONE_KNOWN) else direction] = (
            words[0] if words[0] in ("allow", "deny") else "reject"
        )
        if "log" in words[:3]:
            found.log = Log()
        return True
    if comment.startswith(NATIVE_MARK):
        place, colon, own = comment[len(NATIVE_MARK) :].partition(": ")
        if host and place in found.native:
            found.native[place].append("%s // %s" % (match, own) if colon else match)
        return True
    return False


def _item(match: str, comment: t.Optional[str], tables: Tables, flows: t.Mapping[str, t.Tuple[Flow, ...]]) -> t.Tuple[Item, bool]:
    """Return the meaning of a line as it stands in a policy, and whether it is the second line of a stateful allow.

    :raises Unreadable: when the common language cannot express it.
    """
    name = None
    if _FLOW in match:
        head, _word, tail = match.partition(_FLOW)
        name, _bracket, way = tail.partition(")")
        if name not in flows:
            raise Unreadable("the table %s" % name)
        match = head + way
    parts = read_parts(match, tables)
    rule, rest = _rule(parts, comment, name is not None)
    if name is None:
        return rule, rest
    return FlowRule(rule, tuple(sorted(flows[name]))), False


def _rule(parts: Parts, comment: t.Optional[str], flow: bool) -> t.Tuple[Rule, bool]:
    directions = ways(parts)
    if len(directions) != 1 or len(parts.protocols) != 1 or parts.own_source or parts.own_destination:
        raise Unreadable("a rule of several meanings")
    direction, interface, out_interface = directions[0]
    family, protocol = parts.protocols[0]
    check_protocol(parts, protocol)
    found = list(sides(parts, family, protocol))
    if len(found) != 1:
        raise Unreadable("a rule of several meanings")
    source, destination, family = found[0]
    part = "forward" if direction == "forward" else "host"
    if comment == LOOPBACK_MARK and interface == "lo0":
        interface = "lo"
    if parts.setup and protocol != TCP and not flow:
        raise Unreadable("setup without tcp")
    rule = Rule(
        parts.action, direction, family, protocol, source, destination, merge_ports(parts.ports), interface,
        parts.action == "allow" and (parts.setup or parts.state == FLOWS[part, True]), None, parts.log, comment,
        source_ports=merge_ports(parts.source_ports), icmp_types=parts.icmp_types, out_interface=out_interface,
    )  # fmt: skip
    return rule, parts.excluded == TCP


def _policy(found: _Found) -> Policy:
    missing = [direction for direction in DIRECTIONS if direction not in found.defaults]
    if missing:
        raise HoldfastError("ipfw: the policy of ours was changed by hand: its default for %s is missing" % " and ".join(missing))
    guard: t.List[Rule] = []
    for direction in DIRECTIONS:
        guard += [rule for rule in found.first if rule.direction == direction]
        part = "forward" if direction == "forward" else "host"
        if part in found.known and found.defaults[direction] != "unmanaged":
            guard.append(Rule("allow", direction, protocol=None, established=True, comment=KNOWN))
        guard += [rule for rule in found.second if rule.direction == direction]
    native: t.Dict[str, NativeLines] = {}
    if found.native["before"] or found.native["after"]:
        places = {place: {ANY_DIRECTION: tuple(lines)} for place, lines in found.native.items() if lines}
        native["ipfw"] = NativeLines(**places)
    rules = tuple(_rules_without_flows(found.items))
    return Policy(rules=rules, defaults=found.defaults, native=native, log_denied=found.log, guard=tuple(guard))


def _rules_without_flows(items: t.Iterable[Item]) -> t.Iterator[Rule]:
    """Yield one rule for each item, enough to tell which directions have rules."""
    for item in items:
        yield item.rule if isinstance(item, FlowRule) else item


def _rules_of(item: Item) -> t.Iterator[Rule]:
    """Yield the rules of the language that an item stands for."""
    if isinstance(item, Rule):
        yield item
        return
    for family, host, protocol, port in item.flows:
        network = ipaddress.IPv4Network(host) if family == 4 else ipaddress.IPv6Network(host)
        yield replace(item.rule, family=family, protocol=protocol, source=Addresses((network,)), ports=(PortRange(port, port),))
