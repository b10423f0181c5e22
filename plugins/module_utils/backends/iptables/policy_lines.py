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

from ...policy.rates import Limit
from ...policy.rule import Log, Rule
from .limits import limit_words
from .policy_chains import DEFAULT_COMMENT, DENIED_COMMENT
from .render import Abilities, rule_lines, rule_sets
from .sets import MAX_COMMENT, KernelSet, list_set
from .words import quote

_NUMBER = re.compile(r"([1-9]\d{0,8})(?:: (.*))?")
VERDICTS = {
    4: {"allow": "ACCEPT", "deny": "DROP", "reject": "REJECT --reject-with icmp-port-unreachable"},
    6: {"allow": "ACCEPT", "deny": "DROP", "reject": "REJECT --reject-with icmp6-port-unreachable"},
}


def lines_of_rules(rules: t.Iterable[Rule], family: int, can: Abilities, chain: str, sets: t.Dict[str, KernelSet]) -> t.List[str]:
    """Return one line after the other for some rules; their address sets are added to ``sets``."""
    lines: t.List[str] = []
    twins: t.Dict[Rule, int] = {}
    for rule in rules:
        twin = 0
        if rule.limit is not None and rule.limit.per_source:
            same = replace(rule.identity(), family=None)
            twin = twins[same] = twins.get(same, -1) + 1
        lines += rule_lines(rule, family, can, chain, twin)
        if len(rule.source.networks) > 1 or len(rule.destination.networks) > 1:
            sets.update({name: list_set(one) for name, one in rule_sets(rule).items()})
    return lines


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
