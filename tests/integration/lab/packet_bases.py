# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rulesets that hosts have before our rules come: as an administrator writes them, and as the oracle sees them. Pure.

``open``: nothing at all. ``closed``: everything denied but SSH, a service on port 7000, and what belongs to tracked connections, the
usual server. ``strict``: as old servers do it, without a word about states: services by port, their answers by source port.
"""

from __future__ import annotations

from dataclasses import replace

from .packet_oracle import Chain, Condition, Entry

BASES = ("open", "closed", "strict")
#: The service that is open on every host but has no meaning of its own: connections to it are there before a rule comes.
SERVICE = 7000

_NFT = {
    "open": "",
    "closed": """
table inet filter {
    chain input {
        type filter hook input priority 0; policy drop;
        iifname "lo" accept
        ct state established,related accept
        icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
        tcp dport { 22, 7000 } accept
        udp dport 7000 accept
    }
    chain output {
        type filter hook output priority 0; policy drop;
        oifname "lo" accept
        ct state established,related accept
        icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
        tcp dport 7000 accept
        udp dport 7000 accept
    }
    chain forward {
        type filter hook forward priority 0; policy drop;
        ct state established,related accept
        tcp dport 7000 accept
    }
}
""",
    "strict": """
table inet filter {
    chain input {
        type filter hook input priority 0; policy drop;
        iifname "lo" accept
        ct state invalid drop
        icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
        tcp dport { 22, 7000 } accept
    }
    chain output {
        type filter hook output priority 0; policy drop;
        oifname "lo" accept
        icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
        tcp sport { 22, 7000 } accept
    }
    chain forward {
        type filter hook forward priority 0; policy drop;
    }
}
""",
}

_IPTABLES = {
    "open": """*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
COMMIT
""",
    "closed": """*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT DROP [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p tcp -m multiport --dports 22,7000 -j ACCEPT
-A INPUT -p udp -m udp --dport 7000 -j ACCEPT
-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -p tcp -m tcp --dport 7000 -j ACCEPT
-A OUTPUT -o lo -j ACCEPT
-A OUTPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A OUTPUT -p tcp -m tcp --dport 7000 -j ACCEPT
-A OUTPUT -p udp -m udp --dport 7000 -j ACCEPT
COMMIT
""",
    "strict": """*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT DROP [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate INVALID -j DROP
-A INPUT -p tcp -m multiport --dports 22,7000 -j ACCEPT
-A OUTPUT -o lo -j ACCEPT
-A OUTPUT -p tcp -m multiport --sports 22,7000 -j ACCEPT
COMMIT
""",
}

_BOTH = frozenset({4, 6})


def native(kind: str, base: str) -> list[tuple[list[str], str]]:
    """Return the commands, each with its input, that put a host of this kind back to a base."""
    if kind == "nftables":
        return [(["nft", "-f", "-"], "flush ruleset\n" + _NFT[base])]
    # Sets that rules used are free once the rules are gone.
    return [(["iptables-restore"], _IPTABLES[base]), (["ip6tables-restore"], _IPTABLES[base]), (["ipset", "destroy"], "")]


def chains(kind: str, base: str) -> list[Chain]:
    """Return the lists of a host of this kind with a base.

    nftables may have a chain of ours beside the administrator's, but together they decide as one list does. iptables has one list for
    each address family.
    """
    return [
        Chain(hook, families, default, entries)
        for families in ([_BOTH] if kind == "nftables" else [frozenset({4}), frozenset({6})])
        for hook, default, entries in _administrators(base, families) or [(hook, "allow", []) for hook in ("in", "out", "forward")]
    ]


def _administrators(base: str, families: frozenset[int]) -> list[tuple[str, str, list[Entry]]]:
    def allow(hook: str, **words: object) -> Entry:
        ports = words.pop("ports", None)
        told = bool(words.pop("told", True))
        spans = {"port_spans": tuple((one, one) for one in ports)} if isinstance(ports, tuple) else {}
        return Entry(Condition(hook, families, **spans, **words), "allow", f"(the administrator's) {hook} {words} {ports}", told=told)

    def tracked(hook: str) -> Entry:
        condition = Condition(hook, families, states=frozenset({"established", "related"}))
        return Entry(condition, "allow", f"(the administrator's) {hook} established, related", told=False)

    def numbered(*entries: Entry) -> list[Entry]:
        return [replace(entry, order=order) for order, entry in enumerate(entries)]

    loopback = [allow(hook, interface="lo") for hook in ("in", "out")]
    services = allow("in", protocol=6, ports=(22, SERVICE))
    if base == "closed":
        udp_in, udp_out = (allow(hook, protocol=17, ports=(SERVICE,)) for hook in ("in", "out"))
        return [
            ("in", "deny", numbered(loopback[0], tracked("in"), services, udp_in)),
            ("out", "deny", numbered(loopback[1], tracked("out"), allow("out", protocol=6, ports=(SERVICE,)), udp_out)),
            ("forward", "deny", numbered(tracked("forward"), allow("forward", protocol=6, ports=(SERVICE,)))),
        ]
    if base == "strict":
        answers = allow("out", protocol=6, ports=(22, SERVICE), from_port=True, told=False)
        return [("in", "deny", numbered(loopback[0], services)), ("out", "deny", numbered(loopback[1], answers)), ("forward", "deny", [])]
    return []
