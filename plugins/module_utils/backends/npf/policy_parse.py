# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the text of a policy back into the policy.

Pure but for the service database. A line that says no rule of the language is an error: somebody put it there.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import replace

from ...policy.errors import HoldfastError
from ...policy.policy import ANY_DIRECTION, NativeLines, Policy
from ...policy.rule import DIRECTIONS, Log, Rule
from ..base import GUARD_MARK
from ..states_first import KNOWN_COMMENT, LOOPBACK_COMMENT
from .blocks import Block, Context, blocks_of, policy_rule
from .conf import Conf, Group, Statement
from .line import Unreadable
from .policy_text import ALG, DEFAULT_GROUP, FORWARDING, GROUP, NAME, SUB_BEGIN, SUB_END, SUBPARTS, cut
from .render import POLICY_PROCEDURE, PROCEDURE, procedure_line
from .tables import is_own

_FORWARDING = re.compile("^" + re.escape(FORWARDING).replace("%s", r"(allow|deny|reject)") + "$", re.MULTILINE)


def parse_policy(text: str) -> Policy:
    """Return the policy that text says.

    :raises HoldfastError: for a line that is not of a policy, with the line.
    """
    _rest, part = cut(text)
    conf = Conf(part or text)
    context = Context(conf)
    defaults = dict.fromkeys(DIRECTIONS, "unmanaged")
    forwarding = _FORWARDING.search(conf.text)
    if forwarding is not None:
        defaults["forward"] = forwarding.group(1)
    groups = [one for one in conf.tops if isinstance(one, Group)]
    own = [one for one in groups if one.name == GROUP and one.everywhere]
    for one in conf.tops:
        _check_top(conf, one)
    if len(own) > 1:
        raise HoldfastError("The group '%s' stands more than once in npf.conf" % GROUP)
    reader = _Reader(context, defaults)
    for group in own:
        reader.read(group)
    return reader.policy()


def _check_top(conf: Conf, one: t.Union[Statement, Group]) -> None:
    text = conf.text[one.start : one.end]
    if isinstance(one, Group):
        known = (one.name == GROUP and one.everywhere) or (one.default and text + "\n" == DEFAULT_GROUP)
    else:
        known = text in (ALG, procedure_line(POLICY_PROCEDURE), procedure_line(PROCEDURE)) or (
            one.kind == "table" and len(one.words) > 1 and is_own(one.words[1].text)
        )
    if not known:
        raise HoldfastError("This is not what a policy has written into its part of npf.conf: %s" % " ".join(text.split())[:200])


class _Reader:
    def __init__(self, context: Context, defaults: t.Dict[str, str]) -> None:
        self._context = context
        self._defaults = defaults
        self._rules: t.List[Rule] = []
        self._logs: t.List[t.Tuple[str, t.Optional[Log]]] = []
        self._native: t.Dict[str, t.List[str]] = {name: [] for name in SUBPARTS}

    def read(self, group: Group) -> None:
        inside: t.Optional[str] = None
        for one in blocks_of(self._context.conf, group):
            if isinstance(one, str):
                if inside is not None and one == SUB_END % inside:
                    inside = None
                elif inside is None:
                    inside = next((name for name in SUBPARTS if one == SUB_BEGIN % name), None)
            elif inside is not None:
                self._native[inside] += self._context.texts(one.statements)
            elif one.mark is not None and one.mark.kind == "default":
                self._default(one)
            else:
                self._keep(one)

    def _keep(self, block: Block) -> None:
        rule = policy_rule(self._context, block)
        if rule is not None:
            self._rules.append(rule)
            return
        for statement in block.statements:
            try:
                line = self._context.line(statement)
                if not line.final:
                    raise Unreadable("it is not final")
                self._rules += line.rules(("in", "out"))
            except Unreadable as exc:
                raise self._refused(statement, str(exc)) from None

    def _default(self, block: Block) -> None:
        direction = str(block.mark.comment) if block.mark is not None else ""
        rule = policy_rule(self._context, block)
        if rule is None or replace(rule, action="allow", log=None) != Rule("allow", direction, protocol=None):
            raise self._refused(block.statements[0], "it is no default of the direction %s" % direction)
        self._defaults[direction] = rule.action
        self._logs.append((rule.action, rule.log))

    def _refused(self, statement: Statement, why: str) -> HoldfastError:
        text = " ".join(self._context.texts([statement])[0].split())
        return HoldfastError("This line is not one that a policy has written (%s): %s" % (why, text))

    def policy(self) -> Policy:
        """Put together what was read."""
        logs = {log for action, log in self._logs if action != "allow"}
        if len(logs) > 1 or any(log is not None for action, log in self._logs if action == "allow"):
            raise HoldfastError("The defaults of a policy are logged alike where they deny, and not where they allow")
        before, after = (tuple(self._native[name]) for name in SUBPARTS)
        native = {}
        if before or after:
            native[NAME] = NativeLines({ANY_DIRECTION: before} if before else {}, {ANY_DIRECTION: after} if after else {})
        guard = [rule for rule in self._rules if _is_guard(rule)]
        return Policy(
            rules=tuple(rule for rule in self._rules if not _is_guard(rule)),
            defaults=self._defaults,
            native=native,
            log_denied=logs.pop() if logs else None,
            guard=tuple(self._guard(guard)),
        )

    def _guard(self, rules: t.Sequence[Rule]) -> t.Iterator[Rule]:
        """Yield the guard with the known connections, for which npf has no line."""
        for direction in DIRECTIONS:
            own = [rule for rule in rules if rule.direction == direction]
            at = next((number for number, rule in enumerate(own) if rule.comment != LOOPBACK_COMMENT), len(own))
            yield from own[:at]
            if self._defaults[direction] != "unmanaged":
                yield Rule("allow", direction, protocol=None, established=True, comment=KNOWN_COMMENT)
            yield from own[at:]


def _is_guard(rule: Rule) -> bool:
    return rule.comment is not None and rule.comment.startswith(GUARD_MARK)
