# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ICMP types: their names in each family, and reading them.

Pure: touches nothing. Numbers and names: IANA "Internet Control Message Protocol (ICMP) Parameters" and "Internet Control Message Protocol
version 6 (ICMPv6) Parameters".
"""

from __future__ import annotations

import typing as t

from .errors import PolicyError, nearest
from .protocols import ICMP, ICMPV6, protocol_name

TYPES: t.Dict[int, t.Dict[str, int]] = {
    ICMP: {
        "echo-reply": 0, "destination-unreachable": 3, "source-quench": 4, "redirect": 5, "echo-request": 8, "router-advertisement": 9,
        "router-solicitation": 10, "time-exceeded": 11, "parameter-problem": 12, "timestamp-request": 13, "timestamp-reply": 14,
        "address-mask-request": 17, "address-mask-reply": 18,
    },
    ICMPV6: {
        "destination-unreachable": 1, "packet-too-big": 2, "time-exceeded": 3, "parameter-problem": 4, "echo-request": 128,
        "echo-reply": 129, "mld-query": 130, "mld-report": 131, "mld-done": 132, "router-solicitation": 133, "router-advertisement": 134,
        "neighbor-solicitation": 135, "neighbor-advertisement": 136, "redirect": 137, "mldv2-report": 143,
    },
}  # fmt: skip
_SAME = {"ping": "echo-request", "pong": "echo-reply", "neighbour-solicitation": "neighbor-solicitation",
         "neighbour-advertisement": "neighbor-advertisement"}  # fmt: skip


def allowed(protocol: int) -> str:
    """Return what may stand in ``icmp_type`` for a protocol."""
    return "a type number from 0 to 255, or %s, or several as a list" % ", ".join(TYPES[protocol])


def parse_icmp_types(values: t.Sequence[t.Any], protocol: int, place: str) -> t.Tuple[int, ...]:
    """Read ICMP types of ``protocol`` (1 or 58) as sorted numbers.

    :raises PolicyError: for a number outside 0 to 255 or a name that this family does not have.
    """
    return tuple(
        sorted(
            {_parse_one(value, protocol, "%s[%d]" % (place, number) if len(values) > 1 else place) for number, value in enumerate(values)}
        )
    )


def _parse_one(value: t.Any, protocol: int, place: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 255:
        return int(value)
    hint = ""
    if isinstance(value, str):
        word = value.strip().lower().replace("_", "-")
        word = _SAME.get(word, word)
        if word in TYPES[protocol]:
            return TYPES[protocol][word]
        if word.isascii() and word.isdigit() and len(word) <= 9 and int(word) <= 255:
            return int(word)
        other = ICMPV6 if protocol == ICMP else ICMP
        close = nearest(word, TYPES[protocol])
        if word in TYPES[other]:
            hint = "this is a type of %s; %s has no such type" % (protocol_name(other), protocol_name(protocol))
        elif close:
            hint = "did you mean %s?" % close
    raise PolicyError(place, value, allowed(protocol), hint)
