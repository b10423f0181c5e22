# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must happen to a packet: the meaning of rules, written down a second time.

Pure: touches nothing, and shares no code with the collection: it reads the words that a user writes. Rules stand in lists, the first
match decides. A new rule goes to the end of its list, or before the first entry that covers it and decides otherwise.
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
    used: dict[str, int] = field(default_factory=dict)

    def take(self, packet: Packet) -> bool:
        """Count one packet; returns whether it is within the limit."""
        key = packet.source if self.per_source else ""
        self.used[key] = self.used.get(key, 0) + 1
        return self.used[key] <= self.burst


@dataclass(frozen=True)
class Entry:
    """One place in a list.

    :ivar verdict: ``allow``, ``deny`` or ``reject``.
    :ivar told: whether it is a whole rule of the language; what an administrator wrote otherwise (states, ICMP types) is not judged
        when a place for a new rule is looked for.
    :ivar stateful: see the language.
    :ivar established: accepts what belongs to tracked connections, so that no reply needs a rule of its own.
    """

    condition: Condition
    verdict: str
    text: str
    told: bool = True
    stateful: bool = False
    established: bool = False
    limit: Limit | None = field(default=None, compare=False)
    limit_words: tuple[Any, ...] = ()

    def same(self, other: Entry) -> bool:
        """Return whether both are the same rule; comment and log do not count."""
        return self._identity() == other._identity()

    def decides(self, condition: Condition) -> bool:
        """Return whether it decides all packets of a condition."""
        return self.told and self.limit is None and self.condition.covers(condition)

    def _identity(self) -> tuple[Any, ...]:
        return self.condition, self.verdict, self.stateful, self.limit_words


@dataclass
class Chain:
    """One list. A packet has to pass all chains of its hook and family; ``home`` takes what no other chain has to."""

    hook: str
    families: frozenset[int]
    default: str = "allow"
    entries: list[Entry] = field(default_factory=list)
    home: bool = True

    def decide(self, packet: Packet) -> tuple[str, Entry | None]:
        """Return the verdict and the entry that gave it, None for the default."""
        for entry in self.entries:
            if entry.condition.matches(packet) and (entry.limit is None or entry.limit.take(packet)):
                return entry.verdict, entry
        return self.default, None


class Firewall:
    """The chains of a host, to which rules are added as tasks add them."""

    def __init__(self, chains: Sequence[Chain]) -> None:
        self.chains = list(chains)

    def judge(self, packet: Packet) -> tuple[str, Entry | None]:
        """Return what happens to a packet, and the entry that decides it."""
        verdict: tuple[str, Entry | None] = ("allow", None)
        for chain in self._chains(packet.hook, frozenset({packet.family})):
            verdict = chain.decide(packet)
            if verdict[0] != "allow":
                break
        return verdict

    def task(self, words: Mapping[str, Any]) -> None:
        """Carry out one task of the module ``rule``."""
        entry = read_rule(words)
        if words.get("state", "present") == "absent":
            self._remove(entry)
        elif entry.verdict == "allow":
            self._allow(entry)
            if entry.stateful:
                self._reply(reply_entry(entry))
        else:
            self._stop(entry)

    def listing(self) -> str:
        """Return the lists, for people."""
        lines = []
        for chain in self.chains:
            lines.append(f"{chain.hook} {sorted(chain.families)}, default {chain.default}")
            lines += [f"    {entry.text}" for entry in chain.entries]
        return "\n".join(lines)

    # -- where entries go

    def _chains(self, hook: str, families: frozenset[int]) -> list[Chain]:
        return [one for one in self.chains if one.hook == hook and one.families & families]

    def _allow(self, entry: Entry) -> None:
        for family in sorted(entry.condition.families):
            chains = self._chains(entry.condition.hook, frozenset({family}))
            listed = [self._insert(chain, _within(entry, chain), only_where_stopped=True) for chain in chains]
            if not any(listed):
                home = next(one for one in chains if one.home)
                self._insert(home, _within(entry, home))

    def _stop(self, entry: Entry) -> None:
        for family in sorted(entry.condition.families):
            home = next(one for one in self._chains(entry.condition.hook, frozenset({family})) if one.home)
            self._insert(home, _within(entry, home))

    @staticmethod
    def _insert(chain: Chain, entry: Entry, only_where_stopped: bool = False) -> bool:
        """Put an entry where it decides; returns whether the chain lists it."""
        same = [one for one in chain.entries if one.same(entry)]
        covering = next((one for one in chain.entries if one.decides(entry.condition) and not one.same(entry)), None)
        defeater = covering if covering is not None and covering.verdict != entry.verdict else None
        if same and (defeater is None or chain.entries.index(same[0]) < chain.entries.index(defeater)):
            return True
        if only_where_stopped and defeater is None and (covering is not None or chain.default == "allow"):
            return False
        if same:
            chain.entries.remove(same[0])
        chain.entries.insert(chain.entries.index(defeater) if defeater else len(chain.entries), entry)
        return True

    def _reply(self, reply: Entry) -> None:
        """Pass the replies of a stateful allow where a chain would stop them."""
        for chain in self._chains(reply.condition.hook, reply.condition.families):
            wanted = _within(reply, chain)
            plain = replace(wanted.condition, port_spans=None, states=ALL_STATES, reply=False, from_port=False)
            before = None
            for entry in chain.entries:
                if entry.established or entry.same(wanted):
                    break
                if entry.decides(plain) and not (entry.verdict != "allow" and entry.stateful):
                    before = entry
                    break
            else:
                if chain.default == "deny":
                    chain.entries.append(wanted)
            if before is not None and before.verdict != "allow":
                chain.entries.insert(chain.entries.index(before), wanted)

    def _remove(self, entry: Entry) -> None:
        for chain in self._chains(entry.condition.hook, entry.condition.families):
            wanted = _within(entry, chain)
            found = next((one for one in chain.entries if one.same(wanted)), None)
            if found is not None:
                chain.entries.remove(found)
        if entry.verdict == "allow" and entry.stateful:
            for chain in self._chains(OPPOSITE[entry.condition.hook], entry.condition.families):
                reply = _within(reply_entry(entry), chain)
                chain.entries = [one for one in chain.entries if not one.same(reply)]


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
    return Entry(back, "allow", f"replies of: {entry.text}", told=False)


def _within(entry: Entry, chain: Chain) -> Entry:
    """Return the entry as it reads in a chain, with a count of its own."""
    condition = replace(entry.condition, families=entry.condition.families & chain.families)
    return replace(entry, condition=condition, limit=Limit(entry.limit.burst, entry.limit.per_source) if entry.limit else None)


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
