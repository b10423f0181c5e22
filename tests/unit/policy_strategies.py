# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hypothesis strategies for random, valid policies in canonical form, and a seeded generator for large ones.

Addresses, ports and interfaces come from small pools with nested and touching members, so that rules often overlap, shadow each other
and meet at the same boundary. ``random_policy`` is in ``policy_generator``; it is offered here too.
"""

from __future__ import annotations

import functools
import ipaddress

from hypothesis import strategies as st

from ansible_collections.holdfast.firewall.plugins.module_utils.policy.addresses import ANY, make_addresses
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.nat import NatRule
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.policy import ManagementAccess, NativeLines, Policy
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.ports import PortRange, merge_ports
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.protocols import FAMILY_OF, WITH_PORTS
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rates import Limit, Rate, canonical
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rule import Log, Rule
from ansible_collections.holdfast.firewall.tests.unit.policy_generator import random_policy, standard_guard

__all__ = ("nat_rules", "policies", "policy_rules", "random_policy", "standard_guard")

NETWORKS = {
    4: (
        "0.0.0.0/1", "10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.1.2.0/25", "10.1.2.3", "10.1.2.4", "192.0.2.0/24", "192.0.2.7",
        "192.0.2.255", "198.51.100.0/31", "198.51.100.2", "203.0.113.128/26", "255.255.255.255",
    ),
    6: (
        "8000::/1", "2001:db8::/32", "2001:db8::/64", "2001:db8:0:1::/64", "2001:db8::7", "2001:db8::8", "2001:db8:1::/127", "fe80::/10",
        "fd00::/8", "fd00:1::/48",
    ),
}  # fmt: skip
INTERFACES = ("eth0", "eth1", "em1", "wg-home", "br0.12")
PORT_EDGES = (1, 22, 53, 79, 80, 81, 443, 1023, 1024, 8000, 8080, 8443, 32768, 60999, 65534, 65535)
PROTOCOLS = (None, 6, 6, 6, 17, 17, 1, 58, 132, 50, 51, 47, 2, 89)
ICMP_TYPES = {1: (0, 3, 5, 8, 11, 12, 13), 58: (1, 2, 3, 128, 129, 133, 134, 135, 136)}
COMMENTS = st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="\"'\\$`"), min_size=1, max_size=40).map(
    lambda text: text.strip() or "note"
)
PREFIXES = st.sampled_from(["hf ", "hf-drop ", "web: "])
NATIVE = {
    "nftables": {"in": ["ct state invalid drop"], "forward": ["meta mark 0x1 accept"]},
    "iptables": {"in": ["-m conntrack --ctstate INVALID -j DROP"], "out": ["-m owner --uid-owner 0 -j ACCEPT"]},
    "pf": {"any": ["antispoof quick for egress"]},
    "ipfw": {"any": ["deny ip from any to any frag"]},
}


@functools.lru_cache(maxsize=None)
def rates():
    """A rate in canonical form."""
    return st.builds(lambda count, seconds: canonical(Rate(count, seconds)), st.integers(1, 100), st.sampled_from([1, 60, 3600]))


@functools.lru_cache(maxsize=None)
def logs():
    """A log, perhaps with a prefix and a rate."""
    return st.one_of(st.just(Log()), st.builds(Log, PREFIXES, st.one_of(st.none(), rates())))


@functools.lru_cache(maxsize=None)
def addresses(family):
    """Any, or some networks of a family in canonical form, perhaps negated."""
    pool = [ipaddress.ip_network(word) for word in NETWORKS[family]]
    some = st.builds(make_addresses, st.lists(st.sampled_from(pool), min_size=1, max_size=4), st.sampled_from([False, False, False, True]))
    return st.one_of(st.just(ANY), some)


@functools.lru_cache(maxsize=None)
def ports():
    """No ports, or a few ports and ranges in canonical form."""
    edge = st.one_of(st.sampled_from(PORT_EDGES), st.integers(1, 65535))
    one = edge.map(lambda port: PortRange(port, port))
    span = st.tuples(edge, edge).map(lambda pair: PortRange(min(pair), max(pair)))
    return st.lists(st.one_of(one, one, span), max_size=4).map(merge_ports)


@functools.lru_cache(maxsize=None)
def icmp_types(protocol):
    """No types, or a few of the protocol's, sorted."""
    one = st.one_of(st.sampled_from(ICMP_TYPES[protocol]), st.integers(0, 255))
    return st.lists(one, max_size=3).map(lambda found: tuple(sorted(set(found))))


@st.composite
def policy_rules(
    draw, *, directions=("in", "out", "forward"), families=(4, 6), limits=True, log=True, comments=True, stateful=True,
    source_ports=True, icmp_types_too=True, interfaces=INTERFACES, out_interfaces=True, protocols=PROTOCOLS, negated=True,
):  # fmt: skip
    """A random valid rule in canonical form, with every field of the language.

    :param families: the address families that rules are for; rules for both only where both are named.
    :param interfaces: the names to choose from; empty for none.
    """
    both = (None,) if len(families) == 2 else ()
    protocol = draw(st.sampled_from([one for one in protocols if FAMILY_OF.get(one, families[0]) in families]))
    family = FAMILY_OF.get(protocol) or draw(st.sampled_from(both + tuple(families)))
    direction = draw(st.sampled_from(directions))
    source = destination = ANY
    if family is not None:
        some = addresses(family) if negated else addresses(family).filter(lambda found: not found.negated)
        source, destination = draw(some), draw(some)
    with_ports = protocol in WITH_PORTS
    names = st.sampled_from((None, None, *interfaces))
    return Rule(
        action=draw(st.sampled_from(["allow", "allow", "deny", "reject"])),
        direction=direction,
        family=family,
        protocol=protocol,
        source=source,
        destination=destination,
        ports=draw(ports()) if with_ports else (),
        source_ports=draw(st.one_of(st.just(()), st.just(()), ports())) if with_ports and source_ports else (),
        icmp_types=draw(icmp_types(protocol)) if protocol in ICMP_TYPES and icmp_types_too else (),
        interface=draw(names),
        out_interface=draw(names) if direction == "forward" and out_interfaces else None,
        stateful=draw(st.booleans()) if stateful else False,
        limit=draw(st.one_of(st.none(), st.none(), st.builds(Limit, rates(), st.integers(1, 50), st.booleans()))) if limits else None,
        log=draw(st.one_of(st.none(), st.none(), logs())) if log else None,
        comment=draw(st.one_of(st.none(), COMMENTS)) if comments else None,
    )


