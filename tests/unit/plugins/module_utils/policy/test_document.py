# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the parts of a policy document mean: defaults, sets, services, zones, several of anything, names, and the plain list of rules."""

from __future__ import annotations

import gc
import random
import time

import pytest
from hypothesis import given

from ansible_collections.holdfast.firewall.plugins.module_utils.policy.document import parse_policy, parse_policy_document
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import PolicyError
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.parse import parse_rule
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rates import Rate
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rule import Log
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.services import KNOWN
from ansible_collections.holdfast.firewall.tests.unit.policy_strategies import policies, random_policy
from ansible_collections.holdfast.firewall.tests.unit.rule_strategies import rules as flat_rules


def flat(words, **document):
    """The flat rules of one rule, each in the words that differ."""
    found = parse_policy({"rules": [{"action": "allow", **words}], **document}).rules
    return [one.describe().replace("allow ", "") for one in found]


def test_defaults_deny_in_and_forward_and_allow_out():
    assert dict(parse_policy({}).defaults) == {"in": "deny", "out": "allow", "forward": "deny"}
    given = parse_policy({"defaults": {"in": "reject", "forward": "unmanaged"}}).defaults
    assert dict(given) == {"in": "reject", "out": "allow", "forward": "unmanaged"}


@given(policies(native=True))
def test_a_policy_survives_its_own_words(policy):
    assert parse_policy(policy.as_dict()) == policy


def test_a_policy_with_sets_services_and_zones_survives_its_own_words():
    policy = parse_policy({
        "address_sets": {"office": ["192.0.2.0/24", "2001:db8::/32"]},
        "zones": {"lan": {"interfaces": ["eth1", "eth2"], "networks": ["@office"]}},
        "rules": [
            {"action": "allow", "service": ["ssh", "ping", "dns"], "zone": "lan", "name": "inside"},
            {"action": "reject", "port": 113, "limit": "6/minute", "log": True, "log_prefix": "ident "},
        ],
        "nat": [{"type": "masquerade", "zone": "lan", "name": "out"}],
        "logging": {"denied": True, "prefix": "hf ", "limit": "6/minute"},
        "management": {"ssh_ports": [2222], "sources": ["@office"]},
    })  # fmt: skip
    assert parse_policy(policy.as_dict()) == policy


@given(flat_rules())
def test_a_rule_means_the_same_in_a_document_as_in_a_task(rule):
    assert parse_policy({"rules": [rule.as_dict()]}).rules == (parse_rule(rule.as_dict()),)


def test_a_rule_without_a_protocol_is_tcp_as_in_a_task():
    assert parse_policy({"rules": [{"action": "deny", "source": "192.0.2.1"}]}).rules[0].protocol == 6


def test_addresses_of_both_families_become_two_rules_with_one_label_and_comment():
    policy = parse_policy({
        "address_sets": {"office": ["192.0.2.0/24", "2001:db8::/32"]},
        "rules": [{"action": "deny"}, {"action": "allow", "port": 22, "source": "@office", "name": "web"}],
    })  # fmt: skip
    assert [rule.family for rule in policy.rules] == [None, 4, 6]
    assert [rule.comment for rule in policy.rules] == [None, "web", "web"]
    assert policy.labels == ("rules[0]", "rules[1] (web)", "rules[1] (web)")


def test_a_rule_without_addresses_is_one_rule_for_both_families():
    assert flat({"port": 80}) == ["in tcp from any to any port 80"]
    assert flat({"port": 80, "source": ["0.0.0.0/0", "::/0"]}) == ["in tcp from any to any port 80"]


def test_only_the_families_that_both_ends_have_match():
    assert flat({"source": ["192.0.2.1", "2001:db8::1"], "destination": "198.51.100.1"}) == [
        "in tcp ipv4 from 192.0.2.1 to 198.51.100.1",
    ]
    assert flat({"source": ["192.0.2.1", "2001:db8::1"], "family": "ipv6"}) == ["in tcp ipv6 from 2001:db8::1 to any"]


def test_several_protocols_and_interfaces_become_rules_for_each():
    assert flat({"protocol": "both", "port": 53, "interface": ["eth0", "eth1"]}) == [
        "in tcp from any to any port 53 on eth0",
        "in udp from any to any port 53 on eth0",
        "in tcp from any to any port 53 on eth1",
        "in udp from any to any port 53 on eth1",
    ]
    assert flat({"protocol": "tcp, udp"}) == flat({"protocol": ["tcp", "udp"]}) == flat({"protocol": "both"})


