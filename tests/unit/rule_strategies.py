# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hypothesis strategies for random, valid rules of the common language (documentation addresses only)."""

from __future__ import annotations

import ipaddress

from hypothesis import strategies as st

from ansible_collections.holdfast.firewall.plugins.module_utils.policy.addresses import ANY, make_addresses
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.icmp import TYPES
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.ports import PortRange, merge_ports
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.protocols import FAMILY_OF, NUMBERS, WITH_PORTS
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rates import Limit, Rate, canonical
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rule import Log, Rule

V4 = int(ipaddress.ip_address("198.51.100.0"))
V6 = int(ipaddress.ip_address("2001:db8::"))


def networks(family):
    """One network inside the documentation ranges."""
    base, bits, kind = (V4, 8, ipaddress.IPv4Network) if family == 4 else (V6, 96, ipaddress.IPv6Network)
    top = 32 if family == 4 else 128

    def build(offset, length):
        return kind((base + (offset >> (top - length) << (top - length)), length), strict=False)

    return st.builds(build, st.integers(0, 2**bits - 1), st.integers(top - bits, top))


def addresses(family):
    """Any, or some networks of a family, perhaps negated."""
    some = st.builds(make_addresses, st.lists(networks(family), min_size=1, max_size=4), st.booleans())
    return st.one_of(st.just(ANY), some)


def ports():
    """No ports, or a few ports and ranges in canonical form."""
    one = st.integers(1, 65535).map(lambda port: PortRange(port, port))
    span = st.tuples(st.integers(1, 65535), st.integers(1, 65535)).map(lambda pair: PortRange(min(pair), max(pair)))
    return st.lists(st.one_of(one, span), max_size=5).map(merge_ports)


def rates():
    """A rate in canonical form."""
    return st.builds(lambda count, seconds: canonical(Rate(count, seconds)), st.integers(1, 100), st.sampled_from([1, 60, 3600]))


COMMENTS = st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="\"'\\$`"), min_size=1, max_size=40).map(
    lambda text: text.strip() or "note"
)
PREFIXES = st.sampled_from(["hf ", "hf-drop ", "web: "])


INTERFACES = st.sampled_from([None, "eth0", "em1", "wg-home", "br0.12"])


def types():
    """No ICMP types, or a few in canonical form."""
    return st.lists(st.sampled_from([0, 3, 8, 128, 134, 254, 255]), max_size=3, unique=True).map(lambda found: tuple(sorted(found)))


@st.composite
def rules(draw, *, limits=True, logs=True, forward=True, comments=True):
    """A random valid rule in canonical form."""
    protocol = draw(st.sampled_from([None, *sorted(NUMBERS.values()), 2, 89]))
    family = FAMILY_OF.get(protocol) or draw(st.sampled_from([None, 4, 6]))
    source = destination = ANY
    if family is not None:
        source, destination = draw(addresses(family)), draw(addresses(family))
    direction = draw(st.sampled_from(["in", "out", "forward"] if forward else ["in", "out"]))
    return Rule(
        action=draw(st.sampled_from(["allow", "deny", "reject"])),
        direction=direction,
        family=family,
        protocol=protocol,
        source=source,
        destination=destination,
        ports=draw(ports()) if protocol in WITH_PORTS else (),
        source_ports=draw(st.one_of(st.just(()), ports())) if protocol in WITH_PORTS else (),
        icmp_types=draw(types()) if protocol in TYPES else (),
        interface=draw(INTERFACES),
        out_interface=draw(INTERFACES) if direction == "forward" else None,
        stateful=draw(st.booleans()),
        limit=draw(st.one_of(st.none(), st.builds(Limit, rates(), st.integers(1, 50), st.booleans()))) if limits else None,
        log=draw(st.one_of(st.none(), st.just(Log()), st.builds(Log, PREFIXES, st.one_of(st.none(), rates())))) if logs else None,
        comment=draw(st.one_of(st.none(), COMMENTS)) if comments else None,
    )
