# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which single rules the policy of a host has already: they are present, and they go with its document only.

Touches nothing but through the backend, which has read the host.
"""

from __future__ import annotations

import typing as t

from ..backends.base import Backend
from ..backends.placement import Placement, place_needed
from ..backends.ruleset import Ruleset
from ..policy.errors import HoldfastError
from ..policy.rule import Log, Rule


class PolicyRules:
    """The rules of the policy that a host has, read when they are first asked for."""

    def __init__(self, backend: Backend, ruleset: Ruleset) -> None:
        self._backend = backend
        self._ruleset = ruleset
        self._document: t.Optional[t.Dict[Rule, t.Optional[Log]]] = None
        self._guard: t.Dict[Rule, t.Optional[Log]] = {}

    def has(self, rule: Rule) -> bool:
        """Return whether the document of the policy has the rule, whatever its log and comment."""
        return self._backend.normalise(rule).identity() in self._read()

    def makes_present(self, ruleset: Ruleset, rule: Rule, placement: Placement) -> bool:
        """Return whether a rule that would be added to the ruleset is in the policy, or in its guard, and decides there.

        ``placement`` is what would add it. Where that goes before something that decides otherwise, or into a list that would stop the
        packets, it is needed.
        """
        edits = placement.edits
        if not edits or placement.defeated_by or placement.blocked_by:
            return False
        if any(edit.remove is not None or edit.rule is None or edit.rule.reply for edit in edits):
            return False
        if rule.action == "allow":
            needed = place_needed(self._backend, ruleset, rule)
            if needed.edits or needed.blocked_by:
                return False
        else:
            homes = {self._backend.home(ruleset, rule.direction, family).name for family in rule.families()}
            if any(edit.chain.name not in homes for edit in edits):
                return False
        wanted = self._backend.normalise(rule)
        known = {**self._read(), **self._guard}
        return wanted.identity() in known and wanted.log in (None, known[wanted.identity()])

    def _read(self) -> t.Dict[Rule, t.Optional[Log]]:
        if self._document is None:
            try:
                policy = self._backend.read_policy(self._ruleset)
            except HoldfastError:
                policy = None
            self._document = self._by_identity(policy.rules) if policy is not None else {}
            self._guard = self._by_identity(policy.guard) if policy is not None else {}
        return self._document

    def _by_identity(self, rules: t.Sequence[Rule]) -> t.Dict[Rule, t.Optional[Log]]:
        """Return the log of each rule; of rules that say the same, the first counts."""
        return {one.identity(): one.log for one in map(self._backend.normalise, reversed(rules))}
