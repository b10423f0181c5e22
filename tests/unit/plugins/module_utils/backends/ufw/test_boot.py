# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the status of ufw tells: whether it starts at boot, and what else filters beside it."""

from __future__ import annotations

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ufw.backend import Ufw
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ufw.files import DEFAULTS
from ansible_collections.holdfast.firewall.plugins.module_utils.host import Result
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.iptables.namespace import needs_namespace
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.ufw.ufw_host import UfwHost

pytestmark = needs_namespace


class Booting(UfwHost):
    """A host whose systemd says what it is told to."""

    unit = "enabled"

    def exists(self, path):
        return path == "/run/systemd/system" or super().exists(path)

    def run(self, argv, stdin=None, timeout=60.0):
        if argv[0] != "systemctl":
            return super().run(argv, stdin, timeout)
        if argv[1] == "enable":
            self.unit = "enabled"
        return Result(0 if self.unit == "enabled" else 1, self.unit + "\n", "")


@pytest.fixture(name="host")
def _host():
    host = Booting()
    yield host
    host.close()


def test_a_unit_that_does_not_start_at_boot_is_told_and_enabled(host):
    host.unit = "disabled"
    backend = Ufw(host)
    ruleset = backend.read()
    assert (backend.status()["enabled"], backend.status()["at_boot"]) == (True, False)
    transaction = backend.plan_switch(ruleset, "enabled", [])
    assert transaction.commands
    assert transaction.after == ruleset.listing
    backend.validate(transaction)
    backend.snapshot(ruleset, transaction)
    backend.apply(transaction)
    assert backend.persist(transaction.persist) == ["ufw.service starts at boot"]
    assert Ufw(host).status()["at_boot"] is True
    assert Ufw(host).plan_switch(Ufw(host).read(), "enabled", []).commands == ()


@pytest.mark.parametrize("unit", ["enabled", "masked", "not-found"])
def test_other_units_change_nothing(host, unit):
    host.unit = unit
    assert Ufw(host).plan_switch(Ufw(host).read(), "enabled", []).commands == ()


@pytest.mark.parametrize("setting", ["/etc/ufw/sysctl.conf", ""])
def test_a_ufw_that_is_switched_on_sets_its_kernel_settings_as_it_does_at_boot(setting):
    found = UfwHost(enabled=False)
    try:
        found.write("/etc/ufw/sysctl.conf", "net/ipv4/ip_forward=1\n")
        found.write(DEFAULTS, found.read(DEFAULTS) + "IPT_SYSCTL=%s\n" % setting)
        backend = Ufw(found)
        transaction = backend.plan_switch(backend.read(), "enabled", [])
        backend.apply(transaction)
        assert not [call for call in found.calls if call[0] == "sysctl"]
        backend.persist(transaction.persist)
        assert [call[-1] for call in found.calls if call[0] == "sysctl"] == ([setting] if setting else [])
        backend = Ufw(found)
        assert not backend.plan_switch(backend.read(), "enabled", []).commands
    finally:
        found.close()


def test_rules_left_in_the_other_variant_of_iptables_are_told():
    found = UfwHost("legacy")
    try:
        assert "warnings" not in Ufw(found).status()
        found.checked(["iptables-nft", "-A", "INPUT", "-p", "tcp", "-j", "ACCEPT"])
        assert Ufw(found).status()["warnings"] == ["the nft variant holds rules as well, and they decide too"]
    finally:
        found.close()
