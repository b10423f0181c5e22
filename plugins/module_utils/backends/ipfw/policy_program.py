# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole policy as a list of ipfw rules that has no numbers yet.

Pure: touches nothing. ipfw has one list, and asks it about a packet when it comes in and when it goes out; a packet that goes through the
host is asked about twice, and only the second time (``out recv *``) it is known to be forwarded. So the list is:

1. What is forwarded: denied at once where no rule passes any, before any state is looked at: a rule for packets to this host also sees
   forwarded ones, when they come in. Else it is led to a part of its own, with flows of its own, and what comes in for another host is
   let past the rules for this one.
2. Directions that are left alone are led behind the list.
3. The guard: loopback, then the states. ipfw's states of ICMP know addresses only, so that an echo request would open the way for every
   kind of message: only answers are looked up, questions and errors are left to the rules.
4. Native lines, rules, native lines, defaults.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from ...policy.policy import ANY_DIRECTION, NativeLines, Policy
from ...policy.rule import Log, Rule
from .listing import split_comment
from .policy_words import (
    ANSWERING,
    ANSWERS,
    ARRIVING,
    DEFAULT_MARK,
    FLOWS,
    FORWARDED,
    NATIVE_MARK,
    NONE_KNOWN,
    QUESTIONS,
    UNMANAGED_MARK,
    FlowRule,
    Item,
    encode_comment,
    flow_lines,
    lines_of,
)
from .render import by_family

#: The label behind the whole list.
END = "end"
#: Group addresses, to which a packet may be for this host although they are none of its own.
GROUPS = ("ff00::/8", "224.0.0.0/4,255.255.255.255,0.0.0.0")


@dataclass(frozen=True)
class Step:
    """Lines that share a number.

    :ivar labels: names by which a ``skipto`` refers to this step; in its body the number is ``@NAME``.
    """

    bodies: t.Tuple[str, ...]
    labels: t.Tuple[str, ...] = ()


class _Builder:
    def __init__(self) -> None:
        self.steps: t.List[Step] = []
        self._labels: t.List[str] = []

    def label(self, name: str) -> None:
        """Let the next step be known by a name."""
        self._labels.append(name)

    def add(self, *bodies: str) -> None:
        """Append one step."""
        self.steps.append(Step(bodies, tuple(self._labels)))
        self._labels = []


def forwards(policy: Policy) -> bool:
    """Return whether the policy has rules for forwarded packets, so that these need a part of their own."""
    return any(rule.direction == "forward" and not rule.established for rule in policy.guard + policy.rules)


def program(policy: Policy, items: t.Sequence[Item], flow_table: t.Callable[[FlowRule], str]) -> t.List[Step]:
    """Return the steps of a supported policy, guard included.

    :param items: the policy's rules, or what a layout made of them.
    :param flow_table: returns the name of a rule's flow table.
    """
    build = _Builder()
    native = policy.native.get("ipfw", NativeLines())
    through = forwards(policy)
    _forwarding(build, policy, through)
    build.label("host")
    for direction in ("in", "out"):
        if policy.defaults[direction] == "unmanaged":
            build.add("skipto @%s ip from any to any %s // %s%s" % (END, direction, UNMANAGED_MARK, direction))
    host = [rule for rule in policy.guard if rule.direction != "forward"]
    stateful = any(_rule_of(one).stateful and _rule_of(one).action == "allow" for one in items) or any(
        rule.stateful for rule in policy.guard
    )
    first, second = _around_known(host)
    for rule in first:
        build.add(*lines_of(rule))
    if any(rule.established for rule in host):
        _known(build, "host", stateful)
    for rule in second:
        build.add(*lines_of(rule))
    _list(build, policy, native, [one for one in items if _rule_of(one).direction != "forward"], flow_table)
    for direction in ("in", "out"):
        _default(build, policy, direction)
    if through:
        build.label("forwarded")
        if any(rule.established and rule.direction == "forward" for rule in policy.guard):
            _known(build, "forward", stateful)
        for rule in policy.guard:
            if rule.direction == "forward" and not rule.established:
                build.add(*lines_of(rule))
        _list(build, policy, native, [one for one in items if _rule_of(one).direction == "forward"], flow_table)
        _default(build, policy, "forward")
    return build.steps


def _rule_of(item: Item) -> Rule:
    return item.rule if isinstance(item, FlowRule) else item


def _around_known(guard: t.Sequence[Rule]) -> t.Tuple[t.List[Rule], t.List[Rule]]:
    """Return the guard rules in front of the known connections of their direction, and those behind."""
    first: t.List[Rule] = []
    second: t.List[Rule] = []
    known = {direction for direction in ("in", "out") if any(rule.established and rule.direction == direction for rule in guard)}
    seen: t.Set[str] = set()
    for rule in guard:
        if rule.established:
            seen.add(rule.direction)
        elif rule.direction in known - seen:
            first.append(rule)
        else:
            second.append(rule)
    return first, second


def _forwarding(build: _Builder, policy: Policy, through: bool) -> None:
    if policy.defaults["forward"] == "unmanaged":
        build.add("skipto @%s ip from any to any out recv * // %sforward" % (END, UNMANAGED_MARK))
    elif not through:
        _default(build, policy, "forward")
    else:
        build.add("skipto @forwarded ip from any to any out recv * // " + FORWARDED)
        for group in GROUPS:
            build.add("skipto @host ip from any to %s in // %s" % (group, ARRIVING))
        build.add("allow ip6 from any to not me6 in // " + ARRIVING)
        build.add("allow tcp from any to not me in // " + ARRIVING)


def _known(build: _Builder, part: str, stateful: bool) -> None:
    """Pass known connections; of ICMP only the answers are looked up."""
    known, rest = part + "-known", part + "-rest"
    build.add("skipto @%s ip from any to any %s // %s" % (known, ANSWERING, ANSWERS))
    build.add("skipto @%s { icmp or ipv6-icmp } from any to any // %s" % (rest, QUESTIONS))
    build.label(known)
    for flow in [FLOWS[part, False]] + ([FLOWS[part, True]] if stateful else []):
        build.add("check-state " + flow)  # without a comment, which older releases pass over
    build.label(rest)


def _list(
    build: _Builder, policy: Policy, native: NativeLines, items: t.Sequence[Item], flow_table: t.Callable[[FlowRule], str]
) -> None:  # fmt: skip
    for line in native.before.get(ANY_DIRECTION, ()):
        build.add(native_body(line, "before"))
    for item in items:
        build.add(*(flow_lines(item, flow_table(item)) if isinstance(item, FlowRule) else lines_of(item)))
    for line in native.after.get(ANY_DIRECTION, ()):
        build.add(native_body(line, "after"))


def native_body(line: str, place: str) -> str:
    """Return a native line as a rule that says where it comes from."""
    match, comment = split_comment(line)
    mark = NATIVE_MARK + place
    return "%s // %s" % (match, mark if comment is None else encode_comment("%s: %s" % (mark, comment)))


def _default(build: _Builder, policy: Policy, direction: str) -> None:
    action = policy.defaults[direction]
    if action == "unmanaged":
        return
    log: t.Optional[Log] = policy.log_denied if action != "allow" else None
    mark = DEFAULT_MARK + direction
    if direction == "forward" and not any(rule.established and rule.direction == "forward" for rule in policy.guard):
        mark += NONE_KNOWN
    rule = Rule(action, direction, protocol=None, log=log, comment=mark)
    if action == "allow":
        build.add(*lines_of(replace(rule, stateful=False)))
    else:
        build.add(*by_family(rule, ""))
