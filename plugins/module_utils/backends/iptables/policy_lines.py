# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules, logging and the default of a policy as lines of one chain.

Pure: touches nothing.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import replace

from ...policy.protocols import TCP
from ...policy.rates import Limit
from ...policy.rule import Log, Rule
from .limits import limit_words
from .policy_chains import COUNT, DEFAULT_COMMENT, DENIED_COMMENT
from .render import Abilities, counts_types, match_words, rule_lines, rule_sets, verdict_lines
from .sets import MAX_COMMENT, KernelSet, list_set
from .words import quote

_NUMBER = re.compile(r"([1-9]\d{0,8})(?:: (.*))?")
VERDICTS = {
    4: {"allow": "ACCEPT", "deny": "DROP", "reject": "REJECT --reject-with icmp-port-unreachable"},
    6: {"allow": "ACCEPT", "deny": "DROP", "reject": "REJECT --reject-with icmp6-port-unreachable"},
}


def lines_of_rules(
    rules: t.Iterable[Rule], family: int, can: Abilities, chain: str, sets: t.Dict[str, KernelSet], chains: t.Dict[str, t.List[str]]
) -> t.List[str]:
    """Return one line after the other for some rules; their address sets and further chains are added to ``sets`` and ``chains``."""
    lines: t.List[str] = []
    twins: t.Dict[Rule, int] = {}
    for rule in rules:
        twin = 0
        if rule.limit is not None and rule.limit.per_source:
            same = replace(rule.identity(), family=None)
            twin = twins[same] = twins.get(same, -1) + 1
        if counts_types(rule):
            name = "%s%s%d" % (chain, COUNT, len(chains) + 1)
            chains[name] = verdict_only(rule, family, name, twin)
            lines += leading_lines(rule, family, can, chain, name)
        else:
            lines += rule_lines(rule, family, can, chain, twin)
        if len(rule.source.networks) > 1 or len(rule.destination.networks) > 1:
            sets.update({name: list_set(one) for name, one in rule_sets(rule).items()})
    return lines


def leading_lines(rule: Rule, family: int, can: Abilities, chain: str, target: str) -> t.List[str]:
    """Return what leads the packets of a rule to a chain: a line for each ICMP type, since a line takes only one."""
    found = []
    for one in [replace(rule, icmp_types=(number,)) for number in rule.icmp_types] or [rule]:
        words = match_words(one, family, can)
        words += ["-m", "comment", "--comment", quote(rule.comment)] if rule.comment is not None else []
        found.append(" ".join(["-A", chain, *words, "-j", target]))
    return found


def verdict_only(rule: Rule, family: int, chain: str, twin: int) -> t.List[str]:
    """Return what a rule does, within its limit, to all packets that come to a chain."""
    match = ["-p", "tcp"] if rule.action == "reject" and rule.protocol == TCP else []  # else there is no reset
    return verdict_lines(replace(rule, comment=None), family, "-A " + chain, match, twin)


def numbered(rule: Rule, number: int) -> t.Optional[str]:
    """Return the comment of a rule with its number in the list (counted from 1), or None when there is no room for it."""
    text = "%d" % (number + 1) if rule.comment is None else "%d: %s" % (number + 1, rule.comment)
    return text if len(text) <= MAX_COMMENT and (text.isascii() or len(text.encode("utf-8", "replace")) <= MAX_COMMENT) else None


def number_of(comment: t.Optional[str]) -> t.Tuple[t.Optional[int], t.Optional[str]]:
    """Return the number at the head of a comment, and the rest."""
    found = _NUMBER.fullmatch(comment) if comment is not None else None
    return (int(found.group(1)), found.group(2)) if found is not None else (None, comment)


def log_line(chain: str, log: Log) -> str:
    """Return the line that logs what the default stops."""
    words = ["-A", chain] + (limit_words(Limit(log.rate)) if log.rate is not None else [])
    words += ["-m", "comment", "--comment", quote(DENIED_COMMENT), "-j", "LOG"]
    return " ".join(words + (["--log-prefix", quote(log.prefix)] if log.prefix is not None else []))


def default_line(chain: str, default: str, family: int) -> str:
    """Return the last line of a chain."""
    return "-A %s -m comment --comment %s -j %s" % (chain, quote(DEFAULT_COMMENT), VERDICTS[family][default])
