# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of roles in one transaction on the real iptables: as predicted, once, and gone again."""

from __future__ import annotations

from ansible_collections.holdfast.firewall.tests.unit.roles_on_hosts import roles_come_and_go

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
    roles_come_and_go(backend)
