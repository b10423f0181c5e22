# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether ufw starts at boot: its files say ENABLED, and its unit loads them.

Asks systemd and has it enable the unit; nothing where there is another init.
"""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ...host import Host
from ..base import Command, Transaction
from ..iptables.tools import Tools

UNIT = "ufw.service"
ENABLED = "ufw.service starts at boot"


def unit_starts(host: Host) -> t.Optional[bool]:
    """Return whether systemd starts ufw's unit at boot, or None where that is not known."""
    if not host.exists("/run/systemd/system"):
        return None
    said = host.run(["systemctl", "is-enabled", UNIT]).out.strip()
    return {"enabled": True, "disabled": False}.get(said)


def with_boot(tools: Tools, transaction: Transaction, listing: str) -> Transaction:
    """Return a transaction after which the unit starts at boot, too, once it is confirmed."""
    if unit_starts(tools.host) is not False:
        return transaction
    facts = dict(transaction.persist, enable=True, notes=[*transaction.persist.get("notes", ()), ENABLED])
    if transaction.commands:
        return replace(transaction, persist=facts)
    return Transaction((Command(tools.restore(4), "# the unit of ufw changes, and not the kernel\n*filter\nCOMMIT\n"),), listing, facts)
