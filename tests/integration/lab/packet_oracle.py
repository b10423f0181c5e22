# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must happen to a packet: the meaning of rules, written down a second time.

Pure: touches nothing, and shares no code with the collection: it reads the words that a user writes. It knows no places in lists, only
what is promised of two rules that meet in a packet and decide differently:

* the narrower one decides; of two that say the same, the one whose task came later;
* of two that overlap in part, the one that stops packets decides;
* where nothing is promised (a deny and a reject that overlap in part, two ways to reject, words of the administrator that the language
  cannot say), there are several answers, and the packet proves nothing.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Mapping, Sequence, Tuple

TCP, UDP, ICMP, ICMPV6, SCTP, TRIAL = 6, 17, 1, 58, 132, 253
PROTOCOLS = {"any": None, "tcp": TCP, "udp": UDP, "icmp": ICMP, "icmpv6": ICMPV6, "sctp": SCTP, "esp": 50, "ah": 51, "gre": 47}
FAMILY_OF = {ICMP: 4, ICMPV6: 6}
OPPOSITE = {"in": "out", "out": "in", "forward": "forward"}
ALL_STATES = frozenset({"new", "established", "related"})

#: Sorted and disjoint, both ends included.
Spans = Tuple[Tuple[int, int], ...]


@dataclass(frozen=True)
class Packet:
    """One packet at one hook of the host's firewall.

    :ivar hook: ``in``, ``out`` or ``forward``.
    :ivar port: the destination port, 0 where the protocol has none.
    :ivar interface: where it arrives (``in``, ``forward``) or leaves (``out``).
    :ivar state: of its connection: ``new``, ``established`` or ``related`` (an answer of the firewall itself).
    :ivar reply: whether it goes against the direction of the connection's first packet.
    """

    hook: str
    family: int
    protocol: int
    source: str
    destination: str
    source_port: int
    port: int
    interface: str
    state: str = "new"
    reply: bool = False

    def __str__(self) -> str:
        ends = [f"[{a}]:{p}" if p else a for a, p in ((self.source, self.source_port), (self.destination, self.port))]
        reply = " reply" if self.reply else ""
        return f"{self.hook} protocol {self.protocol} {ends[0]} > {ends[1]} on {self.interface}, {self.state}{reply}"


@dataclass(frozen=True)
class Condition:
    """What an entry matches; None is no condition.

    :ivar port_spans: of destination ports, or with ``from_port`` of source ports.
    :ivar reply: only what goes against the direction of its connection.
    """

    hook: str
    families: frozenset[int]
    protocol: int | None = None
    sources: Spans | None = None
    destinations: Spans | None = None
    port_spans: Spans | None = None
    interface: str | None = None
    states: frozenset[str] = ALL_STATES
    reply: bool = False
    from_port: bool = False

    def matches(self, packet: Packet) -> bool:
        """Return whether a packet is one of these."""
        port = packet.source_port if self.from_port else packet.port
        return (
            self.hook == packet.hook
            and packet.family in self.families
            and self.protocol in (None, packet.protocol)
            and self.interface in (None, packet.interface)
            and packet.state in self.states
            and (packet.reply or not self.reply)
            and _holds(self.sources, number(packet.source))
            and _holds(self.destinations, number(packet.destination))
            and _holds(self.port_spans, port)
        )

    def covers(self, other: Condition) -> bool:
        """Return whether every packet of ``other`` is one of these, connection states left out."""
        return (
            self.hook == other.hook
            and self.families >= other.families
            and self.protocol in (None, other.protocol)
            and self.interface in (None, other.interface)
            and all(_contains(getattr(self, one), getattr(other, one)) for one in ("sources", "destinations", "port_spans"))
        )


@dataclass
class Limit:
    """How many packets still match, for the whole entry or for each source; the tests are shorter than any refill."""

    burst: int
    per_source: bool
    used: dict[tuple[int, str], int] = field(default_factory=dict)

    def take(self, packet: Packet, chain: Chain) -> bool:
        """Count one packet, in each chain by itself; returns whether it is within the limit."""
        key = (id(chain), packet.source if self.per_source else "")
        self.used[key] = self.used.get(key, 0) + 1
        return self.used[key] <= self.burst


