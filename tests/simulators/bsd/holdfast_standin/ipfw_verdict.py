# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ipfw does with a packet: ``ipfw_verdict`` evaluates rules as the kernel would.

The first matching rule decides; disabled sets are passed over.  A packet of a known dynamic state takes the action of the rule that made
the state, at the first ``check-state``, ``keep-state`` or ``limit`` it comes to: give the packets that came before as ``earlier``, or
keep ``IpfwConnections`` from packet to packet, also while the rules change.  A packet through the host is evaluated twice: once ``in``,
once ``out`` with its ``recv_interface``.
"""

from __future__ import annotations

import fnmatch
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field

from .interfaces import Interfaces, from_mapping
from .ipfw import Ipfw
from .ipfw_kernel import IpfwKernel, flow_lookup, table_lookup
from .ipfw_rule import Insn, IpfwRule
from .ipfw_sense import blocks_of
from .outcome import Outcome
from .pf_verdict import Verdict, normal_packet

_TCP, _UDP, _ICMP, _ICMP6, _SCTP, _UDPLITE = 6, 17, 1, 58, 132, 136
# Bits of the TCP header, the same in both firewalls.
_ACK_OR_RST = 0x14


@dataclass
class IpfwRules:
    """What is in force: rules in order, tables, disabled sets, and the addresses that are ``me``.

    ``keep_states``: states outlive the rule that made them (net.inet.ip.fw.dyn_keep_states).
    """

    rules: list[IpfwRule]
    tables: dict[str, dict] = field(default_factory=dict)
    disabled: tuple = ()
    interfaces: Interfaces = field(default_factory=Interfaces)
    keep_states: bool = False


@dataclass
class _State:
    name: str
    proto: int
    ends: frozenset
    rule: IpfwRule
    opener: dict


def ipfw_rules(
    text: str, interfaces: Interfaces | dict | None = None, default: str = "deny", strict: bool = False, verbose_limit: int = 0
) -> tuple[IpfwRules, Outcome]:
    """Run a file of ipfw commands against a fresh kernel: what is then in force, and what the command printed with its exit code."""
    kernel: dict = {
        "modules": ["ipfw", "ipfw_nat"],
        "sysctl": {"net.inet.ip.fw.verbose_limit": str(verbose_limit)},
        "kenv": {},
        "ipfw": {"default": default},
    }
    outcome = Ipfw(kernel, strict).run_file(["rules"], text)
    return rules_in_force(kernel["ipfw"], interfaces), outcome


def rules_in_force(state: dict, interfaces: Interfaces | dict | None = None, keep_states: bool = False) -> IpfwRules:
    """The ``ipfw`` part of a kernel's state in the form that the evaluator takes."""
    if not isinstance(interfaces, Interfaces):
        interfaces = from_mapping(interfaces or {"lo0": ["127.0.0.1/8", "::1/128"]})
    fw = IpfwKernel(state)
    tables = {name: dict(table) for name, table in fw.state["tables"].items()}
    return IpfwRules(fw.rules(), tables, tuple(fw.state["disabled"]), interfaces, keep_states)


def ipfw_verdict(rules: IpfwRules, packet: dict, earlier: Iterable[dict] = ()) -> Verdict:
    """The fate of ``packet`` (see ``pf_verdict.normal_packet`` for its keys), given the packets that came before it, in order.

    ``Verdict.rule`` is the ``IpfwRule`` that decided.
    """
    connections = IpfwConnections()
    for before in earlier:
        connections.verdict(rules, before)
    return connections.verdict(rules, packet)


class IpfwConnections:
    """The dynamic states, from packet to packet; a state ends with the rule that made it, unless states are kept."""

    def __init__(self) -> None:
        """No connection is known yet."""
        self._states: list[_State] = []

    def verdict(self, rules: IpfwRules, packet: dict) -> Verdict:
        """The fate of a packet under the rules of now."""
        if not rules.keep_states:
            there = {rule.identity for rule in rules.rules}
            self._states = [state for state in self._states if state.rule.identity in there]
        return _Run(rules, normal_packet(packet), self._states).verdict()


