# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of a policy with their numbers, as lines, as a file for ipfw, and as text that compares.

Pure: touches nothing.
"""

from __future__ import annotations

import re
import typing as t
from bisect import bisect_left
from dataclasses import dataclass

from ...policy.addresses import Network
from ...policy.errors import HoldfastError
from ..base import GUARD_MARK
from .listing import DEFAULT_NUMBER, POLICY_PREFIX, Flow, Line, Listing, flow_text, split_comment, text_digest
from .policy_program import END, Step
from .policy_words import SETS, FlowRule, table_of

#: Bytes of a line of a file that ipfw reads at once, with room for its end.
MAX_LINE = 4000
FLOW_TYPE = "flow:src-ip,proto,dst-port"
#: First number and step, in the order in which they are tried.
_NUMBERINGS = ((100, 10), (100, 5), (100, 2), (100, 1), (10, 10), (10, 5), (10, 2), (1, 2), (1, 1))
#: How many lines a rule may log; the action before it has at most two words.
_LOG = re.compile(r"\A(\S+(?: \S+)?) log logamount \d+")
_LEADS = re.compile(r"skipto (\d+) ")
_TABLE = re.compile(r"table\((%s[0-9a-z]+)\)" % POLICY_PREFIX)


@dataclass(frozen=True)
class Contents:
    """What the tables of a policy hold, by name."""

    networks: t.Mapping[str, t.Tuple[Network, ...]]
    flows: t.Mapping[str, t.Tuple[Flow, ...]]


def number(steps: t.Sequence[Step], below: int = DEFAULT_NUMBER) -> t.List[int]:
    """Return a number for each step, all less than ``below`` (the first rule of somebody else).

    Steps share a number only where there is no room for all; never two to one of which a ``skipto`` leads.

    :raises HoldfastError: when there is no room in front of the other rules.
    """
    for first, step in _NUMBERINGS:
        if first + step * (len(steps) - 1) < below:
            return [first + step * at for at in range(len(steps))]
    numbers: t.List[int] = []
    current = 1
    for at, one in enumerate(steps):
        if at and one.labels:
            current += 1
        numbers.append(current)
    if current >= below:
        raise HoldfastError(
            "ipfw: rule %05d of somebody else leaves no room for the policy in front of it (it needs %d numbers). Give that rule a higher "
            "number, or make the policy the only one (state: overridden)" % (below, current)
        )
    return numbers


def lay_out(steps: t.Sequence[Step], numbers: t.Sequence[int], set_number: int) -> t.List[Line]:
    """Return the lines of a policy, in order."""
    targets = {label: numbers[at] for at, step in enumerate(steps) for label in step.labels}
    targets[END] = numbers[-1] + 1 if numbers else 1
    lines = []
    for at, step in enumerate(steps):
        for body in step.bodies:
            if body.startswith("skipto @"):
                label, rest = body[8:].split(" ", 1)
                body = "skipto %d %s" % (targets.get(label, targets[END]), rest)
            lines.append(Line(numbers[at], body, set_number))
    return lines


def own_lines(listing: Listing) -> t.List[Line]:
    """Return the lines of the policy that is in force; empty when there is none.

    A set is a policy's when one of its rules has a mark of ours. Where two are (while a change waits for its confirmation), the one that
    is not disabled counts.
    """
    marked = [one for one in SETS if any(_marked(line) for line in listing.lines if line.set == one)]
    enabled = [one for one in marked if not any(line.disabled for line in listing.lines if line.set == one)]
    return [line for line in listing.lines if line.set == enabled[0]] if enabled else []


def own_sets(listing: Listing) -> t.List[int]:
    """Return the sets that hold a policy, in force or not."""
    return [one for one in SETS if any(_marked(line) for line in listing.lines if line.set == one)]


def disabled_sets(listing: Listing) -> t.Tuple[int, ...]:
    """Return the sets that hold a policy which is not in force."""
    return tuple(one for one in own_sets(listing) if any(line.disabled for line in listing.lines if line.set == one))


def own_text(listing: Listing) -> str:
    """Return the policy that is in force as text: equal rules give equal text, in whatever set they are. Empty when there is none."""
    own = own_lines(listing)
    named = tables_named(own)
    lines = tuple(Line(line.number, text) for line, text in zip(own, (_LOG.sub(r"\1 log", line.body) for line in own)))
    tables = tuple((name, found) for name, found in listing.tables if name in named)
    return Listing(lines, tables, tuple((name, found) for name, found in listing.flows if name in named)).text() if own else ""


def _marked(line: Line) -> bool:
    return "// " + GUARD_MARK in line.body


def file_text(lines: t.Sequence[Line], contents: Contents, known: t.Container[str] = (), left: bool = False) -> str:
    """Return the file that loads these lines.

    :param known: tables that are there already, as they should be.
    :param left: whether tables that nothing uses may have been left, with whatever in them.
    """
    made = [name for name in sorted((*contents.networks, *contents.flows)) if name not in known] if left else []
    texts = ["table %s destroy" % name for name in made] + table_lines(contents, known) + rule_lines(lines)
    return "".join([text + "\n" for text in texts])


def rule_lines(lines: t.Sequence[Line]) -> t.List[str]:
    """Return the lines of a file that adds rules."""
    return ["add %05d set %d %s" % (line.number, line.set, line.body) for line in lines]


def table_lines(contents: Contents, known: t.Container[str] = ()) -> t.List[str]:
    """Return the lines of a file that makes tables.

    Every key has a value, since a second key would be taken for the value of the first.
    """
    found: t.List[str] = []
    for name, networks in sorted(contents.networks.items()):
        if name not in known:
            found.append("table %s create type addr" % name)
            found += _filled(name, ["%s 0" % one for one in networks])
    for name, flows in sorted(contents.flows.items()):
        if name not in known:
            found.append("table %s create type %s" % (name, FLOW_TYPE))
            found += _filled(name, ["%s 0" % flow_text(one) for one in flows])
    return found


def _filled(name: str, words: t.Sequence[str]) -> t.List[str]:
    lines: t.List[str] = []
    head = "table %s add" % name
    line, size = [head], len(head)
    for word in words:
        if size + len(word) + 1 > MAX_LINE:
            lines.append(" ".join(line))
            line, size = [head], len(head)
        line.append(word)
        size += len(word) + 1
    return [*lines, " ".join(line)] if len(line) > 1 else lines


def flow_name(item: FlowRule) -> str:
    """Return the name of the table of a flow rule, which follows from its content."""
    return flows_name(item.flows)


def flows_name(flows: t.Iterable[Flow]) -> str:
    """Return the name of the table with exactly these flows."""
    return POLICY_PREFIX + text_digest(" ".join([flow_text(one) for one in flows]))


def contents_of(items: t.Iterable[t.Any], guard: t.Iterable[t.Any] = ()) -> Contents:
    """Return the tables that rules need."""
    networks: t.Dict[str, t.Tuple[Network, ...]] = {}
    flows: t.Dict[str, t.Tuple[Flow, ...]] = {}
    for item in (*guard, *items):
        if isinstance(item, FlowRule):
            flows[flow_name(item)] = item.flows
            continue
        for side in (item.source, item.destination):
            name = table_of(side)
            if name is not None:
                networks[name] = side.networks
    return Contents(networks, flows)


def compared(lines: t.Sequence[Line], names: t.Optional[t.Mapping[str, str]] = None) -> t.List[str]:
    """Return the lines less what makes no difference: their numbers and set, how many lines a log may have, the names of tables.

    :param names: what the names of tables are replaced by.
    """
    numbers = [line.number for line in lines]

    def led(match: t.Match[str]) -> str:
        at = bisect_left(numbers, int(match.group(1)))
        inside = at < len(numbers) or int(match.group(1)) == numbers[-1] + 1
        return "skipto +%d " % at if inside else match.group(0)

    found = []
    for line in lines:
        text = line.body
        if text.startswith("skipto "):
            text = _LEADS.sub(led, text, count=1)
        if " log logamount " in text:
            text = _LOG.sub(r"\1 log", text)
        if names and "table(" in text:
            text = _TABLE.sub(lambda match: "table(%s)" % names.get(match.group(1), match.group(1)), text)
        found.append(text)
    return found


def tables_named(lines: t.Iterable[Line]) -> t.Tuple[str, ...]:
    """Return the names of the tables of policies that lines name."""
    return tuple(dict.fromkeys(name for line in lines if "table(" in line.body for name in _TABLE.findall(split_comment(line.body)[0])))
