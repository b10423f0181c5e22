# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A ufw that is off by its files while its rules are in the kernel: so a reload that fails leaves it, or ENABLED=no written by hand."""

from __future__ import annotations

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.iptables.backend import Iptables
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ruleset import Edit
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ufw.backend import Ufw
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ufw.files import BEFORE, CONF
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.document import parse_policy
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.iptables.namespace import needs_namespace
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.iptables.workbench import rule
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.ufw.ufw_host import UfwHost
from ansible_collections.holdfast.firewall.tests.unit.policy_generator import standard_guard

pytestmark = needs_namespace


@pytest.fixture(name="host")
def _host():
    found = UfwHost("nft")
    found.write(CONF, found.read(CONF).replace("ENABLED=yes", "ENABLED=no"))
    yield found
    found.close()


def carry_out(host, transaction):
    backend = Ufw(host)
    backend.validate(transaction)
    backend.apply(transaction)
    backend.persist(transaction.persist)


def test_a_single_rule_is_refused_since_following_the_files_would_let_everything_through(host):
    backend = Ufw(host)
    ruleset = backend.read()
    chain = backend.home(ruleset, "in", 4)
    for edit in (Edit(chain, rule=rule(port=81, family="ipv4")), Edit(chain, remove=chain.entries[0]), Edit(chain, native="allow 81/tcp")):
        with pytest.raises(HoldfastError, match=r"its rules are in the kernel: a reload of it failed.*Nothing was changed"):
            backend.plan(ruleset, [edit])
    with pytest.raises(HoldfastError, match="Nothing was changed"):
        backend.plan_flush(ruleset, {})
    assert "its rules are in the kernel" in backend.asleep(ruleset)


def test_no_policy_is_taken_away_and_none_is_nothing_to_take_away(host):
    backend = Ufw(host)
    assert not backend.plan_policy(backend.read(), None).commands
    host.write(CONF, host.read(CONF).replace("ENABLED=no", "ENABLED=yes"))
    backend = Ufw(host)
    carry_out(host, backend.plan_policy(backend.read(), parse_policy({"rules": []}).guarded(standard_guard())))
    host.write(CONF, host.read(CONF).replace("ENABLED=yes", "ENABLED=no"))
    backend = Ufw(host)
    with pytest.raises(HoldfastError, match="Nothing was changed"):
        backend.plan_policy(backend.read(), None)


def test_switching_it_on_or_off_is_what_helps(host):
    for state, policy in (("enabled", "DROP"), ("disabled", "ACCEPT")):
        backend = Ufw(host)
        carry_out(host, backend.plan_switch(backend.read(), state, [rule(port=22)]))
        assert "-P INPUT " + policy in host.shell("iptables -S INPUT")
    host.start()
    assert Ufw(host).read() and "-P INPUT DROP" in host.shell("ip6tables -S INPUT")
    backend = Ufw(host)
    carry_out(host, backend.plan_switch(backend.read(), "disabled", []))
    for tool in ("iptables", "ip6tables"):
        assert "-P INPUT ACCEPT" in host.shell("%s -S INPUT" % tool)
    backend = Ufw(host)
    assert not backend.plan_switch(backend.read(), "disabled", []).commands


def test_its_policies_are_no_rules_of_iptables_so_that_ufw_is_asked(host):
    assert not Iptables(host).sight().active


def test_the_line_that_iptables_refuses_is_named_with_its_file(host):
    bad = "-A ufw-before-input -p tcp --dport nosuch -j ACCEPT"
    host.write(BEFORE[4], host.read(BEFORE[4]).replace("COMMIT", bad + "\nCOMMIT"))
    backend = Ufw(host)
    with pytest.raises(HoldfastError, match="nothing was changed: /etc/ufw/before.rules has '%s'. It says: .*nosuch" % bad):
        backend.plan_switch(backend.read(), "enabled", [])
