# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of roles on a host whose firewall really runs, for the tests of the backends."""

from __future__ import annotations

from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.change.test_role_task import Applying, task

ROLES = {
    "web": [{"action": "allow", "port": [80, 443], "stateful": True}, {"action": "allow", "protocol": "udp", "port": 443}],
    "api": [{"action": "deny", "port": 443, "source": "192.0.2.0/24"}, {"action": "allow", "port": 22}],
}


def roles_come_and_go(backend):
    """Put the rules of two roles into a host that lets only SSH in, and take them out again; nothing else may have changed."""
    engine = Applying(backend)
    before = backend.read().listing
    added = task(engine, role=["web", "api"], roles=ROLES)
    assert (added["changed"], engine.begun) == (True, 1)
    assert task(engine, role=["web", "api"], roles=ROLES)["changed"] is False
    removed = task(engine, role=["web", "api"], roles=ROLES, state="absent")
    assert removed["skipped_preserved_ports"] == ["22/tcp"]
    assert len(removed["removed"]) == 3
    left = backend.read().listing
    assert "443" not in left
    assert set(before.splitlines()) - set(left.splitlines()) == set()
    assert task(engine, role=["web", "api"], roles=ROLES, state="absent")["changed"] is False
