# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Telling the packets that go through the host from those to it and from it.

Pure: touches nothing. pf asks about a forwarded packet twice: as ``in`` when it arrives, as ``out`` when it leaves. So each packet that
arrives gets a tag: HOST when its destination is the host (one of its addresses, broadcast, multicast, link-local: routers forward
none of these), else FORWARD. The first tag that a rule sets is seen by the rules behind it, and stays although another rule decides.

Rules of direction ``forward`` ask for the tag and decide when the packet arrives, after destination translation and before source
translation; what they pass needs no second decision when it leaves. A state carries the tag on, so a later packet has it as well.

Where a rule names the interface that packets leave by, that is too early. Then every forwarded packet may arrive, without a state, with
a tag that says on which interface it did (where a rule asks for that), and the rules decide when it leaves. What they pass gets the tag
KNOWN with its state, by which its answers may leave, too: these arrive by that state, and nothing else gets its tag. Destination
translation makes a state when a packet arrives, even for one that may not leave, so the two do not go together.

The tag is replaced when a packet leaves, and what leaves with the host's own address is never taken for an answer: the tunnel's packet
around a forwarded one is the host's own. Packets of multicast routing count as packets to and from the host, those of a bridge as
forwarded. Sources: pf.conf(5), "tag", "(self)"; pf_find_state() for what a state passes.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ...policy.policy import Policy
from ..states_first import LOOPBACK, LOOPBACK_NAME
from .dialect import Dialect
from .render import interface_text
from .statements import Statement

FORWARD, HOST, GONE, KNOWN = "hf_forward", "hf_in", "hf_forwarded", "hf_known"

#: Destinations of packets for the host, by family. 0.0.0.0 is the old form of the broadcast address.
HOST_ADDRESSES: t.Dict[int, t.Tuple[str, ...]] = {
    4: ("(self)", "(self:broadcast)", "0.0.0.0", "224.0.0.0/4", "255.255.255.255"),
    6: ("(self)", "fe80::/10", "ff00::/8"),
}
_INET = {4: "inet", 6: "inet6"}
_TELLING = re.compile(r"(?:pass|match) in (?:on (\S+) )?(?:(inet6?) )?(?:all|from any to (.+?))(?: no state)?(?: allow-opts)? tag (\S+)\Z")
_PASS = "flags any keep state allow-opts"


@dataclass(frozen=True)
class Scope:
    """How the lines of a policy are kept to the packets of their direction.

    :ivar scoped: whether lines of ``in`` and ``out`` say that they are not about forwarded packets, because these meet them, too.
    :ivar at_leaving: whether rules of ``forward`` decide when a packet leaves.
    :ivar arrivals: the interfaces on which a packet's arrival is noted for that.
    """

    scoped: bool = False
    at_leaving: bool = False
    arrivals: t.Tuple[str, ...] = ()

    @property
    def tags(self) -> t.Tuple[str, ...]:
        """The tags that forwarded packets may have when they have arrived."""
        return (FORWARD, *(arrival_tag(name) for name in self.arrivals))

    def tags_of(self, interface: t.Optional[str]) -> t.Tuple[str, ...]:
        """Return the tags of packets that arrived on an interface (None: on any)."""
        return self.tags if interface is None else (arrival_tag(interface),)


def arrival_tag(interface: str) -> str:
    """Return the tag of forwarded packets that arrived on an interface which a rule names."""
    return "%s_%s" % (FORWARD, LOOPBACK_NAME if interface == LOOPBACK else interface)


def scope_of(policy: Policy, dialect: Dialect, native: bool) -> Scope:
    """Return how the lines of a policy are kept apart; ``native`` says whether raw lines stand between them."""
    forwarding = dialect.tells_forwarding and policy.defaults["forward"] != "unmanaged"
    rules = [rule for rule in policy.rules if rule.direction == "forward"]
    if forwarding and any(rule.out_interface is not None for rule in rules):
        names = {LOOPBACK_NAME if rule.interface == LOOPBACK else rule.interface for rule in rules if rule.interface is not None}
        return Scope(False, True, tuple(sorted(names)))
    return Scope(dialect.tells_forwarding and (not forwarding or native))


def telling_lines(dialect: Dialect, scope: Scope) -> t.List[str]:
    """Return the lines that give every arriving packet its tag; they decide nothing.

    OpenBSD has ``match`` for that; elsewhere it is a ``pass`` without ``quick``, behind which other rules decide.
    """
    if dialect.old_translation:
        start, end = "pass in", " no state allow-opts tag %s"
    else:
        start, end = "match in", " tag %s"
    lines = ["%s all%s" % (start, end % FORWARD)]
    lines += ["%s on %s all%s" % (start, interface_text(name), end % arrival_tag(name)) for name in scope.arrivals]
    for family, addresses in HOST_ADDRESSES.items():
        lines.append("%s %s from any to { %s }%s" % (start, _INET[family], ", ".join(addresses), end % HOST))
    return lines


def passing_lines(scope: Scope) -> t.List[str]:
    """Return the lines that let forwarded packets past the half of the way on which no rule decides."""
    if not scope.at_leaving:
        return ["pass out quick all %s tag %s tagged %s" % (_PASS, GONE, FORWARD)]
    lines = ["pass in quick all no state allow-opts tag %s tagged %s" % (tag, tag) for tag in scope.tags]
    answer = "pass out quick %s from ! (self) to any no state allow-opts tag %s tagged %s"
    return lines + [answer % (family, GONE, KNOWN) for family in _INET.values()]


def told_apart(statements: t.Sequence[Statement]) -> t.Optional[t.Tuple[str, ...]]:
    """Return the arrivals that statements note which set a tag, as written or as pfctl lists them; None when they are not our lines."""
    found: t.List[t.Tuple[t.Optional[str], t.Optional[str], str, str]] = []
    for statement in statements:
        told = _TELLING.match(words_of(statement))
        if told is None:
            return None
        interface, family, destination, tag = told.groups()
        found.extend((interface, family, word, tag) for word in re.split(r"[ ,]+", (destination or "any").strip("{} ")))
    arrivals = tuple(str(one[0]) for one in found if one[0] is not None)
    wanted: t.List[t.Tuple[t.Optional[str], t.Optional[str], str, str]] = [(None, None, "any", FORWARD)]
    wanted += [(name, None, "any", arrival_tag(name)) for name in arrivals]
    hosts = [(None, _INET[family], word, HOST) for family, words in HOST_ADDRESSES.items() for word in words]
    ours = found[: len(wanted)] == wanted and set(found[len(wanted) :]) == set(hosts)
    return arrivals if ours else None


def words_of(statement: Statement) -> str:
    """Return a statement's words on one line, for a comparison."""
    return " ".join(word.text for word in statement.words or ()).replace("( ", "(").replace(" )", ")")
