# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules for programs, services and network profiles: read, told, judged, and refused where nobody knows them."""

from __future__ import annotations

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.lockout import prove_access
from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.packets import Packet
from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.trace import trace
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.registry import make_backend
from ansible_collections.holdfast.firewall.plugins.module_utils.host import LocalHost
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.document import parse_policy
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import PolicyError
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.parse import parse_rule
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rule import Rule
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.scope import Scope

APP = "C:\\Program Files\\app\\app.exe"


def test_a_scope_is_read_and_told_in_the_same_words():
    rule = parse_rule({"action": "allow", "program": APP, "system_service": "TermService", "profile": "public, domain"})
    assert rule.scope == Scope(APP, "TermService", ("domain", "public"))
    assert parse_rule(rule.as_dict()) == rule
    assert parse_policy({"rules": [rule.as_dict()]}).rules == (rule,)


def test_all_profiles_are_no_condition():
    assert parse_rule({"action": "allow", "profile": ["domain", "private", "public"]}).scope is None
    assert parse_rule({"action": "allow", "profile": "any"}).scope is None


@pytest.mark.parametrize(
    ("words", "place"),
    [
        ({"program": "app.exe"}, "rule.program"),
        ({"program": 'C:\\a" & del *'}, "rule.program"),
        ({"program": 7}, "rule.program"),
        ({"system_service": "a b"}, "rule.system_service"),
        ({"profile": "home"}, "rule.profile"),
        ({"profile": ["any", "public"]}, "rule.profile"),
        ({"profile": []}, "rule.profile"),
    ],
)
def test_words_that_are_no_scope_are_refused(words, place):
    with pytest.raises(PolicyError) as refused:
        parse_rule({"action": "allow", **words})
    assert refused.value.place == place


def test_a_rule_with_a_scope_is_no_access_for_others():
    policy = parse_policy({"rules": [{"action": "allow", "port": 22, "program": APP}]})
    found = trace(policy, Packet.parse({"port": 22, "source": "192.0.2.1"}))
    assert (found.verdict, len(found.passed)) == ("deny", 1)
    assert "allowed for program %s, else denied" % APP in found.describe()
    assert prove_access(policy, [Rule("allow", "in", ports=policy.rules[0].ports)]) is not None


@pytest.mark.parametrize("name", ["nftables", "iptables", "pf", "ipfw"])
def test_who_sees_packets_only_refuses_a_scope(name):
    backend = make_backend(name, LocalHost())
    rule = parse_rule({"action": "allow", "port": 80, "program": APP, "profile": "public"})
    assert [one.field for one in backend.unsupported(rule)] == ["program", "profile"]
    found = {one.field for one in backend.policy_unsupported(parse_policy({"rules": [rule.as_dict()]}))}
    assert {"rules[0].program", "rules[0].profile"} <= found
