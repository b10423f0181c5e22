# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One rule line of iptables, option by option.

Pure: touches nothing. A condition that is not known here makes the line unreadable (``conditions`` is None), never wider.
"""

from __future__ import annotations

import ipaddress
import typing as t
from dataclasses import dataclass, field

from ...policy.addresses import Network
from ...policy.protocols import AH
from ...policy.rates import DEFAULT_BURST, Limit, Rate
from .intervals import Condition, Interval, network_intervals
from .limits import default_expiry, parse_rate_text, refill_milliseconds
from .protocols import IPV6_EXTENSIONS, ProtocolNames
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


@dataclass(frozen=True)
class Conditions:
    """What a packet must be for a line to act on it.

    :ivar protocol: its number, or None for any.
    :ivar source: conditions on the source address; all must hold (so with ``destination`` and the ports).
    :ivar states: the connection states of which one must hold, or None.
    :ivar reply: whether only packets in the reply direction match.
    :ivar limits: in the order of the line.
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


@dataclass(frozen=True)
class Line:
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


@dataclass
class _Reader:
    """The state of reading one line."""

    family: int
    names: ProtocolNames
    sets: t.Mapping[str, t.Tuple[Network, ...]]
    values: t.Dict[str, t.Any] = field(default_factory=dict)
    match: str = ""
    limits: t.List[t.Dict[str, str]] = field(default_factory=list)
    comments: t.List[str] = field(default_factory=list)

    def take(self, option: str, negated: bool, words: t.List[str]) -> None:
        """Read one option; its arguments are taken off ``words``."""
        reader = _READERS.get(option)
        if reader is None or not words:
            raise _Unreadable(option)
        reader(self, option, negated, words)

    def once(self, key: str, value: t.Any, negated: bool = False) -> None:
        if negated or key in self.values:
            raise _Unreadable(key)
        self.values[key] = value

    def both(self, key: str, condition: Condition) -> None:
        self.values[key] = self.values.get(key, ()) + (condition,)

    def network(self, option: str, negated: bool, words: t.List[str]) -> None:
        try:
            network = ipaddress.ip_network(words.pop(0), strict=False)
        except ValueError:
            raise _Unreadable(option) from None
        if network.version != self.family:
            raise _Unreadable(option)
        if network.prefixlen or negated:
            self.both("source" if option == "-s" else "destination", (negated, network_intervals([network])))

    def range(self, option: str, negated: bool, words: t.List[str]) -> None:
        first, _dash, last = words.pop(0).partition("-")
        try:
            low, high = ipaddress.ip_address(first), ipaddress.ip_address(last or first)
        except ValueError:
            raise _Unreadable(option) from None
        if {low.version, high.version} != {self.family} or int(low) > int(high):
            raise _Unreadable(option)
        self.both("source" if option == "--src-range" else "destination", (negated, ((int(low), int(high)),)))

    def set(self, option: str, negated: bool, words: t.List[str]) -> None:
        name = words.pop(0)
        side = words.pop(0) if words else ""
        members = self.sets.get(name)
        if members is None or side not in ("src", "dst") or members[0].version != self.family:
            raise _Unreadable(option)
        self.both("source" if side == "src" else "destination", (negated, network_intervals(members)))

    def protocol(self, option: str, negated: bool, words: t.List[str]) -> None:
        number = self.names.number(words.pop(0))
        if number is None or (self.family == 6 and number in IPV6_EXTENSIONS and number):
            raise _Unreadable(option)
        self.once("protocol", number or None, negated)

    def interface(self, option: str, negated: bool, words: t.List[str]) -> None:
        name = words.pop(0)
        if name.endswith("+") or not name:
            raise _Unreadable(option)
        self.once("inbound" if option == "-i" else "outbound", name, negated)

    def module(self, option: str, negated: bool, words: t.List[str]) -> None:
        self.match = words.pop(0)
        if self.match not in _MATCHES or negated:
            raise _Unreadable(self.match)
        if self.match in ("limit", "hashlimit"):
            self.limits.append({"match": self.match})
        if self.match == "ah" and self.family == 6:
            self.once("protocol", AH)
        elif self.match in ("ah", "icmp", "icmp6"):
            raise _Unreadable(self.match)

    def ports(self, option: str, negated: bool, words: t.List[str]) -> None:
        spans: t.List[Interval] = []
        for text in words.pop(0).split(","):
            first, colon, last = text.partition(":")
            low, high = first or "0", (last or "65535") if colon else first
            if not (low.isascii() and low.isdigit() and high.isascii() and high.isdigit() and int(low) <= int(high) <= 65535):
                raise _Unreadable(option)
            spans.append((int(low), int(high)))
        self.both("sports" if option.startswith("--sport") else "dports", (negated, tuple(spans)))

    def states(self, option: str, negated: bool, words: t.List[str]) -> None:
        states = frozenset(words.pop(0).split(","))
        if not states <= _STATES or {"SNAT", "DNAT"} & states:
            raise _Unreadable(option)
        self.once("states", states, negated)

    def reply(self, option: str, negated: bool, words: t.List[str]) -> None:
        if words.pop(0) != "REPLY":
            raise _Unreadable(option)
        self.once("reply", True, negated)

    def limit(self, option: str, negated: bool, words: t.List[str]) -> None:
        if negated or not self.limits or option in self.limits[-1]:
            raise _Unreadable(option)
        self.limits[-1][option] = words.pop(0)

    def comment(self, option: str, negated: bool, words: t.List[str]) -> None:
        self.comments.append(words.pop(0))

    def conditions(self) -> Conditions:
        """Return what was read.

        :raises _Unreadable: for a limit that the common language does not have.
        """
        return Conditions(limits=tuple(_limit_of(one) for one in self.limits), **self.values)


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
    if not (burst.isascii() and burst.isdigit() and int(burst) > 0):
        raise _Unreadable("burst")
    limit = Limit(rate, int(burst), per_source)
    expiry = words.get("--hashlimit-htable-expire", str(default_expiry(rate)))
    if per_source and not (expiry.isascii() and expiry.isdigit() and int(expiry) >= refill_milliseconds(limit)):
        raise _Unreadable("hashlimit")  # counts are forgotten too early: it lets more through than it says
    return limit


