# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pf.conf as a list of statements: where each begins and ends, what kind it is, and its words with macros expanded.

Pure: touches nothing. The text of all statements, joined, is the file again, byte for byte. Source: pf.conf(5) and the traps of its
scanner: a backslash at the end of a line joins it with the next one, in comments too; a newline inside braces does not end a statement.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

#: The sections of a pf.conf in the order that FreeBSD and macOS insist on; 0 may stand anywhere.
SECTIONS: t.Dict[str, int] = {
    "blank": 0, "macro": 0, "table": 0, "include": 0, "set": 1, "ether": 2, "scrub": 3, "queue": 4, "translation": 5, "dummynet": 6,
    "filter": 7, "anchor": 7, "antispoof": 7, "load": 7, "other": 7,
}  # fmt: skip

_FIRST: t.Dict[str, str] = {
    "set": "set", "ether": "ether", "scrub": "scrub", "scrub-anchor": "scrub", "queue": "queue", "altq": "queue", "dummynet": "dummynet",
    "dummynet-anchor": "dummynet", "nat": "translation", "rdr": "translation", "binat": "translation", "nat-anchor": "translation",
    "rdr-anchor": "translation", "binat-anchor": "translation", "pass": "filter", "block": "filter", "match": "filter",
    "anchor": "anchor", "antispoof": "antispoof", "load": "load", "include": "include", "table": "table",
}  # fmt: skip

_TOKEN = re.compile(
    r"""\s+|"(?P<double>[^"]*)"|'(?P<single>[^']*)'|\$(?P<macro>\w+)|(?P<sign><>|><|->|!=|<=|>=|[(){}<>!=,])|(?P<word>[^\s(){}<>!=,"'$]+)"""
)
# A line that neither begins nor ends anything else: no comment, and quotes and braces are closed.
_PLAIN_LINE = re.compile(r"""(?:[^\\"'#{}\n]|"[^"\\\n]*"|\{[^\\"'#{}\n]*\})*\n""")


@dataclass(frozen=True)
class Word:
    """One word of a statement; a quoted one is never a keyword."""

    text: str
    quoted: bool = False


class Statement:
    """One statement, or a stretch of blank lines and comments.

    :ivar text: its lines as they stand in the file, with the newline.
    :ivar kind: a key of SECTIONS.
    """

    __slots__ = ("_code", "_words", "kind", "text")

    def __init__(self, text: str, kind: str, words: t.Optional[t.Tuple[Word, ...]] = (), code: t.Optional[str] = None) -> None:
        """Make a statement of its words, or of its text without comments (``code``) when nobody may ask for the words."""
        self.text = text
        self.kind = kind
        self._words = words
        self._code = code

    @property
    def words(self) -> t.Optional[t.Tuple[Word, ...]]:
        """Its words with macros expanded; None where a macro is not defined or the text is not readable."""
        if self._code is not None:
            self._words = tokenize(self._code, {})
            self._code = None
        return self._words

    @property
    def lines(self) -> t.Tuple[str, ...]:
        """Return the lines without the newline."""
        return tuple(self.text.rstrip("\n").split("\n"))

    def says(self, word: str) -> bool:
        """Return whether the keyword is among the words."""
        return any(one.text == word and not one.quoted for one in self.words or ())


def split(text: str) -> t.List[Statement]:
    """Split a pf.conf into its statements."""
    statements: t.List[Statement] = []
    macros: t.Dict[str, str] = {}
    for piece, code in _pieces(text):
        statements.append(_statement(piece, code, macros))
    return statements


def join(statements: t.Iterable[Statement]) -> str:
    """Return the text of a file, which always ends with a newline (without it FreeBSD 12 refuses the last line)."""
    text = "".join(one.text if one.text.endswith("\n") else one.text + "\n" for one in statements)
    return text


def _pieces(text: str) -> t.Iterator[t.Tuple[str, str]]:
    """Yield (text of a statement, the same without comments)."""
    start = at = depth = 0
    code: t.List[str] = []
    quote = ""
    comment = False
    while at < len(text):
        plain = _PLAIN_LINE.match(text, at) if at == start else None
        if plain is not None:
            yield plain.group(), plain.group()[:-1]
            start = at = plain.end()
            continue
        char = text[at]
        if char == "\\" and text[at + 1 : at + 2] == "\n":
            code.append(" ")
            at += 2
            continue
        if comment:
            comment = char != "\n"
            if not comment:
                continue
        elif quote:
            quote = "" if char == quote else quote
            code.append(char)
        elif char == "\n" and depth <= 0:
            yield text[start : at + 1], "".join(code)
            start, code, depth = at + 1, [], 0
        elif char == "#":
            comment = True
        else:
            quote = char if char in "\"'" else ""
            depth += {"{": 1, "}": -1}.get(char, 0)
            code.append(char)
        at += 1
    if start < len(text):
        yield text[start:], "".join(code)


def _statement(piece: str, code: str, macros: t.Dict[str, str]) -> Statement:
    if not code.strip():
        return Statement(piece, "blank")
    definition = re.match(r"\s*([A-Za-z_]\w*)\s*=", code)
    words = tokenize(code, macros) if definition is not None or "$" in code else None
    if definition is not None:
        value = tokenize(code[definition.end() :], macros)
        if value is not None:
            macros[definition.group(1)] = " ".join(one.text for one in value)
        return Statement(piece, "macro", words)
    first = code.split(None, 1)[0]
    if first == "no" and len(code.split()) > 1:
        first = code.split()[1]
    return Statement(piece, _FIRST.get(first, "other"), words, None if "$" in code else code)


def tokenize(code: str, macros: t.Mapping[str, str], depth: int = 0) -> t.Optional[t.Tuple[Word, ...]]:
    """Return the words of a statement, or None when it is not readable."""
    words: t.List[Word] = []
    at = 0
    while at < len(code):
        found = _TOKEN.match(code, at)
        if found is None or depth > 20:
            return None
        at = found.end()
        if found.group("macro") is not None:
            inner = tokenize(macros[found.group("macro")], macros, depth + 1) if found.group("macro") in macros else None
            if inner is None:
                return None
            words.extend(inner)
        elif found.group("double") is not None or found.group("single") is not None:
            words.append(Word(found.group("double") if found.group("double") is not None else found.group("single"), True))
        elif found.group("sign") or found.group("word"):
            words.append(Word(found.group("sign") or found.group("word")))
    return tuple(words)