@dataclass(frozen=True)
class Entry:
    """One rule, of the administrator or of ours.

    :ivar verdict: ``allow``, ``deny`` or ``reject``.
    :ivar order: when it came; the administrator's come first, in the order of their list.
    :ivar ours: whether a task of ours made it.
    :ivar told: whether it is a whole rule of the language; what else an administrator may write (states, source ports) is not.
    :ivar limit: how many packets it still matches.
    """

    condition: Condition
    verdict: str
    text: str
    order: int = 0
    ours: bool = False
    told: bool = True
    stateful: bool = False
    limit: Limit | None = field(default=None, compare=False)
    limit_words: tuple[Any, ...] = ()

    @property
    def outcome(self) -> str:
        """What a sender notices: ``allow``, ``deny``, or how it is refused."""
        if self.verdict != "reject":
            return self.verdict
        return "reset" if self.condition.protocol == TCP else "unreachable"

    def same(self, other: Entry) -> bool:
        """Return whether both are the same rule; comment and log do not count."""
        one, two = ((each.condition, each.verdict, each.stateful, each.limit_words) for each in (self, other))
        return one == two

    def covers(self, other: Entry) -> bool:
        """Return whether it decides all packets of the other."""
        return self.limit is None and self.condition.covers(other.condition)

    def precedes(self, other: Entry) -> bool:
        """Return whether it is promised that this one decides what both match."""
        if self.verdict == other.verdict:
            return False
        if not self.ours and not other.ours:
            return self.order < other.order
        if self.condition.reply or other.condition.reply:
            # The replies of a stateful allow go before a rule that stops all of them, whichever came first.
            plain = replace(self.condition, port_spans=None, states=ALL_STATES, reply=False, from_port=False)
            return self.condition.reply and other.condition.covers(plain)
        if not self.told or not other.told:
            return False
        if self.covers(other) and other.covers(self):
            return self.order > other.order
        if self.covers(other) or other.covers(self):
            return other.covers(self)
        return other.verdict == "allow"


@dataclass
class Chain:
    """One list of the host's firewall. A packet has to pass all chains of its hook and family."""

    hook: str
    families: frozenset[int]
    default: str = "allow"
    entries: list[Entry] = field(default_factory=list)

    def decide(self, packet: Packet, ours: Sequence[Entry]) -> list[Entry]:
        """Return the entries that may decide a packet: one, or several where nothing is promised."""
        found = [entry for entry in [*self.entries, *(self._within(one) for one in ours)] if entry.condition.matches(packet)]
        while found:
            first = [one for one in found if not any(other.precedes(one) for other in found)] or found
            if len(first) > 1 or first[0].limit is None or first[0].limit.take(packet, self):
                return first
            found.remove(first[0])
        return [Entry(Condition(self.hook, self.families), self.default, "the default")]

    def _within(self, entry: Entry) -> Entry:
        """Return an entry as it reads here."""
        return replace(entry, condition=replace(entry.condition, families=entry.condition.families & self.families))


class Firewall:
    """The chains of a host, and the rules that tasks have added."""

    def __init__(self, chains: Sequence[Chain]) -> None:
        self.chains = list(chains)
        self.ours: list[Entry] = []
        self._tasks = 0

    def judge(self, packet: Packet) -> list[Entry]:
        """Return the entries that may decide a packet; if their outcomes differ, nothing is promised."""
        stopped: list[Entry] = []
        for chain in self.chains:
            if chain.hook != packet.hook or packet.family not in chain.families:
                continue
            first = chain.decide(packet, self.ours)
            stopped += [one for one in first if one.verdict != "allow"]
            if len(stopped) >= len(first):
                return stopped
        return stopped + [one for one in first if one.verdict == "allow"]

    def task(self, words: Mapping[str, Any]) -> None:
        """Carry out one task of the module ``rule``."""
        self._tasks += 1
        entry = replace(read_rule(words), order=1000 + self._tasks, ours=True)
        known = [one for one in self.ours if one.same(entry)]
        gone = [*known, *(reply_entry(one) for one in known)]
        self.ours = [one for one in self.ours if not any(one.same(other) for other in gone)]
        if words.get("state", "present") == "present":
            self.ours.append(entry)
            if entry.verdict == "allow" and entry.stateful:
                self.ours.append(reply_entry(entry))

    def listing(self) -> str:
        """Return all rules, for people."""
        lines = [f"ours: {entry.text}" for entry in self.ours]
        for chain in self.chains:
            lines.append(f"{chain.hook} {sorted(chain.families)}, default {chain.default}")
            lines += [f"    {entry.text}" for entry in chain.entries]
        return "\n".join(lines)


@lru_cache(maxsize=None)
def number(address: str) -> int:
    """Return an address as a number."""
    return int(ipaddress.ip_address(address))


