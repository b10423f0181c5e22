# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rates: ``6/minute`` and its canonical form (packets in a number of seconds).

Pure: touches nothing.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .errors import PolicyError

UNITS: t.Dict[str, int] = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
_SHORT = {"s": "second", "sec": "second", "m": "minute", "min": "minute", "h": "hour", "d": "day"}
ALLOWED = "COUNT/UNIT with COUNT from 1 to 10000 and UNIT second, minute, hour or day (for example 6/minute)"
MAX_COUNT = 10000
DEFAULT_BURST = 5


@dataclass(frozen=True)
class Rate:
    """``count`` packets in ``seconds`` seconds (1, 60, 3600 or 86400)."""

    count: int
    seconds: int

    def __str__(self) -> str:
        return "%d/%s" % (self.count, self.unit)

    @property
    def unit(self) -> str:
        """The unit's long name."""
        return {seconds: name for name, seconds in UNITS.items()}[self.seconds]


@dataclass(frozen=True)
class Limit:
    """How often a rule matches at most; packets above the rate fall through to the next rule.

    ``burst`` packets pass before the rate counts; ``per_source`` keeps one count for each source address.
    """

    rate: Rate
    burst: int = DEFAULT_BURST
    per_source: bool = False


def canonical(rate: Rate) -> Rate:
    """Return the same rate in the smallest unit that keeps the count whole (``180/hour`` is ``3/minute``)."""
    count, seconds = rate.count, rate.seconds
    for smaller in (1, 60, 3600):
        if smaller < seconds and (count * smaller) % seconds == 0:
            return Rate(count * smaller // seconds, smaller)
    return Rate(count, seconds)


def parse_rate(value: t.Any, place: str) -> Rate:
    """Read ``COUNT/UNIT``.

    :raises PolicyError: when it is not a rate.
    """
    parts = value.strip().lower().split("/") if isinstance(value, str) else []
    if len(parts) != 2:
        raise PolicyError(place, value, ALLOWED)
    count, unit = parts[0].strip(), parts[1].strip()
    unit = _SHORT.get(unit, unit)
    if not (count.isascii() and count.isdigit()) or not 1 <= int(count[:9]) <= MAX_COUNT or len(count) > 9 or unit not in UNITS:
        raise PolicyError(place, value, ALLOWED)
    return canonical(Rate(int(count), UNITS[unit]))


def parse_burst(value: t.Any, place: str) -> int:
    """Read a burst: a whole number of packets from 1 to 10000."""
    text = str(value).strip()
    if isinstance(value, bool) or not (text.isascii() and text.isdigit()) or not 1 <= int(text[:9]) <= MAX_COUNT or len(text) > 9:
        raise PolicyError(place, value, "a number of packets from 1 to 10000")
    return int(text)
