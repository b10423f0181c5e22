# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A document's flat rules match exactly the packets that its words name: a second reading of the words, one packet at a time."""

from __future__ import annotations

import ipaddress
import random
from typing import NamedTuple, Optional

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.holdfast.firewall.plugins.module_utils.policy.document import parse_policy
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import PolicyError

SETS = {
    "office": ["10.1.0.0/16", "2001:db8:1::/48"],
    "guests": ["10.1.2.0/24", "2001:db8:1:2::/64"],
    "all": ["@office", "192.0.2.0-192.0.2.9"],
    "six": ["2001:db8::/32"],
}
PORT_SETS = {"web": [80, 443, "8000-8010"], "more": ["@web", 22]}
SERVICES = {
    "app": [{"protocol": "both", "port": "@web"}, "ping"],
    "game": {"protocol": "udp", "port": [27015], "source_port": "1024-65535"},
}
# What the services come to, written by hand: protocol, ports, source ports, types, family.
MEANING = {
    "ssh": [(6, {22}, None, None, None)],
    "dns": [(6, {53}, None, None, None), (17, {53}, None, None, None)],
    "ping": [(1, None, None, {8}, 4), (58, None, None, {128}, 6)],
    "app": [
        (6, {80, 443, *range(8000, 8011)}, None, None, None),
        (17, {80, 443, *range(8000, 8011)}, None, None, None),
        (1, None, None, {8}, 4),
        (58, None, None, {128}, 6),
    ],
    "game": [(17, {27015}, set(range(1024, 65536)), None, None)],
    "dhcpv6": [(17, {547}, None, None, 6)],
}
ZONES = {
    "lan": {"interfaces": ["eth1", "eth2"], "networks": ["10.1.0.0/16", "2001:db8:1::/48"]},
    "wan": {"interfaces": ["eth0"]},
    "cloud": {"networks": ["@all", "203.0.113.0/24"]},
}
WORDS = [
    "any", "10.1.2.3", "10.0.0.0/8", "!10.1.2.0/24", "2001:db8:1::/48", "!2001:db8:1:2::7", "@office", "!@guests", "@all", "@six",
    "192.0.2.3-192.0.2.200", "0.0.0.0/0", "::/0",
]  # fmt: skip
HOSTS = [
    "10.1.2.3", "10.1.9.9", "10.200.0.1", "192.0.2.3", "192.0.2.9", "192.0.2.10", "203.0.113.7", "198.51.100.1", "2001:db8:1:2::7",
    "2001:db8:1:2::8", "2001:db8:1:3::1", "2001:db8:9::1", "2001:db9::1",
]  # fmt: skip
PROTOCOLS = {"tcp": 6, "udp": 17, "icmp": 1, "icmpv6": 58, "esp": 50}


class Packet(NamedTuple):
    direction: str
    arriving: Optional[str]
    leaving: Optional[str]
    protocol: int
    source: object
    destination: object
    source_port: int
    port: int


def chosen(rng, items, most=3):
    found = rng.sample(items, rng.randint(1, most))
    return found[0] if len(found) == 1 and rng.random() < 0.5 else found


def random_rule(rng):
    words = {"action": "allow", "direction": rng.choice(["in", "out", "forward"])}
    for key in ("source", "destination"):
        if rng.random() < 0.5:
            words[key] = chosen(rng, WORDS)
    if rng.random() < 0.3:
        words["family"] = rng.choice(["ipv4", "ipv6", "any"])
    if rng.random() < 0.3:
        words["service"] = chosen(rng, sorted(MEANING), 2)
    else:
        words["protocol"] = rng.choice(["tcp", "any", "both", "icmp", "icmpv6", "esp", ["tcp", "udp"], ["icmp", "icmpv6"]])
        if words["protocol"] in ("tcp", "both", ["tcp", "udp"]) and rng.random() < 0.7:
            words["port"] = chosen(rng, [22, 80, "@web", "8005-8020", "@more"], 2)
            if rng.random() < 0.3:
                words["source_port"] = rng.choice([1024, "1024-2000", ["1-5", "@web"]])
        if "icmp" in words["protocol"] and rng.random() < 0.5:
            words["icmp_type"] = rng.choice(["echo-request", ["echo-reply", "echo-request"]])
    near = "to_zone" if words["direction"] == "out" else "from_zone"
    if rng.random() < 0.3:
        words[rng.choice([near, "zone"])] = chosen(rng, sorted(ZONES), 2)
    elif rng.random() < 0.3:
        words["interface"] = chosen(rng, ["eth0", "eth1", "eth9"], 2)
    if words["direction"] == "forward":
        if rng.random() < 0.3:
            words["to_zone"] = chosen(rng, sorted(ZONES), 2)
        elif rng.random() < 0.3:
            words["out_interface"] = chosen(rng, ["eth0", "eth1", "eth9"], 2)
    return words


def random_packet(rng, words):
    direction = words["direction"] if rng.random() < 0.9 else rng.choice(["in", "out", "forward"])
    family = rng.choice([4, 6])
    hosts = [ipaddress.ip_address(host) for host in HOSTS]
    hosts = [host for host in hosts if host.version == family]
    names = ["eth0", "eth1", "eth2", "eth9"]
    return Packet(
        direction, rng.choice(names) if direction != "out" else None, rng.choice(names) if direction != "in" else None,
        rng.choice([6, 6, 17, 17, 50, 1 if family == 4 else 58]), rng.choice(hosts), rng.choice(hosts),
        rng.choice([3, 80, 1024, 1500, 40000]), rng.choice([22, 53, 80, 443, 547, 8000, 8005, 8020, 8021, 27015, 0, 8, 128, 129]),
    )  # fmt: skip


