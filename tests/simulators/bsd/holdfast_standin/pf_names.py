# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Words of the pf grammar: keywords, ICMP names, timeouts, TCP flags.  Sources: pf.conf(5), icmp(4), icmp6(4)."""

from __future__ import annotations

TCP_FLAGS = "FSRPAUEW"
ALL_TCP_FLAGS = 0xFF

KEYWORDS = frozenset(
    """
    all allow-opts altq anchor antispoof any bandwidth binat binat-anchor bitmask block block-policy buckets cbq code codelq debug
    divert-reply divert-to drop dup-to fail-policy fairq fastroute file fingerprints flags floating flush for fragment from global
    group hfsc hogs hostid icmp-type icmp6-type if-bound in include inet inet6 interval keep label limit linkshare load log
    loginterface max max-mss max-src-conn max-src-conn-rate max-src-nodes max-src-states min-ttl modulate nat nat-anchor no no-df
    no-route no-sync on optimization os out overload pass port prio priority priq probability proto qlimit queue quick random
    random-id rdr rdr-anchor realtime reassemble reply-to require-order return return-icmp return-icmp6 return-rst round-robin route
    route-to rtable rule ruleset-optimization scrub set set-tos skip sloppy source-hash source-track state state-defaults
    state-policy static-port sticky-address synproxy table tag tagged target tbrsize timeout to tos ttl upperlimit urpf-failed user
""".split()
)

FREEBSD_LATER = frozenset("bridge-to dnpipe dnqueue ether keepcounters l3 map-e-portset match ridentifier syncookies".split())
FREEBSD_15 = frozenset("af-to binat-to max-pkt-rate nat-to rdr-to received-on once".split())
MACOS_ONLY = frozenset("dummynet dummynet-anchor scrub-anchor".split())
OPENBSD = (
    KEYWORDS
    - frozenset(
        """
    altq binat binat-anchor buckets cbq codelq fail-policy fairq fastroute floating hfsc hogs linkshare nat nat-anchor priority priq
    rdr rdr-anchor realtime require-order tbrsize upperlimit
""".split()
    )
) | frozenset(
    """
    af-to binat-to burst default delay divert-packet floating flows least-states match matches max-pkt-rate min nat-to once parent
    pflow quantum rdomain rdr-to received-on syncookies weight
""".split()
)
TIMEOUT_DEFAULTS = {
    "tcp.first": 120,
    "tcp.opening": 30,
    "tcp.established": 86400,
    "tcp.closing": 900,
    "tcp.finwait": 45,
    "tcp.closed": 90,
    "tcp.tsdiff": 30,
    "udp.first": 60,
    "udp.single": 30,
    "udp.multiple": 60,
    "icmp.first": 20,
    "icmp.error": 10,
    "other.first": 60,
    "other.single": 30,
    "other.multiple": 60,
    "frag": 60,
    "interval": 10,
    "adaptive.start": 60000,
    "adaptive.end": 120000,
    "src.track": 0,
}


def keywords_of(name: str, major: int) -> frozenset[str]:
    """The reserved words of a dialect, by flavour name and major release."""
    if name == "openbsd":
        return OPENBSD
    if name == "macos":
        return KEYWORDS | MACOS_ONLY
    words = KEYWORDS
    if major >= 14:
        words = words | FREEBSD_LATER
    if major >= 15:
        words = words | FREEBSD_15
    return words


