# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Merging a document into the policy that a host has: nothing is lost, new rules come first, a second time changes nothing."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.holdfast.firewall.plugins.module_utils.policy.document import parse_policy
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import PolicyError
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.merging import merge
from ansible_collections.holdfast.firewall.tests.unit.policy_strategies import policies

DIRECTIONS = ("in", "out", "forward")
NAMED = st.sets(st.sampled_from(DIRECTIONS))


@settings(max_examples=40)
@given(policies(native=True, max_rules=4), policies(native=True, max_rules=4), NAMED)
def test_a_second_merge_changes_nothing_and_the_result_is_a_valid_policy(present, document, named):
    try:
        once = merge(present, document, named)
    except PolicyError as error:
        assert document.defaults[error.place.rpartition(".")[2]] == "unmanaged"
        return
    assert merge(once, document, named) == once
    assert parse_policy(once.as_dict()) == once


@settings(max_examples=40)
@given(policies(max_rules=4), policies(max_rules=4), policies(max_rules=4))
def test_a_document_that_was_merged_stays_when_another_is_merged(present, first, second):
    both = merge(merge(present, first, ()), second, ())
    again = merge(both, first, ())
    assert {rule.identity() for rule in again.rules} == {rule.identity() for rule in both.rules}


@settings(max_examples=40)
@given(policies(max_rules=4), policies(max_rules=4))
def test_no_rule_and_no_translation_is_lost(present, document):
    merged = merge(present, document, ())
    for kept in (present, document):
        assert {rule.identity() for rule in kept.rules} <= {rule.identity() for rule in merged.rules}
        assert {(one.kind, one.source, one.to_address, one.to_port) for one in kept.nat} <= {
            (one.kind, one.source, one.to_address, one.to_port) for one in merged.nat
        }


def policy(*rules, **document):
    return parse_policy({"rules": list(rules), **document})


SSH, WEB, DENY = {"action": "allow", "port": 22}, {"action": "allow", "port": 443}, {"action": "deny", "protocol": "any"}


def test_new_rules_come_first_and_old_ones_stay_where_they_are():
    merged = merge(policy(SSH, DENY), policy(WEB, DENY), ())
    assert merged.rules == policy(WEB, SSH, DENY).rules


def test_a_rule_that_is_there_takes_the_comment_and_the_log_of_the_document():
    merged = merge(policy(dict(SSH, comment="old"), WEB), policy(dict(SSH, comment="new", log=True)), ())
    assert merged.rules == policy(dict(SSH, comment="new", log=True), WEB).rules


def test_a_default_that_the_document_does_not_say_stays():
    present, document = policy(defaults={"in": "reject", "out": "deny"}), policy(defaults={"in": "deny"})
    assert dict(merge(present, document, {"in"}).defaults) == {"in": "deny", "out": "deny", "forward": "deny"}


def test_a_direction_becomes_managed_when_it_gets_a_rule():
    present = policy(defaults={"forward": "unmanaged"})
    assert merge(present, policy(SSH), ()).defaults["forward"] == "unmanaged"
    assert merge(present, policy(dict(WEB, direction="forward")), ()).defaults["forward"] == "deny"


def test_a_direction_becomes_managed_when_it_gets_lines():
    document = policy(native={"nftables": {"before": {"forward": ["ct state invalid drop"]}}})
    assert merge(policy(defaults={"forward": "unmanaged"}), document, ()).defaults["forward"] == "deny"


def test_a_direction_with_rules_cannot_be_left_alone_by_a_merge():
    present, document = policy(dict(WEB, direction="forward")), policy(defaults={"forward": "unmanaged"})
    with pytest.raises(PolicyError, match=r"policy\.defaults\.forward: found 'unmanaged'.*use state replaced"):
        merge(present, document, {"forward"})
