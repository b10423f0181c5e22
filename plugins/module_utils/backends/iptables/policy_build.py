# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a policy to the lines of our chains.

Pure: touches nothing.
"""

from __future__ import annotations

import typing as t

from ...policy.policy import NativeLines, Policy
from ...policy.rule import DIRECTIONS, Rule
from .draft import Key
from .native import NativeRule, parse_native
from .policy_chains import AFTER, BEFORE, FILTER_CHAINS, NAT_CHAINS, NATIVE, Own
from .policy_layout import lay_out
from .policy_lines import default_line, lines_of_rules, log_line
from .policy_nat import nat_lines, nat_sets, nat_side
from .render import Abilities
from .saved import FAMILIES
from .sets import list_set

#: How the host's tool lists raw rules: for each rule its lines by family.
Listed = t.Callable[[t.Sequence[NativeRule]], t.Sequence[t.Mapping[int, t.Tuple[str, ...]]]]


def as_typed(rules: t.Sequence[NativeRule]) -> t.List[t.Dict[int, t.Tuple[str, ...]]]:
    """Return raw rules as they were typed, where there is no tool to ask."""
    return [dict.fromkeys(rule.families, (rule.line,)) for rule in rules]


def build_own(policy: Policy, can: Abilities, layout: str = "auto", families: t.Sequence[int] = FAMILIES, listed: Listed = as_typed) -> Own:
    """Return all that a supported policy has on a host.

    :param families: the address families that the host has.
    :param listed: tells how native lines are listed.
    """
    own = Own({}, {}, {})
    for direction in DIRECTIONS:
        if policy.defaults[direction] != "unmanaged":
            guard = [rule for rule in policy.guard if rule.direction == direction]
            rules = [rule for rule in policy.rules if rule.direction == direction]
            natives = _natives(policy, direction, listed)
            for family in families:
                _fill(own, policy, direction, family, (guard, rules, natives), can, layout)
    for family in families:
        for translation in policy.nat:
            if family in translation.families():
                builtin, chain = NAT_CHAINS[nat_side(translation)]
                own.jumps[family, "nat", builtin] = chain
                own.chains.setdefault((family, "nat", chain), []).append(nat_lines(translation, family, can))
                own.sets.update({name: list_set(one) for name, one in nat_sets(translation).items()})
    return own


def _fill(
    own: Own,
    policy: Policy,
    direction: str,
    family: int,
    parts: t.Tuple[t.Sequence[Rule], t.Sequence[Rule], t.Mapping[str, t.Mapping[int, t.Sequence[str]]]],
    can: Abilities,
    layout: str,
) -> None:
    guard, rules, natives = parts
    builtin, chain = FILTER_CHAINS[direction]
    key = (family, "filter", chain)
    own.jumps[family, "filter", builtin] = chain
    lines = own.chains[key] = lines_of_rules([rule for rule in guard if family in rule.families()], family, can, chain, own.sets, {})
    laid = lay_out([rule for rule in rules if rule.family in (None, family)], family, can, chain, layout)
    for place, between in ((BEFORE, laid.lines), (AFTER, ())):
        texts = natives.get(place, {}).get(family, ())
        if texts:
            own.chains[family, "filter", chain + place] = list(texts)
            lines.append("-A %s -j %s%s" % (chain, chain, place))
        lines.extend(between)
    own.chains.update({(family, "filter", name): found for name, found in laid.chains.items()})
    own.sets.update(laid.sets)
    default = policy.defaults[direction]
    if default != "allow" and policy.log_denied is not None:
        lines.append(log_line(chain, policy.log_denied))
    lines.append(default_line(chain, default, family))


def native_rule(text: str, chain: str) -> NativeRule:
    """Return a native line of a policy (``[-4|-6] CONDITIONS -j TARGET``) as a raw rule of a chain.

    :raises HoldfastError: when it has not that form.
    """
    word, _blank, rest = text.strip().partition(" ")
    tool = {"-4": "iptables ", "--ipv4": "iptables ", "-6": "ip6tables ", "--ipv6": "ip6tables "}.get(word)
    return parse_native("%s-A %s %s" % (tool or "", chain, rest if tool else text.strip()))


def native_lines(policy: Policy, direction: str) -> t.Dict[str, t.Tuple[str, ...]]:
    """Return the native lines of a direction by their place, ``BEFORE`` and ``AFTER``."""
    native = policy.native.get(NATIVE, NativeLines())
    return {BEFORE: tuple(native.before.get(direction, ())), AFTER: tuple(native.after.get(direction, ()))}


def _natives(policy: Policy, direction: str, listed: Listed) -> t.Dict[str, t.Dict[int, t.List[str]]]:
    found: t.Dict[str, t.Dict[int, t.List[str]]] = {}
    for place, texts in native_lines(policy, direction).items():
        rules = [native_rule(text, FILTER_CHAINS[direction][1] + place) for text in texts]
        for by_family in listed(rules) if rules else ():
            for family, lines in by_family.items():
                found.setdefault(place, {}).setdefault(family, []).extend(lines)
    return found


def own_keys(own: Own) -> t.List[Key]:
    """Return the chains in the order in which a text has them."""
    return sorted(own.chains)
