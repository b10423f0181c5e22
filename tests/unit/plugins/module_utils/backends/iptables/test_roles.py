# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of roles in one transaction on the real iptables: as predicted, once, and gone again."""

from __future__ import annotations

from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.change.test_role_task import Applying, task

CLOSED = """\
*filter
:INPUT DROP [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
-A INPUT -s 203.0.113.0/24 -j DROP
-A INPUT -p udp -j DROP
COMMIT
"""


def test_roles_on_a_closed_host(backend):
    backend.host.checked(["iptables-restore"], CLOSED)
    engine = Applying(backend)
    before = backend.read().listing
    roles = {
        "web": [{"action": "allow", "port": [80, 443], "stateful": True}, {"action": "allow", "protocol": "udp", "port": 443}],
        "api": [{"action": "deny", "port": 443, "source": "192.0.2.0/24"}, {"action": "allow", "port": 22}],
    }
    added = task(engine, role=["web", "api"], roles=roles)
    assert (added["changed"], engine.begun) == (True, 1)
    assert task(engine, role=["web", "api"], roles=roles)["changed"] is False
    removed = task(engine, role=["web", "api"], roles=roles, state="absent")
    assert removed["skipped_preserved_ports"] == ["22/tcp"]
    assert len(removed["removed"]) == 3
    left = backend.read().listing
    assert "443" not in left
    assert set(before.splitlines()) - set(left.splitlines()) == set()
    assert task(engine, role=["web", "api"], roles=roles, state="absent")["changed"] is False
