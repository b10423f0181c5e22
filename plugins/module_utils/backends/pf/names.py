# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of protocols and ICMP types in pf.conf.

Pure: touches nothing. Sources: /etc/protocols of FreeBSD; the lists of ICMP names that pfctl prints, see icmp(4) and icmp6(4). ``icmp6`` is
pf's own alias.
"""

from __future__ import annotations

import typing as t

from ...policy.protocols import ICMP, ICMPV6

PROTOCOLS: t.Dict[str, int] = {
    "icmp": 1, "igmp": 2, "ipencap": 4, "tcp": 6, "udp": 17, "ipv6": 41, "rsvp": 46, "gre": 47, "esp": 50, "ah": 51, "ipv6-icmp": 58,
    "icmp6": 58, "ospf": 89, "etherip": 97, "pim": 103, "ipcomp": 108, "carp": 112, "vrrp": 112, "l2tp": 115, "sctp": 132,
    "udplite": 136, "pfsync": 240,
}  # fmt: skip

#: The highest type that pf keeps: it stores the number plus one in a byte, where 255 becomes "any type".
TYPE_TOP = 254
_TYPES: t.Dict[int, t.Dict[str, int]] = {
    ICMP: {
        "echorep": 0, "unreach": 3, "squench": 4, "redir": 5, "althost": 6, "echoreq": 8, "routeradv": 9, "routersol": 10, "timex": 11,
        "paramprob": 12, "timereq": 13, "timerep": 14, "inforeq": 15, "inforep": 16, "maskreq": 17, "maskrep": 18, "trace": 30,
        "dataconv": 31, "mobredir": 32, "ipv6-where": 33, "ipv6-here": 34, "mobregreq": 35, "mobregrep": 36, "skip": 39, "photuris": 40,
    },
    ICMPV6: {
        "unreach": 1, "toobig": 2, "timex": 3, "paramprob": 4, "echoreq": 128, "echorep": 129, "groupqry": 130, "listqry": 130,
        "grouprep": 131, "listenrep": 131, "groupterm": 132, "listendone": 132, "routersol": 133, "routeradv": 134, "neighbrsol": 135,
        "neighbradv": 136, "redir": 137, "routrrenum": 138, "wrureq": 139, "fqdnreq": 139, "niqry": 139, "wrurep": 140, "fqdnrep": 140,
        "nirep": 140, "mtraceresp": 200, "mtrace": 201, "listenrepv2": 143,
    },
}  # fmt: skip


def icmp_type_of(word: str, protocol: int) -> t.Optional[int]:
    """Return the number of an ICMP type of protocol 1 or 58, by name or number; None for one that pf does not keep."""
    if word.isascii() and word.isdigit():
        return int(word) if int(word) <= TYPE_TOP else None
    return _TYPES[protocol].get(word)
