# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Port numbers and ranges: parsing and the one canonical form (sorted, merged, inclusive).

Pure: touches nothing. Numbers per RFC 6335: 1 to 65535 (port 0 is reserved and never on the wire).
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .errors import PolicyError

MIN_PORT = 1
MAX_PORT = 65535
ONE_PORT = "a port number from 1 to 65535, or several as a list"
ONE_RANGE = "FIRST-LAST with 1 <= FIRST <= LAST <= 65535 (for example 8000-8080), or several as a list"


@dataclass(frozen=True, order=True)
class PortRange:
    """The ports ``first`` to ``last``, both included."""

    __slots__ = ("first", "last")  # there may be hundreds of thousands

    first: int
    last: int

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else "%d-%d" % (self.first, self.last)

    @property
    def single(self) -> bool:
        """Whether this is one port."""
        return self.first == self.last


def merge_ports(ranges: t.Iterable[PortRange]) -> t.Tuple[PortRange, ...]:
    """Return the same ports as sorted ranges that neither overlap nor touch."""
    merged: t.List[PortRange] = []
    for one in sorted(ranges):
        if merged and one.first <= merged[-1].last + 1:
            merged[-1] = PortRange(merged[-1].first, max(merged[-1].last, one.last))
        else:
            merged.append(one)
    return tuple(merged)


def parse_port(value: t.Any, place: str) -> PortRange:
    """Read one port number.

    :raises PolicyError: when it is not a whole number from 1 to 65535.
    """
    number = _number(value)
    if number is None:
        text = str(value).strip() if not isinstance(value, (bool, float, dict)) else ""
        hint = ""
        if "-" in text or ":" in text:
            hint = "for a range write port_range: %s" % text.replace(":", "-")
        elif text.isalpha():
            hint = "service names are not looked up; write the number"
        raise PolicyError(place, value, ONE_PORT, hint)
    if not MIN_PORT <= number <= MAX_PORT:
        raise PolicyError(place, value, ONE_PORT, "the number is out of range")
    return PortRange(number, number)


def parse_port_range(value: t.Any, place: str) -> PortRange:
    """Read one range ``FIRST-LAST``.

    :raises PolicyError: when it is malformed, reversed or out of range.
    """
    text = value.strip() if isinstance(value, str) else ""
    if text.count("-") != 1:
        hint = ""
        if _number(value) is not None:
            hint = "for a single port write port: %s" % str(value).strip()
        elif ":" in text:
            hint = "write it with a dash: %s" % text.replace(":", "-")
        raise PolicyError(place, value, ONE_RANGE, hint)
    first, last = (_number(part) for part in text.split("-"))
    if first is None or last is None:
        raise PolicyError(place, value, ONE_RANGE)
    for number in (first, last):
        if not MIN_PORT <= number <= MAX_PORT:
            raise PolicyError(place, value, ONE_RANGE, "%d is out of range" % number)
    if first > last:
        raise PolicyError(place, value, ONE_RANGE, "the range is reversed; write %d-%d" % (last, first))
    return PortRange(first, last)


def _number(value: t.Any) -> t.Optional[int]:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, str):
        text = value.strip()
        if text.isascii() and text.isdigit() and len(text) <= 9:
            return int(text)
    return None
