# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random policies that npf can carry, a host of stand-in commands, and packets sent through a stand-in of npf and through the model."""

from __future__ import annotations

import ipaddress
import sys
from dataclasses import replace
from pathlib import Path

from hypothesis import assume
from hypothesis import strategies as st

from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.boxes import Interfaces
from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.packets import Packet, random_packet
from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.trace import trace
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.npf.backend import Npf
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.npf.policy_supported import policy_unsupported
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.npf.policy_text import render_part
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.npf.tables import table_text, tables_in
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.states_first import as_kept
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.addresses import ANY, make_addresses
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.policy import Policy
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.ports import PortRange, merge_ports
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.protocols import FAMILY_OF
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rule import Log, Rule
from ansible_collections.holdfast.firewall.tests.unit.paper_host import PaperHost
from ansible_collections.holdfast.firewall.tests.unit.policy_generator import standard_guard
from ansible_collections.holdfast.firewall.tests.unit.policy_strategies import ICMP_TYPES, NETWORKS, PORT_EDGES, policies

#: npf takes letters and digits only.
_NAMES = {"wg-home": "wg0", "br0.12": "br12"}
SIMULATORS = Path(__file__).resolve().parents[5] / "simulators" / "bsd"
sys.path.insert(0, str(SIMULATORS))

from holdfast_standin.npf_parser import parse_npf  # noqa: E402
from holdfast_standin.npf_verdict import Machine  # noqa: E402

GUARD = standard_guard(untracked=Npf(PaperHost()).untracked_icmp)
_QUESTIONS = {1: (8, 13, 15), 58: (128,)}
_ANSWERS = {8: 0, 13: 14, 15: 16, 0: 8, 14: 13, 16: 15}


def guarded(policy):
    """Return a policy with the usual guard for its directions, as every host has it."""
    return policy.guarded([rule for rule in GUARD if policy.defaults[rule.direction] != "unmanaged"])


def plain(rule):
    """Return a rule less what npf never carries, so that random policies are seldom refused."""
    log = replace(rule.log, prefix=None, rate=None) if rule.log is not None else None
    stateful = rule.stateful and (rule.action == "allow" or rule.protocol is not None)
    return replace(rule, log=log, stateful=stateful, interface=_NAMES.get(rule.interface, rule.interface))


@st.composite
def npf_policies(draw, **words):
    """A random policy with its guard that npf carries."""
    wanted = {"limits": False, "protocols": (None, 6, 6, 6, 17, 17, 1, 58, 50, 47, 2), "management": False, "max_nat": 0, **words}
    wanted.setdefault("forward", False)
    policy = draw(policies(**wanted))
    policy = guarded(replace(policy, rules=tuple(plain(rule) for rule in policy.rules)))
    if policy.log_denied is not None:
        policy = replace(policy, log_denied=replace(policy.log_denied, prefix=None, rate=None))
    refused = {one.field.partition(".")[0] for one in policy_unsupported(replace(policy, labels=()))}
    rules = tuple(rule for number, rule in enumerate(policy.rules) if "rules[%d]" % number not in refused)
    found = replace(policy, rules=rules, labels=(), nat=(), nat_labels=())
    assume(not policy_unsupported(found))
    return found


def kept(policy):
    """Return a policy as npf keeps it."""
    rules = tuple(as_kept(rule) for rule in policy.rules)
    logged = any(policy.defaults[direction] not in ("allow", "unmanaged") for direction in ("in", "out"))
    return replace(policy, rules=rules, labels=(), nat_labels=(), log_denied=policy.log_denied if logged else None)


def text_of(policy):
    """Return the text of a policy as a whole file."""
    return render_part(policy, default_group=True)


def machine_of(text, strict=True):
    """Return the stand-in's npf with a text, and with the addresses of the tables' files."""
    tables = {name: table_text(addresses).split() for name, addresses in tables_in(text).items()}
    return Machine(parse_npf(text or "group default { pass all }", strict=strict), tables)


class Flow:
    """The packets of one connection, through the stand-in and through the model; ``direction`` is that of the first packet."""

    def __init__(self, policy, text, packet):
        self.policy = policy
        self.packet = packet
        self.machine = machine_of(text)
        self.known = False
        #: The default of the direction in which answers go.
        self.back = policy.defaults[{"in": "out", "out": "in"}[packet.direction]]

    def first(self, opening=True):
        """Send the first packet (of tcp: a SYN, or one from the middle); returns (model's verdict, stand-in's)."""
        expected = trace(self.policy, replace(self.packet, state="new" if opening else "invalid"))
        found = self._send(self.packet, opening)
        # npf has no state of a connection whose first packet it did not see, and none of other protocols.
        tracked = self.packet.protocol in (6, 17) or self.packet.icmp_type in _ANSWERS
        loopback = expected.decided.rule is not None and expected.decided.rule.interface == "lo" and "loopback" in expected.decided.label
        self.known = expected.verdict == "allow" and opening and tracked and not loopback
        return expected, found

    def again(self):
        """Send another packet the same way."""
        state = "established-original" if self.known else "invalid" if self.packet.protocol == 6 else "new"
        return trace(self.policy, replace(self.packet, state=state)), self._send(self.packet, False)

    def answer(self):
        """Send the answer."""
        one = self.packet
        turned = replace(
            one, direction={"in": "out", "out": "in"}[one.direction], source=one.destination, destination=one.source,
            source_port=one.port, port=one.source_port, icmp_type=_ANSWERS.get(one.icmp_type, one.icmp_type), arriving=one.leaving,
            leaving=one.arriving,
        )  # fmt: skip
        state = "established-reply" if self.known else "invalid" if one.protocol == 6 else "new"
        return trace(self.policy, replace(turned, state=state)), self._send(turned, False)

    def _send(self, one, opening):
        return self.machine.send(
            {
                "interface": _named(one.leaving if one.direction == "out" else one.arriving),
                "proto": one.protocol,
                "src": str(one.source),
                "dst": str(one.destination),
                "sport": one.source_port or 0,
                "dport": one.port or 0,
                "icmp_type": one.icmp_type,
                "syn": opening,
                "direction": one.direction,
                "family": one.family,
            }
        )


