# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole policy as policies of firewalld and back.

Pure: touches nothing. Each direction that is managed is one policy of firewalld, before all zones and other policies, whose target is the
default. Loopback and known connections pass in firewalld's own chains before; so these two rules of the guard are not written, and are
read back wherever a direction is managed. ICMPv6 types of multicast listener discovery have no names, so the guard says what such packets
are by their addresses.
"""

from __future__ import annotations

import ipaddress
import typing as t
from dataclasses import replace

from ...policy.addresses import make_addresses
from ...policy.errors import HoldfastError
from ...policy.policy import NativeLines, Policy
from ...policy.protocols import ICMPV6
from ...policy.rule import DIRECTIONS, Log, Rule
from ..base import GUARD_MARK, Unsupported
from .meaning import Books, merged, rules_of_rich
from .names import CONTINUE, FIRST, LAST, NAME, TARGETS
from .objects import Content, Item, OwnPolicy, plain_sets
from .render import MAX_RULES, normalise, parts, rich_log, rich_rules, sets_of, unsupported, unsupported_log
from .rich import RichRule, parse_rich
from .translations import nat_as_kept, nat_policies, nat_unsupported, read_translations

LOOPBACK = GUARD_MARK + "loopback"
KNOWN = GUARD_MARK + "known connections"
LISTENERS = GUARD_MARK + "multicast listeners"
_LISTENER_TYPES = frozenset({130, 131, 132, 143})
_LINK = make_addresses([ipaddress.ip_network("fe80::/10")])
_LINK_GROUPS = make_addresses([ipaddress.ip_network("ff02::/16")])
_NO_NATIVE = ("masquerade", "forward-port")


def as_kept(policy: Policy) -> Policy:
    """Return the policy as firewalld keeps it."""
    guard: t.List[Rule] = []
    for rule in policy.guard:
        guard += _guard_as_kept(rule)
    rules = [normalise(rule) for rule in policy.rules]
    own = policy.native.get(NAME)
    native = {NAME: own} if own is not None and (own.before or own.after) else {}
    if own is not None:
        native = {
            NAME: NativeLines(
                *(
                    {way: tuple(_canonical(one) for one in side[way]) for way in DIRECTIONS if side.get(way)}
                    for side in (own.before, own.after)
                )
            )
        }
    log = policy.log_denied if any(policy.defaults[one] in ("deny", "reject") for one in DIRECTIONS) else None
    nat = nat_as_kept(policy.nat)
    return replace(policy, guard=tuple(guard), rules=tuple(rules), nat=nat, nat_labels=(), native=native, log_denied=log)


def _canonical(text: str) -> str:
    return parse_rich(text).text()


def _guard_as_kept(rule: Rule) -> t.List[Rule]:
    rule = normalise(rule)
    if rule.protocol != ICMPV6 or not _LISTENER_TYPES.intersection(rule.icmp_types) or not (rule.comment or "").startswith(GUARD_MARK):
        return [rule]
    rest = tuple(one for one in rule.icmp_types if one not in _LISTENER_TYPES)
    source = replace(rule, icmp_types=(), destination=_LINK_GROUPS, comment=LISTENERS)
    if rule.direction == "in":
        source = replace(source, source=_LINK)
    return ([replace(rule, icmp_types=rest)] if rest else []) + [source]


def policy_unsupported(policy: Policy) -> t.Tuple[Unsupported, ...]:
    """Return everything that cannot be carried exactly, with its place."""
    found: t.List[Unsupported] = []
    for number, rule in enumerate(policy.rules):
        place = "rules[%d]" % number
        found += _placed(place, unsupported(normalise(rule)))
        if rule.comment is not None and rule.comment.startswith(GUARD_MARK):
            reason = "comments that start with %r are those of the rules that keep the host reachable" % GUARD_MARK
            found.append(Unsupported(place + ".comment", rule.comment, reason))
        if policy.defaults[rule.direction] == "unmanaged":
            reason = "defaults.%s is unmanaged, so there is no list for this rule" % rule.direction
            found.append(Unsupported(place + ".direction", rule.direction, reason))
    for number, rule in enumerate(policy.guard):
        for one in _guard_as_kept(rule):
            if not _by_itself(one):
                found += _placed("guard[%d]" % number, unsupported(one))
    found += _unsupported_connections(policy)
    found += nat_unsupported(policy)
    if policy.log_denied is not None:
        found += _placed("logging", unsupported_log(policy.log_denied))
    found += _unsupported_native(policy)
    # The guard and raw lines of a usual policy are few: what is far from the bound is not counted exactly.
    if not found and sum(map(parts, policy.rules)) + _raw_lines(policy) > MAX_RULES // 2:
        kept = as_kept(policy)
        for direction in DIRECTIONS:
            count = sum(len(item.rules) for item in _items(kept, direction))
            if count > MAX_RULES:
                reason = "the rules of this direction become %d rich rules; there are priorities for %d" % (count, MAX_RULES)
                found.append(Unsupported("rules", direction, reason))
    return tuple(found)


def _raw_lines(policy: Policy) -> int:
    lines = policy.native.get(NAME, NativeLines())
    return sum(len(given) for side in (lines.before, lines.after) for given in side.values())


def _placed(place: str, found: t.Iterable[Unsupported]) -> t.List[Unsupported]:
    return [replace(one, field="%s.%s" % (place, one.field)) for one in found]


def _by_itself(rule: Rule) -> bool:
    """Return whether firewalld passes what the rule passes by itself, before all policies."""
    known = Rule("allow", rule.direction, protocol=None, established=True)
    loopback = Rule("allow", rule.direction, protocol=None, interface="lo")
    return rule.identity() == known or (rule.direction != "forward" and rule.identity() == loopback)


def _unsupported_connections(policy: Policy) -> t.List[Unsupported]:
    """Return what hinders that loopback and known connections pass first, as firewalld makes them."""
    found = []
    for direction in DIRECTIONS:
        if policy.defaults[direction] == "unmanaged":
            continue
        guard = list(policy.list_for(direction))
        first = [rule for rule in guard if _by_itself(rule)]
        before = guard[: max((guard.index(one) for one in first), default=0)]
        wanted = 1 if direction == "forward" else 2
        if len({rule.identity() for rule in first}) < wanted or any(rule.action != "allow" or rule.log is not None for rule in before):
            reason = "firewalld passes loopback and known connections before it asks any rule, so they have to come first in the policy"
            found.append(Unsupported("guard", direction, reason))
        elif any(rule.log is not None for rule in first):
            found.append(Unsupported("guard", direction, "firewalld cannot log known connections or loopback"))
    return found


def _unsupported_native(policy: Policy) -> t.List[Unsupported]:
    found = []
    lines = policy.native.get(NAME, NativeLines())
    for place, side in (("before", lines.before), ("after", lines.after)):
        for direction, given in side.items():
            where = "native.%s.%s.%s" % (NAME, place, direction)
            if direction not in DIRECTIONS:
                found.append(Unsupported(where, direction, "native lines of firewalld stand under in, out or forward"))
                continue
            if given and policy.defaults[direction] == "unmanaged":
                found.append(Unsupported(where, direction, "defaults.%s is unmanaged, so there is no list for these lines" % direction))
            for number, text in enumerate(given):
                reason = bad_native(text)
                if reason:
                    found.append(Unsupported("%s[%d]" % (where, number), text, reason))
    return found


def bad_native(text: str) -> str:
    """Return why a raw line cannot be put between our rules, or nothing."""
    try:
        rule = parse_rich(text)
    except HoldfastError as exc:
        return exc.msg
    if rule.priority:
        return "its place in the list gives a line its priority; leave priority out"
    if rule.element in _NO_NATIVE:
        return "a translation is not part of a list of rules; put it into a zone"
    if rule.reject_type and rule.family is None:
        return "a reject with a type needs a family"
    return "\n".join(_odd_characters(rule))


def _odd_characters(rule: RichRule) -> t.List[str]:
    values = [value for _name, value in rule.words]
    values += [one for match in (rule.source, rule.destination) if match is not None for one in (match.address, match.ipset) if one]
    values += [one for one in ((rule.log.prefix, rule.log.level) if rule.log is not None else ()) if one]
    odd = [one for one in values if any(mark in "\"'\\=<>&" or not mark.isprintable() for mark in one)]
    return ["%r has a character that rich rules cannot carry" % one for one in odd]


# -- writing ---------------------------------------------------------------------------------------------------------------------


def policies_of(policy: Policy, turned: bool = False) -> t.Tuple[t.List[OwnPolicy], t.Dict[str, Content]]:
    """Return the policies of firewalld that are a supported policy, and their sets; for ``turned`` see ``nat_policies``."""
    kept = as_kept(policy)
    found = []
    sets: t.Dict[str, Content] = {}
    for direction in DIRECTIONS:
        if kept.defaults[direction] == "unmanaged":
            continue
        found.append(OwnPolicy(FIRST[direction], direction, TARGETS[kept.defaults[direction]], tuple(_items(kept, direction))))
        for rule in kept.list_for(direction):
            sets.update(sets_of(rule))
    translating, named = nat_policies(policy.nat, turned)
    return found + translating, {**sets, **named}


def rule_item(rule: Rule) -> Item:
    """Return the item of a supported rule."""
    return Item(rich_rules(rule), rule.comment)


def _items(policy: Policy, direction: str) -> t.List[Item]:
    lines = policy.native.get(NAME, NativeLines())
    items = [rule_item(rule) for rule in policy.guard if rule.direction == direction and not _by_itself(rule)]
    items += [Item((parse_rich(text),), None, "before") for text in lines.before.get(direction, ())]
    items += [rule_item(rule) for rule in policy.rules if rule.direction == direction]
    items += [Item((parse_rich(text),), None, "after") for text in lines.after.get(direction, ())]
    if policy.log_denied is not None and policy.defaults[direction] in ("deny", "reject"):
        items.append(Item((RichRule(log=rich_log(policy.log_denied)),), None, "denied"))
    if policy.defaults[direction] == "reject":
        items.append(Item((RichRule(action="reject"),), None, "default"))
    return items


# -- reading ---------------------------------------------------------------------------------------------------------------------


def read_policies(policies: t.Sequence[OwnPolicy], sets: t.Mapping[str, t.Optional[Content]]) -> Policy:
    """Return the policy that our policies of firewalld are.

    :raises HoldfastError: when one of them has what the common language cannot say.
    """
    reader = _Reader(Books(plain_sets(sets)))
    by_name = {one.name: one for one in policies}
    for direction in DIRECTIONS:
        if LAST[direction] in by_name and FIRST[direction] in by_name and by_name[FIRST[direction]].target != CONTINUE:
            raise HoldfastError("Policy %s of firewalld stands beside the whole policy %s" % (LAST[direction], FIRST[direction]))
        reader.read_direction(direction, by_name.get(FIRST[direction]))
    return replace(reader.policy(), nat=read_translations(policies, sets))


class _Reader:
    """Collects the parts of a policy."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._defaults: t.Dict[str, str] = {}
        self._guard: t.List[Rule] = []
        self._rules: t.List[Rule] = []
        self._before: t.Dict[str, t.Tuple[str, ...]] = {}
        self._after: t.Dict[str, t.Tuple[str, ...]] = {}
        self._log: t.Optional[Log] = None

    def policy(self) -> Policy:
        native = {NAME: NativeLines(self._before, self._after)} if self._before or self._after else {}
        return Policy(
            rules=tuple(self._rules), defaults=self._defaults, native=native, log_denied=self._log, guard=tuple(self._guard),
        )  # fmt: skip

    def read_direction(self, direction: str, policy: t.Optional[OwnPolicy]) -> None:
        actions = {target: action for action, target in TARGETS.items()}
        if policy is None or policy.target == CONTINUE:
            self._defaults[direction] = "unmanaged"
            if policy is not None and policy.items:
                raise HoldfastError(
                    "Policy %s of firewalld has rules and the target %s, so it is none of a whole policy" % (policy.name, CONTINUE)
                )
            return
        if policy.target not in actions:
            raise HoldfastError("Policy %s of firewalld has the target %s, which is none of ours" % (policy.name, policy.target))
        self._defaults[direction] = actions[policy.target]
        if direction != "forward":
            self._guard.append(Rule("allow", direction, protocol=None, interface="lo", comment=LOOPBACK))
        self._guard.append(Rule("allow", direction, protocol=None, established=True, comment=KNOWN))
        for item in policy.items:
            self._read_item(direction, item)

    def _read_item(self, direction: str, item: Item) -> None:
        if item.kind in ("before", "after"):
            side = self._before if item.kind == "before" else self._after
            side[direction] = (*side.get(direction, ()), *(one.text() for one in item.rules))
        elif item.kind == "denied":
            self._log = _log_of(item)
        elif item.kind == "default" and item.rules == (RichRule(action="reject"),) and self._defaults[direction] == "reject":
            return
        else:
            for rule in item_rules(item, direction, self._books):
                (self._guard if (rule.comment or "").startswith(GUARD_MARK) else self._rules).append(rule)


def item_rules(item: Item, direction: str, books: Books) -> t.List[Rule]:
    """Return the rules of an item: one where it is what one rule became, else one for each rich rule.

    :raises HoldfastError: where one of them has no words in the common language.
    """
    whole = merged(item.rules, direction, books)
    if whole is not None:
        return [replace(whole, comment=item.comment)]
    found: t.List[Rule] = []
    for rich in item.rules:
        rules = rules_of_rich(rich, direction, books)
        if rules is None:
            raise HoldfastError("This rich rule cannot be said in the common language: %s" % rich.text())
        found += [replace(one, comment=item.comment) for one in rules]
    return found


def _log_of(item: Item) -> Log:
    rule = item.rules[0]
    if len(item.rules) != 1 or rule.log is None or rule != RichRule(log=rule.log) or rule.log.level is not None:
        raise HoldfastError("This rich rule does not log as a policy does: %s" % rule.text())
    everything = rules_of_rich(replace(rule, action="drop"), "in", Books())
    log = everything[0].log if everything else None
    if log is None:
        raise HoldfastError("This rich rule does not log as a policy does: %s" % rule.text())
    return log
