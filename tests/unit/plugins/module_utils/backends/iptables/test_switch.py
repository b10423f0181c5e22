# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Switching iptables off and on with the real tools: every rule but those of other programs goes, and comes back where it was."""

from __future__ import annotations

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.iptables.switch import KEPT_FILE
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.placement import place_present
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.document import parse_policy
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.tests.unit.carried_out import add, switch
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.iptables.test_persistence import (
    FILE,
    V4,
    debian,
    systemd,
)
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.iptables.workbench import (
    DOCKER,
    restore,
    rule,
)

SSH = rule(port=22, stateful=True, comment="holdfast: management")


@pytest.fixture(name="busy")
def _busy(backend):
    """A host with Docker, fail2ban and rules of its administrator."""
    systemd(backend.host)
    backend.host.checked(["iptables-restore"], DOCKER)
    return backend


def test_off_keeps_what_other_programs_have_and_on_brings_the_same_back(busy):
    before = busy.read().listing
    switch(busy, "disabled")
    left = busy.read().listing
    assert "my ssh" not in left
    assert "j f2b-sshd" in left
    assert ":INPUT ACCEPT" in left
    assert ":FORWARD DROP" in left  # Docker's
    assert not switch(busy, "disabled")[0].commands
    switch(busy, "enabled", [SSH])
    assert busy.read().listing == before
    assert busy.host.read(KEPT_FILE) is None
    assert not switch(busy, "enabled", [SSH])[0].commands


def test_what_another_program_adds_in_between_stays(busy):
    switch(busy, "disabled")
    busy.host.checked(["iptables", "-N", "f2b-web"])
    busy.host.checked(["iptables", "-I", "INPUT", "-p", "tcp", "--dport", "80", "-j", "f2b-web"])
    switch(busy, "enabled", [SSH])
    lines = [line for line in busy.host.checked(["iptables-save"]).splitlines() if line.startswith("-A INPUT")]
    assert lines[0].endswith("-j f2b-web")
    assert lines[1].endswith("-j f2b-sshd")
    assert lines[-1].startswith("-A INPUT -j REJECT")


@pytest.mark.parametrize("state", ["disabled", "enabled", "restarted"])
def test_a_restore_brings_the_state_before_the_switch_back(busy, state):
    add(busy, rule(port=8080))
    if state == "enabled":
        switch(busy, "disabled")
    if state == "restarted":
        busy.host.checked(["iptables", "-A", "INPUT", "-p", "udp", "-j", "DROP"])
    before = busy.read().listing
    _transaction, snapshot = switch(busy, state)
    done = restore(busy.host, snapshot)
    assert done.ok, done.err
    assert busy.read().listing == before


def test_the_sets_of_a_policy_come_back_with_it(backend):
    systemd(backend.host)
    sources = ["192.0.2.%d" % number for number in range(0, 60, 2)]
    policy = parse_policy({"rules": [{"action": "allow", "port": 80, "source": sources}], "defaults": {"in": "deny"}})
    transaction = backend.plan_policy(backend.read(), policy)
    backend.apply(transaction)
    backend.persist(transaction.persist)
    before = backend.read().listing
    switch(backend, "disabled")
    for name in backend.tools.set_names():
        backend.host.checked(["ipset", "destroy", name])  # as a reboot would
    switch(backend, "enabled", [])
    assert backend.read().listing == before


def test_management_is_let_in_where_the_rules_would_not(busy):
    switch(busy, "disabled")
    switch(busy, "enabled", [rule(port=2222, stateful=True, comment="holdfast: management")])
    lines = [line for line in busy.host.checked(["iptables-save"]).splitlines() if line.startswith("-A INPUT")]
    assert "2222" in lines[0]
    assert not switch(busy, "enabled", [rule(port=2222, stateful=True)])[0].commands


def test_the_distributions_loader_is_switched_with_it(backend):
    debian(backend.host)
    backend.host.write(V4, FILE)
    backend.host.checked(["iptables-restore"], FILE)
    switch(backend, "disabled")
    assert "netfilter-persistent.service" not in backend.host.enabled
    assert backend.host.read(V4) == FILE
    switch(backend, "enabled", [SSH])
    assert "netfilter-persistent.service" in backend.host.enabled
    assert "REJECT" in backend.host.checked(["iptables-save"])


def test_restarted_loads_the_file_of_the_loader(backend):
    debian(backend.host)
    backend.host.write(V4, FILE)
    switch(backend, "restarted", [SSH], exact=False)  # the file's words are not in the order of iptables
    assert ":INPUT DROP" in backend.host.checked(["iptables-save"])
    assert "-A INPUT -i lo -j ACCEPT" in backend.host.checked(["iptables-save"])


def test_nothing_saved_means_nothing_to_switch(backend):
    systemd(backend.host)
    for state in ("enabled", "restarted", "disabled"):
        assert not backend.plan_switch(backend.read(), state, [SSH]).commands


def test_rules_are_not_changed_while_it_is_off(busy):
    switch(busy, "disabled")
    ruleset = busy.read()
    with pytest.raises(HoldfastError, match="Switch it on first"):
        busy.plan(ruleset, place_present(busy, ruleset, rule(port=81)).edits)
    with pytest.raises(HoldfastError, match="Switch it on first"):
        busy.plan_policy(ruleset, parse_policy([]))
