# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the lines of translations back, in both languages of pf.

Pure but for the service database. See ``policy_nat`` for their forms; a line that differs from these raises ``Unreadable``.
"""

from __future__ import annotations

import ipaddress
import re
import typing as t
from dataclasses import replace

from ...policy.nat import DESTINATION_KINDS, NatRule
from ...policy.ports import MAX_PORT
from ...policy.rule import Rule
from .filters import rules_of
from .line import read_line
from .policy_forwarding import FORWARD
from .policy_nat import ARRIVED, FORWARD_TRANSLATED, LEAVING, LOCALHOST, REDIRECTED, TRANSLATED
from .statements import Statement, Word
from .tables import Contents
from .unreadable import Unreadable

#: Lines around those of OpenBSD that translate, which only set tags.
_FRAME = re.compile(
    r"match (in all tag %s|out all tag %s ! tagged %s|out all tag %s tagged %s)\s*\Z"
    % (ARRIVED, LEAVING, FORWARD, FORWARD, FORWARD_TRANSLATED)
)
_COMMENT = re.compile(r" # (.*)$", re.MULTILINE)


class NatReader:
    """Collects translations in their order."""

    def __init__(self, tables: Contents) -> None:
        self._tables = tables
        self._found: t.List[NatRule] = []
        self._again: t.List[NatRule] = []

    def rules(self) -> t.List[NatRule]:
        """Return the translations; neighbours that differ in nothing but the family are one.

        :raises Unreadable: when the lines for forwarded packets are not those for the host's own.
        """
        leaving = [one for one in self._found if one.kind not in DESTINATION_KINDS]
        if self._again and self._again != leaving:
            raise Unreadable("forwarded packets are translated otherwise than those of the host")
        folded: t.List[NatRule] = []
        for one in self._found:
            if folded and folded[-1].family == 4 and one.family == 6 and replace(one, family=4) == folded[-1]:
                folded[-1] = replace(one, family=None)
            else:
                folded.append(one)
        return folded

    def is_frame(self, statement: Statement) -> bool:
        """Return whether a statement is one that only sets a tag for the translations around it."""
        return _FRAME.match(" ".join(statement.text.split())) is not None

    def read_old(self, statement: Statement) -> None:
        """Read a ``nat`` or ``rdr`` line."""
        words = list(statement.words or ())
        kind = words[0].text if words else ""
        arrow = next((number for number, word in enumerate(words) if word.text == "->" and not word.quoted), None)
        if kind not in ("nat", "rdr") or arrow is None:
            raise Unreadable("a translation that no policy has")
        comment = _COMMENT.search(statement.text)
        self._add(kind, words[1:arrow], words[arrow + 1 :], comment.group(1) if comment is not None else None)

    def read_new(self, statement: Statement) -> None:
        """Read a ``match`` line with ``nat-to`` or ``rdr-to``."""
        words = list(statement.words or ())
        at = next(number for number, word in enumerate(words) if word.text in ("nat-to", "rdr-to") and not word.quoted)
        kind, direction = ("nat", "out") if words[at].text == "nat-to" else ("rdr", "in")
        if [word.text for word in words[:2]] != ["match", direction]:
            raise Unreadable("a translation that no policy has")
        matched, tags = _without_tags(words[2:at])
        known: t.Tuple[t.Optional[t.Tuple[str, str]], ...] = (None, (REDIRECTED, ARRIVED) if kind == "rdr" else (TRANSLATED, LEAVING))
        again = kind == "nat" and tags == (FORWARD_TRANSLATED, FORWARD)
        if tags not in known and not again:
            raise Unreadable("tags that no policy has")
        self._add(kind, matched, words[at + 1 :], None, again)

    def _add(self, kind: str, matched: t.List[Word], target: t.List[Word], comment: t.Optional[str], again: bool = False) -> None:
        """Add a translation; its conditions are read as those of a filter rule."""
        direction = "out" if kind == "nat" else "in"
        line = read_line(Statement("", "filter", (Word("pass"), Word(direction), Word("quick"), *matched)), self._tables)
        if line.log or line.odd or line.flags or line.state or line.allow_opts or line.icmp_types or line.source_ports or line.tagged:
            raise Unreadable("a condition that no translation of a policy has")
        for protocol in line.protocols:
            for rule in rules_of(line, protocol, (direction,), False):
                (self._again if again else self._found).append(_translation(kind, rule, target, comment))


def _without_tags(words: t.List[Word]) -> t.Tuple[t.List[Word], t.Optional[t.Tuple[str, str]]]:
    """Return the words less ``tag X tagged Y``, and the two tags."""
    texts = [None if word.quoted else word.text for word in words]
    if "tag" not in texts:
        return words, None
    at = texts.index("tag")
    if texts[at + 2 : at + 3] != ["tagged"] or len(words) < at + 4:
        raise Unreadable("tags that no policy has")
    return words[:at] + words[at + 4 :], (words[at + 1].text, words[at + 3].text)


def _translation(kind: str, rule: Rule, target: t.List[Word], comment: t.Optional[str]) -> NatRule:
    found = NatRule(
        kind="dnat" if kind == "rdr" else "snat", family=rule.family, protocol=rule.protocol, source=rule.source,
        destination=rule.destination, ports=rule.ports, interface=rule.interface, comment=comment or rule.comment,
    )  # fmt: skip
    texts = [word.text for word in target]
    if texts[-1:] == ["round-robin"]:
        texts.pop()  # pfctl lists it for an interface, which has one address of a kind here
    if texts[:1] == ["("] and kind == "nat":
        name = "".join(texts[1:-1])
        if texts[-1] != ")" or found.interface is None or name not in (found.interface, found.interface + ":0"):
            raise Unreadable("the addresses of another interface")
        return replace(found, kind="masquerade")
    try:
        address = ipaddress.ip_address(texts[0] if texts else "")
    except ValueError:
        raise Unreadable("the new address %s" % " ".join(texts)) from None
    if address.version != found.family:
        raise Unreadable("a new address of another family")
    port = _port(texts[1:]) if kind == "rdr" else None
    if kind == "nat" and len(texts) > 1:
        raise Unreadable("options of a translation")
    if kind == "rdr" and str(address) == LOCALHOST[address.version]:
        return replace(found, kind="redirect", to_port=port)
    return replace(found, to_address=address, to_port=port)


def _port(texts: t.Sequence[str]) -> t.Optional[int]:
    if not texts:
        return None
    if len(texts) != 2 or texts[0] != "port" or not texts[1].isdigit() or not 0 < int(texts[1]) <= MAX_PORT:
        raise Unreadable("the new port %s" % " ".join(texts))
    return int(texts[1])
