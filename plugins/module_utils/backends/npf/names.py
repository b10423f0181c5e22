# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of protocols, ICMP types and services in npf.conf.

Pure but for the service database. npfctl asks the system for them (``getprotobyname``, ``getaddrinfo``, the headers of ICMP); lines of ours
have numbers.
"""

from __future__ import annotations

import socket
import typing as t

from ...policy.protocols import ICMP, ICMPV6

PROTOCOLS: t.Dict[str, int] = {
    "icmp": 1, "igmp": 2, "tcp": 6, "udp": 17, "gre": 47, "esp": 50, "ah": 51, "ipv6-icmp": 58, "ospf": 89, "pim": 103, "carp": 112,
    "sctp": 132,
}  # fmt: skip
_TYPES: t.Dict[int, t.Dict[str, int]] = {
    ICMP: {"echoreply": 0, "unreach": 3, "redirect": 5, "echo": 8, "timxceed": 11, "paramprob": 12},
    ICMPV6: {"unreach": 1, "toobig": 2, "timex": 3, "paramprob": 4, "echoreq": 128, "echorep": 129},
}


def icmp_type_of(word: str, protocol: int) -> t.Optional[int]:
    """Return the number of an ICMP type by its name, or None for a name that is not known here."""
    return _TYPES[protocol].get(word)


def port_of(name: str, protocol: str) -> t.Optional[int]:
    """Return the port of a service name, or None when nobody knows it."""
    try:
        return socket.getservbyname(name, protocol)
    except (OSError, UnicodeError):
        return None
