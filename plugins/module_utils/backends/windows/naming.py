# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names and descriptions of our rules of Windows: which rule of the document a rule of Windows comes from.

Pure: touches nothing. All rules of Windows that one rule of a document became have one name, since netsh removes by name: ``hf:0007 ssh
#1a2b3c4d`` is number 7 of the policy, ``hf:g02 ...`` belongs to its guard, ``hf ssh #...`` is a single rule. The number at the end is a
hash of everything that they say, so a changed rule has another name. Their descriptions together hold the words of the rule. A rule that
needs no rule of Windows has one that is not enabled, so that the document can be read back.
"""

from __future__ import annotations

import hashlib
import re
import typing as t
from dataclasses import dataclass, replace

from ...policy.errors import HoldfastError
from ...policy.protocols import protocol_name
from ...policy.rule import Rule
from .native_rule import NativeRule
from .netsh_line import LONGEST, add_line

_LEAST_TEXT = 80
_MOST_TITLE = 40
_NAME = re.compile(r"(?:hf(old) )?hf(?::(policy|default-in|default-out|g\d+|\d+))?(?: (.*))? #([0-9a-f]{8})\Z", re.DOTALL)
_TEXT = re.compile(r"hf (\d+)/(\d+): ?(.*)\Z", re.DOTALL)
POLICY = "policy"
#: The description of rules that have no part of the words.
MORE = "hf: more of the rule of this name"
#: What is put before the name of a rule that is about to go.
OLD = "hfold "


@dataclass(frozen=True)
class Group:
    """The rules of Windows of one rule.

    :ivar key: ``policy``, ``0007``, ``g02``, ``default-out``; empty for a single rule.
    :ivar words: what their descriptions say together.
    """

    key: str
    words: str
    natives: t.Tuple[NativeRule, ...]


def is_ours(native: NativeRule) -> bool:
    """Return whether a rule has a name of ours."""
    return native.source == "local" and _NAME.match(native.name) is not None


def key_of(native: NativeRule) -> str:
    """Return the key in a name of ours, ``old`` for a rule that was about to go; empty for a single rule."""
    match = _NAME.match(native.name)
    return (match.group(1) or match.group(2) or "") if match else ""


def title_of(rule: Rule) -> str:
    """Return a few words for people, of harmless signs only."""
    text = rule.comment
    if text is None:
        ports = ",".join(str(one) for one in rule.ports)
        text = " ".join([rule.action, rule.direction, protocol_name(rule.protocol), ports])
    return re.sub(r"[^A-Za-z0-9 .,:_/-]", "_", text)[:_MOST_TITLE].strip()


def named(key: str, title: str, words: str, natives: t.Sequence[NativeRule], direction: str = "in") -> Group:
    """Return rules of Windows with their names and descriptions; there is always at least one."""
    members = list(natives) or [NativeRule("", direction, "block", False)]
    tag = "hf:%s" % key if key else "hf"
    digest = hashlib.sha256("\n".join([words, *(add_line(one.unnamed()) for one in members)]).encode("utf-8")).hexdigest()[:8]
    name = "%s #%s" % (" ".join(part for part in (tag, title) if part), digest)
    members = [replace(one, name=name) for one in members]
    spare = NativeRule(name, direction, "block", False)
    parts: t.List[str] = []
    left = words
    while left or not parts:
        one = members[len(parts)] if len(parts) < len(members) else spare
        room = max(_LEAST_TEXT, LONGEST - len(add_line(one)) - len(' description="hf 0000/0000: "'))
        # A space at the end of a description would not survive.
        part = left[:room].rstrip(" ") or left[:room]
        parts.append(part)
        left = left[len(part) :]
    members += [spare] * (len(parts) - len(members))
    total = len(parts)
    return Group(
        key, words, tuple(
            replace(one, description="hf %d/%d: %s" % (number + 1, total, parts[number]) if number < total else MORE)
            for number, one in enumerate(members)
        ),
    )  # fmt: skip


def groups_of(natives: t.Iterable[NativeRule]) -> t.Dict[str, t.List[NativeRule]]:
    """Return our rules of Windows by their names."""
    found: t.Dict[str, t.List[NativeRule]] = {}
    for one in natives:
        if is_ours(one):
            found.setdefault(one.name, []).append(one)
    return found


def words_of(natives: t.Sequence[NativeRule]) -> str:
    """Return what the descriptions of one name say together.

    :raises HoldfastError: when a part is missing or does not fit.
    """
    parts: t.Dict[int, str] = {}
    totals = set()
    for one in natives:
        if one.description == MORE:
            continue
        match = _TEXT.match(one.description)
        if match is None:
            raise HoldfastError("The rule %s has lost its description: %s" % (one.name, one.description[:100]))
        number, total = int(match.group(1)), int(match.group(2))
        totals.add(total)
        if parts.setdefault(number, match.group(3)) != match.group(3):
            raise HoldfastError("The rule %s has two descriptions" % one.name)
    if len(totals) != 1 or sorted(parts) != list(range(1, totals.copy().pop() + 1)):
        raise HoldfastError("Rules of the name %s are missing" % natives[0].name)
    return "".join(parts[number] for number in sorted(parts))
