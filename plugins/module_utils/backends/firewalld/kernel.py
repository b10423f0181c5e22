# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What nftables really has of firewalld's rules, which firewalld itself does not look at.

Runs ``nft list table`` only.
"""

from __future__ import annotations

import hashlib
import re
import typing as t

from ...host import Host
from ...policy.errors import HoldfastError
from .names import NAT_PREFIX, PREFIX

TABLE = ("nft", "list", "table", "inet", "firewalld")
_BLOCK = re.compile(r"^\t(chain|set) (\S+) \{$")
#: Chains of firewalld through which packets reach ours.
_BASES = frozenset({"filter_INPUT", "filter_OUTPUT", "filter_FORWARD"})
_DISPATCH = re.compile(r"filter_(INPUT|OUTPUT|FORWARD)_POLICIES_(pre|post)\Z")
_NAT_DISPATCH = re.compile(r"nat_(PREROUTING|POSTROUTING)_POLICIES_pre\Z")
_NAT_OWN = "_policy_" + NAT_PREFIX
#: How firewalld logs what it denies itself (firewall-cmd --set-log-denied): in lines of their own, or in that of the denial. 0.9
#: quotes the prefix twice.
_DENIED = re.compile(r'log prefix "+[^"\s]+_(?:DROP|REJECT): "+(?P<rest> |\Z)')
#: What a number of bytes or packets would be in a listing with counters.
_COUNTER = re.compile(r"counter packets \d+ bytes \d+")


def table_text(host: Host) -> t.Optional[str]:
    """Return the listing of firewalld's table, or None when nftables has no such table.

    :raises HoldfastError: when nft cannot be run.
    """
    answer = host.run(TABLE, timeout=120.0)
    if answer.rc == 127:
        raise HoldfastError("nft is not installed, so nobody can see whether firewalld's rules are in force")
    return _COUNTER.sub("counter", answer.out) if answer.ok else None


def own_part(text: str) -> str:
    """Return what of the table is ours, and how packets get there."""
    kept: t.List[str] = []
    mode = ""
    translates = _NAT_OWN in text
    for line in text.splitlines():
        denied = _DENIED.search(line)
        if denied is not None:
            # Whether that is logged is the administrator's setting, and nothing is decided by it.
            if not denied.group("rest"):
                continue
            line = line[: denied.start()] + line[denied.end() :]
        head = _BLOCK.match(line)
        if head is not None:
            name = head.group(2)
            own = PREFIX in name and (head.group(1) == "set" or name.startswith("filter_") or _NAT_OWN in name)
            leads = _DISPATCH.match(name) or (translates and _NAT_DISPATCH.match(name))
            mode = "all" if own or name in _BASES else "jumps" if leads else ""
            kept += [line] if mode else []
        elif mode == "all" or (mode == "jumps" and "_policy_" + PREFIX in line):
            kept.append(line)
    return "\n".join(kept) + "\n"


def masquerades_what_arrives(text: t.Optional[str]) -> bool:
    """Return whether a masquerade of ours has the interface of arrival instead of the one that a packet leaves by."""
    own = False
    for line in (text or "").splitlines():
        head = _BLOCK.match(line)
        if head is not None:
            own = _NAT_OWN in head.group(2)
        elif own and " iifname @" in line and line.endswith("masquerade"):
            return True
    return False


def digest(text: t.Optional[str]) -> str:
    """Return a hash of what is ours in a listing; of nothing for no table."""
    return hashlib.sha256((own_part(text) if text is not None else "").encode("utf-8")).hexdigest()


def has_chains(text: t.Optional[str], chains: t.Iterable[str]) -> bool:
    """Return whether the table has these chains, and the base chains of firewalld."""
    if text is None:
        return False
    found = {head.group(2) for head in map(_BLOCK.match, text.splitlines()) if head is not None}
    return {*chains, *_BASES} <= found
