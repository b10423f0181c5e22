# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Switching pf and ipfw on stand-in hosts: now, at boot, and back again."""

from __future__ import annotations

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.ipfw.backend import Ipfw
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.pf import boot as pf_boot
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.pf.backend import Pf
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.tests.unit.carried_out import switch
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.pf.standin_host import (
    StandinHost,
    rule,
)

RULES = "set skip on lo0\npass in quick proto tcp from any to any port 22\nblock in all\npass out all\n"
SSH = rule(port=22, stateful=True, comment="holdfast: management")
OTHER = rule(port=2222, stateful=True, comment="holdfast: management")


@pytest.fixture(params=["freebsd", "openbsd", "macos"])
def pf(request, tmp_path):
    """A host whose pf is on, by its file."""
    host = StandinHost(tmp_path / "host", request.param)
    host.write("/etc/pf.conf", RULES)
    if request.param == "freebsd":
        host.must("kldload", "pf")
    backend = Pf(host)
    switch(backend, "enabled", [SSH])
    return backend


def enabled(backend):
    return backend.is_enabled(backend.read())


def test_pf_is_off_now_and_at_boot_and_on_again(pf):
    text = pf.host.read("/etc/pf.conf")
    assert enabled(pf)
    assert not switch(pf, "enabled", [SSH])[0].commands
    switch(pf, "disabled")
    assert not enabled(pf)
    assert not pf_boot.starts_at_boot(pf.host, pf.dialect)
    assert not switch(pf, "disabled")[0].commands
    assert pf.host.read("/etc/pf.conf") == text
    switch(pf, "enabled", [SSH])
    assert enabled(pf)
    assert pf_boot.starts_at_boot(pf.host, pf.dialect)
    assert pf.host.read("/etc/pf.conf") == text


def test_pf_loads_its_file_anew(pf):
    pf.host.write("/etc/pf.conf", RULES.replace("port 22", "port { 22, 80 }"))
    pf.host.must("pfctl", "-f", "/etc/pf.conf")
    assert switch(pf, "restarted", [SSH])[0].commands
    assert enabled(pf)


@pytest.mark.parametrize("state", ["disabled", "restarted"])
def test_pf_is_restored(pf, state):
    before = pf.read().listing
    _transaction, snapshot = switch(pf, state)
    done = pf.host.restore(snapshot)
    assert done.returncode == 0, done.stderr
    assert (pf.read().listing, enabled(pf)) == (before, True)


def test_pf_that_was_off_is_off_after_the_restore(pf):
    switch(pf, "disabled")
    _transaction, snapshot = switch(pf, "enabled", [SSH])
    assert pf.host.restore(snapshot).returncode == 0
    assert not enabled(pf)


def test_pf_lets_management_in_where_its_file_would_not(pf):
    switch(pf, "disabled")
    switch(pf, "enabled", [OTHER])
    assert "port = 2222" in pf.host.must("pfctl", "-sr")
    assert "2222" in pf.host.read("/etc/pf.conf")
    assert not switch(pf, "enabled", [OTHER])[0].commands


def test_pf_that_enforces_other_rules_than_its_file_is_not_switched(pf):
    pf.host.must("pfctl", "-f", "-", stdin="pass all\n")
    with pytest.raises(HoldfastError, match="not those of"):
        pf.plan_switch(pf.read(), "disabled", [])


@pytest.fixture
def ipfw(tmp_path):
    """A host whose administrator has a firewall script."""
    host = StandinHost(tmp_path / "host", "freebsd")
    host.must("kldload", "ipfw")
    host.write("/etc/admin.rules", "#!/bin/sh\nipfw -q -f flush\nipfw -q add 200 allow tcp from any to me 22 in\n", 0o755)
    host.write("/etc/rc.conf", 'firewall_enable="YES"\nfirewall_script="/etc/admin.rules"\n')
    for line in ("200 allow tcp from any to me 22 in", "300 allow ip from any to any out", "65000 deny ip from any to any"):
        host.must("ipfw", "-q", "add", *line.split())
    return Ipfw(host)


def test_ipfw_is_off_now_and_at_boot_and_on_again(ipfw):
    before = ipfw.read().listing
    assert not switch(ipfw, "enabled", [rule(port=22)])[0].commands
    switch(ipfw, "disabled")
    assert not enabled(ipfw)
    assert 'firewall_enable="NO"' in ipfw.host.read("/etc/rc.conf")
    assert not switch(ipfw, "disabled")[0].commands
    switch(ipfw, "enabled", [rule(port=22)])
    assert enabled(ipfw)
    assert ipfw.read().listing == before
    assert 'firewall_enable="YES"' in ipfw.host.read("/etc/rc.conf")
    assert 'firewall_script="/etc/admin.rules"' in ipfw.host.read("/etc/rc.conf")


def test_ipfw_is_restored(ipfw):
    before = ipfw.read().listing
    _transaction, snapshot = switch(ipfw, "disabled")
    assert ipfw.host.restore(snapshot).returncode == 0
    assert (ipfw.read().listing, enabled(ipfw)) == (before, True)


def test_ipfw_lets_management_in_where_its_rules_would_not(ipfw):
    switch(ipfw, "disabled")
    _transaction, snapshot = switch(ipfw, "enabled", [OTHER])
    assert "2222" in ipfw.read().listing
    assert not switch(ipfw, "enabled", [OTHER])[0].commands
    assert ipfw.host.restore(snapshot).returncode == 0
    assert "2222" not in ipfw.read().listing
    assert not enabled(ipfw)


def test_ipfw_is_not_restarted(ipfw):
    with pytest.raises(HoldfastError, match="service ipfw restart"):
        ipfw.plan_switch(ipfw.read(), "restarted", [])


def test_ipfw_that_the_loader_loads_without_rules_is_not_switched_off_at_boot(ipfw):
    ipfw.host.write("/boot/loader.conf", 'ipfw_load="YES"\n')
    with pytest.raises(HoldfastError, match="deny everything"):
        switch(ipfw, "disabled")