def several(value):
    return value if isinstance(value, list) else [value]


def in_words(address, words):
    """Whether an address is named: what is included less what has a bang; only bangs mean the rest of their families."""
    words = several(words)
    if "any" in words:
        return True
    included = [word for word in words if not word.startswith("!")]
    excluded = [word[1:] for word in words if word.startswith("!")]
    if any(in_word(address, word) for word in excluded):
        return False
    if included:
        return any(in_word(address, word) for word in included)
    return address.version in {version for word in excluded for version in versions(word)}


def in_word(address, word):
    if word.startswith("@"):
        return any(in_word(address, member) for member in SETS[word[1:]])
    if "-" in word:
        first, last = (ipaddress.ip_address(part) for part in word.split("-"))
        return address.version == first.version and first <= address <= last
    return address in ipaddress.ip_network(word)


def versions(word):
    if word.startswith("@"):
        return {version for member in SETS[word[1:]] for version in versions(member)}
    return {ipaddress.ip_address(word.split("-")[0].split("/")[0]).version}


def port_named(port, words):
    for word in several(words):
        if isinstance(word, int):
            if port == word:
                return True
        elif word.startswith("@"):
            if port_named(port, PORT_SETS[word[1:]]):
                return True
        else:
            first, last = word.split("-")
            if int(first) <= port <= int(last):
                return True
    return False


def in_zone(interface, address, names):
    for name in several(names):
        zone = ZONES[name]
        if interface in zone.get("interfaces", [interface]) and ("networks" not in zone or in_words(address, zone["networks"])):
            return True
    return False


def protocol_matches(words, packet):
    version = packet.source.version
    if "service" in words:
        for name in several(words["service"]):
            for protocol, ports, source_ports, types, family in MEANING[name]:
                if (
                    protocol == packet.protocol
                    and family in (None, version)
                    and (ports is None or packet.port in ports)
                    and (source_ports is None or packet.source_port in source_ports)
                    and (types is None or packet.port in types)
                ):
                    return True
        return False
    names = [name for one in several(words["protocol"]) for name in (["tcp", "udp"] if one == "both" else [one])]
    if "any" not in names and packet.protocol not in {PROTOCOLS[name] for name in names}:
        return False
    if "port" in words and not port_named(packet.port, words["port"]):
        return False
    if "source_port" in words and not port_named(packet.source_port, words["source_port"]):
        return False
    numbers = {"echo-request": {1: 8, 58: 128}, "echo-reply": {1: 0, 58: 129}}
    return "icmp_type" not in words or packet.port in {numbers[name][packet.protocol] for name in several(words["icmp_type"])}


def named(words, packet):
    """Whether the words of a rule name the packet."""
    if words["direction"] != packet.direction or words.get("family", "any") not in ("any", "ipv%d" % packet.source.version):
        return False
    if not in_words(packet.source, words.get("source", "any")) or not in_words(packet.destination, words.get("destination", "any")):
        return False
    near, address = (packet.leaving, packet.destination) if packet.direction == "out" else (packet.arriving, packet.source)
    for key in ("zone", "from_zone" if packet.direction != "out" else "to_zone"):
        if key in words and not in_zone(near, address, words[key]):
            return False
    if packet.direction == "forward" and "to_zone" in words and not in_zone(packet.leaving, packet.destination, words["to_zone"]):
        return False
    if "interface" in words and near not in several(words["interface"]):
        return False
    if "out_interface" in words and packet.leaving not in several(words["out_interface"]):
        return False
    return protocol_matches(words, packet)


def matches(rule, packet):
    """Whether a flat rule matches the packet."""

    def inside(addresses, address):
        return addresses.any or any(address in network for network in addresses.networks) != addresses.negated

    near = packet.leaving if packet.direction == "out" else packet.arriving
    return (
        rule.direction == packet.direction
        and packet.source.version in rule.families()
        and rule.protocol in (None, packet.protocol)
        and inside(rule.source, packet.source)
        and inside(rule.destination, packet.destination)
        and (not rule.ports or any(one.first <= packet.port <= one.last for one in rule.ports))
        and (not rule.source_ports or any(one.first <= packet.source_port <= one.last for one in rule.source_ports))
        and (not rule.icmp_types or packet.port in rule.icmp_types)
        and rule.interface in (None, near)
        and rule.out_interface in (None, packet.leaving)
    )


@given(st.integers(0, 2**40))
def test_flat_rules_match_what_the_words_name(seed):
    rng = random.Random(seed)
    while rng.random() < 0.9:
        words = random_rule(rng)
        packets = [random_packet(rng, words) for one in range(25)]
        document = {"address_sets": SETS, "port_sets": PORT_SETS, "services": SERVICES, "zones": ZONES, "rules": [words]}
        try:
            rules = parse_policy(document).rules
        except PolicyError as error:
            said = error.msg.lower()
            assert any(reason in said for reason in ("no packet matches", "leave no address", "any stands alone")), said
            assert "any stands alone" in said or not any(named(words, packet) for packet in packets)
            continue
        for packet in packets:
            found = [rule for rule in rules if matches(rule, packet)]
            assert bool(found) == named(words, packet), (words, packet)