class _Run:
    """One walk of one packet through the rules."""

    def __init__(self, rules: IpfwRules, packet: dict, states: list[_State]) -> None:
        self.rules = rules
        self.packet = packet
        self.states = states
        self.log = False
        self.tags: set[int] = set()

    def verdict(self) -> Verdict:
        """Walk from the first rule to the one that decides."""
        at = 0
        probed: set[str] = set()
        while at < len(self.rules.rules):
            rule = self.rules.rules[at]
            if rule.set in self.rules.disabled:
                at += 1
                continue
            name = self._probes(rule)
            if name is not None and name not in probed:
                probed.add(name)
                state = self._find_state(name)
                if state is not None:
                    found = self._act(state.rule, self._position(state.rule), by_state=True)
                    if isinstance(found, Verdict):
                        return found
                    at = found
                    continue
            if rule.action[0] == "check-state" or not self._matches(rule):
                at += 1
                continue
            made = self._keep(rule)
            if made is None:
                return Verdict("block", "drop", rule, self.log)
            found = self._act(rule, at, by_state=False, made=made)
            if isinstance(found, Verdict):
                return found
            at = found
        raise AssertionError("the default rule matches everything")

    def _position(self, rule: IpfwRule) -> int:
        """Where a rule stands; one that is gone counts as standing just before the default."""
        return next((at for at, one in enumerate(self.rules.rules) if one.identity == rule.identity), len(self.rules.rules) - 2)

    @staticmethod
    def _probes(rule: IpfwRule) -> str | None:
        if rule.action[0] == "check-state":
            return str(rule.action[1])
        if rule.record_only:
            return None
        return next((str(insn.args[0]) for insn in rule.body if insn.op in ("keep", "limit")), None)

    def _find_state(self, name: str) -> _State | None:
        ends = _ends(self.packet)
        return next(
            (
                state
                for state in self.states
                if (name == "any" or state.name == name) and state.proto == self.packet["proto"] and state.ends == ends
            ),
            None,
        )

    def _keep(self, rule: IpfwRule) -> bool | None:
        """Make the state that a rule asks for; false if it asks for none, ``None`` if its limit is reached."""
        insn = next((insn for insn in rule.body if insn.op in ("keep", "limit")), None)
        if insn is None:
            return False
        if insn.op == "limit":
            masks, most = insn.args[1], insn.args[2]
            keys = [_KEYS[mask] for mask in masks]
            same = [
                state
                for state in self.states
                if state.rule.identity == rule.identity and all(state.opener[key] == self.packet[key] for key in keys)
            ]
            if len(same) >= most and self._find_state(insn.args[0]) is None:
                return None
        if self._find_state(insn.args[0]) is None:
            self.states.append(_State(insn.args[0], self.packet["proto"], _ends(self.packet), rule, self.packet))
        return True

    def _act(self, rule: IpfwRule, at: int, by_state: bool, made: bool = False) -> Verdict | int:
        """A verdict, or the index of the rule to go on with."""
        word = rule.action[0]
        self.log = self.log or rule.log is not None
        if rule.tag:
            (self.tags.add if rule.tag[0] == "tag" else self.tags.discard)(rule.tag[1])
        if word == "count":
            return at + 1
        if word == "skipto":
            behind = (index for index, other in enumerate(self.rules.rules) if index > at and other.number >= rule.action[1])
            return next(behind, len(self.rules.rules) - 1)
        if word in ("allow", "nat", "fwd"):
            return Verdict("pass", "", rule, self.log, by_state, made)
        reply = {"deny": "drop", "reset": "return-rst", "reset6": "return-rst"}.get(word, "return-icmp")
        return Verdict("block", reply, rule, self.log, by_state, made)

    def _matches(self, rule: IpfwRule) -> bool:
        return all(any(self._insn(insn) != (insn.negated and insn.op != "in") for insn in block) for block in blocks_of(rule.body))

    def _insn(self, insn: Insn) -> bool:
        """Whether one instruction matches, its sign left aside (``in`` carries its own)."""
        packet, op, args = self.packet, insn.op, insn.args
        if op in ("src", "dst"):
            return self._address(args, packet[op])
        if op in ("sport", "dport"):
            return packet["proto"] in (_TCP, _UDP, _SCTP, _UDPLITE) and any(low <= packet[op] <= high for low, high in args)
        if op == "in":
            return (packet["direction"] == "in") != insn.negated
        if op in ("via", "recv", "xmit"):
            return self._interface(op, args)
        if op == "icmptypes":
            return packet["proto"] == _ICMP and packet["icmp_type"] in args
        if op == "icmp6types":
            return packet["proto"] == _ICMP6 and packet["icmp_type"] in args
        if op == "established":
            return packet["proto"] == _TCP and bool(packet["flags"] & _ACK_OR_RST)
        if op == "tcpflags":
            needed, forbidden = args
            return packet["proto"] == _TCP and packet["flags"] & needed == needed and not packet["flags"] & forbidden
        if op == "flow":
            found = flow_lookup(self.rules.tables.get(args[1], {"type": "flow", "entries": {}}), packet)
            return found is not None and (len(args) < 3 or found == str(args[2]))
        if op == "tagged":
            return args[0] in self.tags
        if op in ("uid", "gid"):
            return packet[op] == args[0]
        simple = {
            "proto": lambda: packet["proto"] == args[0],
            "ip4": lambda: packet["family"] == 4,
            "ip6": lambda: packet["family"] == 6,
            "frag": lambda: False,
            "keep": lambda: True,
            "limit": lambda: True,
        }
        return simple[op]() if op in simple else bool(packet.get(op, True))

    def _address(self, args: tuple, address: str) -> bool:
        wanted = ipaddress.ip_address(address)
        if args[0] in ("me", "me6"):
            own = {ipaddress.ip_address(text) for _family, text, _bits in self.rules.interfaces.lookup("self")}
            return wanted in own and (args[0] == "me" or wanted.version == 6)
        if args[0] == "table":
            value = table_lookup(self.rules.tables.get(args[1], {}).get("entries", {}), address)
            return value is not None and (len(args) < 3 or value == str(args[2]))
        return any(wanted in ipaddress.ip_network("%s/%d" % (text, bits)) for text, bits in args[2]) if wanted.version == args[1] else False

    def _interface(self, op: str, args: tuple) -> bool:
        packet = self.packet
        incoming = packet["direction"] == "in"
        received = packet["interface"] if incoming else packet["recv_interface"]
        name = {"recv": received, "xmit": None if incoming else packet["interface"], "via": packet["interface"]}[op]
        if name is None:
            return False
        if args[0] == "table":
            return name in self.rules.tables.get(args[1], {}).get("entries", {})
        if args[0] == "address":
            return any(text == args[1] for _family, text, _bits in self.rules.interfaces.lookup(name))
        return fnmatch.fnmatchcase(name, args[1]) if any(char in args[1] for char in "*?[") else name == args[1]


_KEYS = {"src-addr": "src", "dst-addr": "dst", "src-port": "sport", "dst-port": "dport"}


def _ends(packet: dict) -> frozenset:
    """The two ends of a flow without their order; ICMP has no ports."""
    plain = packet["proto"] in (_TCP, _UDP, _SCTP, _UDPLITE)
    return frozenset(
        (str(ipaddress.ip_address(packet[end])), packet[port] if plain else 0) for end, port in (("src", "sport"), ("dst", "dport"))
    )
