# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IP protocols: the names of the language, their numbers, and which of them have ports.

Pure: touches nothing. Numbers: IANA "Assigned Internet Protocol Numbers".
"""

from __future__ import annotations

import typing as t

from .errors import PolicyError, nearest

TCP, UDP, ICMP, ICMPV6, SCTP, ESP, AH, GRE, DCCP, UDPLITE = 6, 17, 1, 58, 132, 50, 51, 47, 33, 136

NUMBERS: t.Dict[str, int] = {
    "tcp": TCP,
    "udp": UDP,
    "icmp": ICMP,
    "icmpv6": ICMPV6,
    "sctp": SCTP,
    "esp": ESP,
    "ah": AH,
    "gre": GRE,
}
NAMES: t.Dict[int, str] = {number: name for name, number in NUMBERS.items()}
ALLOWED = "tcp, udp, icmp, icmpv6, sctp, esp, ah, gre, any, or a protocol number from 0 to 255"

#: Protocols whose packets carry ports that every backend of ours can match.
WITH_PORTS = frozenset({TCP, UDP, SCTP})

#: ICMP messages that tell a sender what became of its packets: unreachable and "fragmentation needed", "packet too big", time exceeded,
#: parameter problem. Without them connections stall where a path takes small packets only (RFC 1191, RFC 4890 4.3.1).
ICMP_ERRORS = {ICMP: (3, 11, 12), ICMPV6: (1, 2, 3, 4)}

#: The protocol that exists in one address family only.
FAMILY_OF = {ICMP: 4, ICMPV6: 6}


def parse_protocol(value: t.Any, place: str) -> t.Optional[int]:
    """Read a protocol; returns its number, or None for ``any``.

    :raises PolicyError: for an unknown name or a number outside 0 to 255.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise PolicyError(place, value, ALLOWED)
    if isinstance(value, int) and not 0 <= value <= 255:
        raise PolicyError(place, value, ALLOWED)
    text = str(value).strip().lower()
    if text == "any":
        return None
    if text in NUMBERS:
        return NUMBERS[text]
    if text.isascii() and text.isdigit() and int(text[:9]) <= 255 and len(text) <= 9:
        return int(text)
    close = nearest(text, list(NUMBERS) + ["any"])
    raise PolicyError(place, value, ALLOWED, "did you mean %s?" % close if close else "")


def protocol_name(number: t.Optional[int]) -> str:
    """Return the language's word for a protocol: ``any``, a name, or the number as text."""
    if number is None:
        return "any"
    return NAMES.get(number, str(number))
