# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How ipfw takes the lines of a file, and the words of a command line, apart."""

from __future__ import annotations

import re

from .ipfw_rule import DATAERR, IpfwError

_BLANKS = " \t\f\v\n\r"
#: Bytes of a line that are read at once.
_BUFFER = 4095


def lines_of_file(text: str, strict: bool) -> list[str]:
    """The lines of a file; what is longer than the buffer is read as several."""
    found = []
    for line in text.removesuffix("\n").split("\n"):
        if strict and len(line.encode()) > _BUFFER:
            raise IpfwError(DATAERR, "strict: a line of more than %d bytes is read as several" % _BUFFER)
        found += [line[start : start + _BUFFER] for start in range(0, max(1, len(line)), _BUFFER)]
    return found


def split_line(text: str) -> list[str]:
    """One string into words: a comment starts at ``#``, blanks after a blank or a comma vanish, as does a comma at the end."""
    kept = ""
    copy = False
    for char in text.split("#")[0]:
        if copy or char not in _BLANKS:
            kept += char
            copy = char not in "," + _BLANKS if copy else True
    if not copy:
        kept = kept[:-1]
    return re.split("[%s]" % _BLANKS, kept) if kept else []


def join_lists(argv: list[str]) -> list[str]:
    """Words of which one ends with a comma become one word."""
    words: list[str] = []
    pending = ""
    for index, word in enumerate(argv):
        pending += word
        if not word.endswith(",") or index == len(argv) - 1:
            words.append(pending)
            pending = ""
    return words
