# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How iptables-save writes words, and how iptables-restore reads them back.

Pure: touches nothing. Quoting as in libxtables: a word of letters, digits, ``_`` and ``-`` stands bare, every other one in double quotes,
with a backslash before quotes and backslashes. Blanks, ``$``, ``;``, ``#`` and UTF-8 need nothing: no shell reads these lines.
"""

from __future__ import annotations

import re
import typing as t

_BARE = re.compile(r"[A-Za-z0-9_-]+\Z")


def quote(word: str) -> str:
    """Return free text (a comment, a log prefix) as iptables-save prints it."""
    if _BARE.match(word):
        return word
    return '"%s"' % re.sub(r"([\"'\\])", r"\\\1", word)


def quote_argument(word: str) -> str:
    """Return any argument so that iptables-restore reads it as one word; bare where nothing in it is special."""
    return quote(word) if word == "" or any(c.isspace() or c in "\"'\\" for c in word) else word


def same_words(line: str) -> t.Tuple[t.Tuple[str, ...], ...]:
    """Return the options of a line, each with its arguments, sorted: equal for two lines that differ in order and quoting only."""
    groups: t.List[t.List[str]] = [[]]
    try:
        words = split(line)
    except ValueError:
        return ((line,),)
    for word in words:
        opens = (word.startswith("-") or word == "!") and groups[-1] != ["!"]
        if opens:
            groups.append([])
        groups[-1].append(word)
    return tuple(sorted(tuple(group) for group in groups if group))


def split(line: str, shell: bool = False) -> t.List[str]:
    """Split a line into words.

    :param shell: whether single quotes quote too, as in a command line that somebody typed.
    :raises ValueError: when a quote is not closed.
    """
    words = _split_plain(line) if not shell else None
    return words if words is not None else _split_slowly(line, shell)


def _split_plain(line: str) -> t.Optional[t.List[str]]:
    """Split a line whose quotes each hold one whole word, as iptables-save writes them; None for any other."""
    if "\\" in line or "\t" in line:
        return None
    if '"' not in line:
        return [word for word in line.split(" ") if word]
    parts = line.split('"')
    if len(parts) % 2 == 0:
        return None
    words: t.List[str] = []
    for number, part in enumerate(parts):
        if number % 2:
            words.append(part)
        else:
            if (number and part[:1] not in ("", " ")) or (number + 1 < len(parts) and part[-1:] != " "):
                return None
            words.extend(word for word in part.split(" ") if word)
    return words


def _split_slowly(line: str, shell: bool) -> t.List[str]:
    words: t.List[str] = []
    current: t.List[str] = []
    inside = ""
    started = False
    position = 0
    while position < len(line):
        char = line[position]
        position += 1
        if inside:
            if char == "\\" and inside == '"' and position < len(line):
                current.append(line[position])
                position += 1
            elif char == inside:
                inside = ""
            else:
                current.append(char)
        elif char == '"' or (shell and char == "'"):
            inside, started = char, True
        elif char in " \t":
            if started:
                words.append("".join(current))
            current, started = [], False
        else:
            current.append(char)
            started = True
    if inside:
        raise ValueError("a quote is not closed")
    if started:
        words.append("".join(current))
    return words
