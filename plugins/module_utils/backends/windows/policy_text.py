# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole policy as rules of Windows and back.

Pure: touches nothing. What the rules of Windows do is compiled (see ``compile``); what the document says stands in their descriptions.
Reading back, the document is compiled again and must give the very rules that are there, so nothing that was changed by hand goes unseen.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ...policy.errors import HoldfastError
from ...policy.policy import Policy
from ...policy.rule import DIRECTIONS, Log, Rule
from ...policy.scope import PROFILES
from .compile import Compiled, Unsplittable, compile_list
from .naming import POLICY, Group, groups_of, key_of, named, title_of, words_of
from .native_rule import NativeRule
from .natives import natives_of
from .netsh_line import add_line
from .rule_words import escaped, parse_rule_words, rule_words, unescaped
from .state import INBOUND, OUTBOUND, State
from .supported import is_implied

_HOST_DIRECTIONS = ("in", "out")
#: The profiles from before the policy: name to the defaults for inbound and outbound, and whether dropped packets were logged (LOGGED);
#: UNKNOWN for what it leaves alone.
Before = t.Dict[str, t.Tuple[str, str, str]]
LOGGED = ("off", "on")
UNKNOWN = "-"


@dataclass
class Plan:
    """What a policy needs on a host.

    :ivar defaults: the default of Windows for each direction that the policy manages, ``allow`` or ``deny``.
    :ivar logs: whether dropped packets are to be logged.
    """

    groups: t.List[Group] = field(default_factory=list)
    defaults: t.Dict[str, str] = field(default_factory=dict)
    logs: bool = False

    def natives(self) -> t.List[NativeRule]:
        """Return all rules, those of one rule of the document together."""
        return [one for group in self.groups for one in group.natives]


def logs_denied(log: t.Optional[Log], defaults: t.Mapping[str, str]) -> bool:
    """Return whether there is something to log: a log of what a default denies, and a default that denies."""
    return log is not None and any(defaults[direction] == "deny" for direction in _HOST_DIRECTIONS)


def compile_policy(policy: Policy) -> t.Dict[str, Compiled]:
    """Return what each direction becomes.

    :raises Unsplittable: with the number of the rule in ``listed``.
    """
    return {
        direction: compile_list([rule for _number, rule in listed(policy, direction)], direction, policy.defaults[direction])
        for direction in _HOST_DIRECTIONS if policy.defaults[direction] != "unmanaged"
    }  # fmt: skip


def listed(policy: Policy, direction: str) -> t.List[t.Tuple[int, Rule]]:
    """Return the rules of a direction that Windows does not do by itself, with their numbers in guard and rules together."""
    found = [(number, rule) for number, rule in enumerate(policy.guard) if rule.direction == direction and not is_implied(rule)]
    first = len(policy.guard)
    return found + [(first + number, rule) for number, rule in enumerate(policy.rules) if rule.direction == direction]


def plan_of(policy: Policy, compiled: t.Mapping[str, Compiled], before: t.Optional[Before] = None) -> Plan:
    """Return the rules of Windows of a policy that was compiled."""
    plan = Plan(logs=logs_denied(policy.log_denied, policy.defaults))
    plan.groups.append(named(POLICY, "", _head(policy, before or {}), ()))
    found: t.Dict[int, Group] = {}
    last: t.List[Group] = []
    for direction, one in compiled.items():
        plan.defaults[direction] = one.default
        for (number, rule), regions in zip(listed(policy, direction), one.regions):
            natives = natives_of(regions, direction, "allow" if rule.action == "allow" else "block")
            found[number] = named(_key(policy, number), title_of(rule), rule_words(rule), natives, direction)
        if one.last:
            last.append(named("default-" + direction, "", "default", natives_of(one.last, direction, "allow"), direction))
    plan.groups += [found[number] for number in sorted(found)] + last
    return plan


def _key(policy: Policy, number: int) -> str:
    return "g%02d" % number if number < len(policy.guard) else "%04d" % (number - len(policy.guard))


