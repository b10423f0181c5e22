# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a translation does to a packet: nat, rdr and their forms as options of a rule.

Of several addresses the first is taken, and a source port stays as it is; binat is not imitated.
"""

from __future__ import annotations

import ipaddress

from .interfaces import Interfaces
from .pf_rule import Pool, Rule


def new_address(pool: Pool, family: int, interfaces: Interfaces) -> str | None:
    """The first address of a pool in a family; an interface's link-local address is none."""
    for host in pool.hosts:
        if host.kind == "dynif":
            for version, text, _bits in interfaces.lookup(host.text, ()):
                if version == family and not ipaddress.ip_address(text).is_link_local:
                    return text
        elif host.family == family:
            return host.text
    return None


def translated(packet: dict, rule: Rule, interfaces: Interfaces) -> dict:
    """The packet after the translation of a rule that matches it."""
    pool = rule.pool
    address = new_address(pool, packet["family"], interfaces) if pool is not None else None
    if pool is None or address is None:
        return packet
    if rule.action == "nat" or rule.translation == "nat-to":
        return dict(packet, src=address)
    changed = dict(packet, dst=address)
    if pool.low and pool.high and rule.dst_port is not None:
        changed["dport"] = (packet["dport"] - rule.dst_port.low) % (pool.high - pool.low + 1) + pool.low
    elif pool.low:
        changed["dport"] = pool.low
    return changed
