# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes carried out on a host as a task does: a rule that is put in, a firewall that is switched. The host is the test's."""

from __future__ import annotations

from typing import Optional, Sequence, Tuple

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.base import Backend, Snapshot, Transaction
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.placement import place_present
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.switched_off import note_switch
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rule import Rule


def add(backend: Backend, rule: Rule) -> None:
    """Put a rule in, for good."""
    ruleset = backend.read()
    transaction = backend.plan(ruleset, place_present(backend, ruleset, rule).edits)
    backend.apply(transaction)
    backend.persist(transaction.persist)


def switch(backend: Backend, state: str, keep: Sequence[Rule] = (), exact: bool = True) -> Tuple[Transaction, Optional[Snapshot]]:
    """Switch a firewall and make that last; returns the transaction, and the snapshot where there was something to do.

    :param exact: whether the rules afterwards must be those that were predicted.
    """
    ruleset = backend.read()
    transaction = backend.plan_switch(ruleset, state, keep)
    if not transaction.commands:
        return transaction, None
    backend.validate(transaction)
    snapshot = backend.snapshot(ruleset, transaction)
    backend.apply(transaction)
    assert backend.read().listing == transaction.after or not exact
    backend.persist(dict(transaction.persist, switch=state))
    assert backend.read().listing == transaction.after or not exact
    note_switch(backend.host, backend.NAME, state)
    return transaction, snapshot
