# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Switching nftables off and on with the real nft: what is ours goes and comes back, what is not stays, and a restore is exact."""

from __future__ import annotations

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.placement import place_present
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.switched_off import PATH
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.document import parse_policy
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.parse import parse_rule
from ansible_collections.holdfast.firewall.tests.unit.carried_out import add, switch

ADMIN = """
table inet filter {
    chain input {
        type filter hook input priority 0; policy accept;
        tcp dport 22 accept
        tcp dport 1-1024 drop
    }
}
"""
SSH = parse_rule({"action": "allow", "port": 22, "stateful": True})


def rule(**words):
    return parse_rule({"action": "allow", **words})


def test_off_and_on_again_gives_the_same_rules(backend):
    backend.host.nft(ADMIN)
    add(backend, rule(action="deny", port=8080))  # in our table
    add(backend, rule(port=80))  # in the administrator's chain, before its drop
    before = backend.host.listed()
    switch(backend, "disabled")
    assert "8080" not in backend.host.listed()
    assert "dport 80 " not in backend.host.listed()
    assert "tcp dport 1-1024 drop" in backend.host.listed()
    assert not switch(backend, "disabled")[0].commands
    switch(backend, "enabled", [SSH])
    assert backend.host.listed() == before


def test_what_was_changed_by_hand_is_kept_too(backend):
    add(backend, rule(port=80))
    backend.host.nft("add rule inet holdfast input udp dport 53 accept")
    before = backend.host.listed()
    switch(backend, "disabled")
    switch(backend, "enabled")
    assert backend.host.listed() == before


def test_a_policy_goes_and_comes_back(backend):
    policy = parse_policy({"rules": [{"action": "allow", "port": [80, 443]}], "defaults": {"in": "deny"}})
    ruleset = backend.read()
    transaction = backend.plan_policy(ruleset, policy)
    backend.apply(transaction)
    backend.persist(transaction.persist)
    before = backend.read().listing
    assert backend.is_enabled(backend.read())
    switch(backend, "disabled")
    assert backend.read_policy(backend.read()) is None
    assert not backend.is_enabled(backend.read())
    switch(backend, "enabled")
    assert backend.read().listing == before


@pytest.mark.parametrize("state", ["disabled", "enabled", "restarted"])
def test_a_restore_brings_the_state_before_the_switch_back(backend, state, tmp_path):
    backend.host.nft(ADMIN)
    add(backend, rule(action="deny", port=8080))
    add(backend, rule(port=80))
    if state == "enabled":
        switch(backend, "disabled")
    if state == "restarted":
        backend.host.nft("add rule inet holdfast input udp dport 53 accept")
    before = backend.host.listed()
    _transaction, snapshot = switch(backend, state)
    for name, text in snapshot.files.items():
        (tmp_path / name).write_text(text)
    backend.host.checked(["sh", "-c", "DIR=%s\n%s" % (tmp_path, snapshot.script)])
    assert backend.host.listed() == before


def test_management_is_let_in_where_the_saved_rules_would_not(backend):
    policy = parse_policy({"rules": [{"action": "allow", "port": 80}], "defaults": {"in": "deny", "out": "deny"}})
    backend.apply(backend.plan_policy(backend.read(), policy))
    backend.persist({})
    switch(backend, "disabled")
    switch(backend, "enabled", [rule(port=2222, stateful=True, comment="holdfast: management")])
    own = backend.host.checked(["nft", "-s", "list", "chain", "inet", "holdfast", "input"])
    assert "tcp dport 2222" in own.splitlines()[3]
    assert not switch(backend, "enabled", [rule(port=2222, stateful=True)])[0].commands


def test_restarted_loads_what_is_on_disk(backend):
    add(backend, rule(port=80))
    before = backend.host.listed()
    backend.host.nft("add rule inet holdfast input udp dport 53 accept; add chain inet holdfast mine")
    switch(backend, "restarted")
    assert backend.host.listed() == before


def test_rules_that_somebody_flushed_are_loaded_again(backend):
    add(backend, rule(port=80))
    before = backend.host.listed()
    backend.host.nft("flush ruleset")
    switch(backend, "enabled")
    assert backend.host.listed() == before


def test_nothing_saved_means_nothing_to_switch(backend):
    for state in ("enabled", "restarted", "disabled"):
        assert not backend.plan_switch(backend.read(), state, [SSH]).commands


def test_rules_are_not_changed_while_it_is_off(backend):
    add(backend, rule(port=80))
    switch(backend, "disabled")
    ruleset = backend.read()
    with pytest.raises(HoldfastError, match="Switch it on first"):
        backend.plan(ruleset, place_present(backend, ruleset, rule(port=81)).edits)
    with pytest.raises(HoldfastError, match="Switch it on first"):
        backend.plan_policy(ruleset, parse_policy([]))
    assert backend.host.read(PATH) == "nftables\n"


def test_a_file_that_holds_something_else_is_not_loaded(backend):
    add(backend, rule(port=80))
    switch(backend, "disabled")
    backend.host.write("/etc/holdfast/nftables/holdfast.nft", "\n\n\ntable inet other {\n}\n")
    with pytest.raises(HoldfastError, match="does not hold the table inet holdfast"):
        backend.plan_switch(backend.read(), "enabled", [])


@pytest.mark.parametrize("state", ["enabled", "restarted"])
def test_a_file_that_was_broken_by_hand_is_named_with_what_to_do(backend, state):
    add(backend, rule(port=80))
    if state == "enabled":
        switch(backend, "disabled")
    before = backend.host.listed()
    backend.host.write("/etc/holdfast/nftables/holdfast.nft", "\n\n\ngarbage {\n")
    with pytest.raises(HoldfastError, match=r"/etc/holdfast/nftables/holdfast\.nft was changed by hand.*'garbage \{'.*or remove it"):
        backend.plan_switch(backend.read(), state, [])
    assert backend.host.listed() == before