def test_ports_are_numbers_ranges_and_sets_side_by_side():
    sets = {"web": [80, 443, "@high"], "high": ["8000-8010", 8011]}
    assert flat({"port": [22, "@web", "23-24"]}, port_sets=sets) == ["in tcp from any to any port 22-24,80,443,8000-8011"]
    assert flat({"port": 1, "source_port": "@high"}, port_sets=sets) == ["in tcp from any to any port 1 source port 8000-8011"]


def test_ping_is_the_echo_request_of_both_families():
    assert flat({"service": "ping"}) == ["in icmp ipv4 from any to any type 8", "in icmpv6 ipv6 from any to any type 128"]
    assert flat({"service": "ping", "source": "192.0.2.1"}) == ["in icmp ipv4 from 192.0.2.1 to any type 8"]


def test_the_name_of_an_icmp_type_is_its_number_in_each_family():
    both = {"protocol": ["icmp", "icmpv6"], "icmp_type": ["echo-request", "time-exceeded"]}
    assert flat(both) == ["in icmp ipv4 from any to any type 8,11", "in icmpv6 ipv6 from any to any type 3,128"]


def test_a_service_of_the_document_may_have_several_protocols_and_name_others():
    services = {"app": [{"protocol": ["tcp", "udp"], "port": 8080}, "ssh", {"protocol": "esp"}]}
    assert flat({"service": "app"}, services=services) == [
        "in tcp from any to any port 8080", "in udp from any to any port 8080", "in tcp from any to any port 22", "in esp from any to any",
    ]  # fmt: skip


def test_a_service_may_be_defined_anew_also_on_top_of_the_known_one():
    assert flat({"service": "ssh"}, services={"ssh": {"port": 2222}}) == ["in tcp from any to any port 2222"]
    assert flat({"service": "ssh"}, services={"ssh": ["ssh", {"port": 2222}]}) == [
        "in tcp from any to any port 22", "in tcp from any to any port 2222",
    ]  # fmt: skip


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_a_known_service_makes_rules_that_a_task_could_have(name):
    for rule in parse_policy({"rules": [{"action": "allow", "service": name}]}).rules:
        assert parse_rule(rule.as_dict()) == rule
        assert rule.protocol is not None


ZONES = {
    "lan": {"interfaces": ["eth1", "eth2"], "networks": ["10.0.0.0/8"]},
    "wan": {"interfaces": ["eth0"]},
    "dmz": {"networks": "192.0.2.0/24"},
}


def test_a_zone_is_its_interfaces_and_its_networks():
    assert flat({"zone": "lan", "port": 22}, zones=ZONES) == [
        "in tcp ipv4 from 10.0.0.0/8 to any port 22 on eth1", "in tcp ipv4 from 10.0.0.0/8 to any port 22 on eth2",
    ]  # fmt: skip
    assert flat({"zone": "wan"}, zones=ZONES) == ["in tcp from any to any on eth0"]
    assert flat({"zone": ["wan", "dmz"]}, zones=ZONES) == ["in tcp from any to any on eth0", "in tcp ipv4 from 192.0.2.0/24 to any"]


def test_a_zone_of_outgoing_packets_is_where_they_go():
    assert flat({"zone": "lan", "direction": "out"}, zones=ZONES)[0] == "out tcp ipv4 from any to 10.0.0.0/8 on eth1"
    assert flat({"to_zone": "wan", "direction": "out"}, zones=ZONES) == ["out tcp from any to any on eth0"]


def test_forwarded_packets_go_from_a_zone_to_a_zone():
    assert flat({"from_zone": "wan", "to_zone": "lan", "direction": "forward"}, zones=ZONES) == [
        "forward tcp ipv4 from any to 10.0.0.0/8 on eth0 to eth1", "forward tcp ipv4 from any to 10.0.0.0/8 on eth0 to eth2",
    ]  # fmt: skip


def test_a_source_inside_of_a_zone_is_what_both_say():
    assert flat({"zone": "dmz", "source": ["192.0.2.128/25", "10.0.0.1"]}, zones=ZONES) == ["in tcp ipv4 from 192.0.2.128/25 to any"]
    assert flat({"zone": "dmz", "source": "!192.0.2.0/25"}, zones=ZONES) == ["in tcp ipv4 from 192.0.2.128/25 to any"]
    assert flat({"zone": "dmz", "interface": "eth7"}, zones=ZONES) == ["in tcp ipv4 from 192.0.2.0/24 to any on eth7"]


def test_zones_where_nothing_matches_leave_the_others():
    assert flat({"zone": ["lan", "dmz"], "source": "192.0.2.7"}, zones=ZONES) == ["in tcp ipv4 from 192.0.2.7 to any"]


def test_the_comment_stands_before_the_name():
    policy = parse_policy({"rules": [{"action": "allow", "name": "a", "description": "why"}, {"action": "deny", "name": "b"}]})
    assert [rule.comment for rule in policy.rules] == ["why", "b"]


