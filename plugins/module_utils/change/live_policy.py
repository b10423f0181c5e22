# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host enforces, as one policy that questions can be asked about.

Reads nothing by itself: it is given the backend and what the backend read. Where a policy of ours is live, that is the answer. Otherwise
the administrator's base chains become a list of which the first match decides, with the chains they jump to. What such a list cannot say
is named in ``not_judged``, never left out in silence.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace

from ..backends.base import Backend
from ..backends.compile.meeting import Inexpressible, meet
from ..backends.ruleset import RETURN, Chain, Entry, Ruleset
from ..policy.errors import HoldfastError
from ..policy.policy import Policy
from ..policy.rule import DIRECTIONS, Rule

_DEEPEST = 16
_SHOWN = 100


@dataclass
class LivePolicy:
    """The live rules as a policy.

    :ivar ours: whether they are a policy that this collection put in force.
    :ivar not_judged: entries and chains that the policy leaves out, as the backend lists them.
    """

    policy: Policy
    ours: bool
    not_judged: t.List[str] = field(default_factory=list)


def live_policy(backend: Backend, ruleset: Ruleset) -> LivePolicy:
    """Return the live rules as a policy."""
    not_judged: t.List[str] = []
    try:
        own = backend.read_policy(ruleset)
    except HoldfastError as exc:
        own = None
        not_judged.append("the policy of this collection, which was changed by hand: %s" % exc.msg)
    if own is not None:
        not_judged.extend(_beside_ours(ruleset))
        return LivePolicy(own, True, not_judged)
    reader = _Reader(ruleset, not_judged)
    return LivePolicy(reader.policy(), False, not_judged)


def _beside_ours(ruleset: Ruleset) -> t.List[str]:
    """Name the base chains of others that decide beside our policy."""
    return [
        "%s: %d entries%s, default %s" % (chain.name, len(chain.entries), " of %s" % chain.owner if chain.owner else "", chain.default)
        for chain in ruleset.chains
        if chain.base and not chain.missing and chain.owner != "holdfast" and _does_something(chain)
    ]


def _does_something(chain: Chain) -> bool:
    """Return whether a chain has entries of its own: a jump into a chain of ours is none."""
    entries = [one for one in chain.entries if one.jump is None or "holdfast" not in one.jump]
    return bool(entries) or (chain.default != "allow" and len(entries) == len(chain.entries))


