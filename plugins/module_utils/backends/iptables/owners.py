# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who keeps a chain or a rule: programs that manage chains of their own in the tables of iptables.

Pure: touches nothing. Their chains are never changed, and the rules that lead into them stay where they are.
"""

from __future__ import annotations

import re
import typing as t

_CHAINS: t.Tuple[t.Tuple[str, str], ...] = (
    (r"DOCKER(?:-.+)?\Z", "docker"),
    (r"(?:f2b|fail2ban)-", "fail2ban"),
    (r"KUBE-", "kubernetes"),
    (r"cali-", "calico"),
    (r"(?:OLD_)?CILIUM_", "cilium"),
    (r"FLANNEL-", "flannel"),
    (r"WEAVE", "weave"),
    (r"(?:ISTIO_|PROXY_INIT_)", "istio"),
    (r"LIBVIRT_", "libvirt"),
    (r"(?:NETAVARK|CNI-|CNI_)", "podman"),
    (r"ts-(?:input|forward|postrouting)\Z", "tailscale"),
    (r"ufw6?-", "ufw"),
    (r"(?:CROWDSEC|crowdsec)", "crowdsec"),
    (r"sshguard", "sshguard"),
    (r"InstanceServices\Z", "oracle-cloud-agent"),
    (r"PVEFW-", "proxmox"),
    (r"nm-sh-", "networkmanager"),
    (r"nixos-(?:fw|nat)", "nixos"),
    (r"(?:LOCAL|ALLOW|DENY|LOGDROP|CC_)(?:IN|OUT|INPUT|OUTPUT)\Z", "csf"),
    (r"(?:(?:INPUT|FORWARD|OUTPUT|PREROUTING|POSTROUTING)_(?:direct|ZONES|IN_ZONES|OUT_ZONES|POLICIES))", "firewalld"),
    (r"(?:IN|FWDI|FWDO|FWD|PRE|POST)_[A-Za-z0-9_-]+_?(?:log|deny|allow|pre|post)\Z", "firewalld"),
    (r"(?:net|fw|loc|dmz)(?:2|-)(?:net|fw|loc|dmz)\Z", "shorewall"),
    (r"hf-|holdfast-", "holdfast"),
)
_BRIDGE = r"(?:docker0|docker_gwbridge|br-[0-9a-f]{12})"
#: Rules that Docker keeps in the built-in chains; two interfaces in one rule, so no rule of ours looks like one.
_DOCKER_RULES = re.compile(
    r"-A FORWARD -o %(b)s -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\Z"
    r"|-A FORWARD -i %(b)s (?:! )?-o %(b)s -j (?:ACCEPT|DROP)\Z"
    r"|-A POSTROUTING -s \S+ ! -o %(b)s -j MASQUERADE\Z"
    r"|-A POSTROUTING -s (\S+) -d \1 -p (tcp|udp|sctp) -m \2 --dport \d+ -j MASQUERADE\Z"
    r"|-A PREROUTING -d \S+ ! -i %(b)s -j DROP\Z" % {"b": _BRIDGE}
)
_COMMENTS = (
    (re.compile(r'--comment "?(?:by Fail2Ban|by fail2ban)'), "fail2ban"),
    (re.compile(r'--comment "?generated for (?:LXD|lxd)'), "lxd"),
    (re.compile(r'--comment "?generated for (?:Incus|incus)'), "incus"),
    (re.compile(r'--comment "?(?:kubernetes |cali:)'), "kubernetes"),
)
_TARGET = re.compile(r" -[jg] (\S+)")
_COMPILED = tuple((re.compile(pattern), owner) for pattern, owner in _CHAINS)


def chain_owner(name: str) -> t.Optional[str]:
    """Return the program that keeps a chain of this name, or None for the administrator's."""
    return next((owner for pattern, owner in _COMPILED if pattern.match(name)), None)


def rule_owner(line: str) -> t.Optional[str]:
    """Return the program that keeps this line of a built-in chain, or None.

    :param line: one rule as iptables-save prints it.
    """
    targets = _TARGET.findall(re.sub(r'"(?:[^"\\]|\\.)*"', '""', line))
    owner = chain_owner(targets[-1]) if targets else None
    if owner not in (None, "holdfast"):
        return owner
    if _DOCKER_RULES.match(line):
        return "docker"
    return next((name for pattern, name in _COMMENTS if pattern.search(line)), None)


def is_foreign(owner: t.Optional[str]) -> bool:
    """Return whether another program keeps it."""
    return owner not in (None, "holdfast")
