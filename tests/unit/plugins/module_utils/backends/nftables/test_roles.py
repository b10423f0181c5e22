# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of roles in one transaction on the real nftables: as predicted, once, and gone again."""

from __future__ import annotations

from ansible_collections.holdfast.firewall.tests.unit.roles_on_hosts import roles_come_and_go

CLOSED = """
table inet filter {
    chain input {
        type filter hook input priority 0; policy drop;
        ct state established,related accept
        tcp dport 22 accept
        ip saddr 203.0.113.0/24 counter drop
        udp dport 1-65535 drop
    }
}
"""


def test_roles_on_a_closed_host(backend):
    backend.host.nft(CLOSED)
    roles_come_and_go(backend)
