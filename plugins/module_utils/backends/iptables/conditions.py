# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One rule line of iptables, option by option.

Pure: touches nothing. A condition that is not known here makes the line unreadable (``conditions`` is None), never wider.
"""

from __future__ import annotations

import typing as t
from functools import lru_cache

from ...policy.addresses import Interval
from ...policy.protocols import AH, ICMP, ICMPV6
from ...policy.rates import DEFAULT_BURST, Limit, Rate
from .intervals import Condition, address_number, network_interval
from .limits import default_expiry, parse_rate_text, refill_milliseconds
from .protocols import IPV6_EXTENSIONS, ProtocolNames
from .sets import BLOCK, SIDES, Sets
from .words import split

_LONG = {
    "--source": "-s", "--src": "-s", "--destination": "-d", "--dst": "-d", "--protocol": "-p", "--proto": "-p", "--match": "-m",
    "--in-interface": "-i", "--out-interface": "-o", "--jump": "-j", "--goto": "-g", "--destination-port": "--dport",
    "--source-port": "--sport", "--destination-ports": "--dports", "--source-ports": "--sports", "--append": "-A",
}  # fmt: skip
_STATES = frozenset({"NEW", "ESTABLISHED", "RELATED", "INVALID", "UNTRACKED", "SNAT", "DNAT"})
_MATCHES = frozenset({
    "tcp", "udp", "sctp", "icmp", "icmp6", "multiport", "iprange", "set", "conntrack", "state", "limit", "hashlimit", "comment", "ah",
})  # fmt: skip


class Conditions(t.NamedTuple):
    """What a packet must be for a line to act on it.

    :ivar protocol: its number, or None for any.
    :ivar source: conditions on the source address; all must hold (so with ``destination`` and the ports).
    :ivar states: the connection states of which one must hold, or None.
    :ivar reply: whether only packets in the reply direction match.
    :ivar limits: in the order of the line.
    :ivar icmp_types: the ICMP types of which one must hold; empty means any.
    :ivar blocks: sets that hold whole rules of a policy, each with the sides of the packet that are looked up in it.
    """

    protocol: t.Optional[int] = None
    source: t.Tuple[Condition, ...] = ()
    destination: t.Tuple[Condition, ...] = ()
    dports: t.Tuple[Condition, ...] = ()
    sports: t.Tuple[Condition, ...] = ()
    inbound: t.Optional[str] = None
    outbound: t.Optional[str] = None
    states: t.Optional[t.FrozenSet[str]] = None
    reply: bool = False
    limits: t.Tuple[Limit, ...] = ()
    icmp_types: t.Tuple[int, ...] = ()
    blocks: t.Tuple[t.Tuple[str, str], ...] = ()


EVERYTHING = Conditions()


class Line(t.NamedTuple):
    """One line.

    :ivar conditions: None where something in the line is not understood.
    :ivar target: what ``-j`` or ``-g`` names, or None.
    :ivar options: the words after the target.
    """

    conditions: t.Optional[Conditions]
    target: t.Optional[str] = None
    goto: bool = False
    options: t.Tuple[str, ...] = ()
    comment: t.Optional[str] = None


class _Unreadable(Exception):
    """A condition that this parser does not know."""


class _Reader:
    """The state of reading one line; its words are on a stack, the next one on top."""

    __slots__ = ("comments", "family", "limits", "names", "sets", "typed", "values", "words")

    def __init__(self, family: int, names: ProtocolNames, sets: Sets, words: t.List[str]) -> None:
        self.family, self.names, self.sets, self.words = family, names, sets, words
        self.values: t.Dict[str, t.Any] = {}
        self.typed = True
        self.limits: t.List[t.Dict[str, str]] = []
        self.comments: t.List[str] = []

    def once(self, key: str, value: t.Any, negated: bool = False) -> None:
        if negated or key in self.values:
            raise _Unreadable(key)
        self.values[key] = value

    def both(self, key: str, condition: Condition) -> None:
        self.values[key] = (*self.values[key], condition) if key in self.values else (condition,)

    def network(self, option: str, negated: bool) -> None:
        interval = network_interval(self.words.pop(), self.family)
        if interval is None:
            raise _Unreadable(option)
        if interval != _EVERY_ADDRESS[self.family] or negated:
            self.both("source" if option == "-s" else "destination", (negated, (interval,)))

    def range(self, option: str, negated: bool) -> None:
        first, _dash, last = self.words.pop().partition("-")
        low, high = address_number(first, self.family), address_number(last or first, self.family)
        if low is None or high is None or low > high:
            raise _Unreadable(option)
        self.both("source" if option == "--src-range" else "destination", (negated, ((low, high),)))

    def set(self, option: str, negated: bool) -> None:
        name = self.words.pop()
        sides = self.words.pop() if self.words else ""
        known = self.sets.get(name)
        if known is None or not known.elements or known.family not in (self.family, None) or sides not in SIDES[known.kind]:
            raise _Unreadable(option)
        if BLOCK.match(name):
            if negated:
                raise _Unreadable(option)
            self.values["blocks"] = (*self.values.get("blocks", ()), (name, sides))
        elif known.kind == "hash:net":
            self.both("source" if sides == "src" else "destination", (negated, known.intervals))
        else:
            raise _Unreadable(option)

    def protocol(self, option: str, negated: bool) -> None:
        number = self.names.number(self.words.pop())
        if number is None or (self.family == 6 and number in IPV6_EXTENSIONS and number):
            raise _Unreadable(option)
        self.once("protocol", number or None, negated)

    def interface(self, option: str, negated: bool) -> None:
        name = self.words.pop()
        if name.endswith("+") or not name:
            raise _Unreadable(option)
        self.once("inbound" if option == "-i" else "outbound", name, negated)

    def module(self, option: str, negated: bool) -> None:
        match = self.words.pop()
        if match not in _MATCHES or negated:
            raise _Unreadable(match)
        if match in ("limit", "hashlimit"):
            self.limits.append({"match": match})
        elif match in ("icmp", "icmp6"):
            self.typed = False
        elif match == "ah":
            if self.family != 6:
                raise _Unreadable(match)
            self.once("protocol", AH)

    def ports(self, option: str, negated: bool) -> None:
        spans = _port_spans(self.words.pop())
        if spans is None:
            raise _Unreadable(option)
        self.both("sports" if option.startswith("--sport") else "dports", (negated, spans))

    def icmp_type(self, option: str, negated: bool) -> None:
        word = self.words.pop()
        own = (ICMP, "--icmp-type") if self.family == 4 else (ICMPV6, "--icmpv6-type")
        # With 255 xt_icmp matches any type.
        if (self.values.get("protocol"), option) != own or not _is_number(word) or int(word) > (254 if self.family == 4 else 255):
            raise _Unreadable(option)
        self.once("icmp_types", (int(word),), negated)
        self.typed = True

    def states(self, option: str, negated: bool) -> None:
        states = _states(self.words.pop())
        if not states <= _STATES or {"SNAT", "DNAT"} & states:
            raise _Unreadable(option)
        self.once("states", states, negated)

    def reply(self, option: str, negated: bool) -> None:
        if self.words.pop() != "REPLY":
            raise _Unreadable(option)
        self.once("reply", True, negated)

    def limit(self, option: str, negated: bool) -> None:
        if negated or not self.limits or option in self.limits[-1]:
            raise _Unreadable(option)
        self.limits[-1][option] = self.words.pop()

    def comment(self, option: str, negated: bool) -> None:
        self.comments.append(self.words.pop())

    def conditions(self) -> Conditions:
        """Return what was read.

        :raises _Unreadable: for a limit that the common language does not have, or a match of a protocol that says nothing.
        """
        if self.limits:
            self.values["limits"] = tuple(_limit_of(one) for one in self.limits)
        if not self.typed:
            raise _Unreadable("icmp")
        return Conditions(**self.values)


_EVERY_ADDRESS = {4: (0, 2**32 - 1), 6: (0, 2**128 - 1)}


def _is_number(word: str) -> bool:
    return word.isascii() and word.isdigit()


@lru_cache(maxsize=8192)
def _port_spans(text: str) -> t.Optional[t.Tuple[Interval, ...]]:
    spans: t.List[Interval] = []
    for part in text.split(","):
        first, colon, last = part.partition(":")
        low, high = first or "0", (last or "65535") if colon else first
        if not (_is_number(low) and _is_number(high) and int(low) <= int(high) <= 65535):
            return None
        spans.append((int(low), int(high)))
    return tuple(spans)


@lru_cache(maxsize=64)
def _states(text: str) -> t.FrozenSet[str]:
    return frozenset(text.split(","))


def _limit_of(words: t.Mapping[str, str]) -> Limit:
    if words["match"] == "limit":
        rate, burst = _rate(words.get("--limit", "3/hour")), words.get("--limit-burst", str(DEFAULT_BURST))
        per_source = False
    else:
        known = {"match", "--hashlimit-upto", "--hashlimit-burst", "--hashlimit-mode", "--hashlimit-name", "--hashlimit-htable-expire"}
        if set(words) - known or words.get("--hashlimit-mode") != "srcip" or "--hashlimit-upto" not in words:
            raise _Unreadable("hashlimit")
        rate, burst = _rate(words["--hashlimit-upto"]), words.get("--hashlimit-burst", str(DEFAULT_BURST))
        per_source = True
    if not (_is_number(burst) and int(burst) > 0):
        raise _Unreadable("burst")
    limit = Limit(rate, int(burst), per_source)
    expiry = words.get("--hashlimit-htable-expire", str(default_expiry(rate)))
    if per_source and not (_is_number(expiry) and int(expiry) >= refill_milliseconds(limit)):
        raise _Unreadable("hashlimit")  # counts are forgotten too early: it lets more through than it says
    return limit


def _rate(text: str) -> Rate:
    rate = parse_rate_text(text)
    if rate is None:
        raise _Unreadable(text)
    return rate


_READERS: t.Dict[str, t.Callable[[_Reader, str, bool], None]] = {
    "-s": _Reader.network, "-d": _Reader.network, "--src-range": _Reader.range, "--dst-range": _Reader.range,
    "--match-set": _Reader.set, "-p": _Reader.protocol, "-i": _Reader.interface, "-o": _Reader.interface, "-m": _Reader.module,
    "--dport": _Reader.ports, "--dports": _Reader.ports, "--sport": _Reader.ports, "--sports": _Reader.ports,
    "--icmp-type": _Reader.icmp_type, "--icmpv6-type": _Reader.icmp_type,
    "--ctstate": _Reader.states, "--state": _Reader.states, "--ctdir": _Reader.reply, "--comment": _Reader.comment,
    "--limit": _Reader.limit, "--limit-burst": _Reader.limit, "--hashlimit-upto": _Reader.limit, "--hashlimit-burst": _Reader.limit,
    "--hashlimit-mode": _Reader.limit, "--hashlimit-name": _Reader.limit, "--hashlimit-htable-expire": _Reader.limit,
}  # fmt: skip


def parse_line(line: str, family: int, names: ProtocolNames, sets: Sets) -> Line:
    """Read one ``-A CHAIN …`` line of a family.

    :param sets: the sets that are known.
    """
    try:
        words = split(line)
    except ValueError:
        return Line(None)
    words.reverse()
    del words[-2:]
    reader = _Reader(family, names, sets, words)
    readable, negated = True, False
    target: t.Optional[str] = None
    goto = False
    options: t.Tuple[str, ...] = ()
    while words:
        option = words.pop()
        if option == "!":
            negated = True
            continue
        option = _LONG.get(option, option)
        if option in ("-j", "-g") and words:
            target, goto = words.pop(), option == "-g"
            words.reverse()
            options = tuple(words)
            break
        try:
            known = _READERS.get(option)
            if known is None or not words:
                raise _Unreadable(option)
            known(reader, option, negated)
        except _Unreadable:
            readable = False
            while words and not words[-1].startswith("-") and words[-1] != "!":
                words.pop()
        negated = False
    conditions: t.Optional[Conditions] = None
    if readable:
        try:
            conditions = reader.conditions()
        except _Unreadable:
            pass
    return Line(conditions, target, goto, options, " ".join(reader.comments) or None)
