# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sets of small numbers as one whole number: bit ``n`` says that ``n`` is in it.

Pure: touches nothing.
"""

from __future__ import annotations

import typing as t


def bits(numbers: t.Iterable[int], size: int) -> int:
    """Return the set of these numbers, all below ``size``."""
    buffer = bytearray(size // 8 + 1)
    for number in numbers:
        buffer[number >> 3] |= 1 << (number & 7)
    return int.from_bytes(buffer, "little")


def members(found: int) -> t.List[int]:
    """Return the numbers in a set, ascending."""
    numbers: t.List[int] = []
    offset = 0
    while found:
        word = found & 0xFFFFFFFFFFFFFFFF
        while word:
            low = word & -word
            numbers.append(offset + low.bit_length() - 1)
            word ^= low
        found >>= 64
        offset += 64
    return numbers
