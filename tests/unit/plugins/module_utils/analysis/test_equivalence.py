# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether two policies do the same with every packet, against trying every packet that matters."""

from __future__ import annotations

import ipaddress
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.equivalence import differ
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.addresses import ANY, make_addresses
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.nat import NatRule
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.policy import DEFAULTS, NativeLines, Policy
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.ports import PortRange
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rates import Limit, Rate
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rule import Log, Rule
from ansible_collections.holdfast.firewall.tests.unit.small_policies import fate, packets, policies, rules

OTHER_PACKETS = packets(("out", "forward"), ("new", "established-reply"))
IN_PACKETS = packets(("in",), ("new", "established-reply", "related-original", "invalid"))


@st.composite
def close_policies(draw, directions=("in",)):
    """Two policies of which one is the other one with rules swapped, left out, added, taken apart or put elsewhere."""
    left = draw(policies(directions))
    right = list(left.rules)
    for _step in range(draw(st.integers(0, 3))):
        what = draw(st.sampled_from(["swap", "drop", "add", "part", "part", "repeat"]))
        at = draw(st.integers(0, max(0, len(right) - 1)))
        if what == "add":
            right.insert(at, draw(rules(directions)))
        elif right and what == "repeat":
            right.append(right[at])
        elif right and what == "drop":
            del right[at]
        elif len(right) > 1 and what == "swap":
            at = min(at, len(right) - 2)
            right[at], right[at + 1] = right[at + 1], right[at]
        elif right and what == "part":
            right[at : at + 1] = taken_apart(right[at])
    return left, replace(left, rules=tuple(right))


def taken_apart(rule):
    """The same rule as several."""
    if rule.limit is not None:
        return [rule]
    if rule.ports:
        return [replace(rule, ports=(one,)) for one in rule.ports]
    if len(rule.source.networks) > 1 and not rule.source.negated:
        return [replace(rule, source=make_addresses([one])) for one in rule.source.networks]
    if rule.family is None:
        return [replace(rule, family=family) for family in (4, 6)]
    if rule.destination is ANY and rule.family == 4:
        halves = make_addresses([ipaddress.ip_network("0.0.0.0/1")])
        return [replace(rule, destination=halves), replace(rule, destination=replace(halves, negated=True))]
    return [rule]


def check(left, right, those, logs=True):
    found = differ(left, right, logs=logs)
    expected = next((one for one in those if fate(left, one, logs) != fate(right, one, logs)), None)
    if expected is not None:
        assert found is not None, "missed %s" % expected.describe()
    if found is not None:
        assert fate(left, found.packet, logs) != fate(right, found.packet, logs), found.describe()
        assert fate(left, found.packet, logs)[1] == found.left.verdict
        assert fate(right, found.packet, logs)[1] == found.right.verdict
    return found


@given(close_policies())
@settings(max_examples=60)
def test_finds_a_difference_exactly_when_some_packet_meets_something_else(pair):
    check(*pair, IN_PACKETS)


@given(policies(most=3), policies(most=3), st.booleans())
@settings(max_examples=30)
def test_tells_policies_apart_that_have_nothing_to_do_with_each_other(left, right, logs):
    check(left, right, IN_PACKETS, logs)


@given(close_policies(("out", "forward")))
@settings(max_examples=25)
def test_sees_differences_of_leaving_and_forwarded_packets(pair):
    check(*pair, OTHER_PACKETS)


def net(text):
    return make_addresses([ipaddress.ip_network(text)])


def port(first, last=None):
    return (PortRange(first, last or first),)


def test_a_default_that_no_packet_reaches_is_no_difference():
    everything = Rule("deny", protocol=None)
    assert differ(Policy((everything,)), Policy((everything,), {**DEFAULTS, "in": "allow"})) is None
    assert differ(Policy(), Policy((), {**DEFAULTS, "in": "allow"})) is not None


def test_a_direction_that_is_left_alone_is_allowed():
    assert differ(Policy((), {**DEFAULTS, "out": "unmanaged"}), Policy()) is None
    found = differ(Policy((), {**DEFAULTS, "in": "unmanaged"}), Policy())
    assert "leaves direction in alone" in found.what and "denied by default (in)" in found.what


def test_above_its_rate_a_limited_rule_says_nothing():
    limited = Rule("allow", ports=port(22), limit=Limit(Rate(6, 60)))
    allow = Rule("allow", ports=port(22))
    assert differ(Policy((limited, allow)), Policy((allow,))) is None
    assert differ(Policy((limited,)), Policy((allow,))) is not None
    assert differ(Policy((limited,)), Policy()) is not None
    assert "allowed up to 6/minute, else denied" in differ(Policy((limited,)), Policy()).what


def test_logs_count_unless_they_are_not_asked_for():
    logged = Policy((Rule("allow", log=Log("web: ")),))
    assert "logged as" in differ(logged, Policy((Rule("allow"),))).what
    assert differ(logged, Policy((Rule("allow"),)), logs=False) is None
    assert differ(Policy((), log_denied=Log()), Policy()) is not None
    assert (
        differ(Policy((), {**DEFAULTS, "in": "allow", "forward": "allow"}, log_denied=Log()), Policy((), dict.fromkeys(DEFAULTS, "allow")))
        is None
    )


@pytest.mark.parametrize("top", ["0.0.0.0", "255.255.255.255"])
def test_all_of_ipv4_in_parts_is_any(top):
    edge = net(top)
    parts = (Rule("allow", family=4, source=edge), Rule("allow", family=4, source=replace(edge, negated=True)))
    assert differ(Policy(parts), Policy((Rule("allow", family=4),))) is None
    types = tuple(Rule("allow", family=4, protocol=1, icmp_types=tuple(range(start, 256, 2))) for start in (0, 1))
    assert differ(Policy(types), Policy((Rule("allow", family=4, protocol=1),))) is None


def test_translations_are_compared_by_what_they_do():
    both = NatRule("masquerade", interface="eth0", source=net("192.0.2.0/24"), family=4)
    halves = [replace(both, source=net(text)) for text in ("192.0.2.128/25", "192.0.2.0/25")]
    assert differ(Policy(nat=(both,)), Policy(nat=tuple(halves))) is None
    assert differ(Policy(nat=(NatRule("masquerade"),)), Policy(nat=(NatRule("masquerade", 6), NatRule("masquerade", 4)))) is None
    to = ipaddress.ip_address("198.51.100.7")
    dnat = NatRule("dnat", 4, 6, ports=port(80), to_address=to, to_port=8080)
    assert differ(Policy(nat=(dnat, both)), Policy(nat=(both, dnat))) is None
    found = differ(Policy(nat=(dnat,)), Policy(nat=(replace(dnat, to_port=None),)))
    assert "sent to 198.51.100.7 port 8080 by nat[0], but sent to 198.51.100.7 by nat[0]" in found.what
    assert differ(Policy(nat=(dnat,)), Policy(nat=(NatRule("redirect", 4, 6, ports=port(80), to_port=8080), dnat))) is not None


def test_native_lines_are_compared_as_text():
    one = Policy(native={"pf": NativeLines({"any": ("pass",)}, {})})
    assert differ(one, Policy(native={"pf": NativeLines({"any": ("pass",)}), "ipfw": NativeLines({"any": ()})})) is None
    assert "pf before" in differ(one, Policy()).what
