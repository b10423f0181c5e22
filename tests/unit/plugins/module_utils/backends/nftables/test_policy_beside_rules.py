# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Single tasks on a host whose policy is ours: their rules decide, come back off, and are read with the policy."""

from __future__ import annotations

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.placement import place_absent, place_present
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ruleset import Edit
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.ports import PortRange
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rates import Limit, Rate
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rule import Log, Rule
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.nftables.test_policy_live import (
    LAYOUTS,
    enforce,
    undo,
    web,
)

EXTRA = Rule("allow", ports=(PortRange(8080, 8080),), limit=Limit(Rate(9, 60), per_source=True), comment="extra")


@pytest.fixture(params=LAYOUTS)
def guarded(request, backend):
    """A host with a policy."""
    enforce(backend, web(80, 443, log_denied=Log("x ")), request.param)
    return backend


def change(backend, place, rule):
    ruleset = backend.read()
    transaction = backend.plan(ruleset, place(backend, ruleset, rule).edits)
    backend.validate(transaction)
    backend.apply(transaction)
    assert transaction.after == backend.read().listing
    return ruleset, transaction


def test_an_allow_goes_between_the_policy_and_its_default(guarded):
    before, transaction = change(guarded, place_present, EXTRA)
    entries = guarded.read().chain("inet holdfast input").entries
    assert [entry.rule for entry in entries[1:-2]] == [EXTRA]
    assert EXTRA in guarded.read_policy(guarded.read()).rules
    assert not place_present(guarded, guarded.read(), EXTRA).edits
    undo(guarded, before, transaction)
    assert guarded.read().listing == before.listing


def test_an_allow_goes_again_with_its_set(guarded):
    before = guarded.read()
    change(guarded, place_present, EXTRA)
    change(guarded, place_absent, EXTRA)
    assert guarded.read().listing == before.listing


def test_a_deny_goes_before_what_allows(guarded):
    stop = Rule("deny", ports=(PortRange(443, 443),))
    change(guarded, place_present, stop)
    rules = guarded.read_policy(guarded.read()).rules
    assert next(rule.action for rule in rules if rule.ports == stop.ports) == "deny"


def test_a_native_line_is_put_where_it_is_reached(guarded):
    ruleset = guarded.read()
    ((chain, entry),) = guarded.match_native(ruleset, "input udp dport 9 counter accept")
    assert entry is None
    transaction = guarded.plan(ruleset, [Edit(chain, native="input udp dport 9 counter accept")])
    guarded.apply(transaction)
    lines = [rule.text for rule in guarded.read().tables.table(("inet", "holdfast")).block("chain", "input").rules]
    assert lines[1] == "udp dport 9 counter accept"
    assert transaction.after == guarded.read().listing


def test_a_flush_takes_the_policy_away_and_is_undone(guarded):
    ruleset = guarded.read()
    management = Rule("allow", ports=(PortRange(22, 22),))
    transaction = guarded.plan_flush(ruleset, {"inet holdfast input": [management]})
    guarded.apply(transaction)
    now = guarded.read()
    assert transaction.after == now.listing
    assert [entry.rule for entry in now.chain("inet holdfast input").entries] == [management]
    assert "hf_" not in now.listing
    undo(guarded, ruleset, transaction)
    assert guarded.read().listing == ruleset.listing


def test_rules_of_single_tasks_come_before_the_first_policy(backend):
    ruleset = backend.read()
    change(backend, place_present, EXTRA)
    before = backend.read()
    transaction = enforce(backend, web(80))
    assert [rule.comment for rule in backend.read_policy(backend.read()).rules] == ["port 80"]
    assert transaction.after == backend.read().listing
    undo(backend, before, transaction)
    assert backend.read().listing == before.listing
    enforce(backend, None)
    assert backend.read().listing == ruleset.listing


def test_when_everything_was_flushed_meanwhile_the_policy_comes_back(guarded):
    before = guarded.read().tables.table(("inet", "holdfast"))
    ruleset = guarded.read()
    transaction = enforce(guarded, web(22))
    guarded.host.nft("flush ruleset")
    undo(guarded, ruleset, transaction)
    now = guarded.read().tables.table(("inet", "holdfast"))
    touched = [block.name for block in now.blocks]
    assert "input" in touched
    assert [block.lines() for block in now.blocks] == [block.lines() for block in before.blocks if block.name in touched]
