# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every kind of bad policy document, one place: the document, the place that the error must name, and words it must say."""

from __future__ import annotations


def rule(**words):
    """A document with one rule."""
    return {"rules": [{"action": "allow", **words}]}


def nat(**words):
    """A document with one translation."""
    return {"nat": [words]}


def shared(depth, width):
    """One value that stands for width ** depth values, as YAML aliases make it."""
    value = ["10.0.0.1"] * width
    while depth > 1:
        value = [value] * width
        depth -= 1
    return value


def nested(depth):
    """A list in a list in a list."""
    value = []
    while depth:
        value = [value]
        depth -= 1
    return value


def itself():
    """A mapping that contains itself."""
    value = {}
    value["rules"] = [value]
    return value


LAN = {"lan": {"interfaces": ["eth1"], "networks": ["10.0.0.0/8"]}, "bare": {"networks": ["10.0.0.0/8"]}}
WEB = {"web": [80, 443]}
R0 = "policy.rules[0]"
N0 = "policy.nat[0]"
TWICE = {"rules": [{"action": "allow", "name": "web"}, {"action": "deny"}, {"action": "allow", "name": "web"}]}
CHAIN = {"s%d" % number: ["@s%d" % (number + 1)] for number in range(100)}
COUNTS = {"service": "ping", "family": "ipv6", "source": "10.0.0.1"}

