# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rich rules: what firewalld itself reads and writes, as text and as XML.

Pure: touches nothing. Text is in the form in which firewalld lists it, XML in the form of its files; what neither form of ours has (mark,
audit, nflog, limits of newer versions) is kept as text only.
"""

from __future__ import annotations

import re
import shlex
import typing as t
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from ...policy.errors import HoldfastError

PRIORITIES = range(-32768, 32768)
_FAMILIES = ("ipv4", "ipv6")
#: The elements, and the attributes that each needs.
_ELEMENTS: t.Dict[str, t.Tuple[str, ...]] = {
    "service": ("name",), "port": ("port", "protocol"), "source-port": ("port", "protocol"), "protocol": ("value",),
    "icmp-type": ("name",), "icmp-block": ("name",), "masquerade": (), "forward-port": ("port", "protocol", "to-port", "to-addr"),
}  # fmt: skip
_ACTIONS = ("accept", "drop", "reject")
_LIMIT = re.compile(r"([1-9]\d{0,8})/(s|m|h|d|second|minute|hour|day)\Z")
_PRIORITY = re.compile(r"-?\d{1,5}\Z")


@dataclass(frozen=True)
class Match:
    """A source or destination: an address or the name of a set, perhaps negated."""

    address: t.Optional[str] = None
    ipset: t.Optional[str] = None
    invert: bool = False


@dataclass(frozen=True)
class RichLog:
    """A log line; ``limit`` bounds the lines."""

    prefix: t.Optional[str] = None
    level: t.Optional[str] = None
    limit: t.Optional[str] = None


@dataclass(frozen=True)
class RichRule:
    """One rich rule.

    :ivar element: the kind of its element, or None; ``words`` are the attributes of that element.
    :ivar action: ``accept``, ``drop``, ``reject`` or None for a rule that only logs.
    """

    priority: int = 0
    family: t.Optional[str] = None
    source: t.Optional[Match] = None
    destination: t.Optional[Match] = None
    element: t.Optional[str] = None
    words: t.Tuple[t.Tuple[str, str], ...] = ()
    log: t.Optional[RichLog] = None
    action: t.Optional[str] = None
    reject_type: t.Optional[str] = None
    limit: t.Optional[str] = None

    def word(self, name: str) -> str:
        """Return an attribute of the element."""
        return dict(self.words).get(name, "")

    def text(self) -> str:
        """Return the rule as firewalld lists it."""
        parts = ["rule"]
        if self.priority:
            parts.append('priority="%d"' % self.priority)
        if self.family is not None:
            parts.append('family="%s"' % self.family)
        for name, match in (("source", self.source), ("destination", self.destination)):
            if match is not None:
                what = 'address="%s"' % match.address if match.address is not None else 'ipset="%s"' % match.ipset
                parts.append("%s %s%s" % (name, "NOT " if match.invert else "", what))
        if self.element is not None:
            parts.append(" ".join([self.element, *('%s="%s"' % pair for pair in self.words)]))
        if self.log is not None:
            parts.append("log")
            for name, value in (("prefix", self.log.prefix), ("level", self.log.level)):
                if value:
                    parts.append('%s="%s"' % (name, value))
            if self.log.limit:
                parts.append('limit value="%s"' % self.log.limit)
        if self.action is not None:
            parts.append(self.action)
            if self.reject_type:
                parts.append('type="%s"' % self.reject_type)
            if self.limit:
                parts.append('limit value="%s"' % self.limit)
        return " ".join(parts)

    def xml(self) -> str:
        """Return the rule as it stands in a file, on one line."""
        head = "<rule"
        if self.priority:
            head += ' priority="%d"' % self.priority
        if self.family is not None:
            head += ' family="%s"' % self.family
        parts = [head + ">"]
        for name, match in (("source", self.source), ("destination", self.destination)):
            if match is not None:
                what = ("address", match.address) if match.address is not None else ("ipset", match.ipset)
                parts.append("<%s %s=%s%s/>" % (name, what[0], quoteattr(what[1] or ""), ' invert="True"' if match.invert else ""))
        if self.element is not None:
            parts.append("<%s%s/>" % (self.element, "".join(" %s=%s" % (name, quoteattr(value)) for name, value in self.words)))
        if self.log is not None:
            pairs = [("prefix", self.log.prefix), ("level", self.log.level)]
            opened = "<log%s" % "".join(" %s=%s" % (name, quoteattr(value)) for name, value in pairs if value)
            parts.append(opened + ("/>" if not self.log.limit else '><limit value="%s"/></log>' % self.log.limit))
        if self.action is not None:
            opened = "<%s%s" % (self.action, " type=%s" % quoteattr(self.reject_type) if self.reject_type else "")
            parts.append(opened + ("/>" if not self.limit else '><limit value="%s"/></%s>' % (self.limit, self.action)))
        return "".join(parts) + "</rule>"


def parse_rich(text: str) -> RichRule:
    """Read a rich rule as firewalld lists it or as a person types it.

    :raises HoldfastError: for what is not a rich rule, or has a part that is not known here.
    """
    reader = _Reader(text)
    return reader.read()


class _Reader:
    """Reads the words of one rule from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        try:
            self._words = shlex.split(text)
        except ValueError as exc:
            raise self._refused(str(exc)) from None
        self._place = 0

    def read(self) -> RichRule:
        if not self._take("rule") or "\n" in self._text:
            raise self._refused("it has to be one line that begins with the word rule")
        head = self._attributes(("family", "priority"))
        family = head.get("family")
        if family is not None and family not in _FAMILIES:
            raise self._refused("family is ipv4 or ipv6")
        source = destination = None
        element: t.Optional[str] = None
        words: t.Tuple[t.Tuple[str, str], ...] = ()
        log: t.Optional[RichLog] = None
        action = reject_type = limit = None
        while self._place < len(self._words):
            word = self._words[self._place]
            self._place += 1
            if word == "source" and source is None:
                source = self._match()
            elif word == "destination" and destination is None:
                destination = self._match()
            elif word in _ELEMENTS and element is None and action is None:
                element = word
                found = self._attributes(_ELEMENTS[word])
                if word != "forward-port" and set(found) != set(_ELEMENTS[word]):
                    raise self._refused("%s needs %s" % (word, " and ".join(_ELEMENTS[word])))
                words = tuple((name, found[name]) for name in _ELEMENTS[word] if name in found)
            elif word == "log" and log is None and action is None:
                found = self._attributes(("prefix", "level"))
                log = RichLog(found.get("prefix"), found.get("level"), self._limit())
            elif word in _ACTIONS and action is None:
                action = word
                reject_type = self._attributes(("type",)).get("type") if word == "reject" else None
                limit = self._limit()
            else:
                raise self._refused("%r is not understood at its place" % word)
        if action is None and log is None and element not in ("icmp-block", "masquerade", "forward-port"):
            raise self._refused("it neither decides nor logs")
        return RichRule(self._priority(head), family, source, destination, element, words, log, action, reject_type, limit)

    def _priority(self, head: t.Mapping[str, str]) -> int:
        text = head.get("priority", "0")
        if not _PRIORITY.match(text) or int(text) not in PRIORITIES:
            raise self._refused("a priority is a number from -32768 to 32767")
        return int(text)

    def _match(self) -> Match:
        invert = self._take("NOT") or self._take("not")
        found = self._attributes(("address", "ipset", "invert"))
        if ("address" in found) == ("ipset" in found):
            raise self._refused("a source or destination is an address or an ipset")
        return Match(found.get("address"), found.get("ipset"), invert or found.get("invert", "").lower() in ("true", "yes"))

    def _limit(self) -> t.Optional[str]:
        if not self._take("limit"):
            return None
        value = self._attributes(("value",)).get("value", "")
        matched = _LIMIT.match(value)
        if matched is None:
            raise self._refused("a limit is COUNT/UNIT with the unit s, m, h or d")
        return "%s/%s" % (matched.group(1), matched.group(2)[0])

    def _take(self, word: str) -> bool:
        if self._words[self._place : self._place + 1] == [word]:
            self._place += 1
            return True
        return False

    def _attributes(self, allowed: t.Sequence[str]) -> t.Dict[str, str]:
        found: t.Dict[str, str] = {}
        while self._place < len(self._words):
            name, sign, value = self._words[self._place].partition("=")
            if not sign or name not in allowed:
                break
            if name in found or not value:
                raise self._refused("%s has no value, or two" % name)
            found[name] = value
            self._place += 1
        return found

    def _refused(self, why: str) -> HoldfastError:
        return HoldfastError("This is not a rich rule that can be read, since %s: %s" % (why, self._text))


def element_text(text: str) -> str:
    """Return text for the inside of an XML element."""
    return escape(text)