def _head(policy: Policy, before: Before) -> str:
    words = ["policy %d %d" % (len(policy.guard), len(policy.rules))]
    words += ["%s %s" % (direction, policy.defaults[direction]) for direction in DIRECTIONS]
    for number, rule in enumerate(policy.guard):
        if is_implied(rule):
            kind = "known" if rule.established else "lo"
            words.append("implied %d %s %s %s" % (number, rule.direction, kind, escaped(rule.comment or "")))
    if policy.log_denied is not None:
        words.append("log")
    managed = [policy.defaults[direction] != "unmanaged" for direction in _HOST_DIRECTIONS]
    for name in PROFILES:
        if name in before:
            words.append("before %s %s" % (name, " ".join(word if own else UNKNOWN for word, own in zip(before[name], managed))))
            if logs_denied(policy.log_denied, policy.defaults):
                words.append("logged %s %s" % (name, before[name][2]))
    return " ".join(words)


@dataclass
class Head:
    """The description of a policy itself.

    :ivar counts: how many rules the guard and the document have.
    :ivar implied: rules of the guard that Windows does by itself, by their numbers.
    :ivar log: what the policy says about a log of what its defaults deny.
    """

    counts: t.Tuple[int, int]
    defaults: t.Dict[str, str] = field(default_factory=dict)
    implied: t.Dict[int, Rule] = field(default_factory=dict)
    before: Before = field(default_factory=dict)
    log: t.Optional[Log] = None


def parse_head(text: str) -> Head:
    """Read the description of the policy itself.

    :raises HoldfastError: when it is something else.
    """
    words = text.split(" ")
    try:
        if words[0] != "policy":
            raise ValueError(words[0])
        head = Head((int(words[1]), int(words[2])))
        place = 3
        while place < len(words):
            word = words[place]
            if word == "implied":
                number, direction, kind, comment = words[place + 1 : place + 5]
                if direction not in DIRECTIONS or kind not in ("lo", "known"):
                    raise ValueError(word)
                interface = "lo" if kind == "lo" else None
                head.implied[int(number)] = Rule(
                    "allow", direction, protocol=None, interface=interface, established=kind == "known", comment=unescaped(comment) or None
                )
                place += 5
            elif word == "before":
                name, inbound, outbound = words[place + 1 : place + 4]
                if name not in PROFILES or inbound not in (*INBOUND, UNKNOWN) or outbound not in (*OUTBOUND, UNKNOWN):
                    raise ValueError(word)
                head.before[name] = (inbound, outbound, UNKNOWN)
                place += 4
            elif word == "logged":
                name, was = words[place + 1 : place + 3]
                if name not in head.before or was not in (*LOGGED, UNKNOWN):
                    raise ValueError(word)
                head.before[name] = (*head.before[name][:2], was)
                place += 3
            elif word == "log":
                head.log = Log()
                place += 1
            elif word in DIRECTIONS and words[place + 1] in ("allow", "deny", "unmanaged"):
                head.defaults[word] = words[place + 1]
                place += 2
            else:
                raise ValueError(word)
        if sorted(head.defaults) != sorted(DIRECTIONS):
            raise ValueError("defaults")
    except (ValueError, IndexError, UnicodeError) as exc:
        raise HoldfastError("This is not the description of a policy of ours: %s" % text[:200]) from exc
    return head


def render_text(policy: Policy, plan: Plan) -> str:
    """Return the script that an administrator would run for a policy on a new host."""
    lines = ["# Windows Defender Firewall; run with: netsh -f FILE"]
    lines += [add_line(one) for one in in_order(plan.natives())]
    if len(plan.defaults) == len(_HOST_DIRECTIONS):
        lines.append("advfirewall set allprofiles firewallpolicy %s" % policy_word(plan.defaults["in"], plan.defaults["out"]))
    else:
        left = [one for one in _HOST_DIRECTIONS if one not in plan.defaults]
        lines.append("# the defaults of the profiles for %s stay as the host has them" % " and ".join(left))
    lines.append("advfirewall set allprofiles state on")
    if plan.logs:
        lines.append("advfirewall set allprofiles logging droppedconnections enable")
    return "\n".join(lines) + "\n"