BAD_POLICIES = {
    # the document
    "nothing": (None, "policy", "or a list of rules"),
    "text": ("allow all", "policy", "or a list of rules"),
    "number": (7, "policy", "or a list of rules"),
    "unknown key": ({"rule": []}, "policy.rule", "did you mean rules"),
    "unknown key with no relative": ({"xyz": 1}, "policy.xyz", "address_sets"),
    "key with a NUL": ({"ru\0les": []}, "policy.'ru\\x00les'", "unknown key"),
    "key that is a number": ({5: []}, "policy.5", "unknown key"),
    "key of a megabyte": ({"k" * 1000000: 1}, "policy.'" + "k" * 56 + "...", "unknown key"),
    "another version": ({"version": 2}, "policy.version", "the version of the language"),
    "version a fraction": ({"version": 1.0}, "policy.version", "the version of the language"),
    "name a list": ({"name": ["a"]}, "policy.name", "one line of text"),
    # bounds
    "aliases that multiply": ({"address_sets": {"a": shared(7, 10)}}, "policy", "more than 4000000 values"),
    "one object a million times": ({"rules": [{"action": "allow", "port": [1, 2, 3, 4]}] * 1000000}, "policy", "more than 4000000 values"),
    "too many rules": ({"rules": [{"action": "allow"}] * 200001}, "policy.rules", "at most 200000 rules"),
    "deep nesting": ({"rules": nested(5000)}, "policy", "levels deep"),
    "a document in itself": (itself(), "policy", "levels deep"),
    "one text of megabytes": (rule(comment="x" * 2000000), "policy", "texts of at most 1048576 characters"),
    "fifty megabytes of text": ({"rules": [{"action": "allow", "comment": "x" * 1000000}] * 50}, "policy", "characters of text"),
    "a number of ten thousand digits": (rule(port=10**10000), "policy", "numbers of at most 128 bits"),
    "rules that multiply": (
        rule(direction="forward", interface=["a%d" % n for n in range(500)], out_interface=["b%d" % n for n in range(500)]),
        R0,
        "more than 200000 rules in all",
    ),
    "networks that multiply": (
        {"address_sets": {"big": ["10.%d.%d.1" % (n // 256, n % 256) for n in range(60000)]},
         "rules": [{"action": "allow", "source": ["@big", "!10.0.0.0/32", "192.0.2.%d" % n]} for n in range(30)]},
        "policy.rules[7].source",
        "1000000 networks and port ranges",
    ),
    "ranges that multiply": (
        {"rules": [{"action": "allow", "source": "::1-ffff:ffff:ffff:ffff:ffff:ffff:ffff:%x" % n} for n in range(60000)]},
        "policy.rules[2053].source",
        "1000000 networks and port ranges",
    ),
    "lists of ports that multiply": (
        {"rules": [{"action": "allow", "port": list(range(1, 60000, 2))}] * 100},
        "policy.rules[33].port",
        "1000000 networks and port ranges",
    ),
    "commas that multiply": ({"rules": [{"action": "allow", "port": "1," * 250000 + "2"}] * 60}, "policy", "more than 4000000 values"),
    "zones that multiply": (
        {"zones": {"big": {"interfaces": ["i%d" % n for n in range(100000)], "networks": "10.0.0.0/8"}, "six": {"networks": "fd00::/8"}},
         "rules": [{"action": "allow", "zone": ["big", "six"], "source": "fd00::1"}] * 1000},
        "policy.rules[19]",
        "more than 200000 rules in all",
    ),
    # defaults
    "defaults a list": ({"defaults": ["deny"]}, "policy.defaults", "a mapping with the keys in, out, forward"),
    "unknown direction": ({"defaults": {"inbound": "deny"}}, "policy.defaults.inbound", "in, out, forward"),
    "unknown default": ({"defaults": {"in": "drop"}}, "policy.defaults.in", "did you mean deny"),
    "default a boolean": ({"defaults": {"in": False}}, "policy.defaults.in", "allow, deny, reject, unmanaged"),
    # address sets
    "sets a list": ({"address_sets": ["a"]}, "policy.address_sets", "a mapping of names"),
    "a set with a bad name": ({"address_sets": {"a b": ["10.0.0.1"]}}, "policy.address_sets.a b", "letters (a to z)"),
    "a set with a name in Greek": ({"address_sets": {"δίκτυο": ["10.0.0.1"]}}, "policy.address_sets.δίκτυο", "letters (a to z)"),
    "a set whose name YAML took for a boolean": ({"address_sets": {False: ["10.0.0.1"]}}, "policy.address_sets.False", "in quotes"),
    "an empty set": ({"address_sets": {"a": []}}, "policy.address_sets.a", "at least one address"),
    "a set of nothing": ({"address_sets": {"a": None}}, "policy.address_sets.a", "at least one address"),
    "a set that is a mapping": ({"address_sets": {"a": {"b": "10.0.0.1"}}}, "policy.address_sets.a", "at least one address"),
    "a bad address in a set that nothing uses": ({"address_sets": {"a": ["10.0.0.1", "x"]}}, "policy.address_sets.a[1]", "host names"),
    "any in a set": ({"address_sets": {"a": ["any"]}}, "policy.address_sets.a[0]", "no place in a set"),
    "a bang in a set": ({"address_sets": {"a": ["!10.0.0.1"]}}, "policy.address_sets.a[0]", "no place in a set"),
    "a set that names an unknown set": ({"address_sets": {"a": ["@b"]}}, "policy.address_sets.a[0]", "name of a defined address set"),
    "a cycle of sets": ({"address_sets": {"a": ["@b"], "b": ["@a"]}}, "policy.address_sets.b[0]", "a -> b -> a"),
    "a hundred sets in each other": ({"address_sets": CHAIN}, "policy.address_sets.s49[0]", "at most 50 levels"),
    "an undefined set": ({"address_sets": {"office": ["10.0.0.1"]}, **rule(source="@ofice")}, R0 + ".source", "did you mean @office"),
    "no set at all": (rule(source="@office"), R0 + ".source", "none is defined"),
    "a set without a name": (rule(source="@"), R0 + ".source", "none is defined"),
    # port sets
    "port sets a text": ({"port_sets": "80"}, "policy.port_sets", "a mapping of names"),
    "an empty port set": ({"port_sets": {"a": []}}, "policy.port_sets.a", "at least one port"),
    "a bad port in a set": ({"port_sets": {"a": [80, 70000]}}, "policy.port_sets.a[1]", "out of range"),
    "a word in a port set": ({"port_sets": {"a": ["http"]}}, "policy.port_sets.a[0]", "service: http"),
    "a cycle of port sets": ({"port_sets": {"a": ["@b"], "b": ["@c"], "c": ["@a"]}}, "policy.port_sets.c[0]", "a -> b -> c -> a"),
    "an undefined port set": ({"port_sets": WEB, **rule(port="@wbe")}, R0 + ".port", "did you mean @web"),
    # services
    "services a list": ({"services": [80]}, "policy.services", "a mapping of names"),
    "a service that is a number": ({"services": {"app": 8080}}, "policy.services.app", "{protocol: tcp, port: 8080}"),
    "a service with an unknown key": ({"services": {"app": {"ports": 1}}}, "policy.services.app.ports", "did you mean port"),
    "an empty service": ({"services": {"app": []}}, "policy.services.app", "matches nothing"),
    "a service of nothing": ({"services": {"app": {}}}, "policy.services.app", "matches nothing"),
    "a service with a bad port": ({"services": {"app": [{"port": 80}, {"port": 0}]}}, "policy.services.app[1].port", "out of range"),
    "a service with ports of esp": (
        {"services": {"app": {"protocol": "esp", "port": 1}}}, "policy.services.app.port", "no port with protocol"
    ),
    "a cycle of services": ({"services": {"a": ["b"], "b": ["a"]}}, "policy.services.b[0]", "a -> b -> a"),
    "an unknown service": (rule(service="htps"), R0 + ".service", "did you mean https"),
    "a service that is a port": (rule(service=80), R0 + ".service", "write port: 80"),
    "a service beside a port": (rule(service="http", port=80), R0 + ".port", "not both"),
    "a service beside a protocol": (rule(service="http", protocol="tcp"), R0 + ".protocol", "not both"),
    # zones
    "zones a list": ({"zones": ["lan"]}, "policy.zones", "a mapping of names to zones"),
    "a zone that is a list": ({"zones": {"lan": ["eth0"]}}, "policy.zones.lan", "interfaces, networks"),
    "a zone with an unknown key": ({"zones": {"lan": {"interface": "eth0"}}}, "policy.zones.lan.interface", "did you mean interfaces"),
    "a zone of nothing": ({"zones": {"lan": {}}}, "policy.zones.lan", "is everything"),
    "a zone with a bad interface": ({"zones": {"lan": {"interfaces": ["a", "b c"]}}}, "policy.zones.lan.interfaces[1]", "1 to 15"),
    "a zone with a bad network": ({"zones": {"lan": {"networks": "10.0.0.1/8"}}}, "policy.zones.lan.networks", "host bits"),
    "a zone of what it has not": ({"zones": {"lan": {"networks": "!10.0.0.1"}}}, "policy.zones.lan.networks", "what it has not"),
    "an undefined zone": ({"zones": LAN, **rule(zone="lam")}, R0 + ".zone", "did you mean lan"),
    "a zone and its interface": ({"zones": LAN, **rule(zone="lan", interface="eth0")}, R0 + ".interface", "interface or zone, not both"),
    "zone and from_zone": ({"zones": LAN, **rule(zone="lan", from_zone="lan")}, R0 + ".from_zone", "not both"),
    "to_zone of incoming packets": ({"zones": LAN, **rule(to_zone="lan")}, R0 + ".to_zone", "to the host itself"),
    "from_zone of outgoing packets": ({"zones": LAN, **rule(direction="out", from_zone="lan")}, R0 + ".from_zone", "from the host itself"),
    "a source outside of the zone": ({"zones": LAN, **rule(zone="lan", source="192.0.2.1")}, R0 + ".zone", "no packet matches"),
    "a family that the zone has not": ({"zones": LAN, **rule(zone="lan", family="ipv6")}, R0 + ".zone", "no packet matches"),
    # rules
    "rules a mapping": ({"rules": {"web": {"port": 80}}}, "policy.rules", "put a dash"),
    "a rule that is a text": ({"rules": ["allow"]}, R0, "a rule: a mapping"),
    "a rule without an action": ({"rules": [{"port": 80}]}, R0 + ".action", "every rule needs an action"),
    "an action of another tool": ({"rules": [{"action": "accept"}]}, R0 + ".action", "did you mean allow"),
    "an action in a list": ({"rules": [{"action": "allow"}, {"action": ["allow"]}]}, "policy.rules[1].action", "allow, deny, reject"),
    "an unknown key of a rule": (rule(prot="udp"), R0 + ".prot", "did you mean protocol"),
    "a name twice": (TWICE, "policy.rules[2].name", "name of rules[0] already"),
    "an empty name": (rule(name=" "), R0 + ".name", "a name, or no key"),
    "comment and description": (rule(comment="a", description="b"), R0 + ".description", "both mean comment"),
    "a comment of the guard": (rule(comment="holdfast: management"), R0 + ".comment", "does not start with 'holdfast: '"),
    "a name of the guard": (rule(name="holdfast: x"), R0 + ".name", "does not start with"),
    "a comment with a NUL": (rule(comment="a\0b"), R0 + ".comment", "control characters"),
    "a comment that turns the text round": (rule(comment="a\u202eb"), R0 + ".comment", "control characters"),
    "a rule of an unmanaged direction": (
        {"defaults": {"forward": "unmanaged"}, **rule(direction="forward")}, R0 + ".direction", "with defaults.forward unmanaged"
    ),
    "a port beyond": (
        {"rules": [{"action": "allow"}] * 3 + [{"action": "allow", "port": [80, 99999]}]}, "policy.rules[3].port[1]", "range"
    ),
    "a port that is true": (
        {"rules": [{"action": "allow", "port": 1}, {"action": "allow", "port": True}]}, "policy.rules[1].port", "1 to 65535"
    ),
    "a port that is a name": (rule(port="ssh"), R0 + ".port", "service: ssh"),
    "a port and a range": (rule(port=1, port_range="2-3"), R0 + ".port_range", "not both"),
    "an empty list of ports": (rule(port=[]), R0 + ".port", "leave the key out"),
    "an empty list of sources": (rule(source=[]), R0 + ".source", "leave the key out"),
    "an empty source": (rule(source=""), R0 + ".source", "leave the key out"),
    "a source that is a mapping": (rule(source={"a": 1}), R0 + ".source", "found {'a': 1}"),
    "a source that is a number": (rule(source=10), R0 + ".source", "an IPv4 or IPv6 address"),
    "a source with a NUL": (rule(source="10.0.0.1\0"), R0 + ".source", "an IPv4 or IPv6 address"),
    "a source with a leading zero": (rule(source="10.0.0.010"), R0 + ".source", "leading zeros"),
    "a prefix with many zeros": (rule(source="10.0.0.0/00000008"), R0 + ".source", "prefix length"),
    "nothing left of the source": (rule(source=["10.0.0.1", "!10.0.0.0/8"]), R0 + ".source", "leave no address"),
    "IPv4 to IPv6": (rule(source="10.0.0.1", destination="2001:db8::1"), R0 + ".destination", "source is ipv4 and destination is ipv6"),
    "icmp over IPv6": (rule(protocol="icmp", source="2001:db8::1"), R0 + ".protocol", "no packet matches"),
    "a family against a service": (rule(service="dhcpv6", family="ipv4"), R0 + ".family", "service is ipv6"),
    "a family against an address": (rule(**COUNTS), R0 + ".family", "source is ipv4"),
    "any beside tcp": (rule(protocol=["any", "tcp"]), R0 + ".protocol", "any stands alone"),
    "an unknown protocol of several": (rule(protocol=["tcp", "upd"]), R0 + ".protocol[1]", "did you mean udp"),
    "ports of icmp among several": (rule(protocol=["tcp", "icmp"], port=80), R0 + ".port", "no port with protocol icmp"),
    "a type of tcp": (rule(icmp_type=8), R0 + ".icmp_type", "set protocol to icmp"),
    "a number of two ICMPs": (rule(protocol=["icmp", "icmpv6"], icmp_type=8), R0 + ".icmp_type", "another type in each"),
    "a type that IPv6 has not": (rule(protocol=["icmp", "icmpv6"], icmp_type="source-quench"), R0 + ".icmp_type", "a type of icmp"),
    "an unknown type": (rule(protocol="icmp", icmp_type="echo-reqest"), R0 + ".icmp_type", "did you mean echo-request"),
    "a type beyond": (rule(protocol="icmp", icmp_type=256), R0 + ".icmp_type", "0 to 255"),
    "a leaving interface of incoming packets": (rule(out_interface="eth0"), R0 + ".out_interface", "only with direction forward"),
    "a wildcard interface": (rule(interface=["eth0", "eth+"]), R0 + ".interface[1]", "wildcards"),
    "stateful maybe": (rule(stateful="maybe"), R0 + ".stateful", "true or false"),
    "a burst without a limit": (rule(limit_burst=3), R0 + ".limit_burst", "only together with limit"),
    "a prefix without a log": (rule(log_prefix="x"), R0 + ".log_prefix", "only together with log"),
    "a bad address under another name": (rule(cidr=["10.0.0.1", "10.0.0.1/8"]), R0 + ".cidr[1]", "host bits"),
    "a source under two names": (rule(cidr="10.0.0.1", source_ip="10.0.0.1"), R0 + ".source_ip", "both mean source"),
    "a plain list with a bad port": ([{"action": "allow"}, {"action": "deny", "port": "x y"}], "policy[1].port", "1 to 65535"),
    # translations
    "translations a mapping": ({"nat": {"type": "dnat"}}, "policy.nat", "put a dash"),
    "a translation that is a text": ({"nat": ["dnat"]}, N0, "a translation: a mapping"),
    "a translation without a type": (nat(interface="eth0"), N0 + ".type", "every translation needs a type"),
    "a type of another tool": (nat(type="masq"), N0 + ".type", "did you mean masquerade"),
    "dnat to nowhere": (nat(type="dnat", port=80), N0 + ".to", "the new address of this dnat"),
    "snat to nowhere": (nat(type="snat", interface="eth0"), N0 + ".to", "the new address of this snat"),
    "masquerade to an address": (nat(type="masquerade", interface="eth0", to="192.0.2.1"), N0 + ".to", "type: snat"),
    "masquerade without an interface": (nat(type="masquerade"), N0 + ".interface", "leave by"),
    "masquerade to a zone of networks": ({"zones": LAN, **nat(type="masquerade", zone="bare")}, N0 + ".zone", "a zone with interfaces"),
    "redirect to an address": (nat(type="redirect", port=80, to="192.0.2.1", to_port=8080), N0 + ".to", "type: dnat"),
    "redirect to no port": (nat(type="redirect", port=80), N0 + ".to_port", "say the port of this host"),
    "snat to a port": (nat(type="snat", to="192.0.2.1", to_port=80), N0 + ".to_port", "only dnat and redirect"),
    "ports of a translation without a protocol that has them": (
        nat(type="dnat", protocol="any", port=80, to="192.0.2.1"), N0 + ".port", "tcp, udp"
    ),
    "dnat to a network": (nat(type="dnat", to="192.0.2.0/24"), N0 + ".to", "name one address"),
    "dnat to an address with its port": (nat(type="dnat", port=80, to="192.0.2.1:8080"), N0 + ".to", "write the port as to_port"),
    "dnat to a name": (nat(type="dnat", to="web.example"), N0 + ".to", "not looked up"),
    "dnat to loopback": (nat(type="dnat", to="127.0.0.1"), N0 + ".to", "type: redirect"),
    "dnat to everybody": (nat(type="dnat", to="0.0.0.0"), N0 + ".to", "no single host"),
    "dnat to two": (nat(type="dnat", to=["192.0.2.1", "192.0.2.2"]), N0 + ".to[1]", "192.0.2.1 is IPv4, too"),
    "dnat into another family": (nat(type="dnat", destination="192.0.2.1", to="2001:db8::1"), N0 + ".to", "stays in its family"),
    "a name of a translation twice": (
        {"nat": [{"type": "masquerade", "interface": "eth0", "name": "out"}] * 2}, "policy.nat[1].name", "name of nat[0] already"
    ),
    # the rest
    "logging a boolean": ({"logging": True}, "policy.logging", "denied, prefix, limit"),
    "a prefix without denied": ({"logging": {"prefix": "x"}}, "policy.logging.prefix", "add denied: true"),
    "a bad rate": ({"logging": {"denied": True, "limit": "often"}}, "policy.logging.limit", "6/minute"),
    "management a list": ({"management": [22]}, "policy.management", "ssh_ports, agent_ports, sources"),
    "a bad management port": ({"management": {"ssh_ports": [22, "ssh"]}}, "policy.management.ssh_ports[1]", "1 to 65535"),
    "management from where not": ({"management": {"sources": "!10.0.0.1"}}, "policy.management.sources", "not from where not"),
    "management from half of everywhere": ({"management": {"sources": "0.0.0.0/0"}}, "policy.management.sources", "every IPv4 address"),
    "native of an unknown backend": ({"native": {"nft": {}}}, "policy.native.nft", "did you mean nftables"),
    "native without a side": ({"native": {"pf": ["pass"]}}, "policy.native.pf", "before, after"),
    "native without a direction": (
        {"native": {"nftables": {"before": ["x"]}}}, "policy.native.nftables.before", "a list for each direction"
    ),
    "native with a direction too many": (
        {"native": {"pf": {"before": {"in": ["x"]}}}}, "policy.native.pf.before", "one list for all directions"
    ),
    "native of an unmanaged direction": (
        {"defaults": {"in": "unmanaged"}, "native": {"nftables": {"after": {"in": ["x"]}}}},
        "policy.native.nftables.after.in", "is unmanaged"
    ),
    "native with a line break": ({"native": {"pf": {"before": ["a\nb"]}}}, "policy.native.pf.before[0]", "line breaks"),
    "native with a mapping": ({"native": {"pf": {"before": [{"pass": 1}]}}}, "policy.native.pf.before[0]", "put it in quotes"),
}  # fmt: skip
