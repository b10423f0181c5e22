# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the text of a rule into the statements of nft's JSON (libnftables-json(5)).

Pure: touches nothing. Knows what this backend writes and the usual words of others; a rule with anything else becomes one statement
``{"unread": text}``, which nobody takes for something it is not.
"""

from __future__ import annotations

import re
import typing as t

Statement = t.Dict[str, t.Any]

_TOKEN = re.compile(r'"[^"]*"|::[^\s{},"]*|[{},:]|!=|[<>]=?|==|[^\s{},:"]+(?::[^\s{},"]+)*')
_META = ("iifname", "oifname", "iif", "oif")
_FIELDS = {
    "ip": ("saddr", "daddr", "protocol"),
    "ip6": ("saddr", "daddr", "nexthdr"),
    "tcp": ("dport", "sport"),
    "udp": ("dport", "sport"),
    "sctp": ("dport", "sport"),
    "th": ("dport", "sport"),
    "icmp": ("type",),
    "icmpv6": ("type",),
}
_OPERATORS = ("==", "!=", "<", ">", "<=", ">=")
_VERDICTS = ("accept", "drop", "return", "continue")


class _Unread(Exception):
    """The text has a word that is not known here."""


def read_rule(text: str) -> t.Tuple[t.List[Statement], t.Optional[str]]:
    """Return the statements of a rule's text and its comment."""
    tokens = _TOKEN.findall(text)
    comment = None
    if len(tokens) >= 2 and tokens[-2] == "comment" and tokens[-1].startswith('"'):
        comment = tokens[-1][1:-1]
        tokens = tokens[:-2]
    try:
        return _Reader(tokens).statements(), comment
    except (_Unread, ValueError):
        return [{"unread": text}], comment


class _Reader:
    """Walks through the tokens of one rule."""

    def __init__(self, tokens: t.Sequence[str]) -> None:
        self._tokens = list(tokens)
        self._at = 0

    def statements(self) -> t.List[Statement]:
        found = []
        while self._at < len(self._tokens):
            found.append(self._statement(self._next()))
        return found

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _next(self) -> str:
        if self._at >= len(self._tokens):
            raise _Unread
        self._at += 1
        return self._tokens[self._at - 1]

    def _expect(self, word: str) -> None:
        if self._next() != word:
            raise _Unread

    def _statement(self, word: str) -> Statement:
        if word in _VERDICTS:
            return {word: None}
        if word in ("jump", "goto"):
            return {word: {"target": self._next()}}
        if word == "reject":
            return {"reject": self._reject()}
        if word == "limit":
            return {"limit": self._limit()}
        if word == "log":
            return {"log": self._log()}
        if word == "counter":
            return self._counter()
        if word in ("update", "add"):
            return self._update(word)
        left = self._left(word)
        if self._peek() == "vmap":
            self._next()
            return {"vmap": {"key": left, "data": self._verdicts()}}
        operator = self._next() if self._peek() in _OPERATORS else ""
        right = self._value()
        if left == {"ct": {"key": "state"}} and not operator and not isinstance(right, dict):
            return {"match": {"op": "in", "left": left, "right": right}}
        return {"match": {"op": operator or "==", "left": left, "right": right}}

    def _left(self, word: str) -> t.Dict[str, t.Any]:
        if word == "meta":
            return {"meta": {"key": self._next()}}
        if word in _META:
            return {"meta": {"key": word}}
        if word == "ct":
            key = self._next()
            if key not in ("state", "direction"):
                raise _Unread
            return {"ct": {"key": key}}
        if word in _FIELDS and self._peek() in _FIELDS[word]:
            return {"payload": {"protocol": word, "field": self._next()}}
        raise _Unread

    def _value(self) -> t.Any:
        if self._peek() == "{":
            self._next()
            return {"set": self._items("}")}
        first = _scalar(self._next())
        if self._peek() != ",":
            return first
        values = [first]
        while self._peek() == ",":
            self._next()
            values.append(_scalar(self._next()))
        return values

    def _items(self, end: str) -> t.List[t.Any]:
        items = []
        while self._peek() != end:
            items.append(_scalar(self._next()))
            if self._peek() == ",":
                self._next()
            elif self._peek() != end:
                raise _Unread
        self._next()
        return items

    def _verdicts(self) -> t.Any:
        if self._peek().startswith("@"):
            return self._next()
        self._expect("{")
        pairs = []
        while self._peek() != "}":
            key = _scalar(self._next())
            self._expect(":")
            pairs.append([key, self._statement(self._next())])
            if self._peek() == ",":
                self._next()
        self._next()
        return {"set": pairs}

    def _reject(self) -> t.Any:
        if self._peek() != "with":
            return {"type": "icmpx", "expr": "port-unreachable"}
        self._next()
        kind = self._next()
        if kind == "tcp":
            self._expect("reset")
            return {"type": "tcp reset"}
        if self._peek() == "type":
            self._next()
        return {"type": kind, "expr": self._next()}

    def _limit(self) -> t.Dict[str, t.Any]:
        self._expect("rate")
        limit: t.Dict[str, t.Any] = {}
        if self._peek() == "over":
            self._next()
            limit["inv"] = True
        count, slash, unit = self._next().partition("/")
        if not slash:
            raise _Unread
        limit.update(rate=int(count), per=unit, burst=5)
        if self._peek() == "burst":
            self._next()
            limit["burst"] = int(self._next())
            self._expect("packets")
        return limit

    def _log(self) -> t.Any:
        words: t.Dict[str, t.Any] = {}
        while self._peek() in ("prefix", "level", "group", "snaplen", "queue-threshold", "flags"):
            word, value = self._next(), self._next()
            words[word] = value[1:-1] if value.startswith('"') else value
        return words or None

    def _counter(self) -> Statement:
        if self._peek() == "name":
            self._next()
            return {"counter": self._next().strip('"')}
        if self._peek() == "packets":
            self._at += 4
        return {"counter": None}

    def _update(self, word: str) -> Statement:
        name = self._next()
        if not name.startswith("@"):
            raise _Unread
        self._expect("{")
        element = self._left(self._next())
        counts = []
        while self._peek() != "}":
            counts.append(self._statement(self._next()))
        self._next()
        return {"set": {"op": word, "elem": element, "set": name, "stmt": counts}}


def _scalar(word: str) -> t.Any:
    if word.startswith('"'):
        return word[1:-1]
    if word in "{},:" or word in _OPERATORS:
        raise _Unread
    if word.isascii() and word.isdigit():
        return int(word)
    if word.startswith("@"):
        return word
    if "/" in word:
        address, _slash, length = word.partition("/")
        return {"prefix": {"addr": address, "len": int(length)}}
    first, dash, last = word.partition("-")
    if dash and first and last and first[0].isalnum() and (first.isdigit() or "." in first or ":" in first):
        return {"range": [_scalar(first), _scalar(last)]}
    return word
