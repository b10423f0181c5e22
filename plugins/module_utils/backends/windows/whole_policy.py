# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a policy Windows cannot carry exactly, and the profiles that a policy wants.

Pure: touches nothing.
"""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ...policy.errors import HoldfastError
from ...policy.policy import Policy
from ...policy.rule import DIRECTIONS, Log, Rule
from ..base import GUARD_MARK, Unsupported
from .compile import Compiled, Unsplittable, compile_list
from .naming import POLICY, groups_of, key_of, words_of
from .policy_text import LOGGED, UNKNOWN, Before, listed, logs_denied, parse_head, policy_word
from .state import Profile, State
from .supported import is_implied, unsupported, unsupported_comment

_NAME = "windows"


def policy_unsupported(policy: Policy) -> t.Tuple[t.Tuple[Unsupported, ...], t.Optional[t.Dict[str, Compiled]]]:
    """Return everything in a policy that Windows cannot carry, and where that is nothing what it was compiled to."""
    found: t.List[Unsupported] = []
    for number, rule in enumerate(policy.guard):
        found += _placed("guard[%d]" % number, _unsupported_guard(rule))
    for number, rule in enumerate(policy.rules):
        found += _placed(policy.label(number), (*unsupported(rule), *unsupported_comment(rule)))
        if policy.defaults[rule.direction] == "unmanaged":
            reason = "the default of this direction is unmanaged, so the policy has no rules for it"
            found.append(Unsupported("%s.direction" % policy.label(number), rule.direction, reason))
    for direction in DIRECTIONS:
        if policy.defaults[direction] == "reject":
            found.append(Unsupported("defaults.%s" % direction, "reject", "Windows only drops packets, it never answers them; write deny"))
    for number, one in enumerate(policy.nat):
        place = policy.nat_labels[number] if number < len(policy.nat_labels) else "nat[%d]" % number
        found.append(Unsupported(place, one.describe(), "Windows Defender Firewall does not translate addresses"))
    found += _placed("logging", _unsupported_log(policy.log_denied))
    lines = policy.native.get(_NAME)
    if lines is not None and (any(lines.before.values()) or any(lines.after.values())):
        reason = "rules have no order on Windows, so nothing stands before or behind them; add such lines with holdfast.firewall.rule"
        found.append(Unsupported("native.windows", "lines", reason))
    found += _unsupported_connections(policy)
    if found:
        return tuple(found), None
    compiled: t.Dict[str, Compiled] = {}
    for direction in ("in", "out"):
        if policy.defaults[direction] == "unmanaged":
            continue
        rules = listed(policy, direction)
        try:
            compiled[direction] = compile_list([rule for _number, rule in rules], direction, policy.defaults[direction])
        except Unsplittable as exc:
            number = rules[exc.number][0] - len(policy.guard) if exc.number < len(rules) else -1
            place = policy.label(number) if number >= 0 else "defaults.%s" % direction
            value = policy.rules[number].describe() if number >= 0 else policy.defaults[direction]
            reason = "on Windows a block beats every allow, and here the order cannot be kept otherwise: %s" % exc.reason
            found.append(Unsupported(place, value, reason))
    return tuple(found), None if found else compiled


def compiled_policy(policy: Policy) -> t.Dict[str, Compiled]:
    """Return what a policy was compiled to.

    :raises HoldfastError: when Windows cannot carry it.
    """
    refused, compiled = policy_unsupported(policy)
    if compiled is None:
        reasons = "; ".join("%s (%s): %s" % (one.field, one.value, one.reason) for one in refused[:10])
        raise HoldfastError("Windows cannot carry this policy exactly: %s" % reasons, unsupported=[one.as_dict() for one in refused])
    return compiled


def _placed(place: str, refused: t.Iterable[Unsupported]) -> t.List[Unsupported]:
    return [Unsupported("%s.%s" % (place, one.field), one.value, one.reason) for one in refused]


def _unsupported_log(log: t.Optional[Log]) -> t.List[Unsupported]:
    found = []
    if log is not None and log.prefix is not None:
        reason = "Windows writes a line of its own form to a file (pfirewall.log), without a text of yours; leave the prefix out"
        found.append(Unsupported("log_prefix", log.prefix, reason))
    if log is not None and log.rate is not None:
        reason = "Windows logs every packet that it drops, and bounds only the size of the file (maxfilesize); leave the limit out"
        found.append(Unsupported("log_limit", str(log.rate), reason))
    return found


def remarks(policy: Policy) -> t.List[str]:
    """Return in sentences what Windows logs beside that which a policy asks for."""
    if not logs_denied(policy.log_denied, policy.defaults):
        return []
    where = "%systemroot%\\system32\\LogFiles\\Firewall\\pfirewall.log"
    return [
        "Windows logs every packet that it drops, whether a rule or a default denied it, without a limit to the rate, into a file of the "
        "host (%s, where nobody named another; netsh advfirewall show allprofiles logging)" % where
    ]


def _unsupported_guard(rule: Rule) -> t.Sequence[Unsupported]:
    if rule.comment is None or not rule.comment.startswith(GUARD_MARK):
        return [Unsupported("comment", str(rule.comment), "a guard rule has a comment that begins with '%s'" % GUARD_MARK)]
    return () if is_implied(rule) else unsupported(rule)


def _unsupported_connections(policy: Policy) -> t.List[Unsupported]:
    """Return what hinders that Windows passes loopback and known connections by itself, before any rule."""
    found = []
    for direction in ("in", "out"):
        if policy.defaults[direction] == "unmanaged":
            continue
        rules = policy.list_for(direction)
        for kind, wanted in (("known connections", "established"), ("loopback", "interface")):
            place = next((number for number, rule in enumerate(rules) if is_implied(rule) and getattr(rule, wanted)), len(rules))
            if place == len(rules) or any(rule.action != "allow" for rule in rules[:place]):
                reason = "Windows passes %s before it asks any rule, so a policy has to begin with that" % kind
                found.append(Unsupported("guard", direction, reason))
    return found


def managed_lines(state: State) -> t.List[str]:
    """Return the lines about the profiles that belong to our policy: the switch, and the defaults that it sets."""
    managed = dict.fromkeys(("in", "out"), True)
    logs = False
    for natives in groups_of(state.rules).values():
        if key_of(natives[0]) == POLICY:
            try:
                head = parse_head(words_of(natives))
            except HoldfastError:
                continue
            managed = {direction: head.defaults[direction] != "unmanaged" for direction in managed}
            logs = logs_denied(head.log, head.defaults)
    return [
        "# %s: %s %s %s%s" % (
            name, "on" if one.on else "off", one.inbound if managed["in"] else UNKNOWN, one.outbound if managed["out"] else UNKNOWN,
            " logging %s" % LOGGED[bool(one.logged)] if logs else "",
        ) for name, one in sorted(state.profiles.items())
    ]  # fmt: skip


def before_policy(state: State) -> Before:
    """Return the profiles from before our policy; where it notes nothing, or leaves something alone, they are those of now."""
    noted: Before = {}
    for natives in groups_of(state.rules).values():
        if key_of(natives[0]) == POLICY:
            try:
                noted = parse_head(words_of(natives)).before
            except HoldfastError:
                continue
    found: Before = {}
    for name, one in state.profiles.items():
        now = (one.inbound, one.outbound, UNKNOWN if one.logged is None else LOGGED[one.logged])
        was = noted.get(name, (UNKNOWN, UNKNOWN, UNKNOWN))
        inbound, outbound, logged = (then if then != UNKNOWN else word for then, word in zip(was, now))
        found[name] = (inbound, outbound, logged)
    return found


def wanted_profiles(state: State, defaults: t.Mapping[str, str], before: Before, logs: bool = False) -> t.Dict[str, Profile]:
    """Return the profiles with the defaults and the log of a policy; what it leaves alone is as it was before it.

    With defaults the firewall is switched on, since the policy is meant to decide.
    """
    found: t.Dict[str, Profile] = {}
    for name, one in state.profiles.items():
        inbound, outbound, was = before.get(name, (one.inbound, one.outbound, UNKNOWN))
        words = policy_word(defaults.get("in", "deny"), defaults.get("out", "allow")).split(",")
        found[name] = replace(
            one, on=one.on or bool(defaults), inbound=words[0] if "in" in defaults else inbound,
            outbound=words[1] if "out" in defaults else outbound,
            logged=True if logs else one.logged if was == UNKNOWN else was == "on",
        )  # fmt: skip
    return found
