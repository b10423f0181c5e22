# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One task of ``role_ports`` on the target: all rules of some roles, placed one after the other, in one transaction.

Touches the host only through the backend and ``begin``; check mode changes nothing.
"""

from __future__ import annotations

import typing as t

from ..backends.base import Backend, Transaction
from ..backends.placement import Placement, place_absent, place_present
from ..backends.planned import PlannedRuleset
from ..backends.ruleset import Edit, Ruleset
from ..host import Host
from ..policy.errors import HoldfastError
from ..policy.role_request import RoleRequest, RoleRule
from ..policy.rule import Rule
from .asleep import asleep_words, refuse_asleep
from .engine import Engine
from .management import closed_by_removal, refuse_closing
from .part_of_policy import PolicyRules
from .told_change import live_diff, told_commands

Fields = t.Dict[str, t.Any]


def run_roles(host: Host, request: RoleRequest, check_mode: bool = False, engine: t.Optional[Engine] = None) -> Fields:
    """Carry out one task and return its result; a result with ``pending`` is applied but not confirmed.

    :raises HoldfastError: for everything that ends the task with a message.
    """
    if not request.roles:
        return {"changed": False, "msg": "No role is named, so there is nothing to do"}
    engine = engine or Engine(host)
    detection = engine.detect(request.words.backend)
    backend = detection.backend
    result: Fields = {
        "changed": False, "backend": backend.NAME, "detection": detection.as_dict(), "commands": [], "unsupported": [],
        "skipped_preserved_ports": [], "added": [], "removed": [], "kept": [],
    }  # fmt: skip
    if request.warnings:
        result["warnings"] = list(request.warnings)
    _refuse_unsupported(backend, request.rules)
    engine.require_rights("Reading and changing %s rules" % backend.NAME, backend.NAME)
    if not check_mode:
        engine.settle_leftovers()
        engine.refuse_beside_pending()
    ruleset = backend.read()
    task = _Task(engine, backend, ruleset, request, result)
    transaction = task.present() if request.state == "present" else task.absent()
    if transaction is None or not transaction.commands:
        result.update(added=[], removed=[])
        result["msg"] = task.nothing()
        return result
    result.update(changed=True, commands=told_commands(transaction), diff=live_diff(backend, ruleset, transaction))
    result["msg"] = task.done("would be" if check_mode else "")
    if check_mode:
        backend.validate(transaction)
        return result
    result["pending"] = engine.begin(backend, ruleset, transaction, request.words.confirm_within, request.words.attended)
    return result


class _Task:
    """The parts of one run."""

    def __init__(self, engine: Engine, backend: Backend, ruleset: Ruleset, request: RoleRequest, result: Fields) -> None:
        self._engine = engine
        self._backend = backend
        self._ruleset = ruleset
        self._request = request
        self._result = result
        self._rules = _without_doubles(backend, request.rules)
        self._policy = PolicyRules(backend, ruleset)
        self._woken = False

    def present(self) -> t.Optional[Transaction]:
        """Plan what makes every rule present and effective."""
        planned = PlannedRuleset(self._ruleset)
        for one in self._rules:
            refuse_closing(one.rule, self._engine.unproved_ports(), self._backend.NAME)
            placement = self._placed(planned.ruleset, one.rule)
            if placement.blocked_by:
                raise HoldfastError(
                    "%s would have no effect: %s decides otherwise and belongs to another program, so nothing was changed"
                    % (one.label, "; ".join(placement.blocked_by)), backend=self._backend.NAME,
                )  # fmt: skip
            planned.carry_out(placement.edits)
            if _changes(placement):
                self._result["added"].append(self._told(one, where=placement.where))
        self._refuse_contradictions(planned)
        for one in self._rules:
            refuse_asleep(self._backend, self._ruleset, one.rule, one.label)
        edits = planned.edits()
        if not edits:
            transaction = self._backend.wake(self._ruleset)
            self._woken = transaction is not None
            return transaction
        return self._backend.plan(self._ruleset, edits)

    def absent(self) -> t.Optional[Transaction]:
        """Plan what removes the rules but for those that something still needs."""
        management = self._engine.find_management(self._request.words.agent_ports)
        stays = {self._backend.normalise(one.rule).identity(): one for one in self._request.kept}
        planned = PlannedRuleset(self._ruleset)
        missing: t.List[RoleRule] = []
        for one in self._rules:
            keeper = stays.get(self._backend.normalise(one.rule).identity())
            if keeper is not None:
                self._result["kept"].append(self._told(one, why="%s needs it" % keeper.label))
                continue
            now = planned.ruleset
            placement = place_absent(self._backend, now, one.rule)
            if not placement.edits:
                missing.append(one)
                continue
            removed = [(edit.chain, edit.remove) for edit in placement.edits if edit.remove is not None]
            closed = closed_by_removal(now, removed, management)
            if closed:
                known = self._result["skipped_preserved_ports"]
                known += [port for port in closed if port not in known]
                self._result["kept"].append(self._told(one, why="without it management port %s would be closed" % ", ".join(closed)))
                continue
            planned.carry_out(placement.edits)
            self._result["removed"].append(self._told(one, where=placement.where))
        self._refuse_part_of_policy(missing)
        edits = planned.edits()
        return self._backend.plan(self._ruleset, edits) if edits else None

    def _placed(self, ruleset: Ruleset, rule: Rule) -> Placement:
        """Return what makes a rule present; nothing where the policy of the host does."""
        placement = place_present(self._backend, ruleset, rule)
        return Placement() if self._policy.makes_present(ruleset, rule, placement) else placement

    def done(self, would: str) -> str:
        """Return what was done, in one sentence."""
        if self._woken:
            return "The rules of %s %s put into force (%s)" % (self._names(), would or "were", self._backend.NAME)
        verb = "added" if self._request.state == "present" else "removed"
        changed = len(self._result[verb])
        rest = "" if changed == len(self._rules) else " of %d" % len(self._rules)
        done = "%s %s" % (would, verb) if would else verb
        told = asleep_words(self._backend, self._ruleset) if self._request.state == "present" else self._kept()
        return "%d%s rule%s of %s %s (%s)%s" % (
            changed, rest, "" if changed == 1 and not rest else "s", self._names(), done, self._backend.NAME, told,
        )  # fmt: skip

    def nothing(self) -> str:
        """Return why nothing is to be done."""
        if self._request.state == "present":
            told = asleep_words(self._backend, self._ruleset)
            return "The rules of %s are present already (%s)%s" % (self._names(), self._backend.NAME, told)
        if self._result["kept"]:
            return "No rule of %s was removed (%s)%s" % (self._names(), self._backend.NAME, self._kept())
        return "No rule of %s is present (%s)" % (self._names(), self._backend.NAME)

    def _kept(self) -> str:
        count = len(self._result["kept"])
        ports = self._result["skipped_preserved_ports"]
        if not count:
            return ""
        words = "%d rule%s kept" % (count, "" if count == 1 else "s")
        return "; %s%s" % (words, ", which keep%s management port %s open" % ("s" if count == 1 else "", ", ".join(ports)) if ports else "")

    def _names(self) -> str:
        return ", ".join(self._request.roles)

    def _told(self, one: RoleRule, **more: t.Any) -> Fields:
        native = "\n".join(self._backend.render(one.rule))
        return dict(more, role=one.role, label=one.label, rule=one.rule.as_dict(), native=native)

    def _refuse_contradictions(self, planned: PlannedRuleset) -> None:
        """Refuse rules of which one takes the other's effect, so that no order of them is right.

        :raises HoldfastError: in that case.
        """
        after = planned.ruleset
        for one in self._rules:
            placement = self._placed(after, one.rule)
            if _changes(placement):
                against = placement.defeated_by[:1] or ["another rule of the task"]
                raise HoldfastError(
                    "%s has no effect beside the other rules of this task (%s), so nothing was changed. Take one of the two out"
                    % (one.label, against[0]), backend=self._backend.NAME,
                )  # fmt: skip

    def _refuse_part_of_policy(self, missing: t.Sequence[RoleRule]) -> None:
        """Say so where rules that are to go are part of a whole policy, which is changed by its document only.

        :raises HoldfastError: in that case.
        """
        found = [one.label for one in missing if self._policy.has(one.rule)]
        if found:
            raise HoldfastError(
                "These rules are part of the policy of this host, so nothing was removed: %s. Take them out of the document and run "
                "holdfast.firewall.policy again" % ", ".join(found[:20]),
                backend=self._backend.NAME,
            )


def _without_doubles(backend: Backend, rules: t.Sequence[RoleRule]) -> t.List[RoleRule]:
    """Return the rules without those that say the same as an earlier one."""
    seen: t.Set[Rule] = set()
    found = []
    for one in rules:
        identity = backend.normalise(one.rule).identity()
        if identity not in seen:
            seen.add(identity)
            found.append(one)
    return found


def _changes(placement: Placement) -> t.List[Edit]:
    """Return the edits but for those of replies, which a backend may pass without a rule."""
    return [edit for edit in placement.edits if edit.rule is None or not edit.rule.reply]


def _refuse_unsupported(backend: Backend, rules: t.Sequence[RoleRule]) -> None:
    found = [
        dict(what.as_dict(), field="%s.%s" % (one.label, what.field)) for one in rules for what in backend.unsupported(one.rule)
    ]  # fmt: skip
    if found:
        raise HoldfastError(
            "%s cannot carry these rules exactly, so nothing was changed: %s"
            % (backend.NAME, "; ".join("%(field)s (%(value)s): %(reason)s" % one for one in found[:10])),
            unsupported=found, backend=backend.NAME,
        )  # fmt: skip
