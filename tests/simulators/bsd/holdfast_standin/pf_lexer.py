# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tokens of pf.conf: words, numbers, quoted strings, macros, operators.

The rules are those of the real scanner: a number ends only at white space or ``) , / } =``, so ``8000:8080`` is one word; a macro is
replaced by its text before scanning goes on; a backslash joins lines.  Source: pf.conf(5) and the scanner of pfctl.
"""

from __future__ import annotations

from dataclasses import dataclass

NEWLINE, END, STRING, NUMBER, WORD, PORTBINARY, ARROW, ERROR = "newline", "end", "string", "number", "word", "portbinary", "arrow", "error"
_NOT_IN_STRING = frozenset("(){}<>!=/#,")
_ENDS_NUMBER = frozenset("),/}=")


@dataclass(frozen=True)
class Token:
    """One token: ``kind`` is one of the names above, or the character itself for punctuation."""

    kind: str
    text: str
    line: int

    def is_word(self, *words: str) -> bool:
        """True for one of these reserved words."""
        return self.kind == WORD and self.text in words


class LexError(Exception):
    """A token that cannot be; the rest of the line is lost."""


class Lexer:
    """Scanner of one file.  ``macros`` is shared with the parser, which fills it."""

    def __init__(self, text: str, keywords: frozenset[str], macros: dict[str, str], forgive_missing_newline: bool) -> None:
        """Start before the first character of ``text``."""
        if forgive_missing_newline and text and not text.endswith("\n"):
            text += "\n"
        self._text = text
        self._at = 0
        self._macro: str | None = None
        self._macro_at = 0
        self._keywords = keywords
        self._macros = macros
        self._line = 1
        self.token_line = 1

    def _get(self) -> str:
        """Next character, '' at the end."""
        if self._macro is not None:
            if self._macro_at < len(self._macro):
                self._macro_at += 1
                return self._macro[self._macro_at - 1]
            self._macro = None
        while self._text.startswith("\\", self._at):
            following = self._text[self._at + 1 : self._at + 2]
            if following != "\n":
                self._at += 2
                return following
            self._at += 2
            self.token_line = self._line
            self._line += 1
        if self._at >= len(self._text):
            return ""
        self._at += 1
        return self._text[self._at - 1]

    def _get_quoted(self) -> str:
        if self._macro is not None:
            return self._get()
        if self._at >= len(self._text):
            raise LexError("reached end of file while parsing quoted string")
        self._at += 1
        return self._text[self._at - 1]

    def _unget(self, char: str) -> None:
        if not char:
            return
        if self._macro is not None:
            self._macro_at -= 1
        else:
            self._at -= 1

    def skip_line(self) -> None:
        """Throw away everything up to and including the next newline of the file."""
        self._macro = None
        while True:
            char = self._get()
            if char == "\n":
                self._line += 1
                return
            if not char:
                return

    def next(self) -> Token:
        """The next token; raises ``LexError``."""
        while True:
            char = self._get()
            while char in (" ", "\t") and char:
                char = self._get()
            self.token_line = self._line
            if char == "#":
                while char not in ("\n", ""):
                    char = self._get()
            if char == "$" and self._macro is None:
                self._start_macro()
                continue
            return self._token(char)

    def _start_macro(self) -> None:
        name = ""
        while True:
            char = self._get()
            if char and (char.isalnum() or char == "_"):
                name += char
                continue
            self._unget(char)
            break
        if name not in self._macros:
            raise LexError("macro '%s' not defined" % name)
        self._macro, self._macro_at = self._macros[name], 0

    def _token(self, char: str) -> Token:
        line = self.token_line
        if not char:
            return Token(END, "", line)
        if char in "\"'":
            return Token(STRING, self._quoted(char), line)
        if char in "<>-":
            following = self._get()
            pair = char + following
            if pair in ("<>", "><"):
                return Token(PORTBINARY, pair, line)
            if pair == "->":
                return Token(ARROW, pair, line)
            self._unget(following)
        if char == "-" or char.isdigit():
            digits = self._digits(char)
            if digits is not None:
                return Token(NUMBER, digits, line)
            if char == "-":
                return Token("-", "-", line)
        if char.isalnum() or char in ":_":
            word = char
            while True:
                char = self._get()
                if char and char.isascii() and char.isprintable() and not char.isspace() and char not in _NOT_IN_STRING:
                    word += char
                    continue
                self._unget(char)
                break
            return Token(WORD if word in self._keywords else STRING, word, line)
        if char == "\n":
            self._line += 1
            return Token(NEWLINE, "\n", line)
        return Token(char, char, line)

    def _digits(self, char: str) -> str | None:
        """A whole number that starts with ``char``, or ``None`` with everything after ``char`` put back."""
        mark = (self._at, self._macro, self._macro_at, self._line)
        digits = char
        while True:
            following = self._get()
            if following and following.isdigit():
                digits += following
                continue
            break
        self._unget(following)
        if digits != "-" and (not following or following.isspace() or following in _ENDS_NUMBER):
            return digits
        self._at, self._macro, self._macro_at, self._line = mark
        return None

    def _quoted(self, quote: str) -> str:
        text = ""
        while True:
            char = self._get_quoted()
            if char == "\n":
                self._line += 1
                continue
            if char == "\\":
                following = self._get_quoted()
                if following == quote:
                    char = following
                elif following == "\n":
                    self._line += 1
                    continue
                else:
                    self._unget(following)
            elif char == quote:
                return text
            text += char
