# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading tokens one ahead, lists in braces, and how an error is reported.  The grammar itself is in the classes built on this one."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from . import pf_lexer
from .flavour import Flavour
from .interfaces import Interfaces
from .pf_lexer import Lexer, Token


class Recover(Exception):
    """The statement is lost; its error has been reported already."""


class TokenReader:
    """One token of look-ahead over a ``Lexer``, with pfctl's way of reporting."""

    def __init__(self, text: str, filename: str, flavour: Flavour, interfaces: Interfaces, keywords: frozenset[str], strict: bool) -> None:
        """``filename`` is used in messages only."""
        self.filename = filename
        self.flavour = flavour
        self.interfaces = interfaces
        self.strict = strict
        self.macros: dict[str, str] = {}
        self.stderr: list[str] = []
        self.errors = 0
        self._lexer = Lexer(text, keywords, self.macros, flavour.forgives_missing_newline)
        self._ahead: Token | None = None

    def peek(self) -> Token:
        """The next token, not consumed."""
        if self._ahead is None:
            try:
                self._ahead = self._lexer.next()
            except pf_lexer.LexError as error:
                self.report(str(error))
                self._lexer.skip_line()
                self._ahead = Token(pf_lexer.ERROR, "", self._lexer.token_line)
        return self._ahead

    def advance(self) -> Token:
        """The next token, consumed."""
        token = self.peek()
        self._ahead = None
        return token

    def at(self, *kinds_or_words: str) -> bool:
        """True if the next token is one of these reserved words or punctuation characters."""
        token = self.peek()
        if token.kind == pf_lexer.WORD:
            return token.text in kinds_or_words
        return token.kind not in (pf_lexer.STRING, pf_lexer.NUMBER) and token.kind in kinds_or_words

    def take(self, *kinds_or_words: str) -> Token | None:
        """Consume the next token if ``at`` holds."""
        return self.advance() if self.at(*kinds_or_words) else None

    def expect(self, *kinds_or_words: str) -> Token:
        """Consume the next token or fail with a syntax error."""
        if not self.at(*kinds_or_words):
            self.syntax_error()
        return self.advance()

    def string(self) -> str:
        """A word that is not reserved, or a quoted text."""
        if self.peek().kind != pf_lexer.STRING:
            self.syntax_error()
        return self.advance().text

    def strings(self) -> str:
        """One or more strings joined by blanks."""
        parts = [self.string()]
        while self.peek().kind == pf_lexer.STRING:
            parts.append(self.advance().text)
        return " ".join(parts)

    def number(self) -> int:
        """A number token."""
        if self.peek().kind != pf_lexer.NUMBER:
            self.syntax_error()
        return int(self.advance().text)

    def number_or_string(self) -> str:
        """A number or a string, as text."""
        if self.peek().kind not in (pf_lexer.STRING, pf_lexer.NUMBER):
            self.syntax_error()
        token = self.advance()
        return str(int(token.text)) if token.kind == pf_lexer.NUMBER else token.text

    def unsigned(self) -> int:
        """A number token within 32 bits."""
        value = self.number()
        if value < 0 or value > 0xFFFFFFFF:
            self.fail("only positive values permitted")
        return value

    def skip_newlines(self) -> None:
        """Optional newlines inside braces."""
        while self.peek().kind == pf_lexer.NEWLINE:
            self.advance()

    def one_or_list(self, item: Callable[[], list]) -> list:
        """``item`` alone, or several in braces with optional commas and newlines."""
        if not self.take("{"):
            return item()
        self.skip_newlines()
        found = list(item())
        self.skip_newlines()
        while not self.take("}"):
            self.take(",")
            found.extend(item())
            self.skip_newlines()
        return found

    def report(self, message: str) -> None:
        """Count an error and remember its message with file and line."""
        self.errors += 1
        self.stderr.append("%s:%d: %s" % (self.filename, self._lexer.token_line, message))

    def fail(self, message: str) -> NoReturn:
        """Report and give up the statement."""
        self.report(message)
        raise Recover

    def syntax_error(self) -> NoReturn:
        """Give up the statement as not in the grammar."""
        if self.peek().kind == pf_lexer.ERROR:
            raise Recover
        self.fail("syntax error")

    def recover(self) -> None:
        """Go on behind the end of the line on which the statement failed."""
        while True:
            token = self.advance()
            if token.kind in (pf_lexer.NEWLINE, pf_lexer.END, pf_lexer.ERROR):
                return
