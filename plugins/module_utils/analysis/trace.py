# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a policy does with one packet, and which of its rules say so.

Pure: touches nothing. Exact but for native lines, which are not judged: a trace that passes them says so.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ..policy.policy import ANY_DIRECTION, Policy
from ..policy.rates import Limit
from ..policy.rule import Log, Rule, condition_words
from .boxes import PROTOCOL, Interfaces, Point, sides_of
from .first_match import DEFAULT, Effect, Outcome, Tokens, default_of, past
from .packets import Packet


@dataclass(frozen=True)
class Step:
    """One rule that a packet met, or the default.

    :ivar number: its place in ``guard + rules`` of the policy; -1 is the default.
    :ivar label: where it stands: ``rules[3] (web)``, ``guard (holdfast: loopback)``, ``default (in)``.
    :ivar rule: None for the default.
    """

    number: int
    label: str
    rule: t.Optional[Rule]
    effect: Effect

    def describe(self) -> str:
        """Return the step in one line."""
        return self.label if self.rule is None else "%s: %s" % (self.label, self.rule.describe())

    def as_dict(self) -> t.Dict[str, t.Any]:
        """Return it for a task's result."""
        words: t.Dict[str, t.Any] = {"place": self.label, "action": self.effect.action}
        condition = self.effect.limit
        if condition is not None:
            words["limit"] = str(condition.rate) if isinstance(condition, Limit) else condition_words(condition)
        if self.effect.log is not None:
            words["log"] = True
        if self.rule is not None:
            words["rule"] = self.rule.describe()
        return words


@dataclass(frozen=True)
class Trace:
    """The way of one packet through a policy.

    :ivar passed: the limited rules that it met first: each has its way up to its rate.
    :ivar decided: the rule or default that decides above all these rates.
    :ivar notes: what was not judged.
    """

    packet: Packet
    passed: t.Tuple[Step, ...]
    decided: Step
    notes: t.Tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """``allow``, ``deny`` or ``reject``: what happens above the rates of limited rules."""
        return self.decided.effect.action

    @property
    def outcome(self) -> Outcome:
        """The verdict with the limited rules before it, reduced to what makes a difference."""
        tokens = Tokens()
        items = []
        for step in (*self.passed, self.decided):
            items.append(((tokens.number(step.effect.action, step.effect.limit, step.effect.log),), step.number))
        return tokens.outcome(items)

    def describe(self) -> str:
        """Return the trace in lines for people."""
        lines = ["%s: %s by %s" % (self.packet.describe(), self.outcome.describe(), self.decided.describe())]
        for step in self.passed:
            lines.append("  before that, %s, %s by %s" % (condition_words(step.effect.limit), past(step.effect.action), step.describe()))
        if self.packet.assumed:
            lines.append("  assumed: %s" % ", ".join(self.packet.assumed))
        lines.extend("  " + note for note in self.notes)
        return "\n".join(lines)

    def as_dict(self) -> t.Dict[str, t.Any]:
        """Return it for a task's result."""
        return {
            "packet": self.packet.as_dict(),
            "assumed": list(self.packet.assumed),
            "verdict": self.verdict,
            "outcome": self.outcome.describe(),
            "decided_by": self.decided.as_dict(),
            "passed": [step.as_dict() for step in self.passed],
            "notes": list(self.notes),
        }


def trace(policy: Policy, packet: Packet, backend: t.Optional[str] = None) -> Trace:
    """Return what a policy does with a packet; ``backend`` is the one whose native lines count (None: those of every backend)."""
    interfaces = Interfaces.of(policy.guard + policy.rules)
    point = packet.point(interfaces)
    passed: t.List[Step] = []
    decided = None
    count = len(policy.guard)
    for number, rule in enumerate(policy.guard + policy.rules):
        if rule.direction == packet.direction and rule_holds(rule, point, interfaces):
            step = step_of(policy, packet.direction, number)
            if rule.condition is None:
                decided = step
                break
            passed.append(step)
    if decided is None:
        decided = step_of(policy, packet.direction, DEFAULT)
    notes = []
    if not 0 <= decided.number < count:
        notes.extend(native_notes(policy, packet.direction, "before", backend))
        if decided.number == DEFAULT:
            notes.extend(native_notes(policy, packet.direction, "after", backend))
    return Trace(packet, tuple(passed), decided, tuple(notes))


def rule_holds(rule: Rule, point: Point, interfaces: Interfaces) -> bool:
    """Return whether a packet fulfils all conditions of a rule (below its limit, if it has one)."""
    if rule.protocol is not None and rule.protocol != point[PROTOCOL]:
        return False
    sides = sides_of(rule, interfaces)
    return sides is not None and all(any(low <= number <= high for low, high in side) for side, number in zip(sides, point))


def step_of(policy: Policy, direction: str, number: int) -> Step:
    """Return the step for a place in ``guard + rules``, or for DEFAULT."""
    if number == DEFAULT:
        action, log = default_of(policy, direction)
        label = "default (%s)" % direction
        if policy.defaults[direction] == "unmanaged":
            label = "no rule: the policy leaves direction %s alone" % direction
        return Step(DEFAULT, label, None, Effect(None, action, log))
    guards = len(policy.guard)
    if number < guards:
        rule = policy.guard[number]
        label = "guard (%s)" % (rule.comment or rule.describe())
    else:
        rule = policy.rules[number - guards]
        label = policy.label(number - guards)
    return Step(number, label, rule, effect_of(rule))


def translation_label(policy: Policy, number: int) -> str:
    """Return where a translation stands, or ``default`` for DEFAULT."""
    if number == DEFAULT:
        return "default"
    return policy.nat_labels[number] if number < len(policy.nat_labels) else "nat[%d]" % number


def effect_of(rule: Rule) -> Effect:
    """Return what a rule does with the packets it matches."""
    log: t.Optional[Log] = rule.log
    return Effect(rule.condition, rule.action, log)


def native_notes(policy: Policy, direction: str, place: str, backend: t.Optional[str] = None) -> t.List[str]:
    """Return a sentence for each backend's native lines of a direction that stand ``before`` or ``after`` the rules."""
    notes = []
    for name in sorted(policy.native):
        lines = getattr(policy.native[name], place)
        count = len(lines.get(direction, ())) + len(lines.get(ANY_DIRECTION, ()))
        if count and backend in (None, name):
            notes.append("%d native line%s of %s %s the rules %s not judged" % (
                count, "" if count == 1 else "s", name, place, "was" if count == 1 else "were"))  # fmt: skip
    return notes
