# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole task's arguments: what is refused and how, what ad-hoc text means."""

from __future__ import annotations

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import PolicyError
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.request import parse_request
from ansible_collections.holdfast.firewall.tests.unit.bad_input import BAD_INPUT


@pytest.mark.parametrize(("args", "place", "says"), list(BAD_INPUT.values()), ids=list(BAD_INPUT))
def test_bad_input_names_the_field_and_what_is_allowed(args, place, says):
    with pytest.raises(PolicyError) as caught:
        parse_request(args)
    assert caught.value.place == place
    assert caught.value.msg.startswith(place + ": found ")
    assert says.lower() in caught.value.msg.lower()


def test_there_are_at_least_thirty_kinds_of_bad_input():
    assert len(BAD_INPUT) >= 30


def test_ad_hoc_text_means_the_same_as_yaml():
    text = {
        "action": "ALLOW", "port": "443,80", "source": "192.0.2.0/24, 198.51.100.7", "stateful": "yes", "log": "1", "dry_run": "true",
        "confirm_within": "90", "limit": "180/hour",
    }  # fmt: skip
    typed = {
        "action": "allow", "port": [80, 443], "source": ["198.51.100.7/32", "192.0.2.0/24"], "stateful": True, "log": True,
        "dry_run": True, "confirm_within": 90, "limit": "3/minute",
    }  # fmt: skip
    assert parse_request(text) == parse_request(typed)


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ({"source_port": "1024-65535, 53"}, {"source_port": [53, "1024-65535"]}),
        ({"protocol": "ICMP", "icmp_type": "echo-request, 3,time_exceeded"}, {"protocol": "icmp", "icmp_type": [8, "3", "time-exceeded"]}),
        ({"protocol": "icmpv6", "icmp_type": "ping"}, {"protocol": "icmpv6", "icmp_type": 128}),
        ({"direction": "forward", "out_interface": " eth1 "}, {"direction": "forward", "out_interface": "eth1"}),
    ],
)
def test_ports_types_and_interfaces_may_be_ad_hoc_text(text, typed):
    request = parse_request({"action": "allow", **text})
    assert request == parse_request({"action": "allow", **typed})
    assert request.rule is not None
    assert request == parse_request(request.rule.as_dict())


def test_defaults_are_those_of_the_language():
    request = parse_request({"action": "deny"})
    assert (request.state, request.backend, request.confirm, request.confirm_within, request.dry_run) == (
        "present",
        "auto",
        "auto",
        60,
        False,
    )
    assert request.rule is not None
    assert request.rule.as_dict() == {
        "action": "deny", "direction": "in", "protocol": "tcp", "source": ["any"], "destination": ["any"], "family": "any",
        "stateful": False, "log": False,
    }  # fmt: skip


def test_flush_and_check_need_no_rule():
    assert parse_request({"state": "flush"}).rule is None
    assert parse_request({"state": "check", "protocol": "tcp", "source": ["any"]}).rule is None


def test_a_typo_is_found_also_where_no_rule_is_needed():
    with pytest.raises(PolicyError, match=r"rule\.port: found 'htp'"):
        parse_request({"state": "check", "port": "htp"})


def test_native_alone_needs_no_action():
    request = parse_request({"native": {"pf": "antispoof quick for egress"}, "protocol": "tcp"})
    assert request.rule is None
    assert request.native == {"pf": "antispoof quick for egress"}


def test_the_example_of_the_error_message():
    with pytest.raises(PolicyError) as caught:
        parse_request({"action": "allow", "port": "htp"})
    assert caught.value.msg == (
        "rule.port: found 'htp'; allowed: a port number from 1 to 65535, or several as a list. "
        "Service names are not looked up; write the number."
    )


@pytest.mark.parametrize("empty", [[], "", " ", [""]], ids=repr)
def test_a_host_may_have_no_agents(empty):
    assert parse_request({"action": "allow", "port": 80, "agent_ports": empty}).agent_ports == ()


@pytest.mark.parametrize("given", ["10050-10060", [10050, "10060:10070"], [80, ""], "http"], ids=repr)
def test_ports_of_agents_are_single_ports(given):
    with pytest.raises(PolicyError, match=r"a port number from 1 to 65535|a value or a list") as caught:
        parse_request({"action": "allow", "port": 80, "agent_ports": given})
    assert "port_range" not in str(caught.value)
