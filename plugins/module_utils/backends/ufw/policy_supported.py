# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a policy ufw cannot carry exactly.

Pure: touches nothing.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import replace

from ...policy.errors import HoldfastError
from ...policy.policy import Policy
from ...policy.rule import DIRECTIONS, Rule
from ..base import GUARD_MARK, Unsupported
from ..iptables import render
from ..iptables.policy_lines import numbered
from ..iptables.policy_nat import nat_unsupported
from .block import cut_block
from .files import AFTER, BEFORE, CHAINS, Files
from .loading import filter_part
from .policy_split import lines_apart
from .policy_text import placed

_WORDS = {word: direction for direction, word in CHAINS.items()}
_TO_TUPLES = re.compile(r"-[AI] (?!ufw6?-before-)\S+ .*-[jg] ufw6?-user-(?P<word>input|output|forward)(?: |\Z)")


def policy_unsupported(policy: Policy, can: render.Abilities, ipv6: bool) -> t.Tuple[Unsupported, ...]:
    """Return everything with its place in the document.

    :param ipv6: whether ufw filters IPv6 by rules, or the host has none.
    """
    found: t.List[Unsupported] = []
    if not ipv6:
        reason = "IPV6=no in /etc/default/ufw makes ufw drop all of IPv6, whatever a policy says; set IPV6=yes there"
        found.append(Unsupported("family", "ipv6", reason))
    for direction in DIRECTIONS:
        for number, rule, blocked in placed(policy, direction):
            place = "rules[%d]" % number
            if policy.defaults[direction] == "unmanaged":
                reason = "defaults.%s is unmanaged, so there is no list for this rule" % direction
                found.append(Unsupported(place + ".direction", direction, reason))
            if blocked:
                parts = lines_apart(rule)
                wrong = [one for part in parts[:1] + parts[-1:] for one in render.unsupported(part, can, True)]
                found += _placed(place, list(dict.fromkeys(wrong)))
            if numbered(rule, number) is None:
                found.append(
                    Unsupported(place + ".comment", str(rule.comment), "there is room for 245 bytes beside the number of the rule")
                )
            found += _guards(place, rule.comment)
    for number, rule in enumerate(policy.guard):
        found += _placed("guard[%d]" % number, [one for part in lines_apart(rule)[:1] for one in render.unsupported(part, can)])
    if policy.log_denied is not None:
        found += _placed("logging", render.unsupported(Rule("deny", protocol=None, log=policy.log_denied), can))
    for number, translation in enumerate(policy.nat):
        found += _placed("nat[%d]" % number, nat_unsupported(translation, can))
        found += _guards("nat[%d]" % number, translation.comment)
    natives = policy.native.get("ufw")
    if natives is not None and any((*natives.before.values(), *natives.after.values())):
        reason = "a policy on ufw has no raw lines; write them as rules, or run the module rule with native: ufw beside it"
        found.append(Unsupported("native.ufw", "lines", reason))
    return tuple(found)


def refuse_shared(files: Files, managed: t.Collection[str]) -> None:
    """Refuse to manage a direction whose tuples other chains ask, too: they would meet the default of the policy there, and with it the
    packets of known connections that ufw lets through before. So is it with ufw-docker, whose part of ``after.rules`` has DOCKER-USER lead
    to ``ufw-user-forward`` (https://github.com/chaifeng/ufw-docker).

    :raises HoldfastError: with the line.
    """
    for path in (*AFTER.values(), *BEFORE.values()):
        for line in filter_part(cut_block(files.text(path), path)[0]):
            found = _TO_TUPLES.match(line)
            if found is not None and _WORDS[found.group("word")] in managed:
                direction = _WORDS[found.group("word")]
                raise HoldfastError(
                    "%s has %r, and what comes that way would lose its known connections to the default of this policy, so nothing was "
                    "changed. Set defaults.%s: unmanaged in the document, and write such rules with holdfast.firewall.rule (direction: %s)"
                    % (path, line[:200], direction, direction)
                )


def _guards(place: str, comment: t.Optional[str]) -> t.List[Unsupported]:
    if comment is None or not comment.startswith(GUARD_MARK):
        return []
    reason = "comments that start with %r are those of the rules that keep the host reachable" % GUARD_MARK
    return [Unsupported(place + ".comment", comment, reason)]


def _placed(place: str, found: t.Iterable[Unsupported]) -> t.List[Unsupported]:
    return [replace(one, field="%s.%s" % (place, one.field)) for one in found]