ICMP_TYPES = {
    "echoreq": 8,
    "echorep": 0,
    "unreach": 3,
    "squench": 4,
    "redir": 5,
    "althost": 6,
    "routeradv": 9,
    "routersol": 10,
    "timex": 11,
    "paramprob": 12,
    "timereq": 13,
    "timerep": 14,
    "inforeq": 15,
    "inforep": 16,
    "maskreq": 17,
    "maskrep": 18,
    "trace": 30,
    "dataconv": 31,
    "mobredir": 32,
    "ipv6-where": 33,
    "ipv6-here": 34,
    "mobregreq": 35,
    "mobregrep": 36,
    "skip": 39,
    "photuris": 40,
}
ICMP6_TYPES = {
    "unreach": 1,
    "toobig": 2,
    "timex": 3,
    "paramprob": 4,
    "echoreq": 128,
    "echorep": 129,
    "groupqry": 130,
    "listqry": 130,
    "grouprep": 131,
    "listenrep": 131,
    "groupterm": 132,
    "listendone": 132,
    "routersol": 133,
    "routeradv": 134,
    "neighbrsol": 135,
    "neighbradv": 136,
    "redir": 137,
    "routrrenum": 138,
    "wrureq": 139,
    "wrurep": 140,
    "fqdnreq": 139,
    "fqdnrep": 140,
    "niqry": 139,
    "nirep": 140,
    "mtraceresp": 200,
    "mtrace": 201,
    "listenrepv2": 143,
}
ICMP_CODES = {
    ("net-unr", 3): 0,
    ("host-unr", 3): 1,
    ("proto-unr", 3): 2,
    ("port-unr", 3): 3,
    ("needfrag", 3): 4,
    ("srcfail", 3): 5,
    ("net-unk", 3): 6,
    ("host-unk", 3): 7,
    ("isolate", 3): 8,
    ("net-prohib", 3): 9,
    ("host-prohib", 3): 10,
    ("net-tos", 3): 11,
    ("host-tos", 3): 12,
    ("filter-prohib", 3): 13,
    ("host-preced", 3): 14,
    ("cutoff-preced", 3): 15,
    ("redir-net", 5): 0,
    ("redir-host", 5): 1,
    ("redir-tos-net", 5): 2,
    ("redir-tos-host", 5): 3,
    ("normal-adv", 9): 0,
    ("common-adv", 9): 16,
    ("transit", 11): 0,
    ("reassemb", 11): 1,
    ("badhead", 12): 0,
    ("optmiss", 12): 1,
    ("badlen", 12): 2,
    ("unknown-ind", 40): 1,
    ("auth-fail", 40): 2,
    ("decrypt-fail", 40): 3,
}
ICMP6_CODES = {
    ("admin-unr", 1): 1,
    ("noroute-unr", 1): 0,
    ("notnbr-unr", 1): 2,
    ("beyond-unr", 1): 2,
    ("addr-unr", 1): 3,
    ("port-unr", 1): 4,
    ("transit", 3): 0,
    ("reassemb", 3): 1,
    ("badhead", 4): 0,
    ("nxthdr", 4): 1,
    ("redironlink", 137): 0,
    ("redirrouter", 137): 1,
}


def _first(table: dict[str, int]) -> dict[int, str]:
    names: dict[int, str] = {}
    for name, number in table.items():
        names.setdefault(number, name)
    return names


_TYPE_NAMES = {4: _first(ICMP_TYPES), 6: _first(ICMP6_TYPES)}


def icmp_type_text(number: int, family: int, has_listener_reports: bool = True) -> str:
    """Name of an ICMP type in a family (4 or 6), or its number; of several names the listing uses the first."""
    if number == ICMP6_TYPES["listenrepv2"] and not has_listener_reports:
        return str(number)
    return _TYPE_NAMES[6 if family == 6 else 4].get(number, str(number))


def icmp_code_text(type_: int, code: int, family: int) -> str:
    """Name of an ICMP code, or its number."""
    for (name, of_type), number in (ICMP6_CODES if family == 6 else ICMP_CODES).items():
        if of_type == type_ and number == code:
            return name
    return str(code)


# In the order of the kernel's list, which is the order of the listing.
TIMEOUTS = (
    "tcp.first",
    "tcp.opening",
    "tcp.established",
    "tcp.closing",
    "tcp.finwait",
    "tcp.closed",
    "udp.first",
    "udp.single",
    "udp.multiple",
    "icmp.first",
    "icmp.error",
    "other.first",
    "other.single",
    "other.multiple",
    "frag",
    "interval",
    "adaptive.start",
    "adaptive.end",
    "src.track",
    "tcp.tsdiff",
)
LIMITS = ("states", "src-nodes", "frags", "tables", "table-entries", "pktdelay-pkts")
OPTIMIZATIONS = ("default", "normal", "satellite", "high-latency", "conservative", "aggressive")
DEBUG_LEVELS = {
    "freebsd": ("none", "urgent", "misc", "loud"),
    "macos": ("none", "urgent", "misc", "loud"),
    "openbsd": ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"),
}
TOS_NAMES = {
    "af11": 0x28,
    "af12": 0x30,
    "af13": 0x38,
    "af21": 0x48,
    "af22": 0x50,
    "af23": 0x58,
    "af31": 0x68,
    "af32": 0x70,
    "af33": 0x78,
    "af41": 0x88,
    "af42": 0x90,
    "af43": 0x98,
    "critical": 0xA0,
    "cs0": 0,
    "cs1": 0x20,
    "cs2": 0x40,
    "cs3": 0x60,
    "cs4": 0x80,
    "cs5": 0xA0,
    "cs6": 0xC0,
    "cs7": 0xE0,
    "ef": 0xB8,
    "inetcontrol": 0xC0,
    "lowdelay": 0x10,
    "netcontrol": 0xE0,
    "reliability": 0x04,
    "throughput": 0x08,
    "va": 0xB0,
}

TABLE_NAME_MAX = 31
LABEL_MAX = 63
TAG_MAX = 63
INTERFACE_NAME_MAX = 15
