# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a task of ``role_ports``: what it takes, and where what is wrong with it is."""

from __future__ import annotations

import pytest
import yaml

from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import PolicyError
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.role_request import OPTIONS, parse_role_request
from ansible_collections.holdfast.firewall.plugins.modules import role_ports
from ansible_collections.holdfast.firewall.tests.unit.documented import documented_options

WEB = {"web": [{"action": "allow", "port": 80}]}
BAD = {
    "no role": ({"roles": WEB}, "role"),
    "an unknown role": ({"role": "wbe", "roles": WEB}, "role"),
    "no roles": ({"role": "web"}, "roles"),
    "roles that are no mapping": ({"role": "web", "roles": [1]}, "roles"),
    "text that is no JSON": ({"role": "web", "roles": "{web"}, "roles"),
    "rules that are no list": ({"role": "web", "roles": {"web": {"action": "allow"}}}, "roles.web"),
    "a typo in a rule of another role": ({"role": "web", "roles": dict(WEB, db=[{"action": "allow", "prot": 1}])}, "roles.db[0].prot"),
    "a bad port": ({"role": "web", "roles": {"web": [{"action": "allow", "port": 70000}]}}, "roles.web[0].port"),
    "a kept role that goes": ({"role": "web", "roles": WEB, "keep_roles": "web", "state": "absent"}, "keep_roles"),
    "keep_roles where nothing goes": ({"role": "web", "roles": dict(WEB, db=[]), "keep_roles": "db"}, "keep_roles"),
    "a bad window": ({"role": "web", "roles": WEB, "confirm_within": 5}, "confirm_within"),
    "a bad state": ({"role": "web", "roles": WEB, "state": "flush"}, "state"),
    "a name that YAML reads as a number": ({"role": "web", "roles": {22: []}}, "roles.22"),
}


@pytest.mark.parametrize(("args", "place"), BAD.values(), ids=BAD)
def test_bad_input_is_refused_with_its_place(args, place):
    with pytest.raises(PolicyError) as caught:
        parse_role_request(args)
    assert caught.value.as_failure()["place"] == place


def test_the_words_of_a_port_rule_are_understood():
    rules = {
        "db": [{"action": "allow", "protocol": "tcp", "port": 5432, "source_cidr": "192.0.2.0/24", "direction": "inbound", "name": "x"}]
    }
    one = parse_role_request({"role": "db", "roles": rules}).rules[0]
    assert one.label == "roles.db[0] (x)"
    assert one.rule.describe() == "allow in tcp ipv4 from 192.0.2.0/24 to any port 5432"


def test_only_the_named_roles_are_taken_in_their_order():
    request = parse_role_request({"role": ["b", "a", "b"], "roles": {"a": WEB["web"], "b": WEB["web"], "c": WEB["web"]}})
    assert [one.role for one in request.rules] == ["b", "a"]


def test_the_documentation_has_every_option():
    assert set(documented_options(role_ports)) == set(OPTIONS)


@pytest.mark.parametrize("task", yaml.safe_load(role_ports.EXAMPLES), ids=lambda task: task["name"])
def test_an_example_of_the_module_is_valid(task):
    assert parse_role_request(task["holdfast.firewall.role_ports"]).rules


def test_a_host_may_have_no_role_and_keep_none():
    roles = {"web": [{"action": "allow", "port": 80}]}
    assert parse_role_request({"role": [], "roles": roles}).roles == ()
    assert parse_role_request({"role": "web", "roles": roles, "keep_roles": [], "state": "absent"}).kept == ()