def read_rule(words: Mapping[str, Any]) -> Entry:
    """Read the words of a task as a user writes them."""
    name = str(words.get("protocol", "tcp"))
    protocol = PROTOCOLS[name] if name in PROTOCOLS else int(name)
    sets = words.get("address_sets") or {}
    sides = {side: _addresses(words.get(side, "any"), sets) for side in ("source", "destination")}
    fixed = {found[0] for found in sides.values() if found is not None}
    fixed |= {FAMILY_OF[protocol]} if protocol in FAMILY_OF else set()
    fixed |= {{"ipv4": 4, "ipv6": 6}[words["family"]]} if words.get("family", "any") != "any" else set()
    assert len(fixed) <= 1, words
    ports = [(int(one), int(one)) for one in _list(words.get("port"))]
    for text in _list(words.get("port_range")):
        first, _dash, last = str(text).partition("-")
        ports.append((int(first), int(last)))
    stateful, verdict = bool(words.get("stateful")), str(words["action"])
    states = ALL_STATES
    if stateful:
        states = frozenset({"new", "established"}) if verdict == "allow" else frozenset({"new"})
    condition = Condition(
        hook=words.get("direction", "in"),
        families=frozenset(fixed) or frozenset({4, 6}),
        protocol=protocol,
        sources=sides["source"][1] if sides["source"] else None,
        destinations=sides["destination"][1] if sides["destination"] else None,
        port_spans=_joined(ports) if ports else None,
        interface=words.get("interface"),
        states=states,
    )
    limit, limit_words = None, ()
    if "limit" in words:
        limit_words = (words["limit"], int(words.get("limit_burst", 5)), words.get("limit_per", "rule"))
        limit = Limit(limit_words[1], limit_words[2] == "source")
    text = " ".join(f"{key}={value}" for key, value in words.items() if key not in ("state", "address_sets"))
    return Entry(condition, verdict, text, stateful=stateful, limit=limit, limit_words=limit_words)


def reply_entry(entry: Entry) -> Entry:
    """Return the entry that passes the replies of a stateful allow."""
    there = entry.condition
    back = Condition(
        hook=OPPOSITE[there.hook],
        families=there.families,
        protocol=there.protocol,
        sources=there.destinations,
        destinations=there.sources,
        port_spans=there.port_spans,
        interface=None if there.hook == "forward" else there.interface,
        states=frozenset({"established", "related"}),
        reply=True,
        from_port=True,
    )
    return replace(entry, condition=back, text=f"replies of: {entry.text}", told=False, limit=None, limit_words=())


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    if isinstance(value, str):
        return [word.strip() for word in value.split(",")]
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _addresses(value: Any, sets: Mapping[str, Any]) -> tuple[int, Spans | None] | None:
    """Return the family and the addresses of one side, or None for any of both families."""
    included: list[tuple[int, int]] = []
    excluded: list[tuple[int, int]] = []
    family = 0
    for word in _list(value):
        out = word.startswith("!")
        for member in _members(word[1:] if out else word, sets):
            if member == "any":
                return None
            family, span = _span(member)
            (excluded if out else included).append(span)
    top = 2 ** (32 if family == 4 else 128) - 1
    spans = _minus(_joined(included) if included else ((0, top),), _joined(excluded))
    return family, None if spans == ((0, top),) else spans


def _members(word: str, sets: Mapping[str, Any]) -> list[str]:
    if not word.startswith("@"):
        return [word]
    return [inner for one in sets[word[1:]] for inner in _members(one, sets)]


def _span(word: str) -> tuple[int, tuple[int, int]]:
    if "-" in word:
        first, last = (ipaddress.ip_address(part.strip()) for part in word.split("-"))
        return first.version, (int(first), int(last))
    network = ipaddress.ip_network(word)
    return network.version, (int(network[0]), int(network[-1]))


def _joined(spans: Sequence[tuple[int, int]]) -> Spans:
    joined: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return tuple(joined)


def _minus(spans: Spans, cuts: Spans) -> Spans:
    for low, high in cuts:
        pieces = []
        for first, last in spans:
            pieces += [(a, b) for a, b in ((first, min(last, low - 1)), (max(first, high + 1), last)) if a <= b]
        spans = tuple(pieces)
    return spans


def _holds(spans: Spans | None, value: int) -> bool:
    return spans is None or any(first <= value <= last for first, last in spans)


def _contains(wide: Spans | None, narrow: Spans | None) -> bool:
    if wide is None:
        return True
    return narrow is not None and all(any(a <= first and last <= b for a, b in wide) for first, last in narrow)
