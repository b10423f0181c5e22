# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random policies that pf can carry, and packets sent through a stand-in of pf and through the model."""

from __future__ import annotations

import ipaddress
from dataclasses import replace

from hypothesis import assume
from hypothesis import strategies as st

from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.boxes import Interfaces
from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.packets import random_packet
from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.trace import trace
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.pf.dialect import dialect_named
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.pf.policy_render import render_parts
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.pf.policy_supported import policy_unsupported
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.states_first import as_kept
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.pf import standin_host
from ansible_collections.holdfast.firewall.tests.unit.policy_generator import standard_guard
from ansible_collections.holdfast.firewall.tests.unit.policy_strategies import policies

from holdfast_standin.pf_parser import parse_pf  # isort: skip  # on the path since standin_host
from holdfast_standin.pf_verdict import Machine  # isort: skip

assert standin_host

#: The flavours of the stand-in, each with its dialect.
FLAVOURS = {"freebsd-12.1": "freebsd", "freebsd-15.1": "freebsd", "openbsd": "openbsd", "macos": "macos"}
GUARD = standard_guard()
#: Destinations that a router never sends on.
NOT_FORWARDED = {
    4: [ipaddress.ip_network(word) for word in ("0.0.0.0/32", "224.0.0.0/4", "255.255.255.255/32")],
    6: [ipaddress.ip_network(word) for word in ("fe80::/10", "ff00::/8")],
}
_QUERIES = {1: (8, 13, 15, 17), 58: (128,)}
_ANSWERS = {8: 0, 13: 14, 15: 16, 17: 18, 128: 129}


def guarded(policy):
    """Return a policy with the usual guard for its directions, as every host has it."""
    return policy.guarded([rule for rule in GUARD if policy.defaults[rule.direction] != "unmanaged"])


def plain(rule, leaving=False):
    """Return a rule less what pf never carries, so that random policies are seldom refused.

    ``leaving`` says whether it may name the interface that forwarded packets leave by.
    """
    log = replace(rule.log, prefix=None, rate=None) if rule.log is not None else None
    types = tuple(one for one in rule.icmp_types if one < 255)
    return replace(rule, log=log, icmp_types=types, out_interface=rule.out_interface if leaving else None)


@st.composite
def pf_policies(draw, dialect="freebsd", leaving=False, **words):
    """A random policy with its guard that a dialect carries."""
    wanted = {"limits": False, "protocols": (None, 6, 6, 6, 17, 17, 1, 58, 50, 47, 2), "management": False, "max_nat": 0, **words}
    wanted.setdefault("forward", dialect_named(dialect).tells_forwarding)
    policy = draw(policies(**wanted))
    policy = guarded(replace(policy, rules=tuple(plain(rule, leaving) for rule in policy.rules)))
    if policy.log_denied is not None:
        policy = replace(policy, log_denied=replace(policy.log_denied, prefix=None, rate=None))
    labels = ["rules[%d]" % number for number in range(len(policy.rules))]
    refused = {one.field.partition(".")[0] for one in policy_unsupported(replace(policy, labels=()), dialect_named(dialect))}
    nat = tuple(one for number, one in enumerate(policy.nat) if policy.nat_labels[number] not in refused)
    rules = tuple(rule for label, rule in zip(labels, policy.rules) if label not in refused)
    found = replace(policy, rules=rules, labels=(), nat=nat, nat_labels=())
    assume(not policy_unsupported(found, dialect_named(dialect)))
    return found


def kept(policy):
    """Return a policy as pf keeps it."""
    rules = tuple(as_kept(rule) for rule in policy.rules)
    logged = any(policy.defaults[direction] not in ("allow", "unmanaged") for direction in policy.defaults)
    return replace(policy, rules=rules, labels=(), nat_labels=(), log_denied=policy.log_denied if logged else None)


def text_of(policy, dialect="freebsd", layout="rules"):
    """Return the text of a policy."""
    return "".join(render_parts(policy, dialect_named(dialect), layout).values())


