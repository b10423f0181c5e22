# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard of a policy together with the proof that it keeps the host reachable, translations included."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.lockout import prove_access
from ansible_collections.holdfast.firewall.plugins.module_utils.change.management import Management
from ansible_collections.holdfast.firewall.plugins.module_utils.change.policy_guard import ANSWERS, needs, with_access, with_guard
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.addresses import make_addresses
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.document import parse_policy_document
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.policy import ManagementAccess

SESSION = Management((22,), "192.0.2.9", (10050,), "198.51.100.2")
CONSOLE = Management((22,))


def refusal(document, management=SESSION):
    policy = with_guard(parse_policy_document(document)[0], management)
    found = prove_access(policy, needs(policy, management))
    return "" if found is None else found.sentence


def translated(management=SESSION, defaults=None, **words):
    return refusal({"defaults": defaults or {}, "nat": [words]}, management)


@pytest.mark.parametrize("management", [SESSION, CONSOLE], ids=["session", "console"])
@pytest.mark.parametrize("defaults", [{}, {"in": "allow"}, {"in": "unmanaged"}, {"in": "unmanaged", "out": "unmanaged"}])
def test_a_translation_that_catches_ssh_is_refused(management, defaults):
    def caught(**words):
        return "by nat[0]" in translated(management, defaults, **words)

    assert caught(type="dnat", port=22, to="203.0.113.1")
    assert caught(type="dnat", to="203.0.113.1")
    assert caught(type="dnat", protocol="tcp", to="203.0.113.1", source="192.0.2.0/24")
    assert caught(type="dnat", interface="eth0", destination="!203.0.113.7", to="203.0.113.1")
    assert caught(type="dnat", destination="198.51.100.0/24", to="203.0.113.1")
    assert caught(type="redirect", to_port=8080)
    assert caught(type="redirect", protocol="both", port="1-1023", to_port=8080)
    assert not caught(type="redirect", protocol="tcp", port="1-1023", to_port=22)
    assert not caught(type="dnat", port=443, to="203.0.113.1")
    assert not caught(type="masquerade", interface="eth0")
    assert not caught(type="snat", to="203.0.113.1")


def test_another_address_of_the_host_can_be_given_to_another_host():
    whole = {"type": "dnat", "destination": "198.51.100.3", "to": "203.0.113.1"}
    assert not translated(SESSION, **whole)
    assert not translated(CONSOLE, **whole)
    assert not translated(Management((22,), "2001:db8::9", (), "2001:db8::2"), **whole)
    assert "by nat[0]" in translated(SESSION, **{**whole, "destination": "198.51.100.2"}), "the session came to this one"


def test_what_cannot_be_the_session_may_be_translated():
    assert "by nat[0]" in translated(type="dnat", interface="wan0", port=22, to="203.0.113.1"), "how the session arrives is not known"
    assert not translated(type="dnat", interface="wan0", port=22, source="!192.0.2.0/24", to="203.0.113.1")
    assert not translated(type="dnat", port=22, to="2001:db8::7")


def test_ports_of_agents_are_kept_from_translations_too():
    assert "by nat[0]" in translated(type="dnat", port=10050, to="203.0.113.1")
    assert not translated(CONSOLE, type="dnat", port=10050, to="203.0.113.1")


def test_the_sources_of_management_have_to_hold_the_session():
    assert "192.0.2.9" in refusal({"management": {"sources": ["203.0.113.0/24"]}})
    assert not refusal({"management": {"sources": ["192.0.2.0/24"]}}, Management((22,), "192.0.2.9", (), "198.51.100.2"))
    assert not refusal({"management": {"sources": ["203.0.113.0/24", "2001:db8::/32"]}}, CONSOLE)


PORTS = (*SESSION.ssh_ports, *SESSION.agent_ports)


@pytest.mark.parametrize(
    "management",
    [
        {},
        {"agent_ports": [4505, 4506]},
        {"sources": ["198.51.100.0/24", "192.0.2.7"]},
        {"sources": ["198.51.100.0/24", "2001:db8::/64"], "agent_ports": [2222]},
    ],
)
def test_the_access_of_administrators_is_read_back_from_the_guard(management):
    asked = parse_policy_document({"management": management})[0]
    live = replace(with_guard(asked, SESSION), management=ManagementAccess())
    assert with_access(live, PORTS).management == asked.management


def test_access_of_a_guard_in_single_rules_is_read_back_whole():
    asked = parse_policy_document({"management": {"sources": ["198.51.100.0/24", "192.0.2.7"]}})[0]
    guard = []
    for rule in with_guard(asked, SESSION).guard:
        guard += [replace(rule, source=make_addresses([network])) for network in rule.source.networks] or [rule]
    assert with_access(asked.guarded(guard), PORTS).management == asked.management


def test_what_no_state_passes_is_in_the_guard_and_of_forwarding_only_where_something_passes():
    def answers(document, untracked=lambda direction: {1: (3, 11), 58: (2,)}):
        policy = with_guard(parse_policy_document(document)[0], CONSOLE, untracked)
        return [(rule.direction, rule.protocol, rule.icmp_types) for rule in policy.guard if rule.comment == ANSWERS]

    of_host = [(direction, *one) for direction in ("in", "out") for one in ((1, (3, 11)), (58, (2,)))]
    assert answers({}) == of_host
    assert answers({}, None) == []
    assert answers({"defaults": {"out": "unmanaged"}}) == of_host[:2]
    passing = {"rules": [{"action": "allow", "direction": "forward", "port": 443}]}
    assert answers(passing) == [*of_host, ("forward", 1, (3, 11)), ("forward", 58, (2,))]
    assert answers({"rules": [{"action": "deny", "direction": "forward", "port": 443}]}) == of_host