def _rate(text: str) -> Rate:
    rate = parse_rate_text(text)
    if rate is None:
        raise _Unreadable(text)
    return rate


_READERS: t.Dict[str, t.Callable[[_Reader, str, bool, t.List[str]], None]] = {
    "-s": _Reader.network, "-d": _Reader.network, "--src-range": _Reader.range, "--dst-range": _Reader.range,
    "--match-set": _Reader.set, "-p": _Reader.protocol, "-i": _Reader.interface, "-o": _Reader.interface, "-m": _Reader.module,
    "--dport": _Reader.ports, "--dports": _Reader.ports, "--sport": _Reader.ports, "--sports": _Reader.ports,
    "--ctstate": _Reader.states, "--state": _Reader.states, "--ctdir": _Reader.reply, "--comment": _Reader.comment,
    "--limit": _Reader.limit, "--limit-burst": _Reader.limit, "--hashlimit-upto": _Reader.limit, "--hashlimit-burst": _Reader.limit,
    "--hashlimit-mode": _Reader.limit, "--hashlimit-name": _Reader.limit, "--hashlimit-htable-expire": _Reader.limit,
}  # fmt: skip


def parse_line(line: str, family: int, names: ProtocolNames, sets: t.Mapping[str, t.Tuple[Network, ...]]) -> Line:
    """Read one ``-A CHAIN …`` line of a family.

    :param sets: the members of the sets that are known.
    """
    try:
        words = split(line)[2:]
    except ValueError:
        return Line(None)
    reader = _Reader(family, names, sets)
    readable, negated = True, False
    target: t.Optional[str] = None
    goto = False
    options: t.Tuple[str, ...] = ()
    while words:
        option = words.pop(0)
        option = _LONG.get(option, option)
        if option == "!":
            negated = True
            continue
        if option in ("-j", "-g") and words:
            target, goto = words.pop(0), option == "-g"
            options, words = tuple(words), []
            break
        try:
            reader.take(option, negated, words)
        except _Unreadable:
            readable = False
            while words and not words[0].startswith("-") and words[0] != "!":
                words.pop(0)
        negated = False
    conditions: t.Optional[Conditions] = None
    if readable:
        try:
            conditions = reader.conditions()
        except _Unreadable:
            pass
    return Line(conditions, target, goto, options, " ".join(reader.comments) or None)
