# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the text of a policy back into the policy.

Pure but for the service database. Reads what ``policy_render`` writes, and what ``pfctl -sr`` and ``pfctl -sn`` list of it (without raw
lines and comments of translations, which only the file has). A line that says no rule of the language is an error: somebody put it there.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import replace

from ...policy.errors import HoldfastError
from ...policy.policy import ANY_DIRECTION, NativeLines, Policy
from ...policy.protocols import TCP
from ...policy.rule import DIRECTIONS, Log, Rule
from ..base import GUARD_MARK
from ..states_first import KNOWN_COMMENT, LOOPBACK, LOOPBACK_COMMENT, LOOPBACK_NAME
from .dialect import Dialect
from .edit import belongs_to_others
from .filters import rules_of
from .line import Line, read_line
from .parse import NAME
from .policy_forwarding import FORWARD, GONE, KNOWN, Scope, passing_lines, told_apart, words_of
from .policy_layout import JOINED, members_of, parted
from .policy_nat_parse import NatReader
from .policy_parts import FORWARDING, SUB_BEGIN, SUB_END, SUBPARTS, cut
from .statements import Statement, split
from .tables import Contents, constant_tables
from .unreadable import Unreadable
from .usual_line import NOT_FORWARDED, Told, UsualLines, told_by

_FORWARDING = re.compile(re.escape(FORWARDING).replace("%s", r"(allow|deny|reject)") + r"\s*\Z")
_PASSING = re.compile(r"tag (hf_forward\S*) tagged \1\Z|tag %s tagged %s\Z" % (GONE, KNOWN))
_JOINED = re.compile(r" (from|to) <(%s\w+)>" % JOINED)
_SCRUB = re.compile(r"scrub in all fragment reassemble\s*\Z")


def parse_policy(text: str, dialect: Dialect) -> Policy:
    """Return the policy that text says.

    :param dialect: whose text it is, which says whether it has to tell forwarded packets apart.
    :raises HoldfastError: for a line that is not of a policy, with the line.
    """
    _rest, parts = cut(text)
    return _Reader("".join(parts.values()) if parts else text, dialect).policy()


class _Found(t.NamedTuple):
    """A line, the tag for which it decides about packets that leave (or NOT_FORWARDED), and its rules."""

    statement: Statement
    tag: t.Optional[str]
    rules: t.List[Rule]


