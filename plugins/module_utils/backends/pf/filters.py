# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading one ``pass`` or ``block`` statement of pf.conf into rules of the common language.

Pure but for the service database. What cannot be expressed raises ``Unreadable``: the line is then listed, and never guessed at.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ...policy.protocols import FAMILY_OF, TCP
from ...policy.rule import Log, Rule
from .line import Line, read_line
from .statements import Statement
from .tables import Contents
from .unreadable import Unreadable

#: The directions that a line without ``in`` and ``out`` is about.
_EVERY_DIRECTION = ("in", "out", "forward")


@dataclass
class Meaning:
    """What a line says.

    :ivar rules: the rules that together match its packets.
    :ivar exact: whether the one rule says all that the line says.
    :ivar quick: whether the first match decides, not the last.
    """

    rules: t.List[Rule] = field(default_factory=list)
    exact: bool = True
    quick: bool = False


def read_filter(statement: Statement, tables: Contents, policy: str = "drop") -> Meaning:
    """Return the meaning of a ``pass`` or ``block`` statement.

    :param policy: what ``set block-policy`` says: ``drop`` or ``return``.
    :raises Unreadable: when the common language cannot express it.
    """
    line = read_line(statement, tables, policy)
    if line.action == "match":
        raise Unreadable("a line that is neither pass nor block")
    if line.tagged is not None:
        raise Unreadable("a tag")
    wide = line.state in ("modulate", "synproxy") or line.allow_opts or line.tag is not None
    meaning = Meaning(quick=line.quick, exact=not line.odd and not wide)
    directions = line.directions if len(line.directions) == 1 else _EVERY_DIRECTION
    for protocol in line.protocols:
        for stateful in _stateful(line, protocol, meaning):
            meaning.rules.extend(rules_of(line, protocol, directions, stateful))
    if not meaning.rules:
        raise Unreadable("a line that matches nothing")
    return meaning


def rules_of(line: Line, protocol: t.Optional[int], directions: t.Sequence[str], stateful: bool) -> t.Iterator[Rule]:
    """Yield the rules that a line says for one of its protocols; none for a mixture of families, which pf drops without a word.

    :raises Unreadable: for ICMP types that do not fit to the protocol.
    """
    types = tuple(sorted({number for _protocol, number in line.icmp_types}))
    if any(one != protocol for one, _number in line.icmp_types):
        raise Unreadable("ICMP types of another protocol")
    log = Log() if line.log else None
    for source, source_family in line.sources:
        for destination, destination_family in line.destinations:
            votes = {line.family, source_family, destination_family, FAMILY_OF.get(protocol or 0)} - {None}
            if len(votes) > 1:
                continue
            family = next(iter(votes), None)
            for direction in directions:
                for interface in line.interfaces:
                    yield Rule(
                        line.action, direction, family, protocol, source, destination, line.ports, interface, stateful, None, log,
                        line.label, False, line.source_ports, types,
                    )  # fmt: skip


def _stateful(line: Line, protocol: t.Optional[int], meaning: Meaning) -> t.Tuple[bool, ...]:
    """Return the ``stateful`` of each rule that a line takes: with ``flags any`` it passes any packet and the replies as well."""
    if line.action != "allow" or line.state == "no":
        if line.flags not in (None, "any"):
            raise Unreadable("flags %s" % line.flags)
        return (False,)
    if line.flags == "any" and protocol in (TCP, None):
        meaning.exact = False
        return (False, True)
    if line.flags not in (None, "S/SA", "any"):
        raise Unreadable("flags %s" % line.flags)
    return (True,)
