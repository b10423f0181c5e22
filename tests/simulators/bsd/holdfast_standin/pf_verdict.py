# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What pf does with a packet: ``pf_verdict`` evaluates a ruleset as the kernel would.

The last matching rule decides unless an earlier one says ``quick``; no match passes.  Anchors are evaluated in place.  A ``pass`` rule
keeps state by default, and a packet of a known state passes without any rule: give the packets that came before as ``earlier``, or ask a
``Machine``, which remembers.  The first line of ``nat`` and ``rdr`` that matches translates, before the rules are asked.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field

from .net_names import PROTOCOLS, protocol_number
from .pf_names import TCP_FLAGS
from .pf_parser import Ruleset
from .pf_rule import Address, Port, Rule
from .pf_states import State, new_state
from .pf_tables import table_match
from .pf_translation import translated

_SYN, _ACK = 0b10, 0b10000


@dataclass(frozen=True)
class Verdict:
    """``action``: pass or block.  ``reply``: how a block answers (drop, return, return-rst, return-icmp).  ``rule`` decided, if any;
    ``log`` if it logs; ``by_state`` when a state let the packet through; ``keeps_state`` when the packet makes one.
    """

    action: str
    reply: str = ""
    rule: Rule | None = None
    log: bool = False
    by_state: bool = False
    keeps_state: bool = False
    packet: dict | None = field(default=None, compare=False)
    """The packet as it goes on: translated, and with its tag."""

    @property
    def allowed(self) -> bool:
        """True for pass."""
        return self.action == "pass"


def normal_packet(packet: dict) -> dict:
    """Fill in and normalise a packet.

    Keys: ``direction`` (in, out), ``interface``, ``recv_interface``, ``family`` (4, 6, inet, inet6; else from the addresses), ``proto``
    (name or number), ``src``, ``dst``, ``sport``, ``dport``, ``icmp_type``, ``icmp_code``, ``flags`` (TCP letters such as ``SA``), or
    ``syn`` (true: a first packet, false: a later one), or ``state`` (``new``, ``established``); ``uid`` for local sockets, ``tag``.
    """
    full: dict = {
        "direction": "in",
        "interface": None,
        "recv_interface": None,
        "sport": 0,
        "dport": 0,
        "icmp_type": None,
        "icmp_code": 0,
        "uid": None,
        "gid": None,
        "tag": "",
        "src": None,
        "dst": None,
        "proto": "tcp",
    }
    full.update(packet)
    family = full.get("family")
    family = {"inet": 4, "inet6": 6, "ipv4": 4, "ipv6": 6}.get(str(family), family)
    for end in ("src", "dst"):
        if family is None and full[end]:
            family = ipaddress.ip_address(full[end]).version
    full["family"] = family or 4
    for end in ("src", "dst"):
        full[end] = full[end] or ("0.0.0.0" if full["family"] == 4 else "::")
    if not isinstance(full["proto"], int):
        number = protocol_number(full["proto"])
        if number is None:
            number = {"icmpv6": PROTOCOLS["ipv6-icmp"]}.get(full["proto"])
        if number is None:
            raise ValueError("unknown protocol %r in a packet" % full["proto"])
        full["proto"] = number
    if "flags" in packet and isinstance(packet["flags"], str):
        full["flags"] = sum(1 << TCP_FLAGS.index(letter) for letter in packet["flags"])
    elif "flags" not in packet:
        first = packet.get("syn", packet.get("state", "new") == "new")
        full["flags"] = _SYN if first else _ACK
    return full


class Machine:
    """pf with one ruleset and the states that it has made."""

    def __init__(self, ruleset: Ruleset) -> None:
        """Begin without states."""
        self.ruleset = ruleset
        self.states: list[State] = []

    def send(self, packet: dict) -> Verdict:
        """The fate of a packet that arrives or leaves (see ``normal_packet``)."""
        normal = normal_packet(packet)
        verdict, state = _evaluate(self.ruleset, normal, self.states)
        if state is not None:
            self.states.append(state)
        return verdict

    def forward(self, packet: dict, leaving: str) -> Verdict:
        """The fate of a packet that arrives and goes on through interface ``leaving``: pf is asked twice."""
        arrived = self.send(dict(packet, direction="in"))
        if not arrived.allowed or arrived.packet is None:
            return arrived
        return self.send(dict(arrived.packet, direction="out", interface=leaving, recv_interface=packet["interface"]))


def pf_verdict(ruleset: Ruleset, packet: dict, earlier: Iterable[dict] = ()) -> Verdict:
    """The fate of ``packet`` (see ``normal_packet``) under ``ruleset``, given the packets that came before it, in order."""
    machine = Machine(ruleset)
    for before in earlier:
        machine.send(before)
    return machine.send(packet)


def _evaluate(ruleset: Ruleset, packet: dict, states: list[State]) -> tuple[Verdict, State | None]:
    """The fate of a packet, and the state that it makes."""
    if any(ruleset.interfaces.matches(name, packet["interface"]) for name in ruleset.options.get("skip", [])):
        return Verdict("pass", packet=packet), None
    for state in states:
        followed = state.follow(packet)
        if followed is not None:
            return Verdict("pass", by_state=True, packet=followed), None
    run = _Run(ruleset, packet)
    passed = run.translate()
    if not passed:
        run.walk("")
    rule = run.matched
    if rule is not None and rule.action == "pass" and rule.translation:
        run.change(rule)
    after = dict(run.packet, tag=run.tag)
    if rule is not None and rule.action == "block":
        return Verdict("block", rule.reply, rule, run.log or rule.log), None
    stateful = run.translated or (rule is not None and rule.keep not in ("", "no"))
    state = None
    if stateful:
        bound = packet["interface"] if rule is not None and rule.state.get("lock") == "if-bound" else None
        state = new_state(packet, after, bound, run.tag)
    return Verdict("pass", "", rule, run.log or (rule is not None and rule.log), keeps_state=stateful, packet=after), state


