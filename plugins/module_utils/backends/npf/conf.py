# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""npf.conf as a list of statements: where each begins and ends, what kind it is, and the groups that rules stand in.

Pure: touches nothing. Sources: npf.conf(5) and the scanner of npfctl: a newline or a semicolon ends a statement, also inside a group; lists
in braces stand on one line, unless a backslash joins it with the next; a backslash inside a comment joins nothing.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r"""(?P<skip>[ \t\r]+|\\\n|\#[^\n]*)
    |(?P<sep>[\n;])
    |"(?P<string>[^"]*)"
    |<(?P<table>[a-zA-Z_][\w-]*)>
    |\$(?P<var>[a-zA-Z_]\w*)
    |(?P<address>[0-9a-fA-F]+:[0-9a-fA-F:]*|::[0-9a-fA-F]+[0-9a-fA-F:.]*|[0-9]+\.[0-9][0-9.]*)
    |(?P<number>0x[0-9a-fA-F]+|[0-9]+)(?![\w.])
    |(?P<word>(?:no-ports|ip-hash|round-robin|pcap-filter|stateful-all|stateful-ends|ipv6-icmp|return-rst|return-icmp|icmp-type)(?![\w-])
        |[a-zA-Z_][\w.]*)
    |(?P<sign><->|<-|->|[-/{}(),=!:])
    |(?P<bad>.)
    """,
    re.VERBOSE | re.ASCII,
)
_KINDS = {
    "table": "table", "procedure": "procedure", "map": "map", "alg": "alg", "set": "set", "ruleset": "ruleset", "group": "group",
    "pass": "rule", "block": "rule",
}  # fmt: skip


class Token(t.NamedTuple):
    """One token; ``kind`` is a name of the scanner's groups, ``bad`` for a character that it refuses."""

    kind: str
    text: str
    start: int
    end: int


@dataclass
class Statement:
    """One statement.

    :ivar kind: a value of _KINDS, ``variable`` or ``other``.
    :ivar start: where its first token begins; ``end``: behind its last one.
    :ivar number: its place among all statements of the file.
    :ivar group: the group that it stands in.
    """

    kind: str
    start: int
    end: int
    words: t.Tuple[Token, ...]
    number: int = -1
    group: t.Optional[Group] = None


@dataclass
class Group:
    """One group of the top level.

    :ivar start: where the word group begins; ``opened``: behind its brace; ``closed``: at its last brace; ``end``: behind that.
    :ivar default: whether it is the default group, which is asked last wherever it stands.
    """

    start: int
    opened: int
    closed: int = 0
    end: int = 0
    name: str = ""
    default: bool = False
    direction: t.Optional[str] = None
    interface: t.Optional[str] = None
    statements: t.List[Statement] = field(default_factory=list)
    #: Whether its head says something that is not known here.
    odd: bool = False

    @property
    def everywhere(self) -> bool:
        """Whether its rules are about every packet."""
        return self.default or (self.direction is None and self.interface is None and not self.odd)


class Conf:
    """A file that has been split."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tops: t.List[t.Union[Statement, Group]] = []
        self.statements: t.List[Statement] = []
        self.variables: t.Dict[str, t.Tuple[Token, ...]] = {}
        self._tokens = tokens_of(text)
        self._at = 0
        while self._at < len(self._tokens):
            self._top()

    @property
    def groups(self) -> t.List[Group]:
        """The groups in the order in which they are asked: the default group is the last."""
        found = [one for one in self.tops if isinstance(one, Group)]
        return [one for one in found if not one.default] + [one for one in found if one.default]

    @property
    def first_asked(self) -> t.Optional[int]:
        """Where the first group or dynamic ruleset of the file begins; None without any."""
        return next((one.start for one in self.tops if isinstance(one, Group) or one.kind == "ruleset"), None)

    def expanded(self, words: t.Sequence[Token], depth: int = 0) -> t.Optional[t.Tuple[Token, ...]]:
        """Return words with variables replaced by their values; None where one is not defined."""
        found: t.List[Token] = []
        for one in words:
            if one.kind != "var":
                found.append(one)
                continue
            inner = self.expanded(self.variables[one.text], depth + 1) if one.text in self.variables and depth < 16 else None
            if inner is None:
                return None
            found.extend(inner)
        return tuple(found)

    def _top(self) -> None:
        token = self._tokens[self._at]
        if token.kind == "sep":
            self._at += 1
        elif (token.kind, token.text) == ("word", "group"):
            self._group()
        else:
            statement = self._statement(False)
            if statement.kind == "variable":
                self.variables[statement.words[0].text] = statement.words[2:]
            self.tops.append(statement)

    def _statement(self, inside: bool) -> Statement:
        """Read up to the separator; inside a group also up to the brace that ends it."""
        first = self._at
        depth = 0
        while self._at < len(self._tokens):
            token = self._tokens[self._at]
            if token.kind == "sep" and depth <= 0:
                break
            if token.kind == "sign" and token.text == "}" and depth == 0 and inside:
                break
            if token.kind == "sign":
                depth += {"{": 1, "}": -1}.get(token.text, 0)
            self._at += 1
        words = tuple(one for one in self._tokens[first : self._at])
        head = words[0]
        kind = _KINDS.get(head.text, "other") if head.kind == "word" else "other"
        if head.kind in ("var", "word") and len(words) > 1 and words[1].text == "=":
            kind = "variable"
        statement = Statement(kind, head.start, words[-1].end, words, len(self.statements))
        self.statements.append(statement)
        return statement

    def _group(self) -> None:
        first = self._at
        while self._at < len(self._tokens) and self._tokens[self._at].text != "{" and self._tokens[self._at].kind != "sep":
            self._at += 1
        head = self._tokens[first + 1 : self._at]
        if self._at >= len(self._tokens) or self._tokens[self._at].kind == "sep":
            self._at = first
            broken = self._statement(False)
            broken.kind = "other"
            self.tops.append(broken)
            return
        group = Group(self._tokens[first].start, self._tokens[self._at].end)
        self._read_head(group, head)
        self._at += 1
        while self._at < len(self._tokens):
            token = self._tokens[self._at]
            if token.kind == "sign" and token.text == "}":
                group.closed, group.end = token.start, token.end
                self._at += 1
                break
            if token.kind == "sep":
                self._at += 1
                continue
            statement = self._statement(True)
            statement.group = group
            group.statements.append(statement)
        else:
            group.closed = group.end = len(self.text)
        self.tops.append(group)

    def _read_head(self, group: Group, head: t.Sequence[Token]) -> None:
        words = list(head)
        if [one.text for one in words] == ["default"]:
            group.default = True
            return
        if words and words[0].kind == "string":
            group.name = words.pop(0).text
        else:
            group.odd = True
        if words and words[0].text in ("in", "out") and words[0].kind == "word":
            group.direction = words.pop(0).text
        if len(words) == 2 and words[0].text == "on":
            name = self.expanded(words[1:])
            group.interface = name[0].text if name is not None and len(name) == 1 and name[0].kind in ("word", "string") else None
            group.odd = group.odd or group.interface is None
        elif words:
            group.odd = True


def tokens_of(text: str) -> t.List[Token]:
    """Return the tokens of a text, without blanks and comments."""
    return [
        Token(str(one.lastgroup), one.group(one.lastgroup or 0), one.start(), one.end())
        for one in _TOKEN.finditer(text)
        if one.lastgroup != "skip"
    ]
