# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One task of ``analyze`` on the target: questions about documents and about what the host enforces.

Reads the live rules where that is asked for; changes nothing, ever. Each question is answered by itself: one that cannot be answered is
listed with the reason, and the task fails only when none could be.
"""

from __future__ import annotations

import typing as t

from ..analysis.conflicts import find_conflicts
from ..analysis.equivalence import differ
from ..analysis.lockout import prove_access
from ..analysis.semantic_diff import semantic_diff
from ..analysis.trace import trace
from ..backends.base import Backend
from ..backends.detect import Detection
from ..host import Host
from ..policy.errors import HoldfastError
from ..policy.policy import Policy
from ..policy.rule import Rule
from .analyze_request import AnalyzeRequest, Document
from .engine import Engine
from .live_policy import LivePolicy, live_policy
from .management import Management
from .policy_guard import needs, with_guard

Fields = t.Dict[str, t.Any]


def run_analyze(host: Host, request: AnalyzeRequest, engine: t.Optional[Engine] = None) -> Fields:
    """Carry out one task and return its result.

    ``engine`` is for a machine that is asked from the control node.

    :raises HoldfastError: when no question could be answered.
    """
    task = _Task(engine or Engine(host), request)
    for question in request.questions:
        task.ask(question)
    return task.done()


class _Task:
    """The policies of one run, read when a question needs them, and the answers."""

    def __init__(self, engine: Engine, request: AnalyzeRequest) -> None:
        self._engine = engine
        self._request = request
        self._management: t.Optional[Management] = None
        self._detection: t.Optional[Detection] = None
        self._live: t.Optional[LivePolicy] = None
        self._live_error: t.Optional[HoldfastError] = None
        self._guarded: t.Dict[int, Policy] = {}
        self._said: t.List[str] = []
        self._unanswered: t.List[Fields] = []
        self._errors: t.List[HoldfastError] = []
        self.result: Fields = {"changed": False, "notes": []}

    def ask(self, question: str) -> None:
        """Answer one question, or note why it cannot be answered."""
        try:
            getattr(self, "_" + question)()
        except HoldfastError as exc:
            self._unanswered.append({"question": question, "reason": exc.msg})
            self._errors.append(exc)

    def done(self) -> Fields:
        """Return the result.

        :raises HoldfastError: when every question went unanswered.
        """
        if self._errors and len(self._errors) == len(self._request.questions):
            first = self._errors[0]
            raise HoldfastError(first.msg, **dict(first.details, unanswered=self._unanswered))
        self.result["unanswered"] = self._unanswered
        if self._unanswered:
            self._said.append("not answered: %s" % ", ".join(one["question"] for one in self._unanswered))
        self.result["msg"] = "; ".join(self._said)
        warnings = [warning for one in (self._request.policy, self._request.other) if one is not None for warning in one.warnings]
        if warnings:
            self.result["warnings"] = warnings
        return self.result

    # -- questions ------------------------------------------------------------------------------------------------------------

    def _parse(self) -> None:
        self.result["parsed"] = {}
        for name in self._names():
            policy = self._policy(name)
            words = dict(policy.as_dict(), rules=[_words(rule) for rule in policy.rules], guard=[_words(rule) for rule in policy.guard])
            self.result["parsed"][name] = words
            self._said.append("%s has %d rules" % (name, len(policy.rules)))

    def _conflicts(self) -> None:
        name = self._names()[0]
        report = find_conflicts(self._policy(name), self._request.kinds, self._request.limit)
        self.result["conflicts"] = report.as_dict()
        self._said.append("%s: %s" % (name, report.summary()))

    def _diff(self) -> None:
        after, before = self._names()
        found = semantic_diff(*self._comparable(before, after))
        self.result["semantic_diff"] = found.as_dict()
        self._said.append("from %s to %s %s" % (before, after, found.describe().splitlines()[0]))

    def _equivalent(self) -> None:
        one, other = self._names()
        difference = differ(*self._comparable(one, other))
        self.result["equivalent"] = difference is None
        self.result["difference"] = difference.as_dict() if difference is not None else None
        self._said.append("%s and %s %s" % (one, other, "do the same" if difference is None else "differ"))

    def _trace(self) -> None:
        traces: t.List[Fields] = self.result.setdefault("traces", [])
        for name in self._names():
            policy = self._policy(name)
            for packet in self._request.packets:
                found = trace(policy, packet, self.result.get("backend"))
                traces.append(dict(found.as_dict(), policy=name, text=found.describe()))
                self._said.append("%s: %s" % (name, found.describe().splitlines()[0]))

    def _lockout(self) -> None:
        name = self._names()[0]
        policy = self._policy(name)
        wanted = needs(policy, self._found_management())
        refusal = prove_access(policy, wanted)
        self.result["lockout"] = {
            "safe": refusal is None,
            "needs": [need.describe() for need in wanted],
            "refusal": refusal.as_dict() if refusal is not None else None,
        }
        self._said.append("%s %s" % (name, "keeps the host reachable" if refusal is None else "would lock you out: %s" % refusal.sentence))

    # -- policies -------------------------------------------------------------------------------------------------------------

    def _names(self) -> t.List[str]:
        """Return the name of the policy that is asked about and, where there is one, of the policy to compare with."""
        given = (("policy", self._request.policy), ("other", self._request.other), ("live", self._request.live or None))
        return [name for name, one in given if one is not None]

    def _policy(self, name: str) -> Policy:
        if name == "live":
            return self._read_live()
        return self._as_on_this_host(t.cast(Document, getattr(self._request, name)))

    def _comparable(self, one: str, other: str) -> t.Tuple[Policy, Policy]:
        """Return two policies to compare: beside the live policy of ours, a document as the firewall of this host keeps it.

        A firewall may write the guard in other words (firewalld passes multicast listeners by their addresses).
        """
        policies = self._policy(one), self._policy(other)
        if self._live is None or not self._live.ours or "live" not in (one, other):
            return policies
        try:
            backend = self._found_backend()
            return backend.policy_as_kept(policies[0]), backend.policy_as_kept(policies[1])
        except HoldfastError:
            return policies  # it cannot carry the document, which is compared all the same

    def _as_on_this_host(self, document: Document) -> Policy:
        if not self._request.guard:
            return document.policy
        if id(document) not in self._guarded:
            self._guarded[id(document)] = with_guard(document.policy, self._found_management(), self._untracked_icmp)
        return self._guarded[id(document)]

    def _found_management(self) -> Management:
        if self._management is None:
            self._management = self._engine.find_management(self._request.agent_ports)
        return self._management

    def _untracked_icmp(self, direction: str) -> t.Mapping[int, t.Tuple[int, ...]]:
        """Return what the guard has to pass beside known connections on this host; nothing where it has no firewall that we know."""
        try:
            return self._found_backend().untracked_icmp(direction)
        except HoldfastError:
            return {}

    def _found_backend(self) -> Backend:
        if self._detection is None:
            self._detection = self._engine.detect(self._request.backend)
        return self._detection.backend

    def _read_live(self) -> Policy:
        """Return the live rules; what they could not be read for is said once."""
        if self._live_error is not None:
            raise self._live_error
        if self._live is None:
            try:
                self._live = self._find_live()
            except HoldfastError as exc:
                self._live_error = exc
                raise
            self.result["live"] = {"ours": self._live.ours, "rules": len(self._live.policy.rules), "not_judged": self._live.not_judged}
            if self._live.not_judged:
                note = "%d entries of the live rules were not judged; live.not_judged names them" % len(self._live.not_judged)
                self.result["notes"].append(note)
        return self._live.policy

    def _find_live(self) -> LivePolicy:
        backend = self._found_backend()
        self.result.update(backend=backend.NAME, detection=t.cast(Detection, self._detection).as_dict())
        self._engine.require_rights("Reading %s rules" % backend.NAME, backend.NAME)
        return live_policy(backend, backend.read())


def _words(rule: Rule) -> Fields:
    """Return a rule in the words of the language; where it has no words for the states, a key that no document may have says so."""
    words = rule.as_dict()
    if rule.established or rule.reply:
        words["only"] = "known connections" if rule.established else "replies of known connections"
    return words
