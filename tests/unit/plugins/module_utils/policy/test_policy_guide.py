# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guide to policy documents says what is true: its examples are valid, its errors are those that a person gets, its names are known."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.policy.bounds import MAX_DEPTH, MAX_MEMBERS, MAX_RULES, MAX_VALUES
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.document import KEYS, parse_policy, parse_policy_document
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import PolicyError
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.nat_reader import KEYS as NAT_KEYS
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.protocols import TCP, UDP
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rule_reader import ALIASES, DIRECTION_WORDS
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rule_reader import KEYS as RULE_KEYS
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.services import KNOWN
from ansible_collections.holdfast.firewall.plugins.plugin_utils.policy_file import load_policy_text

GUIDES = Path(__file__).resolve().parents[5] / "docs" / "docsite" / "rst"
TEXT = (GUIDES / "policy.rst").read_text(encoding="utf-8")
LANGUAGE = (GUIDES / "language.rst").read_text(encoding="utf-8")


def blocks(kind):
    found = re.findall(r"\.\. code-block:: %s\n\n((?:   .*\n|\n)+)" % kind, TEXT)
    return [textwrap.dedent(one).strip() + "\n" for one in found]


@pytest.mark.parametrize("example", blocks("yaml"), ids=lambda text: text.split("\n", 1)[0])
def test_an_example_is_a_policy_and_means_something(example):
    policy, warnings = parse_policy_document(load_policy_text(example))
    assert policy.as_dict() != parse_policy({}).as_dict()
    assert warnings == []


def test_there_is_an_example_for_every_section():
    written = {line.partition(":")[0] for example in blocks("yaml") for line in example.splitlines() if line and line[0].isalpha()}
    assert written >= set(KEYS) - {"name", "description", "version"}


SETS = {"address_sets": {"guests": ["10.0.0.1"], "office": ["10.0.0.2"]}}
ALLOW = {"action": "allow"}
MISTAKES = [
    {"rules": [dict(ALLOW, port=[80, 99999])]},
    {**SETS, "rules": [ALLOW, ALLOW, dict(ALLOW, source="@ofice")]},
    {"address_sets": {"a": ["@b"], "b": ["@a"]}},
    {"rules": [ALLOW, dict(ALLOW, source="10.0.0.1", destination="2001:db8::1")]},
    {"rules": [dict(ALLOW, name="web"), ALLOW, ALLOW, dict(ALLOW, name="web")]},
    {"nat": [{"type": "dnat", "port": 443}]},
    "\n" * 11 + "@office",
]


def test_the_errors_are_those_that_a_person_gets():
    said = []
    for mistake in MISTAKES:
        with pytest.raises(PolicyError) as caught:
            parse_policy(load_policy_text(mistake, "site.yml") if isinstance(mistake, str) else mistake)
        said.append(caught.value.msg)
    (shown,) = [block for block in blocks("text") if "found" in block]
    assert shown.splitlines() == said


def test_every_key_is_told():
    told = set(re.findall(r"``([a-z_]+)``", TEXT + LANGUAGE))
    for keys in (KEYS, RULE_KEYS, NAT_KEYS, ALIASES):
        assert set(keys) <= told
    for word in DIRECTION_WORDS:
        assert word in TEXT


def test_every_known_service_is_told():
    told = re.search(r"These names are known:\n(.*?)\.\n\n", TEXT, re.DOTALL)
    assert sorted(re.findall(r"``([a-z0-9-]+)``", told.group(1))) == sorted(KNOWN)
    both = sorted(name for name, entries in KNOWN.items() if [one.protocol for one in entries] == [TCP, UDP])
    assert both == ["dns", "iperf3", "kerberos", "kpasswd", "llmnr", "rpcbind", "sip", "stun"]


def test_the_bounds_are_told():
    for bound in (MAX_VALUES, MAX_RULES, MAX_MEMBERS):
        assert "{:,}".format(bound) in TEXT
    assert "     - %d\n" % MAX_DEPTH in TEXT
