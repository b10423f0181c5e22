# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tokens of npf.conf, as npfctl's scanner makes them, with the line and column for its messages."""

from __future__ import annotations

from dataclasses import dataclass

KEYWORDS = frozenset(
    (
        "alg table type hash tree lpm cdb const static dynamic file map no-ports set algo netmap ipset ip-hash round-robin npt66 "
        "procedure name group default in out forw interface all block pass pcap-filter stateful stateful-all apply final quick on "
        "off inet6 inet4 ifaddrs proto family tcp icmp ipv6-icmp return-rst return-icmp return ruleset from to port flags "
        "icmp-type code any"
    ).split()
)
_SIGNS = ("<->", "<-", "->", "-", "/", "{", "}", "(", ")", ",", "=", "!", ":")
_HEX = frozenset("0123456789abcdefABCDEF")
_WORD = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")


@dataclass(frozen=True)
class Token:
    """``kind``: a keyword or sign itself, or one of ID, STRING, NUM, FLOAT, ADDR, TABLE, VAR, PARAM, SEP, END, INVALID."""

    kind: str
    text: str
    line: int
    column: int


def scan(text: str) -> list[Token]:
    """All tokens of a text; the longest match counts, of two equal ones the keyword."""
    tokens: list[Token] = []
    at, line, start = 0, 1, 0
    while at < len(text):
        char = text[at]
        if char in " \t":
            at += 1
            continue
        if char == "#":
            end = text.find("\n", at)
            at = len(text) if end < 0 else end
            continue
        if text.startswith("\\\n", at):
            at += 2
            line, start = line + 1, at
            continue
        kind, end, value = _longest(text, at)
        tokens.append(Token(kind, value, line, at - start + 1))
        newlines = text.count("\n", at, end)
        if newlines:
            line, start = line + newlines, text.rfind("\n", at, end) + 1
        at = end
    tokens.append(Token("END", "", line, len(text) - start + 1))
    return tokens


def _longest(text: str, at: int) -> tuple[str, int, str]:
    char = text[at]
    if char in "\n;":
        return "SEP", at + 1, char
    if char == '"':
        end = text.find('"', at + 1)
        if end < 0:
            return "INVALID", at + 1, char
        whole = text[at : end + 1]
        return ("ipv6-icmp", end + 1, "ipv6-icmp") if whole == '"ipv6-icmp"' else ("STRING", end + 1, whole[1:-1])
    if char == "<":
        end = text.find(">", at)
        name = text[at + 1 : end]
        if end > 0 and name and (name[0].isalpha() or name[0] == "_") and all(c in _WORD or c == "-" for c in name):
            return "TABLE", end + 1, name
    if char == "$":
        end = _run(text, at + 1, _WORD)
        return ("VAR", end, text[at + 1 : end]) if end > at + 1 and not text[at + 1].isdigit() else ("INVALID", at + 1, char)
    found = [_address(text, at), _number(text, at), _word(text, at), _sign(text, at)]
    best = max(found, key=lambda one: one[1])
    return best if best[1] > at else ("INVALID", at + 1, char)


def _run(text: str, at: int, allowed: frozenset) -> int:
    while at < len(text) and text[at] in allowed:
        at += 1
    return at


def _address(text: str, at: int) -> tuple[str, int, str]:
    end = _run(text, at, _HEX)
    if end > at and text[end : end + 1] == ":":
        end = _run(text, end, _HEX | {":"})
        return "ADDR", end, text[at:end]
    if text.startswith("::", at) and text[at + 2 : at + 3] in _HEX and text[at + 2 : at + 3]:
        end = _run(text, at + 2, _HEX | {":", "."})
        return "ADDR", end, text[at:end]
    end = _run(text, at, frozenset("0123456789"))
    if end > at and text[end : end + 1] == "." and text[end + 1 : end + 2].isdigit():
        end = _run(text, end, frozenset("0123456789."))
        return "ADDR", end, text[at:end]
    return "INVALID", at, ""


def _number(text: str, at: int) -> tuple[str, int, str]:
    if text.startswith("0x", at):
        end = _run(text, at + 2, _HEX)
        if end > at + 2:
            return "NUM", end, str(int(text[at:end], 16))
    end = _run(text, at, frozenset("0123456789"))
    if end > at and text[end : end + 1] in tuple("kmgtKMGT") and text[end : end + 1]:
        return "SUFFIXED", end + 1, text[at : end + 1]
    return ("NUM", end, text[at:end]) if end > at else ("INVALID", at, "")


def _word(text: str, at: int) -> tuple[str, int, str]:
    if not (text[at].isalpha() or text[at] == "_") or not text[at].isascii():
        return "INVALID", at, ""
    end = _run(text, at, _WORD)
    dashed = max((word for word in KEYWORDS if "-" in word and text.startswith(word, at)), key=len, default="")
    if len(dashed) > end - at:
        return dashed, at + len(dashed), dashed
    if text[end : end + 1] == "." and text[end + 1 : end + 2].isalpha():
        end = _run(text, end, _WORD | {"."})
        return "PARAM", end, text[at:end]
    word = text[at:end]
    return (word if word in KEYWORDS else "ID"), end, word


def _sign(text: str, at: int) -> tuple[str, int, str]:
    sign = next((one for one in _SIGNS if text.startswith(one, at)), "")
    return sign, at + len(sign), sign