def policy_word(inward: str, outward: str) -> str:
    """Return the defaults as netsh writes them."""
    return "%s,%s" % ("allowinbound" if inward == "allow" else "blockinbound", "allowoutbound" if outward == "allow" else "blockoutbound")


def in_order(natives: t.Sequence[NativeRule]) -> t.List[NativeRule]:
    """Return rules in the order in which they are added: blocks before allows, so that nothing passes in between that should not."""
    return [one for one in natives if one.action != "allow"] + [one for one in natives if one.action == "allow"]


def parse_state(state: State) -> t.Optional[t.Tuple[Policy, Before]]:
    """Return the policy of ours that a host or a text has, with the defaults from before it; None where there is none.

    :raises HoldfastError: when it was changed by hand.
    """
    groups = {name: natives for name, natives in groups_of(state.rules).items() if key_of(natives[0])}
    if not groups:
        return None
    by_key: t.Dict[str, t.List[NativeRule]] = {}
    for natives in groups.values():
        key = key_of(natives[0])
        if key in by_key:
            raise HoldfastError("There are two rules of the policy with the number %s: %s" % (key, natives[0].name))
        by_key[key] = natives
    if POLICY not in by_key:
        raise HoldfastError(
            "The rule that describes the policy (hf:policy) is gone, others of it are there: %s" % ", ".join(sorted(groups)[:3])
        )
    head = parse_head(words_of(by_key[POLICY]))
    guard = dict(head.implied)
    rules: t.Dict[int, Rule] = {}
    for key, natives in by_key.items():
        if key.startswith("g"):
            guard[int(key[1:])] = parse_rule_words(words_of(natives))
        elif key.isdigit():
            rules[int(key)] = parse_rule_words(words_of(natives))
    for word, numbers, count in (("guard", guard, head.counts[0]), ("policy", rules, head.counts[1])):
        missing = set(range(count)) - set(numbers)
        if missing or len(numbers) > count:
            raise HoldfastError("Rule %d of the %s is gone, or is one too many" % (min(missing or [count]), word))
    policy = Policy(
        tuple(rules[number] for number in sorted(rules)), head.defaults, guard=tuple(guard[number] for number in sorted(guard)),
        log_denied=head.log,
    )  # fmt: skip
    _refuse_changes(policy, head.before, state, [one for natives in groups.values() for one in natives])
    return policy, head.before


def _refuse_changes(policy: Policy, before: Before, state: State, natives: t.Sequence[NativeRule]) -> None:
    """Compile the policy again and compare.

    :raises HoldfastError: when it would give other rules than those that are there.
    """
    try:
        plan = plan_of(policy, compile_policy(policy), before)
    except Unsplittable as exc:
        raise HoldfastError("The rules of the policy were changed by hand: %s" % exc.reason) from exc
    mine, theirs = sorted(map(add_line, plan.natives())), sorted(map(add_line, natives))
    if mine != theirs:
        other = [line for line in theirs if line not in set(mine)] or [line for line in mine if line not in set(theirs)] or theirs
        raise HoldfastError("The rules of the policy were changed by hand, or written by another release: %s" % other[0][:300])
    for name, profile in state.profiles.items():
        for direction, default in plan.defaults.items():
            word = profile.inbound if direction == "in" else profile.outbound
            if word and (profile.default(direction) != default or word == "blockinboundalways"):
                raise HoldfastError("The default of the profile %s was changed by hand to %s" % (name, word))
        if not profile.on and plan.defaults:
            raise HoldfastError("The profile %s was switched off by hand" % name)
        if plan.logs and profile.logged is False:
            raise HoldfastError("The log of dropped packets of the profile %s was switched off by hand" % name)
