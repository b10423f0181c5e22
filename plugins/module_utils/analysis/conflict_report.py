# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told about the conflicts of a policy. Pure: touches nothing."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

ERROR, WARNING, NOTE = "error", "warning", "note"


@dataclass(frozen=True)
class Example:
    """One packet that shows a conflict.

    :ivar packet: in the words that ``Packet.parse`` reads.
    :ivar text: the same in one line.
    :ivar decided_by: the rule or default that decides it in the policy as it is.
    :ivar action: what that does.
    :ivar limited: rules with a limit that it meets before, and that decide it up to their rates.
    """

    packet: t.Mapping[str, t.Any]
    text: str
    decided_by: str
    action: str
    limited: t.Tuple[str, ...] = ()

    def as_dict(self) -> t.Dict[str, t.Any]:
        """Return it for a task's result."""
        words = {"packet": dict(self.packet), "text": self.text, "decided_by": self.decided_by, "action": self.action}
        return dict(words, limited=list(self.limited)) if self.limited else words

    def describe(self) -> str:
        """Return it in one line."""
        first = " (up to their rates by %s)" % ", ".join(self.limited) if self.limited else ""
        return "%s: %s by %s%s" % (self.text, self.action, self.decided_by, first)


@dataclass(frozen=True)
class Conflict:
    """One conflict.

    :ivar severity: ``error`` (a rule does not do what it says), ``warning`` (the order of rules decides, or a rule is idle) or ``note``
        (often meant so, such as an exception before its rule).
    :ivar rules: where the rules stand; the rule that it is about comes first.
    :ivar texts: the same rules in words.
    :ivar example: a packet that shows it; None where no packet can.
    :ivar counterexample: for a partially shadowed rule a packet that it still decides.
    :ivar left: for a partially shadowed rule what it still decides, in words.
    """

    kind: str
    severity: str
    rules: t.Tuple[str, ...]
    texts: t.Tuple[str, ...]
    explanation: str
    suggestion: str
    example: t.Optional[Example] = None
    counterexample: t.Optional[Example] = None
    left: t.Tuple[str, ...] = ()

    def as_dict(self) -> t.Dict[str, t.Any]:
        """Return it for a task's result."""
        words: t.Dict[str, t.Any] = {
            "kind": self.kind,
            "severity": self.severity,
            "rules": list(self.rules),
            "texts": list(self.texts),
            "explanation": self.explanation,
            "suggestion": self.suggestion,
            "example": self.example.as_dict() if self.example is not None else None,
        }
        if self.counterexample is not None:
            words["counterexample"] = self.counterexample.as_dict()
        if self.left:
            words["left"] = list(self.left)
        return words

    def describe(self) -> str:
        """Return it in lines for people."""
        lines = ["%s, %s: %s" % (self.severity, self.kind, self.explanation)]
        lines.extend("  %s: %s" % pair for pair in zip(self.rules, self.texts))
        if self.example is not None:
            lines.append("  for example " + self.example.describe())
        if self.counterexample is not None:
            lines.append("  but still " + self.counterexample.describe())
        lines.extend("  still decides: " + one for one in self.left)
        lines.append("  " + self.suggestion)
        return "\n".join(lines)


@dataclass(frozen=True)
class Undecided:
    """A question that could not be answered within the effort."""

    rules: t.Tuple[str, ...]
    question: str
    reason: str

    def as_dict(self) -> t.Dict[str, t.Any]:
        """Return it for a task's result."""
        return {"rules": list(self.rules), "question": self.question, "reason": self.reason}


@dataclass(frozen=True)
class ConflictReport:
    """All conflicts of a policy.

    :ivar entries: by kind, then by the place of the rules; of each kind as many as were asked for.
    :ivar counts: how many there are of each kind that was looked for, listed or not.
    :ivar undecided: what could not be told.
    :ivar notes: what was not judged.
    """

    rules: int
    entries: t.Tuple[Conflict, ...] = ()
    counts: t.Mapping[str, int] = field(default_factory=dict)
    undecided: t.Tuple[Undecided, ...] = ()
    notes: t.Tuple[str, ...] = ()

    def summary(self) -> str:
        """Return one sentence."""
        found = ["%d %s" % (count, kind.replace("_", " ")) for kind, count in self.counts.items() if count]
        words = "%d rules, %s" % (self.rules, ", ".join(found) if found else "no conflicts")
        return words + (", %d questions undecided" % len(self.undecided) if self.undecided else "")

    def as_dict(self) -> t.Dict[str, t.Any]:
        """Return it for a task's result."""
        return {
            "summary": self.summary(),
            "text": self.describe(),
            "conflicts": [one.as_dict() for one in self.entries],
            "counts": dict(self.counts),
            "undecided": [one.as_dict() for one in self.undecided],
            "notes": list(self.notes),
        }

    def describe(self) -> str:
        """Return it in lines for people."""
        lines = [self.summary()]
        lines.extend(one.describe() for one in self.entries)
        lines.extend("undecided: %s of %s: %s" % (one.question, ", ".join(one.rules), one.reason) for one in self.undecided)
        lines.extend("note: " + note for note in self.notes)
        return "\n".join(lines)
