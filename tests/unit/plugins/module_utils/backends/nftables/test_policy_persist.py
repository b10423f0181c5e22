# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A verified policy comes back after a reboot, alone where it was alone; and its files go with it."""

from __future__ import annotations

import random
import time

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.nftables.names import FOREIGN_FILE, OWN_FILE
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.nftables.persist import PATHS
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.policy import NativeLines
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rates import Limit, Rate
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rule import Rule
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.nftables.test_persist import reboot, reload, systemd
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.nftables.test_policy_live import (
    FOREIGN,
    LAYOUTS,
    SITE,
    enforce,
    undo,
    web,
)
from ansible_collections.holdfast.firewall.tests.unit.policy_generator import random_policy

__all__ = ("systemd",)

LIMITED = Rule("deny", limit=Limit(Rate(1, 60), per_source=True))
NATIVE = {"nftables": NativeLines({"in": ("ct state invalid drop",)})}


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_after_a_reboot_the_policy_is_the_same(space, backend, systemd, layout, alone):
    space.nft(SITE)
    for policy in (web(80), web(80, 443, rules=(LIMITED,), native=NATIVE)):
        backend.persist(enforce(backend, policy, layout, alone).persist)
    before = backend.read().listing
    result = reboot(space, SITE)
    assert result.ok, result.err
    if alone:
        # Sets and chains that nothing names any more come with the administrator's file; they decide nothing.
        assert backend.live_text() in before
        assert "policy drop" not in "\n".join(backend.read().tables.table(("inet", "filter")).lines())
        assert [rule.text for rule in backend.read().tables.table(("inet", "filter")).block("chain", "input").rules] == []
    else:
        assert backend.read().listing == before
    assert not backend.plan_policy(backend.read(), web(80, 443, rules=(LIMITED,), native=NATIVE), layout).commands


def test_what_is_in_force_is_not_loaded_again(space, backend, systemd):
    backend.persist(enforce(backend, web(80)).persist)
    before = space.checked(["nft", "-a", "list", "ruleset"])
    assert reload(space).ok
    assert space.checked(["nft", "-a", "list", "ruleset"]) == before
    space.nft("flush chain inet holdfast input")
    assert reload(space).ok
    assert space.checked(["nft", "-s", "list", "ruleset"]) == space.read(OWN_FILE).split("\n", 3)[3]


def test_a_policy_that_the_administrator_sets_again_stays(space, backend, systemd):
    space.nft(SITE)
    backend.persist(enforce(backend, web(80), alone=True).persist)
    assert "policy\tinet\tfilter\tinput\taccept" in space.read(FOREIGN_FILE)
    space.nft("add chain inet filter input { policy drop; }")
    backend.persist({})
    assert "policy\t" not in space.read(FOREIGN_FILE)


def test_persisting_again_writes_nothing(space, backend, systemd):
    space.nft(SITE + FOREIGN)
    assert backend.persist(enforce(backend, web(80), alone=True).persist)
    assert backend.persist({}) == []


def test_removing_the_policy_takes_its_files_with_it(space, backend, systemd):
    for policy in (web(80), None):
        backend.persist(enforce(backend, policy).persist)
    assert not any(space.exists(path) for path in PATHS)


def test_ten_thousand_rules_are_changed_undone_and_kept_in_seconds(space, backend, systemd):
    started = time.monotonic()
    policy = random_policy(random.Random(7), 10000, guard=True)
    enforce(backend, web(80))
    before = backend.read()
    transaction = enforce(backend, policy, "rules")
    assert transaction.after == backend.read().listing
    backend.persist(transaction.persist)
    assert not backend.plan_policy(backend.read(), policy, "rules").commands
    undo(backend, before, transaction)
    assert backend.read().listing == before.listing
    assert reboot(space, "").ok
    assert backend.read().listing == transaction.after
    # About six seconds on two processors of our own; what is quadratic takes many minutes.
    assert time.monotonic() - started < 120