@st.composite
def nat_rules(draw, *, families=(4, 6), interfaces=INTERFACES, kinds=("masquerade", "snat", "dnat", "redirect"), comments=True):
    """A random valid translation in canonical form."""
    kind = draw(st.sampled_from(kinds))
    both = (None,) if len(families) == 2 and kind in ("masquerade", "redirect") else ()
    family = draw(st.sampled_from(both + tuple(families)))
    protocol = draw(st.sampled_from([6, 17, 132] if kind == "redirect" else [None, 6, 6, 17]))
    to_address = to_port = None
    if kind in ("snat", "dnat"):
        to_address = ipaddress.ip_address(draw(st.sampled_from(["192.0.2.10", "10.1.2.3"] if family == 4 else ["2001:db8::7", "fd00::1"])))
    if kind == "redirect" or (kind == "dnat" and protocol is not None and draw(st.booleans())):
        to_port = draw(st.sampled_from(PORT_EDGES))
    return NatRule(
        kind=kind,
        family=family,
        protocol=protocol,
        source=draw(addresses(family)) if family else ANY,
        destination=draw(addresses(family)) if family else ANY,
        ports=draw(ports()) if protocol in WITH_PORTS else (),
        interface=draw(st.sampled_from(interfaces if kind == "masquerade" else (None, *interfaces))),
        to_address=to_address,
        to_port=to_port,
        comment=draw(st.one_of(st.none(), COMMENTS)) if comments else None,
    )


@st.composite
def policies(
    draw, *, limits=True, logs=True, forward=True, nat=True, native=False, families=(4, 6), max_rules=8, max_nat=3, comments=True,
    guard=False, stateful=True, source_ports=True, icmp_types=True, interfaces=INTERFACES, out_interfaces=True, protocols=PROTOCOLS,
    negated=True, defaults=("allow", "deny", "reject"), unmanaged=True, management=True,
):  # fmt: skip
    """A random valid policy: rules of all kinds in random order, with the defaults of each direction.

    :param logs: rules that log, and a log of denied packets.
    :param forward: rules of direction ``forward``; without, its default is ``deny`` still, or unmanaged.
    :param native: False for none, True for the lines of NATIVE, or such a mapping of a backend to lines by direction.
    :param families: the address families that rules are for.
    :param guard: True puts ``standard_guard()`` in front of the rules; or a sequence of rules. Unmanaged directions have none.
    :param unmanaged: whether a direction may have no rules at all (default ``unmanaged``).
    """
    actions = tuple(defaults) + (("unmanaged",) if unmanaged else ())
    chosen = {"in": draw(st.sampled_from(actions)), "out": draw(st.sampled_from(actions)), "forward": draw(st.sampled_from(actions))}
    if not forward:
        chosen["forward"] = "unmanaged" if unmanaged else "deny"
    directions = tuple(one for one in ("in", "out", "forward") if chosen[one] != "unmanaged" and (forward or one != "forward"))
    rule = policy_rules(
        directions=directions or ("in",), families=families, limits=limits, log=logs, comments=comments, stateful=stateful,
        source_ports=source_ports, icmp_types_too=icmp_types, interfaces=interfaces, out_interfaces=out_interfaces, protocols=protocols,
        negated=negated,
    )  # fmt: skip
    found = tuple(draw(st.lists(rule, max_size=max_rules))) if directions else ()
    translations = tuple(draw(st.lists(nat_rules(families=families, comments=comments), max_size=max_nat))) if nat else ()
    return Policy(
        rules=found,
        defaults=chosen,
        labels=tuple("rules[%d]" % number for number in range(len(found))),
        nat=translations,
        nat_labels=tuple("nat[%d]" % number for number in range(len(translations))),
        native=draw(_native(NATIVE if native is True else native, directions)) if native else {},
        management=draw(_management(families)) if management else ManagementAccess(),
        log_denied=draw(st.one_of(st.none(), _logs())) if logs else None,
        guard=tuple(one for one in (standard_guard() if guard is True else guard or ()) if chosen[one.direction] != "unmanaged"),
    )


_logs = logs


@st.composite
def _native(draw, lines, directions):
    found = {}
    for backend in sorted(lines):
        places = {}
        for place in ("before", "after"):
            names = [name for name in sorted(lines[backend]) if name == "any" or name in directions]
            places[place] = {name: tuple(lines[backend][name]) for name in names if draw(st.booleans())}
        if places["before"] or places["after"]:
            found[backend] = NativeLines(**places)
    return found


@st.composite
def _management(draw, families):
    some = st.lists(st.sampled_from([22, 2222, 4505, 10050]), max_size=2, unique=True).map(lambda found: tuple(sorted(found)))
    sources = [draw(addresses(family).filter(lambda one: not one.negated)) for family in sorted(families)]
    return ManagementAccess(draw(some), draw(some), tuple(one for one in sources if not one.any))