class _Reader:
    def __init__(self, text: str, dialect: Dialect) -> None:
        self._dialect = dialect
        self._statements = split(text)
        self._tables: Contents = constant_tables(self._statements)
        self._members = members_of(one.text for one in self._statements if one.kind == "blank" and JOINED in one.text)
        self._usual = UsualLines(self._tables)
        self._nat = NatReader(self._tables)
        self._found: t.List[_Found] = []
        self._telling: t.List[Statement] = []
        self._passing: t.List[str] = []
        self._forwarding: t.Optional[str] = None
        self._native: t.Dict[str, t.List[str]] = {"native before": [], "native after": []}

    def policy(self) -> Policy:
        """Read everything."""
        inside: t.Optional[str] = None
        for statement in self._statements:
            mark = statement.text.strip() if statement.kind == "blank" else ""
            if inside is not None:
                if mark == SUB_END % inside:
                    inside = None
                elif inside in self._native and statement.kind != "blank":
                    self._native[inside].append(statement.text.strip())
                elif statement.kind != "blank" and not (statement.kind == "anchor" and belongs_to_others(statement)):
                    raise _refused(statement, "it is no anchor of another program")
                continue
            inside = next((name for name in SUBPARTS if mark == SUB_BEGIN % name), None)
            if inside is None and statement.kind == "blank":
                forwarding = _FORWARDING.match(mark)
                if forwarding is not None:
                    self._forwarding = forwarding.group(1)
            elif inside is None:
                self._read(statement)
        return self._made()

    # -- lines -----------------------------------------------------------------------------------------------------------------

    def _read(self, statement: Statement) -> None:
        if statement.kind == "table" or (statement.kind == "scrub" and _SCRUB.match(statement.text)):
            return
        try:
            if statement.kind == "translation":
                self._nat.read_old(statement)
            elif statement.kind == "filter":
                usual = self._usual.read(statement.text)
                if usual is None:
                    self._read_filter(statement)
                else:
                    self._keep(statement, (usual,))
            else:
                raise Unreadable("a line that is no rule")
        except Unreadable as exc:
            raise _refused(statement, str(exc)) from None

    def _read_filter(self, statement: Statement) -> None:
        if statement.says("match") and (statement.says("nat-to") or statement.says("rdr-to")):
            self._nat.read_new(statement)
            return
        if statement.says("tag") and not statement.says("quick"):
            if not self._nat.is_frame(statement):
                self._telling.append(statement)
            return
        text = words_of(statement)
        if text.endswith("tag %s tagged %s" % (GONE, FORWARD)) or _PASSING.search(text):
            if self._found:
                raise Unreadable("it has to stand before all rules")
            self._passing.append(text)
            return
        self._keep(statement, rules_of_line(read_line(statement, self._tables)))

    def _keep(self, statement: Statement, rules: t.Sequence[t.Tuple[Rule, Told]]) -> None:
        found: t.List[Rule] = []
        joined = _JOINED.search(statement.text) if self._members else None
        for rule, _told in rules:
            if rule.comment == LOOPBACK_COMMENT and rule.interface == LOOPBACK_NAME:
                rule = replace(rule, interface=LOOPBACK)
            if joined is not None and joined.group(2) in self._members:
                found += parted(rule, "source" if joined.group(1) == "from" else "destination", self._members[joined.group(2)])
            else:
                found.append(rule)
        self._found.append(_Found(statement, rules[0][1][1], found))

    # -- the whole -------------------------------------------------------------------------------------------------------------

    def _made(self) -> Policy:
        scope = self._scope()
        self._fold(scope)
        rules = [rule for one in self._found for rule in one.rules]
        last = {rule.direction: number for number, rule in enumerate(rules)}
        defaults = dict.fromkeys(DIRECTIONS, "unmanaged")
        for direction, number in last.items():
            rule = rules[number]
            if replace(rule, log=None) != Rule(rule.action, direction, protocol=None):
                raise HoldfastError("The last line of direction %s is not its default: %s" % (direction, rule.describe()))
            defaults[direction] = rule.action
        self._check_scopes(scope, defaults)
        if self._forwarding is not None:
            defaults["forward"] = self._forwarding
        log_denied = _log_denied([rules[number] for number in last.values()])
        rules = [rule for number, rule in enumerate(rules) if last[rule.direction] != number]
        before, after = (tuple(self._native[name]) for name in ("native before", "native after"))
        native = NativeLines({ANY_DIRECTION: before} if before else {}, {ANY_DIRECTION: after} if after else {})
        return Policy(
            rules=tuple(rule for rule in rules if not _is_guard(rule)),
            defaults=defaults,
            nat=tuple(self._nat.rules()),
            native={NAME: native} if before or after else {},
            log_denied=log_denied,
            guard=tuple(_guard([rule for rule in rules if _is_guard(rule)], defaults)),
        )

    def _scope(self) -> t.Optional[Scope]:
        """Return how forwarded packets are told apart; None where the text does not do it.

        :raises HoldfastError: when it has to, or the lines for it were changed.
        """
        leaving = any(one.tag not in (None, NOT_FORWARDED) for one in self._found)
        if not self._telling:
            told = any(one.tag is not None or one.rules[0].direction == "forward" for one in self._found)
            if self._found and (told or (self._dialect.tells_forwarding and self._forwarding is None)):
                raise HoldfastError("The lines that tell forwarded packets from those of the host are missing")
            return None
        arrivals = told_apart(self._telling)
        if arrivals is None or (arrivals and not leaving):
            raise _refused(self._telling[0], "the lines that tell forwarded packets from those of the host were changed")
        return Scope(False, leaving, arrivals)

    def _fold(self, scope: t.Optional[Scope]) -> None:
        """Put the lines of a rule together that has one for each tag of a forwarded packet.

        :raises HoldfastError: for a line that stands for a part of the tags that no rule can say.
        """
        if scope is None or not scope.at_leaving:
            return
        folded: t.List[_Found] = []
        tags = scope.tags
        at = 0
        while at < len(self._found):
            one = self._found[at]
            if one.tag == tags[0]:
                # pfctl lists a line with lists as several, so there may be more than one for each tag.
                count = next((n for n, other in enumerate(self._found[at:]) if other.tag != tags[0]), len(self._found) - at)
                run = self._found[at : at + count * len(tags)]
                expected = [(tag, other.rules) for tag in tags for other in run[:count]]
                if [(other.tag, other.rules) for other in run] != expected:
                    raise _refused(one.statement, "it is about packets that arrived where no rule says")
                folded += run[:count]
                at += len(run)
            elif one.tag in tags:
                name = scope.arrivals[tags.index(one.tag) - 1]
                folded.append(_Found(one.statement, one.tag, [replace(rule, interface=name) for rule in one.rules]))
                at += 1
            elif one.tag in (None, NOT_FORWARDED):
                folded.append(one)
                at += 1
            else:
                raise _refused(one.statement, "nothing gives a packet this tag")
        self._found = folded

    def _check_scopes(self, scope: t.Optional[Scope], defaults: t.Mapping[str, str]) -> None:
        """Refuse lines of one direction that would also decide about packets of another.

        :raises HoldfastError: for the first such line.
        """
        if scope is None:
            return
        # OpenBSD lists no state that is kept without options.
        passed = {line.replace(" keep state", "") for line in self._passing} == {
            line.replace(" keep state", "") for line in passing_lines(scope)
        }
        if self._passing and not passed:
            raise HoldfastError("The lines that let forwarded packets pass were changed: %s" % self._passing[0])
        ended = max((number for number, one in enumerate(self._found) if one.rules[0].direction == "forward"), default=-1)
        for number, one in enumerate(self._found):
            direction = one.rules[0].direction
            early = number < ended or defaults["forward"] == "unmanaged"
            if one.tag is None and ((direction == "in" and early) or (direction == "out" and early and (scope.at_leaving or ended < 0))):
                raise _refused(one.statement, "it would also decide about forwarded packets")
            if direction == "forward" and (one.tag is None) == scope.at_leaving:
                raise _refused(one.statement, "the other rules decide on the other half of a packet's way")
            if direction == "forward" and not passed and (scope.at_leaving or any(rule.action == "allow" for rule in one.rules)):
                raise _refused(one.statement, "no line lets the packet pass on the other half of its way")


