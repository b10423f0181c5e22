# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What nft cannot carry of a policy.

Pure: touches nothing.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import replace

from ...policy.errors import HoldfastError
from ...policy.policy import NativeLines, Policy
from ..base import GUARD_MARK, Unsupported
from .names import HOOK_OF
from .native import split_native
from .policy_build import NATIVE
from .policy_nat import nat_unsupported
from .render import unsupported, unsupported_prefix

#: Words that begin something else than a rule where a chain is declared.
_NO_RULE = frozenset({"type", "policy", "flags", "device", "devices", "comment", "redefine", "undefine", "elements"})
_QUOTED = re.compile(r'"[^"]*"')


def policy_unsupported(policy: Policy) -> t.Tuple[Unsupported, ...]:
    """Return everything that nft cannot carry exactly, with its place."""
    found: t.List[Unsupported] = []
    for number, rule in enumerate(policy.rules):
        for one in unsupported(rule):
            found.append(_placed("rules[%d]" % number, one))
        if rule.comment is not None and rule.comment.startswith(GUARD_MARK):
            reason = "comments that start with %r are those of the rules that keep the host reachable" % GUARD_MARK
            found.append(Unsupported("rules[%d].comment" % number, rule.comment, reason))
        if policy.defaults[rule.direction] == "unmanaged":
            reason = "defaults.%s is unmanaged, so there is no chain for this rule" % rule.direction
            found.append(Unsupported("rules[%d].direction" % number, rule.direction, reason))
    for number, rule in enumerate(policy.guard):
        found += [_placed("guard[%d]" % number, one) for one in unsupported(rule)]
    for number, translation in enumerate(policy.nat):
        found += [_placed("nat[%d]" % number, one) for one in nat_unsupported(translation)]
    found += [_placed("logging", one) for one in unsupported_prefix(policy.log_denied)]
    native = policy.native.get(NATIVE, NativeLines())
    for place, lines in (("before", native.before), ("after", native.after)):
        for direction, texts in lines.items():
            found += _native(policy, "native.%s.%s.%s" % (NATIVE, place, direction), direction, texts)
    return tuple(found)


def _native(policy: Policy, place: str, direction: str, texts: t.Sequence[str]) -> t.List[Unsupported]:
    if direction not in HOOK_OF:
        return [Unsupported(place, direction, "native lines of nftables stand under in, out or forward")]
    if texts and policy.defaults[direction] == "unmanaged":
        return [Unsupported(place, direction, "defaults.%s is unmanaged, so there is no chain for these lines" % direction)]
    found = []
    for number, text in enumerate(texts):
        where = "%s[%d]" % (place, number)
        try:
            line = split_native(text)
        except HoldfastError as exc:
            found.append(Unsupported(where, text, exc.msg))
            continue
        if line.text != text or text.split()[0] in _NO_RULE:
            found.append(Unsupported(where, text, "in a policy a native line is the rule alone, without command and chain"))
        elif _unbalanced(text):
            found.append(Unsupported(where, text, "its braces do not match, or it ends in a backslash"))
    return found


def _unbalanced(text: str) -> bool:
    depth = 0
    for word in _QUOTED.sub("", text):
        depth += {"{": 1, "}": -1}.get(word, 0)
        if depth < 0:
            return True
    return depth != 0 or text.endswith("\\")


def _placed(place: str, one: Unsupported) -> Unsupported:
    return replace(one, field="%s.%s" % (place, one.field))
