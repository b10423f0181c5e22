# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets at and around the edges of a rule, and what the language says about each: the measure for the packet evaluators."""

from __future__ import annotations

import ipaddress

from hypothesis import strategies as st

from ansible_collections.holdfast.firewall.plugins.module_utils.policy.protocols import NUMBERS

OUTSIDE = {4: "192.0.2.77", 6: "2001:db8:ffff::77"}


@st.composite
def packets_for(draw, rule):
    """A first packet that the rule matches, or misses in some of its fields."""
    family = draw(st.sampled_from([rule.family or 4, rule.family or 6, 4, 6]))
    protocol = draw(st.sampled_from([rule.protocol or 6, rule.protocol or 17, rule.protocol or 58, *NUMBERS.values(), 2]))
    known = {1: 8, 58: 128}.get(protocol)
    types = {one + step for one in rule.icmp_types for step in (-1, 0, 1) if 0 <= one + step <= 255} | {known}
    return {
        "direction": draw(st.sampled_from([rule.direction, rule.direction, "in", "out"])),
        "interface": draw(st.sampled_from([rule.interface or "em0", rule.interface or "em1", "em9"])),
        "family": family, "proto": protocol, "src": draw(_address(rule.source, family)), "dst": draw(_address(rule.destination, family)),
        "sport": draw(_port(rule.source_ports)), "dport": draw(_port(rule.ports)), "syn": True,
        "icmp_type": draw(st.sampled_from(sorted(types))) if known is not None else None,
    }  # fmt: skip


def _port(ports):
    edges = {one for span in ports for one in (span.first - 1, span.first, span.last, span.last + 1)} | {1, 80, 40000, 65535}
    return st.sampled_from(sorted(one for one in edges if 1 <= one <= 65535))


def _address(addresses, family):
    found = [OUTSIDE[family]]
    for network in addresses.networks:
        if network.version == family:
            top = 2**network.max_prefixlen
            low, high = int(network.network_address), int(network.broadcast_address)
            kind = type(network.network_address)
            found += [str(kind(number % top)) for number in (low - 1, low, high, high + 1)]
    return st.sampled_from(found)


def matches(rule, packet):
    """Whether the rule of the language matches the packet."""
    if packet["direction"] != rule.direction or packet["family"] not in rule.families():
        return False
    if rule.protocol is not None and packet["proto"] != rule.protocol:
        return False
    if rule.interface is not None and packet["interface"] != rule.interface:
        return False
    for ports, port in ((rule.ports, packet["dport"]), (rule.source_ports, packet["sport"])):
        if ports and not any(span.first <= port <= span.last for span in ports):
            return False
    if rule.icmp_types and packet["icmp_type"] not in rule.icmp_types:
        return False
    return _within(rule.source, packet["src"]) and _within(rule.destination, packet["dst"])


def _within(addresses, text):
    address = ipaddress.ip_address(text)
    if addresses.any:
        return True
    if address.version != addresses.family:
        return False
    return any(address in network for network in addresses.networks) != addresses.negated


def answer_to(packet):
    """The first packet that comes back."""
    back = dict(packet, src=packet["dst"], dst=packet["src"], sport=packet["dport"], dport=packet["sport"], syn=False)
    back["direction"] = "out" if packet["direction"] == "in" else "in"
    back["icmp_type"] = {8: 0, 128: 129}.get(packet.get("icmp_type"))
    return back