def _log_denied(defaults: t.Sequence[Rule]) -> t.Optional[Log]:
    logs = {rule.log for rule in defaults if rule.action != "allow"}
    if len(logs) > 1 or any(rule.log is not None for rule in defaults if rule.action == "allow"):
        raise HoldfastError("The defaults of a policy are logged alike where they deny, and not where they allow")
    return logs.pop() if logs else None


def rules_of_line(line: Line) -> t.List[t.Tuple[Rule, Told]]:
    """Return the rules of a line, each with what the line's tags say.

    :raises Unreadable: for a line that no policy has.
    """
    if not line.quick or line.odd or line.state in ("modulate", "synproxy") or len(line.directions) != 1:
        raise Unreadable("no policy has such a line")
    way = line.directions[0]
    tagged = None if line.tagged is None else "%stagged %s" % ("! " if line.tagged_negated else "", line.tagged)
    told = told_by(way, line.action, line.tag, tagged)
    if told is None or line.tag not in (None, KNOWN):
        raise Unreadable("tags that no policy has")
    found: t.List[t.Tuple[Rule, Told]] = []
    for protocol in line.protocols:
        for rule in rules_of(line, protocol, (told[0],), _stateful(line, protocol)):
            if told[0] == "forward" and told[1] is not None:
                rule = replace(rule, interface=None, out_interface=rule.interface)
            found.append((rule, told))
    if not found:
        raise Unreadable("a line that matches nothing")
    return found


def _stateful(line: Line, protocol: t.Optional[int]) -> bool:
    """Return whether a line is about the first packets of connections alone."""
    flags = protocol in (TCP, None)
    if line.action == "allow" and line.state != "no":
        if line.flags not in (None, "any", "S/SA"):
            raise Unreadable("flags %s" % line.flags)
        return flags and line.flags != "any"
    if line.flags not in (None, "any", "S/SA") or (line.flags == "S/SA" and line.action == "allow"):
        raise Unreadable("flags %s" % line.flags)
    return flags and line.flags == "S/SA"


def _is_guard(rule: Rule) -> bool:
    return rule.comment is not None and rule.comment.startswith(GUARD_MARK)


def _guard(rules: t.Sequence[Rule], defaults: t.Mapping[str, str]) -> t.Iterator[Rule]:
    """Yield the guard with the known connections, for which pf has no line."""
    for direction in DIRECTIONS:
        own = [rule for rule in rules if rule.direction == direction]
        at = next((number for number, rule in enumerate(own) if rule.comment != LOOPBACK_COMMENT), len(own))
        yield from own[:at]
        if defaults[direction] != "unmanaged":
            yield Rule("allow", direction, protocol=None, established=True, comment=KNOWN_COMMENT)
        yield from own[at:]


def _refused(statement: Statement, why: str) -> HoldfastError:
    return HoldfastError("This line is not one that a policy has written (%s): %s" % (why, " ".join(statement.text.split())))
