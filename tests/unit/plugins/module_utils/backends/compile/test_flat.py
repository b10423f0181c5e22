# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Chains as somebody may have left them, read back to a list that decides like them."""

from __future__ import annotations

import ipaddress

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.boxes import Interfaces
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.compile import axes
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.compile.flat import flat_list
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.compile.graph import Call, Lines, Ways
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.compile.meeting import Inexpressible, in_cell, meet
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.addresses import ANY, make_addresses
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.ports import PortRange
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rule import Rule

NET = make_addresses([ipaddress.ip_network("10.0.0.0/28")])


def rule(action, source=ANY, protocol=None, ports=(), **words):
    spans = (PortRange(*ports),) if ports else ()
    return Rule(action, "in", 4 if source is not ANY else None, protocol, source, ports=spans, **words)


def flat(items, chains):
    return [one for one, _number in flat_list(items, chains.__getitem__, Interfaces())]


def lines(*pairs):
    return Lines(tuple(pairs))


def test_a_rule_that_stands_in_every_cell_that_it_touches_is_one_rule():
    wide, narrow = rule("deny", NET), rule("allow", protocol=6, ports=(22, 22))
    chains = {"tcp": [lines((narrow, 1), (wide, 2))], "udp": [lines((wide, 2))]}
    items = [Ways(axes.PROTOCOL, ((6, 6, "tcp"), (17, 17, "udp")), True), lines((wide, 2))]
    assert flat(items, chains) == [narrow, wide]


def test_a_rule_that_one_cell_lost_is_said_without_that_cell():
    wide = rule("deny", NET, 6)
    low, high = (axes.coordinate_of(axes.PORT, 6, number) for number in (0, 65535))
    chains = {"one": [lines((wide, 1))], "two": []}
    items = [Ways(axes.PORT, ((low, low + 1023, "one"), (low + 1024, high, "two")), True), lines((rule("deny", NET, 17), 2))]
    with pytest.raises(HoldfastError, match="changed by hand"):  # port 0 cannot be said
        flat(items, chains)
    items = [lines((rule("allow", protocol=6, ports=(1, 79)), 1)), *items]
    chains["one"] = [lines((rule("deny", NET, 6, (22, 22)), 2))]
    assert flat(items, chains)[1] == rule("deny", NET, 6, (22, 22))


def test_of_two_rules_with_one_number_the_first_in_its_cell_stays_first():
    reject, allow = rule("reject", NET), rule("allow", protocol=17, ports=(1, 20))
    chains = {"tcp": [lines((reject, 3))], "udp": [lines((allow, 3), (reject, 3))]}
    items = [Ways(axes.PROTOCOL, ((6, 6, "tcp"), (17, 17, "udp")), True), lines((reject, 3))]
    with pytest.raises(HoldfastError, match="changed by hand"):  # a TCP packet that is not answered with a reset has no words
        flat(items, chains)
    deny = rule("deny", NET)
    chains = {"tcp": [lines((deny, 3))], "udp": [lines((allow, 3), (deny, 3))]}
    found = flat([Ways(axes.PROTOCOL, ((6, 6, "tcp"), (17, 17, "udp")), True), lines((deny, 4))], chains)
    assert found.index(allow) < min(number for number, one in enumerate(found) if one.action == "deny" and one.protocol in (None, 17))


def test_what_a_rule_asks_first_is_found_again_behind_it():
    asked, asking = rule("deny", protocol=6, ports=(32, 47)), rule("allow", NET, 6)
    chains = {"guard": [lines((asked, 2), (rule("allow"), None))]}
    assert flat([Call("guard", asking, 11), lines((asked, 2))], chains) == [asked, asking]


def test_a_rule_that_has_to_move_forward_keeps_what_it_asks():
    asked, asking = rule("deny", protocol=6, ports=(32, 47)), rule("allow", NET, 6)
    turned, passed = rule("deny", NET), rule("allow", protocol=6, ports=(20, 25))
    chains = {"guard": [lines((asked, 6), (rule("allow"), None))]}
    found = flat([Call("guard", asking, 11), lines((turned, 12)), lines((passed, 5), (asked, 6))], chains)
    denied = [one for one in found if one.action == "deny" and one.source == NET and one.ports]
    assert denied, "the packets of the rule that was asked are denied before the asking one"
    assert found.index(denied[0]) < found.index(asking) < found.index(turned) < found.index(passed)


def test_a_reject_does_not_become_a_reset_by_being_cut():
    with pytest.raises(Inexpressible):
        meet(rule("allow", protocol=6), rule("reject"))
    with pytest.raises(Inexpressible):
        in_cell(rule("reject", NET), axes.PROTOCOL, 6, 6, ())
    assert meet(rule("allow", protocol=17), rule("reject", NET)) == rule("reject", NET, 17)


def test_chains_in_a_circle_are_refused():
    with pytest.raises(HoldfastError, match="leads back to itself"):
        flat([Call("one")], {"one": [Call("two")], "two": [Call("one")]})
