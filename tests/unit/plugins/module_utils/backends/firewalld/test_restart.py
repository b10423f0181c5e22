# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A firewalld with files that it cannot read is not started anew: it would run without them, and a rollback could not mend that."""

from __future__ import annotations

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.firewalld import checker
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.firewalld.backend import Firewalld
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.firewalld.standin_host import FirewalldHost


@pytest.fixture(name="host")
def _host(monkeypatch):
    """A host whose checker refuses the files."""

    def check(_host, _changes):
        raise HoldfastError("INVALID_ZONE: not a valid zone file")

    monkeypatch.setattr(checker, "check", check)
    return FirewalldHost()


def test_a_restart_is_refused_before_anything_is_stopped(host):
    backend = Firewalld(host)
    with pytest.raises(HoldfastError, match="INVALID_ZONE"):
        backend.validate(backend.plan_switch(backend.read(), "restarted", []))
    assert host.daemon.running


def test_so_is_a_start(host):
    host.run(["systemctl", "stop", "firewalld.service"])
    backend = Firewalld(host)
    with pytest.raises(HoldfastError, match="INVALID_ZONE"):
        backend.validate(backend.plan_switch(backend.read(), "enabled", []))


def test_it_can_be_switched_off(host):
    backend = Firewalld(host)
    backend.validate(backend.plan_switch(backend.read(), "disabled", []))
