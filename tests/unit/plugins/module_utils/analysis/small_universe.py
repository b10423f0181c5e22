# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policies so small that every packet can be tried, and the packets: one of each kind that the rules can tell apart."""

from __future__ import annotations

import ipaddress
import itertools

from hypothesis import strategies as st

from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.axis import side_holds
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.addresses import ANY, make_addresses
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.policy import Policy
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.ports import PortRange, merge_ports
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rates import Limit, Rate
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rule import Log, Rule

ADDRESSES = {
    4: [
        "any",
        "192.0.2.0/30",
        "192.0.2.0/31",
        "192.0.2.2/31",
        "192.0.2.1",
        "192.0.2.3",
        "!192.0.2.2",
        "192.0.2.1,192.0.2.3",
        "128.0.0.0/1",
    ],
    6: ["any", "2001:db8::/127", "2001:db8::1", "!2001:db8::1"],
}


def addresses(family):
    """Any, or something small of the family."""
    return st.sampled_from(ADDRESSES[family]).map(_parsed)


def _parsed(words):
    if words == "any":
        return ANY
    return make_addresses([ipaddress.ip_network(word) for word in words.strip("!").split(",")], words.startswith("!"))


@st.composite
def rules(draw, plain=False):
    """A random rule; ``plain`` has few conditions, so that coverage by several rules is likely."""
    protocol = draw(st.sampled_from([6, 6, 17, None] if plain else [6, 6, 6, 17, None, 58]))
    family = 6 if protocol == 58 else draw(st.sampled_from([4, 4, None] if plain else [4, 4, 4, 6, None]))
    source = destination = ANY
    if family is not None:
        source = draw(addresses(family))
        destination = draw(addresses(family)) if draw(st.integers(0, 3)) == 3 and not plain else ANY
    pieces = st.sampled_from([(1, 2), (2, 3), (1, 1), (3, 3), (4, 65535), (1, 65535)])
    ports = merge_ports(PortRange(*one) for one in draw(st.lists(pieces, max_size=2))) if protocol in (6, 17) else ()
    return Rule(
        action=draw(st.sampled_from(["allow", "allow", "deny"] if plain else ["allow", "allow", "deny", "deny", "reject"])),
        direction="in" if plain else draw(st.sampled_from(["in", "in", "in", "out"])),
        family=family,
        protocol=protocol,
        source=source,
        destination=destination,
        ports=ports,
        icmp_types=draw(st.sampled_from([(), (128,), (128, 129)])) if protocol == 58 else (),
        interface=None if plain else draw(st.sampled_from([None, None, None, "eth0"])),
        stateful=False if plain else draw(st.sampled_from([False, False, True])),
        limit=draw(st.sampled_from([None] * 7 + [Limit(Rate(6, 60))])),
        log=draw(st.sampled_from([None] * 7 + [Log("x ")])),
    )


@st.composite
def policies(draw, plain=False, most=7):
    """A random policy; now and then neighbours have one label, as when one rule of a document became several."""
    found = draw(st.lists(rules(plain), min_size=1, max_size=most))
    labels, number = [], 0
    for place in range(len(found)):
        if place and draw(st.integers(0, 9)) != 0:
            number += 1
        labels.append("rules[%d]" % number)
    default = st.sampled_from(["allow", "deny"])
    return Policy(tuple(found), {"in": draw(default), "out": draw(default), "forward": "deny"}, tuple(labels))


class Packets:
    """One packet for each combination of intervals that some products of sides tell apart, numbered."""

    def __init__(self, terms, tops):
        self.numbers = []
        for dimension, top in enumerate(tops):
            starts = {0}
            for sides in terms:
                for low, high in sides[dimension]:
                    starts.add(low)
                    if high < top:
                        starts.add(high + 1)
            self.numbers.append(sorted(starts))

    def within(self, terms):
        """The packets that lie in one of the products, as points."""
        found = set()
        for sides in terms:
            chosen = [[one for one in numbers if side_holds(side, one)] for side, numbers in zip(sides, self.numbers)]
            found.update(itertools.product(*chosen))
        return found

    def all(self):
        """Every packet, as points."""
        return itertools.product(*self.numbers)
