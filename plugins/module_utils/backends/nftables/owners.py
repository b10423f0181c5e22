# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose a table or chain is: programs that keep their own rules in nftables, known by the names they use.

Pure: touches nothing. What belongs to another program is never changed and never flushed.
"""

from __future__ import annotations

import re
import typing as t

from .listing import Block, Table
from .names import OWN_TABLE

_TABLES = (
    (r"f2b-.*", "fail2ban"),
    (r"docker-.*", "docker"),
    (r"libvirt_network|libvirt.*", "libvirt"),
    (r"kube-proxy|kube-.*", "kube-proxy"),
    (r"netavark", "podman"),
    (r"firewalld.*", "firewalld"),
    (r"crowdsec.*", "crowdsec"),
    (r"sshguard.*", "sshguard"),
    (r"lxd", "lxd"),
    (r"incus", "incus"),
    (r"lxc", "lxc"),
    (r"tailscale|ts-.*", "tailscale"),
    (r"wg-quick-.*", "wg-quick"),
    (r"io\.systemd\..*", "systemd"),
    (r"nm-shared-.*", "NetworkManager"),
    (r"calico|cali-.*", "calico"),
    (r"proxmox-firewall.*", "proxmox"),
    (r"fw4", "openwrt"),
    (r"mullvad", "mullvad"),
)
_CHAINS = (
    (r"f2b-.*", "fail2ban"),
    (r"DOCKER.*", "docker"),
    (r"KUBE-.*", "kube-proxy"),
    (r"cali-.*", "calico"),
    (r"CILIUM_.*|OLD_CILIUM_.*", "cilium"),
    (r"FLANNEL-.*", "flannel"),
    (r"WEAVE-.*|WEAVE", "weave"),
    (r"LIBVIRT_.*", "libvirt"),
    (r"NETAVARK.*|CNI-.*", "podman"),
    (r"ts-(input|forward|postrouting)", "tailscale"),
    (r"sshguard.*", "sshguard"),
    (r"crowdsec.*", "crowdsec"),
    (r"nm-(sh|mangle)-.*", "NetworkManager"),
)
_XTABLES = ("filter", "nat", "mangle", "raw", "security")
_XTABLES_CHAINS = frozenset({"INPUT", "FORWARD", "OUTPUT", "PREROUTING", "POSTROUTING"})
IPTABLES = "iptables-nft"


def table_owner(table: Table, xtables: bool = False) -> t.Optional[str]:
    """Return the program that keeps a table: None for the administrator, ``holdfast`` for our own.

    ``xtables`` says that the table holds expressions of xtables.
    """
    if table.key == OWN_TABLE:
        return "holdfast"
    if table.owned:
        named = re.search(r"# progname (\S+)", table.head)
        return named.group(1) if named else "another program"
    return owner_by_names(table.family, table.name, [one.name for one in table.chains() if one.base], lambda: xtables or _counts_all(table))


def owner_by_names(family: str, name: str, bases: t.Sequence[str], translated: t.Callable[[], bool]) -> t.Optional[str]:
    """Return the owner of a table by its name and the names of its base chains.

    ``translated`` answers, when it has to be asked, whether the rules look like those of iptables.
    """
    for pattern, owner in _TABLES:
        if re.fullmatch(pattern, name):
            return owner
    if family in ("ip", "ip6") and name in _XTABLES and bases and set(bases) <= _XTABLES_CHAINS and translated():
        return IPTABLES
    return None


def chain_owner(name: str) -> t.Optional[str]:
    """Return the program that keeps a chain inside somebody else's table."""
    return next((owner for pattern, owner in _CHAINS if re.fullmatch(pattern, name)), None)


def _counts_all(table: Table) -> bool:
    """Return whether each rule has a counter, as iptables gives to each of its own."""
    return all(" counter " in " %s " % rule.text for chain in table.chains() for rule in chain.rules)


def keeps(block: Block) -> bool:
    """Return whether another program keeps this block inside the administrator's table."""
    return block.kind == "chain" and chain_owner(block.name) is not None
