# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rates as xt_limit and xt_hashlimit keep them: whole periods, so that not every rate is carried exactly.

Pure: touches nothing. The kernel gets ``scale * seconds / count`` as a whole number and the tools print a rate computed back from it
(libxt_limit.c, libxt_hashlimit.c; all rates from 1 to 400 and the round ones up to 10000 agree with iptables 1.8.9, both variants).
"""

from __future__ import annotations

import typing as t

from ...policy.rates import DEFAULT_BURST, Limit, Rate, canonical

#: Parts of a second that a period of ``-m limit`` counts in (XT_LIMIT_SCALE), and of ``-m hashlimit`` (XT_HASHLIMIT_SCALE_v2).
LIMIT_SCALE, HASHLIMIT_SCALE = 10000, 1000000
#: The kernel's credits are sure to fit for a day; beyond that it refuses the rule or, worse, wraps to another burst.
LONGEST_REFILL = 86400
_UNITS = (("day", 86400), ("hour", 3600), ("min", 60), ("sec", 1))


def listed_rate(rate: Rate, scale: int) -> Rate:
    """Return the rate that the tools list after ``rate`` was given to them."""
    period = scale * rate.seconds // rate.count
    chosen = len(_UNITS) - 1
    for index in range(1, len(_UNITS)):
        unit = scale * _UNITS[index][1]
        if period > unit or unit // period < unit % period:
            chosen = index - 1
            break
    seconds = _UNITS[chosen][1]
    return Rate(scale * seconds // period, seconds)


def carries(rate: Rate, scale: int) -> bool:
    """Return whether the rate comes back as it was given."""
    return canonical(listed_rate(rate, scale)) == canonical(rate)


def rate_text(rate: Rate, scale: int) -> str:
    """Return the rate as iptables-save prints it (``6/min``)."""
    listed = listed_rate(rate, scale)
    return "%d/%s" % (listed.count, {seconds: name for name, seconds in _UNITS}[listed.seconds])


def parse_rate_text(text: str) -> t.Optional[Rate]:
    """Read a rate of iptables (``5/sec``, ``3/minute``, ``4``), or return None."""
    count, _slash, unit = text.partition("/")
    unit = unit.lower() or "sec"
    for name, seconds in (("second", 1), ("minute", 60), ("hour", 3600), ("day", 86400)):
        if name.startswith(unit) and count.isascii() and count.isdigit() and 0 < int(count[:9]) <= 1000000:
            return canonical(Rate(int(count), seconds))
    return None


def refill_milliseconds(limit: Limit) -> int:
    """Return how long it takes until the whole burst may pass again, in milliseconds, rounded up."""
    return -(-limit.burst * limit.rate.seconds * 1000 // limit.rate.count)


def limit_words(limit: Limit) -> t.List[str]:
    """Return the match ``-m limit``, its default burst left out as iptables-save does."""
    words = ["-m", "limit", "--limit", rate_text(limit.rate, LIMIT_SCALE)]
    return words if limit.burst == DEFAULT_BURST else words + ["--limit-burst", str(limit.burst)]


def hashlimit_words(limit: Limit, name: str) -> t.List[str]:
    """Return the match ``-m hashlimit`` that keeps one count for each source address.

    A count that is forgotten before its burst is full again would let more through, so it is kept that long; by default the kernel
    keeps it for one unit of the rate, and iptables-save leaves that default out.
    """
    words = ["-m", "hashlimit", "--hashlimit-upto", rate_text(limit.rate, HASHLIMIT_SCALE), "--hashlimit-burst", str(limit.burst)]
    words += ["--hashlimit-mode", "srcip", "--hashlimit-name", name]
    if refill_milliseconds(limit) > default_expiry(limit.rate):
        words += ["--hashlimit-htable-expire", str(refill_milliseconds(limit))]
    return words


def default_expiry(rate: Rate) -> int:
    """Return how long hashlimit keeps an idle count when nothing is said, in milliseconds."""
    return listed_rate(rate, HASHLIMIT_SCALE).seconds * 1000
