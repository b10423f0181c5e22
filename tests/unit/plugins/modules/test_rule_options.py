# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module ``rule`` takes every word of the language, its documentation names them all, and its examples mean something."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import PolicyError
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.icmp import TYPES
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.parse import FIELDS
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.protocols import ICMP, ICMPV6
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.request import OPTIONS, parse_request
from ansible_collections.holdfast.firewall.plugins.modules import rule as module
from ansible_collections.holdfast.firewall.tests.unit.documented import documented_options

DOCUMENTED = documented_options(module)
EXAMPLES = yaml.safe_load(module.EXAMPLES)
LANGUAGE = (Path(__file__).resolve().parents[4] / "docs" / "docsite" / "rst" / "language.rst").read_text(encoding="utf-8")


class Spec(Exception):
    """Carries the argument spec out of the module."""


@pytest.fixture(name="spec")
def _spec(monkeypatch):
    def made(argument_spec, **_others):
        raise Spec(argument_spec)

    monkeypatch.setattr("ansible.module_utils.basic.AnsibleModule", made)
    with pytest.raises(Spec) as caught:
        module.main()
    return caught.value.args[0]


def test_the_module_takes_what_the_language_has(spec):
    assert set(spec) == set(OPTIONS) == set(DOCUMENTED)


def test_ad_hoc_text_reaches_the_language_as_it_is(spec):
    kinds = {name: (spec[name]["type"], spec[name].get("elements")) for name in ("source_port", "icmp_type", "out_interface")}
    assert kinds == {"source_port": ("list", "str"), "icmp_type": ("list", "str"), "out_interface": ("str", None)}


@pytest.mark.parametrize(("protocol", "sentence"), [(ICMP, 1), (ICMPV6, 2)])
def test_every_name_of_an_icmp_type_is_documented(protocol, sentence):
    named = re.findall(r"V\(([a-z0-9-]+)\)", DOCUMENTED["icmp_type"]["description"][sentence])
    assert set(named[1:]) == set(TYPES[protocol])


def test_the_guide_has_a_row_for_every_field():
    rows = re.findall(r"^   \* - (``.*``)$", LANGUAGE, re.MULTILINE)
    assert set(FIELDS) <= {word for row in rows for word in re.findall(r"``([a-z_]+)``", row)}


@pytest.mark.parametrize("protocol", [ICMP, ICMPV6])
def test_the_guide_has_the_number_of_every_icmp_type(protocol):
    row = (
        LANGUAGE.partition("   * - ``%s``\n" % ("icmp" if protocol == ICMP else "icmpv6"))[2].partition("\n   * -")[0].partition("\n\n")[0]
    )
    assert {name: int(number) for name, number in re.findall(r"``([a-z0-9-]+)`` (\d+)", row)} == TYPES[protocol]


@pytest.mark.parametrize("task", EXAMPLES, ids=lambda task: task["name"])
def test_an_example_of_the_module_is_valid(task):
    request = parse_request(task["holdfast.firewall.rule"])
    assert request.rule is not None or request.native or request.state == "check"


def test_mappings_of_an_ad_hoc_task_are_json_text():
    request = parse_request({"action": "allow", "port": "80", "source": "@office", "address_sets": '{"office": ["192.0.2.1"]}'})
    assert request.rule == parse_request({"action": "allow", "port": 80, "source": "192.0.2.1"}).rule
    assert parse_request({"native": '{"nftables": "tcp dport 80 accept"}'}).native == {"nftables": "tcp dport 80 accept"}


@pytest.mark.parametrize("option", ["address_sets", "native"])
@pytest.mark.parametrize("text", ["foo", "", "[1]", '{"office": '])
def test_text_that_is_no_mapping_is_refused_with_what_to_write(option, text):
    with pytest.raises(PolicyError) as caught:
        parse_request({"action": "allow", "port": 80, option: text})
    assert caught.value.place == "rule.%s" % option
    assert "JSON text" in caught.value.allowed or text == "[1]"