class _Reader:
    """Turns base chains into lists of rules."""

    def __init__(self, ruleset: Ruleset, not_judged: t.List[str]) -> None:
        self._ruleset = ruleset
        self._not_judged = not_judged
        self._rules: t.List[Rule] = []
        self._labels: t.List[str] = []

    def policy(self) -> Policy:
        defaults: t.Dict[str, str] = {}
        for direction in DIRECTIONS:
            chains = {family: self._deciding(direction, family) for family in (4, 6)}
            if chains[4] == chains[6]:
                defaults[direction] = self._walk(direction, chains[4], None)
                continue
            found = {family: self._walk(direction, chains[family], family) for family in (4, 6)}
            both = {found[4], found[6]} - {"unmanaged"}
            defaults[direction] = both.pop() if len(both) == 1 else "deny" if both else "unmanaged"
            for family in (4, 6):
                action = "allow" if found[family] == "unmanaged" else found[family]
                if defaults[direction] not in (found[family], "unmanaged"):
                    self._add(Rule(action, direction, family, None), "default (%s, ipv%d)" % (direction, family))
        return Policy(tuple(self._rules), defaults, tuple(self._labels))

    def _deciding(self, direction: str, family: int) -> t.Tuple[Chain, ...]:
        """Return the base chains that packets go through, without those that decide nothing."""
        chains = [one for one in self._ruleset.bases(direction, family) if not one.missing]
        return tuple(one for one in chains if one.entries or one.default != "allow") or tuple(chains[:1])

    def _walk(self, direction: str, chains: t.Sequence[Chain], family: t.Optional[int]) -> str:
        """Add the rules of base chains that packets go through one after the other; return what happens at the end.

        A packet has to pass all of them. So chains that only deny come first in the list; of the others one can be in it.
        """
        if not chains:
            return "unmanaged"
        lists = [(chain, self._entries(chain, direction, family)) for chain in chains]
        mixed = [one for one in lists if one[0].default != "allow" or _stops_and_passes(one[1])]
        last = next((one for one in mixed if one[0].default != "allow"), mixed[0] if mixed else lists[-1])
        for one in lists:
            chain, found = one
            if one is last or (chain.default == "allow" and all(rule.action == "allow" for rule, _label in found)):
                continue
            if one in mixed:
                self._not_judged.append("%s: packets also have to pass its %d entries" % (chain.name, len(chain.entries)))
                continue
            for rule, label in found:
                self._add(rule, label)
        for rule, label in last[1]:
            self._add(rule, label)
        return last[0].default

    def _add(self, rule: Rule, label: str) -> None:
        self._rules.append(rule)
        self._labels.append(label)

    def _entries(self, chain: Chain, direction: str, family: t.Optional[int]) -> t.List[t.Tuple[Rule, str]]:
        narrow = family if family is not None else next(iter(chain.families)) if len(chain.families) == 1 else None
        everything = Rule("allow", direction, narrow, None)
        found: t.List[t.Tuple[Rule, str]] = []
        weak: t.List[t.Tuple[Rule, str]] = []
        self._flatten(chain, everything, found, weak, 0)
        # Of entries without quick the last match decides, after all entries with it.
        return found + weak[::-1]

    def _flatten(
        self, chain: Chain, within: Rule, found: t.List[t.Tuple[Rule, str]], weak: t.List[t.Tuple[Rule, str]], depth: int
    ) -> None:  # fmt: skip
        for number, entry in enumerate(chain.entries):
            label = "%s[%d] (%s)" % (chain.name, number, _shortened(" ".join(entry.native)))
            if entry.jump is not None:
                if self._jump(chain, entry, within, found, weak, depth):
                    return
                continue
            rules = entry.meanings()
            if not rules and entry.established:
                rules = (Rule("allow", within.direction, None, None, established=True),)
            if not rules:
                self._leave_out(chain, entry)
            for rule in rules:
                if rule.direction != within.direction:
                    continue
                try:
                    common = meet(within, rule)
                except Inexpressible:
                    self._leave_out(chain, entry)
                    continue
                if common is not None:
                    (weak if entry.weak else found).append((common, label))

    def _jump(
        self, chain: Chain, entry: Entry, within: Rule, found: t.List[t.Tuple[Rule, str]], weak: t.List[t.Tuple[Rule, str]], depth: int
    ) -> bool:  # fmt: skip
        """Add the rules behind a jump; return whether the chain ends here."""
        match = replace(entry.match, direction=within.direction) if entry.match is not None else None
        if entry.jump == RETURN:
            if match is not None and _is_everything(match):
                return True
            self._leave_out(chain, entry)
            return False
        target = self._ruleset.chain(entry.jump or "")
        line = " %s " % " ".join(entry.native)
        clear = match is not None and match.condition is None and not match.stateful
        if target is None or match is None or not clear or depth == _DEEPEST or " goto " in line or " -g " in line:
            self._leave_out(chain, entry)
            return False
        try:
            common = meet(within, match)
        except Inexpressible:
            self._leave_out(chain, entry)
            return False
        if common is not None:
            self._flatten(target, common, found, weak, depth + 1)
        return False

    def _leave_out(self, chain: Chain, entry: Entry) -> None:
        line = "%s: %s" % (chain.name, _shortened("; ".join(entry.native)))
        if line not in self._not_judged:
            self._not_judged.append(line)


def _is_everything(match: Rule) -> bool:
    return replace(match, action="allow", family=None, log=None, comment=None) == Rule("allow", match.direction, None, None)


def _stops_and_passes(found: t.Sequence[t.Tuple[Rule, str]]) -> bool:
    return len({rule.action == "allow" for rule, _label in found}) == 2


def _shortened(line: str) -> str:
    return line if len(line) <= _SHOWN else line[: _SHOWN - 3] + "..."