def _named(interface):
    return {"lo": "lo0", None: "xx9"}.get(interface, interface)


@st.composite
def packets_of(draw, policy):
    """A packet near the rules of a policy."""
    generator = draw(st.randoms(use_true_random=False))
    directions = [one for one in ("in", "out") if policy.defaults[one] != "unmanaged"] or ["in"]
    direction = draw(st.sampled_from(directions))
    rules = [rule for rule in policy.guard + policy.rules if rule.direction == direction]
    packet = replace(random_packet(generator, rules, Interfaces.of(rules)), direction=direction)
    if packet.protocol in (0, 43, 44, 60):
        packet = replace(packet, protocol=47)
    if direction == "in":
        packet = replace(packet, leaving=None)
    else:
        packet = replace(packet, arriving=None, leaving=packet.leaving or packet.arriving)
    if packet.protocol in _QUESTIONS and draw(st.booleans()):
        packet = replace(packet, icmp_type=draw(st.sampled_from(_QUESTIONS[packet.protocol])))
    return packet


def dense_policy(generator):
    """A random policy whose rules overlap a lot and are of all kinds that npf carries; ``generator`` is a ``random.Random``."""
    defaults = {one: generator.choice(["allow", "deny", "reject"]) for one in ("in", "out")}
    rules = tuple(_dense_rule(generator) for _number in range(generator.randint(2, 7)))
    policy = guarded(Policy(rules=rules, defaults={**defaults, "forward": "unmanaged"}, log_denied=generator.choice([None, Log()])))
    refused = {one.field.partition(".")[0] for one in policy_unsupported(policy)}
    kept_rules = tuple(rule for number, rule in enumerate(policy.rules) if "rules[%d]" % number not in refused)
    return replace(policy, rules=kept_rules)


def _dense_rule(generator):
    protocol = generator.choice([None, 6, 6, 6, 6, 17, 17, 1, 58])
    family = FAMILY_OF.get(protocol) or generator.choice([None, 4, 6, 6])
    action = generator.choice(["allow", "allow", "deny", "reject"])
    return Rule(
        action,
        generator.choice(["in", "in", "out"]),
        family,
        protocol,
        _dense_addresses(generator, family),
        _dense_addresses(generator, family),
        _dense_ports(generator, 0.7) if protocol in (6, 17) else (),
        generator.choice([None, None, "eth0", "wg0"]),
        generator.random() < 0.3 and (action == "allow" or protocol is not None),
        log=generator.choice([None, None, Log()]),
        comment=generator.choice([None, "a comment"]),
        source_ports=_dense_ports(generator, 0.2) if protocol in (6, 17) else (),
        icmp_types=tuple(sorted(generator.sample(ICMP_TYPES[protocol], generator.randint(0, 3)))) if protocol in ICMP_TYPES else (),
    )


def _dense_addresses(generator, family):
    if family is None or generator.random() < 0.4:
        return ANY
    pool = [ipaddress.ip_network(word) for word in NETWORKS[family]]
    return make_addresses(generator.sample(pool, generator.randint(1, 4)), generator.random() < 0.3)


def _dense_ports(generator, chance):
    if generator.random() > chance:
        return ()
    edges = [sorted(generator.choices(PORT_EDGES, k=2)) for _number in range(generator.randint(1, 3))]
    return merge_ports([PortRange(first, generator.choice([first, last])) for first, last in edges])


def dense_packet(generator, policy):
    """A packet that fulfils most of the conditions of one rule, at their edges and beside them."""
    rule = generator.choice(policy.rules or policy.guard)
    family = rule.family or generator.choice([4, 6])
    protocol = rule.protocol if rule.protocol is not None and generator.random() < 0.95 else generator.choice([6, 6, 17])
    ported = protocol in (6, 17)
    interface = (
        rule.interface
        if rule.interface and generator.random() < 0.9
        else generator.choice([one.interface for one in policy.rules] or [None])
    )
    return Packet(
        direction=rule.direction,
        protocol=protocol,
        source=_near(generator, rule.source, FAMILY_OF.get(protocol, family)),
        destination=_near(generator, rule.destination, FAMILY_OF.get(protocol, family)),
        source_port=_port_near(generator, rule.source_ports) if ported else None,
        port=_port_near(generator, rule.ports) if ported else None,
        icmp_type=generator.choice(rule.icmp_types or ICMP_TYPES[protocol]) if protocol in ICMP_TYPES else None,
        arriving=interface if rule.direction == "in" else None,
        leaving=interface if rule.direction == "out" else None,
    )


def _near(generator, addresses, family):
    pool = [one for one in addresses.networks if one.version == family] or [ipaddress.ip_network(one) for one in NETWORKS[family]]
    network = generator.choice(pool)
    low, high = int(network.network_address), int(network.broadcast_address)
    number = generator.choice([low, high, low - 1, high + 1, generator.randint(low, high)])
    if family == 6 and generator.random() < 0.3:
        number = low ^ 1 << generator.choice([0, 40, 70, 90])  # another address with words in common
    return type(network.network_address)(number % 2**network.max_prefixlen)


def _port_near(generator, ports):
    if not ports:
        return generator.choice([80, 40000])
    span = generator.choice(ports)
    return min(max(generator.choice([span.first, span.last, span.first, span.last + 1, span.first - 1]), 1), 65535)
