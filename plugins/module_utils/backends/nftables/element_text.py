# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Intervals of addresses and ports as the elements of nft's sets and maps, written as nft lists them, and read again.

Pure: touches nothing.
"""

from __future__ import annotations

import re
import socket
import typing as t

from ...analysis.boxes import Interval
from ...policy.errors import HoldfastError
from .listing import Block

_TOP = {4: 2**32 - 1, 6: 2**128 - 1}
_BITS = {4: 32, 6: 128}
_KIND = {4: socket.AF_INET, 6: socket.AF_INET6}
_ELEMENT = re.compile(r'([^\s{},"][^{},"]*?)(?: comment "([^"]*)")? : (accept|drop|(?:jump|goto) \w+)(?:, ?\s*| \})')
_HEAD = "elements = { "
_MOVING = re.compile(r"^\t\t(?:timeout|flags .*\b(?:dynamic|timeout))\b")

#: Key as it is listed, comment, verdict.
Listed = t.Tuple[str, t.Optional[str], str]


def address_interval(family: int, low: int, high: int) -> str:
    """Return the addresses between two, both included: an address, a prefix or a range."""
    size = high - low
    if not size:
        return _address(family, low)
    if size & (size + 1) == 0 and low & size == 0:
        return "%s/%d" % (_address(family, low), _BITS[family] - size.bit_length())
    return "%s-%s" % (_address(family, low), _address(family, high))


def port_interval(low: int, high: int) -> str:
    """Return the ports between two, both included."""
    return str(low) if low == high else "%d-%d" % (low, high)


def read_addresses(family: int, text: str) -> Interval:
    """Return the addresses that a part of a key names.

    :raises ValueError: when it names none of the family.
    """
    first, dash, last = text.partition("-")
    if dash:
        low, high = _number(family, first), _number(family, last)
    else:
        address, slash, length = text.partition("/")
        low = _number(family, address)
        size = (1 << (_BITS[family] - int(length))) - 1 if slash else 0
        high = low + size
        if low & size:
            raise ValueError(text)
    if low > high:
        raise ValueError(text)
    return low, high


def read_ports(text: str) -> Interval:
    """Return the ports that a part of a key names.

    :raises ValueError: when it names none.
    """
    first, dash, last = text.partition("-")
    low = int(first)
    high = int(last) if dash else low
    if not 0 <= low <= high <= 65535:
        raise ValueError(text)
    return low, high


def listed_elements(block: Block) -> t.List[Listed]:
    """Return the elements of a map of verdicts.

    :raises HoldfastError: when it holds something else, or fills and empties by itself.
    """
    start = next((number for number, line in enumerate(block.body) if line.lstrip("\t").startswith(_HEAD)), None)
    if any(_MOVING.match(line) for line in block.body[:start]):
        raise HoldfastError("Map %s was not made by a policy: its elements come and go by themselves" % block.name)
    if start is None:
        return []
    text = "\n".join(block.body[start:]).lstrip("\t")[len(_HEAD) :]
    found: t.List[Listed] = []
    at = 0
    verdicts: t.Dict[str, str] = {}
    for one in _ELEMENT.finditer(text):
        if one.start() != at:
            break
        at = one.end()
        key, comment, verdict = one.groups()
        found.append((key, comment, verdicts.setdefault(verdict, verdict)))
    if at != len(text):
        raise HoldfastError("This element of map %s was not written by a policy: %s" % (block.name, text[at : at + 80]))
    return found


def _address(family: int, number: int) -> str:
    return socket.inet_ntop(_KIND[family], number.to_bytes(_BITS[family] // 8, "big"))


def _number(family: int, text: str) -> int:
    try:
        return int.from_bytes(socket.inet_pton(_KIND[family], text), "big")
    except OSError:
        raise ValueError(text) from None