class _Run:
    """One walk of one packet through the rulesets."""

    def __init__(self, ruleset: Ruleset, packet: dict) -> None:
        self.ruleset = ruleset
        self.packet = packet
        self.matched: Rule | None = None
        self.log = False
        self.tag = packet["tag"]
        self.translated = False
        self.tables = {(table.anchor, table.name): table.addresses for table in ruleset.tables}

    def translate(self) -> bool:
        """Apply the first ``nat`` or ``rdr`` line that matches; true when it passes the packet at once."""
        word = "rdr" if self.packet["direction"] == "in" else "nat"
        for rule in self.ruleset.rules.get("", []):
            if rule.action not in (word, "no " + word) or rule.anchor is not None or not self._matches(rule, ""):
                continue
            if rule.action == word:
                self.change(rule)
                return rule.natpass
            return False
        return False

    def change(self, rule: Rule) -> None:
        """Translate the packet as a rule says that matches it."""
        self.tag = rule.tag or self.tag
        self.packet = translated(self.packet, rule, self.ruleset.interfaces)
        self.translated = True

    def walk(self, path: str) -> bool:
        """Evaluate one ruleset; true when a quick rule ended it."""
        for rule in self.ruleset.rules.get(path, []):
            if rule.action not in ("pass", "block", "match") or not self._matches(rule, path):
                continue
            if rule.anchor is not None:
                before = self.matched
                stopped = any(self.walk(child) for child in self._targets(path, rule.anchor))
                if stopped or (rule.quick and self.matched is not before):
                    return True
                continue
            if rule.tag:
                self.tag = rule.tag
            if rule.action == "match":
                self.log = self.log or rule.log
                if rule.translation:
                    self.change(rule)
                continue
            self.matched = rule
            if rule.quick:
                return True
        return False

    def _targets(self, path: str, name: str) -> list[str]:
        full = name.lstrip("/") if name.startswith("/") else ("%s/%s" % (path, name) if path else name)
        if not full.endswith("*"):
            return [full]
        prefix = full[:-1]
        return sorted(known for known in self.ruleset.rules if known.startswith(prefix) and known and "/" not in known[len(prefix) :])

    def _matches(self, rule: Rule, path: str) -> bool:
        packet = self.packet
        if rule.direction and rule.direction != packet["direction"]:
            return False
        if rule.interface and self.ruleset.interfaces.matches(rule.interface, packet["interface"]) == rule.interface_negated:
            return False
        received = rule.received_on
        if received and self.ruleset.interfaces.matches(received, packet["recv_interface"]) == rule.received_on_negated:
            return False
        if (rule.family and rule.family != packet["family"]) or (rule.proto and rule.proto != packet["proto"]):
            return False
        for host, address in ((rule.src, packet["src"]), (rule.dst, packet["dst"])):
            if self._address_matches(host, address, path) == host.negated:
                return False
        for port, value in ((rule.src_port, packet["sport"]), (rule.dst_port, packet["dport"])):
            if port and not port.matches(value):
                return False
        if packet["proto"] == PROTOCOLS["tcp"] and packet["flags"] & rule.flagset != rule.flags:
            return False
        if rule.icmp_type is not None and rule.icmp_type != packet["icmp_type"]:
            return False
        if rule.icmp_code is not None and rule.icmp_code != packet["icmp_code"]:
            return False
        for condition, value in ((rule.user, packet["uid"]), (rule.group, packet["gid"])):
            if condition and not _id_matches(condition, value):
                return False
        if rule.fragment:
            return False
        return not rule.tagged or (self.tag == rule.tagged) != rule.tagged_negated

    def _address_matches(self, host: Address, address: str, path: str) -> bool:
        """Whether an address is what ``host`` says, its sign left aside."""
        if host.kind == "any":
            return True
        wanted = ipaddress.ip_address(address)
        if host.kind == "net":
            return wanted.version == host.family and wanted in ipaddress.ip_network("%s/%d" % (host.text, host.bits))
        if host.kind == "range":
            low, high = ipaddress.ip_address(host.text), ipaddress.ip_address(host.last)
            return wanted.version == host.family and int(low) <= int(wanted) <= int(high)
        if host.kind == "table":
            entries = self.tables.get((path, host.text), self.tables.get(("", host.text)))
            return entries is not None and table_match(entries, address)
        if host.kind == "dynif":
            if host.text == "self" and self.ruleset.flavour.name == "macos":
                return False  # it is the group of all interfaces, and macOS has no groups
            found = self.ruleset.interfaces.lookup(host.text, host.modifiers)
            return any(
                wanted in ipaddress.ip_network("%s/%d" % (text, min(bits, host.bits)), strict=False)
                for family, text, bits in found
                if family == wanted.version
            )
        return False


def _id_matches(condition: Port, value: int | None) -> bool:
    if value is None and condition.op not in ("=", "!="):
        return False
    return condition.matches(0xFFFFFFFF if value is None else value)
