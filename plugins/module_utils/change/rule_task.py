# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One task of ``rule`` on the target: detect, read, place, and either say what would change or begin the change.

Touches the host only through the backend and ``begin``; dry runs and check mode change nothing.
"""

from __future__ import annotations

import typing as t

from ..backends.base import Backend, Transaction
from ..backends.mac_choice import Asked
from ..backends.placement import Placement, place_absent, place_present
from ..backends.ruleset import Chain, Edit, Entry, Ruleset
from ..host import Host
from ..policy.errors import HoldfastError
from ..policy.request import RuleRequest
from ..policy.rule import Rule
from .asleep import asleep_words, refuse_asleep
from .engine import Engine
from .management import closed_by_removal, refuse_closing
from .part_of_policy import PolicyRules
from .told_change import live_diff, told_commands

Fields = t.Dict[str, t.Any]


def run_rule(host: Host, request: RuleRequest, check_mode: bool = False, engine: t.Optional[Engine] = None) -> Fields:
    """Carry out one task and return its result; a result with ``pending`` is applied but not confirmed.

    ``engine`` is for a machine that is changed from the control node.

    :raises HoldfastError: for everything that ends the task with a message.
    """
    engine = engine or Engine(host)
    detection = engine.detect(request.backend, lambda: Asked((request.rule,) if request.rule is not None else (), request.native))
    backend = detection.backend
    result: Fields = {
        "changed": False, "backend": backend.NAME, "detection": detection.as_dict(), "commands": [], "unsupported": [],
        "skipped_preserved_ports": [],
    }  # fmt: skip
    if request.state == "check":
        return _list(backend, result)
    native = request.native.get(backend.NAME)
    if request.state in ("present", "absent"):
        _require_rule(request, native, backend)
    if request.rule is not None and native is None:
        _refuse_unsupported(backend, request.rule)
    if request.dry_run:
        return _dry_run(backend, request, native, result)
    engine.require_rights("Reading and changing %s rules" % backend.NAME, backend.NAME)
    if not check_mode:
        engine.settle_leftovers()
        engine.refuse_beside_pending()
    ruleset = backend.read()
    if request.state == "flush":
        transaction = _plan_flush(engine, backend, ruleset, request, result)
    elif native is not None or request.rule is None:
        transaction = _plan_native(backend, ruleset, request.state, native or "", result)
    else:
        transaction = _plan_rule(engine, backend, ruleset, request, request.rule, result)
    if transaction is None or not transaction.commands:
        return result
    result.update(changed=True, commands=told_commands(transaction), diff=live_diff(backend, ruleset, transaction))
    if check_mode:
        result["msg"] = _would(result["msg"])
        backend.validate(transaction)
        return result
    result["pending"] = engine.begin(backend, ruleset, transaction, request.confirm_within, request.confirm == "auto")
    return result


def _require_rule(request: RuleRequest, native: t.Optional[str], backend: Backend) -> None:
    if request.rule is None and native is None:
        raise HoldfastError(
            "There is nothing to do for backend %s: native has rules for %s only, and there is no action for the common language"
            % (backend.NAME, ", ".join(sorted(request.native)) or "no backend"),
            backend=backend.NAME,
        )


def _refuse_unsupported(backend: Backend, rule: Rule) -> None:
    unsupported = backend.unsupported(rule)
    if unsupported:
        raise HoldfastError(
            "%s cannot carry this rule exactly, so nothing was changed: %s"
            % (backend.NAME, "; ".join("%s (%s): %s" % (one.field, one.value, one.reason) for one in unsupported)),
            unsupported=[one.as_dict() for one in unsupported], backend=backend.NAME,
        )  # fmt: skip


def _list(backend: Backend, result: Fields) -> Fields:
    ruleset = backend.read()
    rules: t.List[str] = []
    parsed: t.List[Fields] = []
    for chain in ruleset.chains:
        for entry in chain.entries:
            rules.extend(entry.native)
            words: Fields = {"chain": chain.name, "native": list(entry.native)}
            if chain.owner not in (None, "holdfast"):
                words["owner"] = chain.owner
            rule = entry.parts[0] if entry.passing and len(entry.parts) == 1 else entry.rule
            if rule is not None and not rule.reply and not rule.established:
                words["rule"] = rule.as_dict()
            if entry.passing:
                words["lasts"] = False
            parsed.append(words)
    result.update(msg="%s rules listed" % backend.NAME, rules=rules, parsed=parsed, listing=ruleset.listing, status=backend.status())
    return result


def _dry_run(backend: Backend, request: RuleRequest, native: t.Optional[str], result: Fields) -> Fields:
    verb = {"present": "add", "absent": "remove", "flush": "flush"}[request.state]
    if request.state == "flush":
        result["msg"] = "[dry-run] would flush all rules (%s)" % backend.NAME
        return result
    if request.rule is None or native is not None:
        lines = tuple(line.strip() for line in (native or "").splitlines() if line.strip() and not line.strip().startswith("#"))
    else:
        lines = backend.render(request.rule)
        result["parsed_rule"] = request.rule.as_dict()
    result.update(
        msg="[dry-run] would %s rule (%s): %s" % (verb, backend.NAME, "; ".join(lines)), rule="\n".join(lines), commands=list(lines)
    )
    return result


def _plan_rule(
    engine: Engine, backend: Backend, ruleset: Ruleset, request: RuleRequest, rule: Rule, result: Fields
) -> t.Optional[Transaction]:
    result["rule"] = "\n".join(backend.render(rule))
    if request.state == "present":
        refuse_closing(rule, engine.unproved_ports(), backend.NAME)
        placement = place_present(backend, ruleset, rule)
        if placement.blocked_by:
            raise HoldfastError(
                "The rule would have no effect: %s decides otherwise and %s, so nothing was changed"
                % ("; ".join(placement.blocked_by), "beats it wherever it stands" if backend.DENY_WINS else "belongs to another program"),
                placement=_placement_fields(placement), backend=backend.NAME,
            )  # fmt: skip
        in_policy = PolicyRules(backend, ruleset).makes_present(ruleset, rule, placement)
        if in_policy:
            placement = Placement(where=["the policy of this host"])
        result["placement"] = _placement_fields(placement)
        if not placement.edits:
            refuse_asleep(backend, ruleset, rule, "The rule")
            woken = backend.wake(ruleset)
            word = "already present (%s)" if woken is None else "put into force (%s)"
            told = ", as a part of the policy of this host" if in_policy else ""
            result["msg"] = "Firewall rule " + word % backend.NAME + told + asleep_words(backend, ruleset)
            return woken
        result["msg"] = "Firewall rule %s (%s)" % (_kind_of_change(placement), backend.NAME) + asleep_words(backend, ruleset)
        return backend.plan(ruleset, placement.edits)
    placement = place_absent(backend, ruleset, rule)
    if not placement.edits:
        _refuse_part_of_policy(backend, ruleset, rule)
        result["msg"] = "No matching %s rule found" % backend.NAME
        return None
    removed = [(edit.chain, edit.remove) for edit in placement.edits if edit.remove is not None]
    closed = closed_by_removal(ruleset, removed, engine.find_management(request.agent_ports))
    if closed:
        result["skipped_preserved_ports"] = closed
        result["msg"] = "%s rule kept: without it management port %s would be closed" % (backend.NAME, ", ".join(closed))
        return None
    result["placement"] = _placement_fields(placement)
    result["msg"] = "%s rule removed" % backend.NAME
    return backend.plan(ruleset, placement.edits)


def _refuse_part_of_policy(backend: Backend, ruleset: Ruleset, rule: Rule) -> None:
    """Say so where a rule that is to go is part of a whole policy, which is changed by its document only.

    :raises HoldfastError: in that case.
    """
    if PolicyRules(backend, ruleset).has(rule):
        raise HoldfastError(
            "The rule is part of the policy of this host, so it was not removed: take it out of the document and run "
            "holdfast.firewall.policy again, or put a rule that decides otherwise beside it",
            backend=backend.NAME,
        )


def _plan_native(backend: Backend, ruleset: Ruleset, state: str, native: str, result: Fields) -> t.Optional[Transaction]:
    matched = backend.match_native(ruleset, native, wanted=state == "present")
    lines = [line.strip() for line in native.splitlines() if line.strip() and not line.strip().startswith("#")]
    result["rule"] = "\n".join(lines)
    edits: t.List[Edit] = []
    for line, (chain, entry) in zip(lines, matched):
        if state == "present" and entry is None:
            edits.append(Edit(chain, native=line))
        elif state == "absent" and entry is not None:
            edits.append(Edit(chain, remove=entry))
    if not edits:
        result["msg"] = ("Firewall rule already present (%s)" if state == "present" else "No matching %s rule found") % backend.NAME
        result["msg"] += asleep_words(backend, ruleset) if state == "present" else ""
        return None
    result["msg"] = ("Firewall rule added (%s)" if state == "present" else "%s rule removed") % backend.NAME
    return backend.plan(ruleset, edits)


def _plan_flush(engine: Engine, backend: Backend, ruleset: Ruleset, request: RuleRequest, result: Fields) -> t.Optional[Transaction]:
    management = engine.find_management(request.agent_ports)
    keep: t.Dict[str, t.List[Rule]] = {}
    for chain in ruleset.chains:
        if not chain.base or chain.default != "deny" or not chain.changeable:
            continue
        rules = [rule for direction in sorted(chain.directions) for rule in management.guard(direction)]
        kept = [_in_chain(rule, chain) for rule in rules if rule.families() & chain.families]
        if kept:
            keep[chain.name] = kept
            result["skipped_preserved_ports"] = ["%d/tcp" % port for port in sorted({*management.ssh_ports, *management.agent_ports})]
    transaction = backend.plan_flush(ruleset, keep)
    result["msg"] = ("All %s rules flushed" if transaction.commands else "No %s rules to flush") % backend.NAME
    return transaction


def _in_chain(rule: Rule, chain: Chain) -> Rule:
    if rule.family is None and len(chain.families) == 1:
        words = dict(rule.__dict__, family=next(iter(chain.families)))
        return Rule(**words)
    return rule


def _kind_of_change(placement: Placement) -> str:
    inserted = [edit for edit in placement.edits if edit.rule is not None and edit.remove is None and not edit.rule.reply]
    removed: t.List[Entry] = [edit.remove for edit in placement.edits if edit.remove is not None and edit.rule is None]
    if inserted:
        return "moved to where it decides" if removed else "added"
    return "updated" if not removed and any(edit.remove is not None for edit in placement.edits) else "completed"


def _placement_fields(placement: Placement) -> Fields:
    return {
        "where": placement.where, "before": placement.defeated_by, "exceptions": placement.exceptions[:20],
        "blocked_by": placement.blocked_by, "not_judged": placement.unread[:20],
    }  # fmt: skip


def _would(message: str) -> str:
    for verb in ("put into force", "added", "removed", "flushed", "updated", "moved to where it decides", "completed"):
        if " %s" % verb in message:
            return message.replace(" %s" % verb, " would be %s" % verb, 1)
    return message
