# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shortcuts for long lists, taken on short ones: they never change an answer, and they keep it fast and bounded."""

from __future__ import annotations

import ipaddress
import random
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.holdfast.firewall.plugins.module_utils.analysis import alignment, differences, pieces
from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.boxes import Interfaces, TooComplex, box_holds, common_box
from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.equivalence import differ
from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.first_match import Tokens, policy_list, whole_cell
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.addresses import make_addresses
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.policy import Policy
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.ports import PortRange
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rule import Rule
from ansible_collections.holdfast.firewall.tests.unit.small_policies import fate, packets, policies, rules

PACKETS = packets(("in",), ("new", "related-reply"))[::2]


def leaves(left, right):
    interfaces = Interfaces.of(left.guard + left.rules + right.guard + right.rules)
    tokens = Tokens()
    lists = [policy_list(one, "in", interfaces, tokens) for one in (left, right)]
    return interfaces, list(differences.differing_boxes(*lists, whole_cell(interfaces, "in"), tokens))


@pytest.fixture(params=["as they are", "for long lists", "for short lists"])
def thresholds(request, monkeypatch):
    if request.param == "for long lists":
        for module, name, number in ((alignment, "_SHORT", 0), (alignment, "_FEW", 0), (pieces, "_ENOUGH", 0), (differences, "_SMALL", 0)):
            monkeypatch.setattr(module, name, number)
    elif request.param == "for short lists":
        for module, name, number in ((alignment, "_SHORT", 99), (differences, "_SMALL", 99), (differences, "_SAMPLE", 2)):
            monkeypatch.setattr(module, name, number)
        monkeypatch.setattr(alignment, "_MANY", 1)
        monkeypatch.setattr(differences, "_HULL", 1)


@st.composite
def shuffled_policies(draw):
    """Two policies with the same rules in another order, some of them in pieces, or with one of them changed."""
    left = draw(policies(most=7))
    right = []
    for rule in draw(st.permutations(left.rules)):
        cut = draw(st.sampled_from(["", "", "source", "ports", "both"]))
        sources = [make_addresses([one]) for one in rule.source.networks] if not rule.source.negated and cut in ("source", "both") else ()
        ports = [(PortRange(number, number),) for one in rule.ports for number in range(one.first, one.last + 1)]
        for source in sources or [rule.source]:
            right.extend(replace(rule, source=source, ports=one) for one in (ports if cut in ("ports", "both") and ports else [rule.ports]))
    if draw(st.booleans()):
        right.append(draw(rules(("in",))))
    return left, replace(left, rules=tuple(right))


@settings(max_examples=25)
@given(pair=shuffled_policies())
@pytest.mark.usefixtures("thresholds")
def test_a_packet_lies_in_a_differing_box_exactly_when_its_outcomes_differ(pair):
    left, right = pair
    interfaces, found = leaves(left, right)
    for number, one in enumerate(found):
        assert all(common_box(one.box, other.box) is None for other in found[:number]), "the boxes are not disjoint"
    for packet in PACKETS:
        point = packet.point(interfaces)
        assert any(box_holds(one.box, point) for one in found) == (fate(left, packet) != fate(right, packet)), packet.describe()


def net(number, bits=24):
    return make_addresses([ipaddress.ip_network((0x0A000000 + (number << (32 - bits)), bits))])


def one_shape(count):
    return [Rule("allow", family=4, source=net(number), ports=(PortRange(80 + number % 7, 80 + number % 7),)) for number in range(count)]


def crossing(count, seed=7):
    """Rules from one network to anywhere and from anywhere to one network, which all meet each other."""
    some = random.Random(seed)
    found = []
    for number in range(count):
        side = "source" if number % 2 else "destination"
        found.append(Rule(some.choice(["allow", "deny"]), family=4, **{side: net(number)}))
    return found


@pytest.mark.parametrize("shape", [one_shape, crossing])
def test_thousands_of_rules_are_compared_fast(shape):
    some = shape(4000)
    left = Policy(tuple(some))
    halves = []
    for rule in some:
        side = "source" if rule.source.networks else "destination"
        halves.extend(replace(rule, **{side: make_addresses([half])}) for half in getattr(rule, side).networks[0].subnets(1))
    changed = list(some)
    changed[2000] = replace(some[2000], action="reject")
    started = time.process_time()
    assert differ(left, Policy(tuple(some[:2000] + [replace(some[2000])] + some[2001:]))) is None
    assert differ(left, Policy(tuple(halves))) is None
    found = differ(left, Policy(tuple(changed)))
    assert found.right.decided.label == "rules[2000]"
    assert time.process_time() - started < 6


def test_reordered_rules_that_meet_and_act_alike_are_compared_fast():
    some = [replace(rule, action="allow") for rule in crossing(4000)]
    shuffled = list(some)
    random.Random(1).shuffle(shuffled)
    assert differ(Policy(tuple(some)), Policy(tuple(shuffled))) is None


def test_what_cannot_be_compared_in_time_is_refused_in_time():
    some = crossing(1200)
    other = []
    for rule in some:
        side = "source" if rule.source.networks else "destination"
        whole = getattr(rule, side).networks[0]
        # Pieces with what is never reached between them, so that they fit nothing.
        parts = [replace(rule, **{side: make_addresses([one])}) for one in whole.subnets(2)]
        other.extend([parts[0], parts[1], replace(parts[0], action="reject", protocol=6), parts[2], rule])
    started = time.process_time()
    with pytest.raises(TooComplex, match="too many ways"):
        differ(Policy(tuple(some)), Policy(tuple(other)))
    assert time.process_time() - started < 15
