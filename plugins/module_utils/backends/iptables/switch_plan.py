# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Planning to switch iptables off, on, or anew from disk: one transaction for each family, policies last.

Reads the host through the backend; changes nothing.
"""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ...policy.rule import Rule
from ..base import Command, Transaction
from ..placement import place_needed
from ..ruleset import Ruleset
from ..switched_off import switched_off
from . import render
from .draft import Draft, Key
from .flush import flush
from .meaning import Place, build_ruleset
from .saved import make_listing, split_listing
from .sets import parse_sets, references, set_lines
from .switch import (
    KEPT_FILE,
    Policies,
    changed_policies,
    holds_rules,
    loads_at_boot,
    open_policies,
    policies_of,
    policy_input,
    put_back,
    saved_rules,
    with_policies,
)

if t.TYPE_CHECKING:
    from .backend import Iptables

#: What a change runs of which only the units are new.
_NOTHING = Command(("iptables", "-V"))


def plan_switch(backend: Iptables, ruleset: Ruleset, state: str, keep: t.Sequence[Rule]) -> Transaction:
    """Return the transaction; without commands where it is so already."""
    saved, _sets = split_listing(ruleset.listing)
    off = switched_off(backend.host) == backend.NAME
    draft = Draft(saved)
    if state == "disabled":
        flush(draft, {})
        policies = changed_policies(saved, open_policies(saved))
        idle = not draft.touched() and not policies
        if idle and (off or not loads_at_boot(backend.host)):
            return Transaction((), ruleset.listing)
        # What was switched off before stays what comes back, also where somebody added rules by hand since.
        kept = ruleset.listing if holds_rules(saved) and not (off and backend.host.exists(KEPT_FILE)) else ""
        return _finish(backend, ruleset, draft, policies, {}, "", {"kept": kept})
    wanted, set_text, set_file = saved_rules(backend.host)
    if not wanted or (state == "enabled" and not off and holds_rules(saved)):
        if not wanted or loads_at_boot(backend.host):
            return Transaction((), ruleset.listing)
        wanted = {}
    put_back(draft, wanted)
    policies = changed_policies(saved, policies_of(wanted))
    if state == "enabled" and not off and not draft.touched() and not policies and loads_at_boot(backend.host):
        return Transaction((), ruleset.listing)
    changes = _let_in(backend, draft, policies, keep) if wanted else []
    names = backend.tools.abilities().names
    return _finish(backend, ruleset, draft, policies, parse_sets(set_text, names), set_file, {"changes": changes})


def _let_in(backend: Iptables, draft: Draft, policies: Policies, keep: t.Sequence[Rule]) -> t.List[t.Dict[str, t.Any]]:
    """Put rules that have to pass at the head of the built-in chains where they would not."""
    changes: t.List[t.Dict[str, t.Any]] = []
    can = backend.tools.abilities()
    for rule in keep:
        ruleset = build_ruleset(with_policies(draft.after(), policies), "", can.names, {})
        lines: t.Dict[Key, t.List[str]] = {}
        for edit in place_needed(backend, ruleset, rule).edits:
            if edit.rule is not None and edit.remove is None and edit.rule.comment in (rule.comment, None):
                place = t.cast(Place, edit.chain.ref)
                key = (place.family, place.table, place.chain)
                lines.setdefault(key, []).extend(render.rule_lines(edit.rule, place.family, can, place.chain))
        for key, new in lines.items():
            rest = draft.lines(key)
            draft.items.pop(key, None)
            draft.replace(key, [*new, *rest])
            changes.append({"family": key[0], "table": key[1], "chain": key[2], "put": new})
    return changes


def _finish(
    backend: Iptables, ruleset: Ruleset, draft: Draft, policies: Policies, sets: t.Any, set_file: str, facts: t.Dict[str, t.Any]
) -> Transaction:
    live = parse_sets(split_listing(ruleset.listing)[1], backend.tools.abilities().names)
    planned = backend.transaction_of(draft, live, sets, facts)
    commands, checks = list(planned.commands), list(planned.checks)
    if set_file:
        commands.insert(0, Command(("ipset", "restore", "-exist"), set_file))
        checks = []  # they could not name sets that are not there yet
    for family, by_table in sorted(policies.items()):
        given = policy_input(by_table)
        commands.append(Command(backend.tools.restore(family), given))
        checks.append(Command(backend.tools.restore(family, "--test"), given))
    after = with_policies(draft.after(), policies)
    known = dict(live, **sets)
    text = make_listing(after, {})
    listing = make_listing(after, {name: set_lines(name, known[name]) for name in references(text) if name in known})
    persist = dict(planned.persist, **facts, policies={str(family): found for family, found in policies.items()})
    return replace(planned, commands=tuple(commands or [_NOTHING]), checks=tuple(checks), after=listing, persist=persist)