class Flow:
    """The packets of one connection, through the stand-in and through the model.

    ``direction`` is that of the first packet; the host has its other end's address, and for a forwarded one neither.
    """

    def __init__(self, policy, text, flavour, packet):
        self.policy = policy
        self.packet = packet
        host = {"in": packet.destination, "out": packet.source}.get(packet.direction)
        interfaces = {name: [] for name in ("eth0", "eth1", "em1", "wg-home", "br0.12", "xx9")}
        interfaces["lo0"] = ["127.0.0.1/8", "::1/128"]
        interfaces["xx9"] = ["198.51.100.99/32"] + ([str(host)] if host is not None else [])
        ruleset = parse_pf(text, flavour, interfaces)
        assert ruleset.accepted, (ruleset.stderr, text)
        self.machine = Machine(ruleset)
        self.known = False
        #: The default of the direction in which answers go.
        self.back = policy.defaults[{"in": "out", "out": "in"}.get(packet.direction, "forward")]

    def first(self, opening=True):
        """Send the first packet (of tcp: a SYN, or one from the middle); returns (model's verdict, stand-in's)."""
        expected = trace(self.policy, replace(self.packet, state="new" if opening else "invalid"))
        found = self._send(self.packet, opening)
        self.known = expected.verdict == "allow"
        return expected, found

    def again(self):
        """Send another packet the same way."""
        state = "established-original" if self.known else "invalid" if self.packet.protocol == 6 else "new"
        return trace(self.policy, replace(self.packet, state=state)), self._send(self.packet, False)

    def answer(self):
        """Send the answer."""
        one = self.packet
        turned = replace(
            one, direction={"in": "out", "out": "in"}.get(one.direction, "forward"), source=one.destination, destination=one.source,
            source_port=one.port, port=one.source_port, icmp_type=_ANSWERS.get(one.icmp_type, one.icmp_type), arriving=one.leaving,
            leaving=one.arriving,
        )  # fmt: skip
        state = "established-reply" if self.known else "invalid" if one.protocol == 6 else "new"
        return trace(self.policy, replace(turned, state=state)), self._send(turned, False)

    def _send(self, one, opening):
        raw = {
            "interface": _named(one.leaving if one.direction == "out" else one.arriving), "proto": one.protocol, "src": str(one.source),
            "dst": str(one.destination), "sport": one.source_port or 0, "dport": one.port or 0, "icmp_type": one.icmp_type, "syn": opening,
            "direction": one.direction, "family": one.family,
        }  # fmt: skip
        if one.direction == "forward":
            return self.machine.forward(raw, _named(one.leaving))
        return self.machine.send(raw)


def _named(interface):
    return {"lo": "lo0", None: "xx9"}.get(interface, interface)


@st.composite
def packets_of(draw, policy):
    """A packet near the rules of a policy that pf would see in that direction."""
    generator = draw(st.randoms(use_true_random=False))
    directions = [one for one in policy.defaults if policy.defaults[one] != "unmanaged"] or ["in"]
    direction = draw(st.sampled_from(directions))
    rules = [rule for rule in policy.guard + policy.rules if rule.direction == direction]
    packet = replace(random_packet(generator, rules, Interfaces.of(rules)), direction=direction)
    if packet.protocol == 0:
        packet = replace(packet, protocol=47)
    if direction == "in":
        packet = replace(packet, leaving=None)
    elif direction == "out":
        packet = replace(packet, arriving=None, leaving=packet.leaving or packet.arriving)
    if packet.protocol in _QUERIES and draw(st.booleans()):
        packet = replace(packet, icmp_type=draw(st.sampled_from(_QUERIES[packet.protocol])))
    return packet


def can_pass_through(packet):
    """Return whether a router may forward a packet and its answer."""
    ends = (packet.source, packet.destination)
    return not any(end in network for end in ends for network in NOT_FORWARDED[packet.family])
