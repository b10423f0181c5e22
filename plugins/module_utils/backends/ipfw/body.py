# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The meaning of one ipfw rule in the common language, wherever in a list it stands.

Pure but for the service database. What cannot be expressed raises ``Unreadable``: the rule is then listed, and never guessed at.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ...policy.addresses import Addresses
from ...policy.ports import merge_ports
from ...policy.protocols import FAMILY_OF, ICMP, ICMPV6, TCP, WITH_PORTS
from ...policy.rule import Rule
from .listing import Tables, split_comment
from .parts import ACTIONS, EVERY, Parts, Unreadable, read_parts

__all__ = ["Meaning", "Unreadable", "probes_states", "read_body"]


@dataclass
class Meaning:
    """What a rule says.

    :ivar rules: the rules that together match its packets; empty for a rule that only looks at states.
    :ivar exact: whether the one rule says all of it.
    :ivar established: whether every packet of a connection that some rule tracks passes here.
    """

    rules: t.List[Rule] = field(default_factory=list)
    exact: bool = True
    established: bool = False


def read_body(body: str, tables: Tables) -> Meaning:
    """Return the meaning of one rule (the text behind its number and set).

    :raises Unreadable: when the common language cannot express it.
    """
    return meaning_of(read_parts(body, tables))


def probes_states(body: str) -> bool:
    """Return whether a rule passes what belongs to a connection of the default flow, whatever else it says."""
    if "state" not in body and "limit" not in body:
        return False
    words = split_comment(body)[0].split()
    if words[:1] == ["check-state"]:
        return words[1:2] in ([], [":default"], [":any"])
    for word in ("keep-state", "limit"):
        if word in words and words[0] in ACTIONS and ACTIONS[words[0]] == "allow":
            names = [one for one in words[words.index(word) :] if one.startswith(":")]
            return not names or names[0] == ":default"
    return False


def meaning_of(parts: Parts) -> Meaning:
    """Return the meaning of a rule that was taken apart.

    :raises Unreadable: when the common language cannot express it.
    """
    if parts.excluded is not None:
        raise Unreadable("every protocol but one")
    meaning = Meaning()
    meaning.established = parts.state == ":default" and parts.probes and parts.action == "allow"
    for family, protocol in parts.protocols:
        check_protocol(parts, protocol)
        _check_state(parts, protocol, meaning)
        _check_own(parts, protocol, meaning)
        for source, destination, one in sides(parts, family, protocol):
            _add(parts, meaning, one, protocol, source, destination)
    if not meaning.rules:
        raise Unreadable("a rule that matches nothing")
    return meaning


def check_protocol(parts: Parts, protocol: t.Optional[int]) -> None:
    """Refuse ports and ICMP types that do not belong to the protocol.

    :raises Unreadable: for such a rule.
    """
    if (parts.ports or parts.source_ports) and protocol not in WITH_PORTS:
        raise Unreadable("ports without a protocol that has them")
    if parts.icmp_family is not None and protocol != (ICMP if parts.icmp_family == 4 else ICMPV6):
        raise Unreadable("ICMP types without their protocol")


def sides(
    parts: Parts, family: t.Optional[int], protocol: t.Optional[int]
) -> t.Iterator[t.Tuple[Addresses, Addresses, t.Optional[int]]]:  # fmt: skip
    """Yield the pairs of source and destination that packets can have, with their family."""
    for source, source_family in parts.sources:
        for destination, destination_family in parts.destinations:
            votes = {family, parts.family, source_family, destination_family, FAMILY_OF.get(protocol or 0)} - {None}
            if len(votes) < 2:
                yield source, destination, next(iter(votes), None)


def _check_state(parts: Parts, protocol: t.Optional[int], meaning: Meaning) -> None:
    if parts.state is not None and parts.action != "allow":
        raise Unreadable("a deny with a state")
    if parts.setup and protocol != TCP:
        raise Unreadable("setup without tcp")
    if parts.setup and parts.state is None:
        if parts.action == "allow":
            raise Unreadable("setup without a state")
        meaning.exact = False
    if parts.state is not None and protocol == TCP and not parts.setup:
        meaning.exact = False  # a packet in mid-stream makes a state, too
    if parts.state not in (None, ":default") or (parts.state is not None and not parts.probes):
        meaning.exact = False


def _check_own(parts: Parts, protocol: t.Optional[int], meaning: Meaning) -> None:
    """``me`` is every address of the host: for TCP that comes in, every destination; others also come to group addresses."""
    if not parts.own_source and not parts.own_destination:
        return
    if (parts.own_destination and parts.direction != "in") or (parts.own_source and parts.direction != "out"):
        raise Unreadable("the host's own address")
    if protocol != TCP:
        if parts.action == "allow":
            raise Unreadable("the host's own address")
        meaning.exact = False


def _add(
    parts: Parts, meaning: Meaning, family: t.Optional[int], protocol: t.Optional[int], source: Addresses, destination: Addresses
) -> None:  # fmt: skip
    actions: t.List[t.Tuple[str, t.Optional[int]]] = [(parts.action, family)]
    if parts.action == "reject":
        if parts.resets and protocol != TCP:
            meaning.exact = False
        both = (4, 6) if family is None else (family,)
        actions = [("reject" if one == parts.answers else "deny", one) for one in both]
    found = ways(parts)
    for action, one in actions:
        for direction, interface, out_interface in found:
            meaning.rules.append(
                Rule(
                    action, direction, one, protocol, source, destination, merge_ports(parts.ports), interface,
                    parts.state is not None, None, parts.log, parts.comment, source_ports=merge_ports(parts.source_ports),
                    icmp_types=parts.icmp_types, out_interface=out_interface,
                )
            )  # fmt: skip


def ways(parts: Parts) -> t.List[t.Tuple[str, t.Optional[str], t.Optional[str]]]:
    """Return the directions, each with the rule's interface and its leaving interface.

    :raises Unreadable: when the interfaces do not say whether the packet is a forwarded one.
    """
    direction = parts.direction
    if parts.via is not None:
        if parts.recv is not None or parts.xmit is not None or parts.via == EVERY:
            raise Unreadable("several interfaces")
        return [(one, parts.via, None) for one in ([direction] if direction else ["in", "out"])]
    if parts.recv is None and parts.xmit is None:
        return [(one, None, None) for one in ([direction] if direction else ["in", "out", "forward"])]
    if parts.recv is None:
        if direction == "in" or parts.xmit == EVERY:
            raise Unreadable("xmit without out")
        return [("out", parts.xmit, None)]
    if direction == "in" and parts.xmit is None and parts.recv != EVERY:
        return [("in", parts.recv, None)]
    if direction == "out" and parts.xmit != EVERY:
        return [("forward", None if parts.recv == EVERY else parts.recv, parts.xmit)]
    raise Unreadable("recv without a direction")
