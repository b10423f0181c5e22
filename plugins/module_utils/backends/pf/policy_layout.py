# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines of a list of rules: one for each rule, or one for all rules that differ in one address only.

Pure: touches nothing. A table is looked up in one step, however many addresses it holds. A rule joins an earlier one where no rule between
the two does something else to a packet that it matches, so the order of decision stays as it is. Above a table of joined rules stand
comments with the addresses of each rule and its own comment, so that they are read back as single rules.
"""

from __future__ import annotations

import hashlib
import re
import typing as t
from dataclasses import replace

from ...analysis.boxes import Interfaces, TooComplex, sides_of, whole_box
from ...analysis.index import Index
from ...policy.addresses import Addresses, Network, make_addresses, network_text
from ...policy.rule import DIRECTIONS, Rule
from .policy_forwarding import Scope
from .policy_lines import TableBook, policy_lines
from .tables import network_of

#: From so many rules on ``auto`` joins them; below, one line for each is easier to read.
MANY = 100
#: So many rules at least are worth a table.
FEW = 4
#: What the names of tables of joined rules start with.
JOINED = "hfc_"
SOURCE, DESTINATION = "source", "destination"

_MEMBER = re.compile(r"# <(%s\w+)> ([^ ]+(?:, [^ ]+)*)(?: # (.*))?\Z" % JOINED)

Key = t.Tuple[t.Any, ...]
#: The addresses and the comment of one joined rule.
Member = t.Tuple[Addresses, t.Optional[str]]


def lay_out(rules: t.Sequence[Rule], book: TableBook, layout: str, scope: Scope) -> t.List[str]:
    """Return the lines of rules, in the order in which they decide.

    :param layout: ``rules``, ``compiled`` or ``auto`` (see ``Backend.render_policy``).
    """
    asked = [rule for rule in rules if not rule.established]
    if layout == "rules" or (layout == "auto" and len(asked) < MANY):
        return [line for rule in asked for line in policy_lines(rule, book, scope)]
    lines: t.List[str] = []
    for direction in DIRECTIONS:
        for group in _groups([rule for rule in asked if rule.direction == direction]):
            lines += _lines(group, book, scope)
    return lines


def members_of(lines: t.Iterable[str]) -> t.Dict[str, t.List[Member]]:
    """Return the joined rules that comments tell, by the name of their table."""
    found: t.Dict[str, t.List[Member]] = {}
    for line in lines:
        member = _MEMBER.match(line.strip())
        if member is None:
            continue
        networks = [network_of(word) for word in member.group(2).split(", ")]
        known = [one for one in networks if one is not None]
        if len(known) == len(networks) and len({one.version for one in known}) == 1:
            found.setdefault(member.group(1), []).append((make_addresses(known), member.group(3)))
    return found


def parted(rule: Rule, side: str, members: t.Sequence[Member]) -> t.List[Rule]:
    """Return the single rules of a joined one; itself where the comments do not tell exactly its addresses."""
    told = make_addresses(one for addresses, _comment in members for one in addresses.networks)
    if told != getattr(rule, side):
        return [rule]
    return [_with(rule, side, addresses, comment or rule.comment) for addresses, comment in members]


def _with(rule: Rule, side: str, addresses: Addresses, comment: t.Optional[str]) -> Rule:
    if side == SOURCE:
        return replace(rule, source=addresses, comment=comment)
    return replace(rule, destination=addresses, comment=comment)


class _Group:
    """Rules that are joined, with what they have in common and the place of the first of them."""

    __slots__ = ("first", "key", "rules")

    def __init__(self, key: t.Optional[Key], first: int) -> None:
        self.key = key
        self.first = first
        self.rules: t.List[Rule] = []


def _groups(rules: t.Sequence[Rule]) -> t.List[_Group]:
    keys = _keys(rules)
    conflicts = _conflicts(rules) if any(key is not None for key in keys) else lambda place: 0
    groups: t.List[_Group] = []
    latest: t.Dict[Key, _Group] = {}
    for place, (rule, key) in enumerate(zip(rules, keys)):
        group = latest.get(key) if key is not None else None
        if group is None or conflicts(place) >> group.first & (1 << place - group.first) - 1:
            group = _Group(key, place)
            groups.append(group)
            if key is not None:
                latest[key] = group
        group.rules.append(rule)
    return groups


def _keys(rules: t.Sequence[Rule]) -> t.List[t.Optional[Key]]:
    """Return for each rule what it shares with those that it may be joined with; None where it stays alone."""
    choices = [_choices(rule) for rule in rules]
    counts: t.Dict[Key, int] = {}
    for found in choices:
        for key in found:
            counts[key] = counts.get(key, 0) + 1
    keys: t.List[t.Optional[Key]] = []
    for found in choices:
        best = max(found, key=lambda key: counts[key], default=None)
        keys.append(best if best is not None and counts[best] >= FEW else None)
    return keys


def _choices(rule: Rule) -> t.List[Key]:
    common = (
        rule.action, rule.family, rule.protocol, rule.ports, rule.source_ports, rule.icmp_types, rule.interface, rule.stateful, rule.log,
        rule.out_interface,
    )  # fmt: skip
    ways: t.List[Key] = []
    if rule.source.networks and not rule.source.negated:
        ways.append((SOURCE, common, rule.destination))
    if rule.destination.networks and not rule.destination.negated:
        ways.append((DESTINATION, common, rule.source))
    return ways


def _conflicts(rules: t.Sequence[Rule]) -> t.Callable[[int], int]:
    """Return what tells for a rule, by its place, which others do something else to a packet that both may match, as a set of bits."""
    effects = [(rule.action, rule.log) for rule in rules]
    if len(set(effects)) == 1:
        return lambda place: 0
    alike: t.Dict[t.Any, int] = {}
    for place, effect in enumerate(effects):
        alike[effect] = alike.get(effect, 0) | 1 << place
    everyone = (1 << len(rules)) - 1
    interfaces = Interfaces.of(rules)
    sides = [sides_of(rule, interfaces) for rule in rules]
    found = [one for one in sides if one is not None]
    if len(found) < len(rules):
        return lambda place: everyone & ~alike[effects[place]]
    try:
        index = Index(found, [high for _low, high in whole_box(interfaces)])
    except TooComplex:
        return lambda place: everyone & ~alike[effects[place]]
    return lambda place: index.meeting(found[place]) & ~alike[effects[place]]


def _lines(group: _Group, book: TableBook, scope: Scope) -> t.List[str]:
    if group.key is None or len(group.rules) < FEW:
        return [line for rule in group.rules for line in policy_lines(rule, book, scope)]
    side = str(group.key[0])
    comments = {rule.comment for rule in group.rules}
    own = len(comments) > 1
    told: t.List[str] = []
    networks: t.List[Network] = []
    for rule in group.rules:
        addresses = t.cast(Addresses, getattr(rule, side))
        networks += addresses.networks
        words = ", ".join(network_text(one) for one in addresses.networks)
        told.append(words if not own or rule.comment is None else "%s # %s" % (words, rule.comment))
    whole = make_addresses(networks)
    name = JOINED + hashlib.sha256("\n".join(told).encode("utf-8")).hexdigest()[:12]
    book.join(name, whole, ["# <%s> %s" % (name, one) for one in told])
    joined = _with(group.rules[0], side, whole, None if own else group.rules[0].comment)
    return policy_lines(joined, book, scope, (whole, name))