def test_a_plain_list_of_port_rules_is_a_policy():
    policy = parse_policy([
        {"port": 443, "protocol": "TCP", "source_cidr": "192.0.2.0/24", "direction": "inbound", "action": "allow", "name": "web"},
        {"port": 53, "protocol": "udp", "source": "any", "direction": "egress", "action": "deny", "description": "no resolvers"},
        {"port": 22, "source_ip": "192.0.2.7", "action": "allow"},
        {"port": 23, "cidr": "2001:db8::/32", "direction": "ingress", "action": "reject"},
    ])  # fmt: skip
    assert [rule.describe() for rule in policy.rules] == [
        "allow in tcp ipv4 from 192.0.2.0/24 to any port 443",
        "deny out udp from any to any port 53",
        "allow in tcp ipv4 from 192.0.2.7 to any port 22",
        "reject in tcp ipv6 from 2001:db8::/32 to any port 23",
    ]
    assert [rule.comment for rule in policy.rules] == ["web", "no resolvers", None, None]
    assert policy.labels[0] == "rules[0] (web)"


def test_an_empty_document_and_an_empty_list_are_policies_without_rules():
    assert parse_policy({}) == parse_policy([]) == parse_policy({"rules": None, "nat": None, "native": None, "defaults": None})


def test_logging_of_denied_packets():
    assert parse_policy({"logging": {"denied": False}}).log_denied is None
    assert parse_policy({"logging": {"denied": True}}).log_denied == Log()
    assert parse_policy({"logging": {"denied": "yes", "prefix": "hf: ", "limit": "180/hour"}}).log_denied == Log("hf: ", Rate(3, 60))


def test_management_access():
    access = parse_policy(
        {"management": {"ssh_ports": [2222, 22, 22], "agent_ports": "4505,4506", "sources": ["10.0.0.0/8", "fd00::/8"]}}
    ).management
    assert (access.ssh_ports, access.agent_ports) == ((22, 2222), (4505, 4506))
    assert [one.words() for one in access.sources] == [["10.0.0.0/8"], ["fd00::/8"]]
    assert parse_policy({"management": {"sources": "any"}}).management.sources == ()
    assert parse_policy({"management": {"sources": ["0.0.0.0/0", "::/0"]}}).management.sources == ()


def test_native_lines_by_direction_or_in_one_list():
    native = parse_policy({
        "native": {
            "nftables": {"before": {"in": ["ct state invalid drop", "# a note", ""]}, "after": {"out": "counter\naccept\n"}},
            "pf": {"before": ["antispoof quick for egress"], "after": {"any": "pass quick proto carp"}},
            "npf": {"before": []},
        }
    }).native  # fmt: skip
    assert dict(native["nftables"].before) == {"in": ("ct state invalid drop",)}
    assert dict(native["nftables"].after) == {"out": ("counter", "accept")}
    assert dict(native["pf"].before) == {"any": ("antispoof quick for egress",)}
    assert dict(native["pf"].after) == {"any": ("pass quick proto carp",)}
    assert "npf" not in native


def test_words_of_other_classes_are_read_like_plain_ones():
    class Text(str):
        """As Ansible marks what it has read."""

    class Mapping(dict):
        pass

    document = Mapping({Text("rules"): [Mapping({Text("action"): Text("allow"), Text("port"): Text("80"), "source": Text("192.0.2.1")})]})
    assert parse_policy(document) == parse_policy({"rules": [{"action": "allow", "port": 80, "source": "192.0.2.1"}]})


def test_true_is_not_taken_for_a_port_that_was_seen_before():
    for first, second in ((1, True), ("1", 1.0)):
        with pytest.raises(PolicyError, match=r"rules\[1\]"):
            parse_policy({"rules": [{"action": "allow", "port": first}, {"action": "allow", "port": second}]})


@pytest.mark.parametrize("shape", ["exact", "mixed", "forward"])
def test_ten_thousand_rules_take_little_time_and_read_right(shape):
    policy = random_policy(random.Random(7), rules=10000, shape=shape)
    words = policy.as_dict()
    started = time.process_time()
    found, warnings = parse_policy_document(words)
    # A quarter of a second on an idle machine.
    assert time.process_time() - started < 2
    assert found == policy
    assert warnings == []


def test_the_collector_of_python_is_as_it_was_before():
    for wanted in (True, False):
        (gc.enable if wanted else gc.disable)()
        try:
            parse_policy({})
            with pytest.raises(PolicyError):
                parse_policy({"rules": 1})
            assert gc.isenabled() is wanted
        finally:
            gc.enable()
