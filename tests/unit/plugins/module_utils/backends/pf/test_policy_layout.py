# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of one shape as tables of pf: the same packets, the same order of decision, and the single rules come back."""

from __future__ import annotations

import random
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.equivalence import differ
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.pf import policy_layout
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.pf.dialect import FREEBSD
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.pf.policy_parse import parse_policy
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.document import parse_policy_document
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.pf.policies import (
    Flow,
    can_pass_through,
    guarded,
    kept,
    packets_of,
    pf_policies,
    plain,
    text_of,
)
from ansible_collections.holdfast.firewall.tests.unit.policy_generator import random_policy

SHAPES = ("exact", "blocklist", "services", "ranges", "forward", "mixed")


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Two rules are worth a table here."""
    monkeypatch.setattr(policy_layout, "FEW", 2)


@given(data=st.data())
@settings(max_examples=60)
def test_joined_rules_decide_as_the_single_ones_did(data):
    words = {"protocols": (6, 6, None), "interfaces": (), "source_ports": False, "max_rules": 24, "comments": data.draw(st.booleans())}
    policy = data.draw(pf_policies(**words))
    found = parse_policy(text_of(policy, layout="compiled"), FREEBSD)
    difference = differ(found, kept(policy))
    assert difference is None, (difference.describe(), text_of(policy, layout="compiled"))
    assert sorted(map(repr, found.rules)) == sorted(map(repr, kept(policy).rules))


@given(data=st.data())
@settings(max_examples=40)
def test_packets_meet_the_same_in_tables(data):
    policy = data.draw(pf_policies(protocols=(6, None), interfaces=(), source_ports=False, max_rules=16, comments=False))
    text = text_of(policy, layout="compiled")
    for _number in range(6):
        packet = data.draw(packets_of(policy))
        if policy.defaults[packet.direction] != "unmanaged" and (packet.direction != "forward" or can_pass_through(packet)):
            expected, found = Flow(kept(policy), text, "freebsd", packet).first()
            assert (expected.verdict == "allow") == found.allowed, (expected.describe(), found.rule, text)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_large_policy_of_each_shape_comes_back(shape):
    policy = random_policy(random.Random(7), 400, shape)
    policy = guarded(replace(policy, rules=tuple(plain(replace(rule, limit=None)) for rule in policy.rules)))
    text = text_of(policy, layout="compiled")
    assert differ(parse_policy(text, FREEBSD), kept(policy)) is None


BLOCKS = {
    "rules": [
        {"action": "deny", "protocol": "any", "source": "203.0.113.1", "comment": "scanner"},
        {"action": "deny", "protocol": "any", "source": ["203.0.113.4", "203.0.113.6"]},
        {"action": "allow", "port": 80, "source": "203.0.113.8"},
        {"action": "deny", "protocol": "any", "source": "203.0.113.10", "comment": "spammer"},
        {"action": "deny", "protocol": "any", "source": "203.0.113.8", "comment": "but the web"},
    ]
}


def test_a_table_says_which_rule_an_address_is_of_and_keeps_exceptions_in_front():
    policy, _warnings = parse_policy_document(BLOCKS)
    lines = text_of(guarded(policy), layout="compiled").splitlines()
    start = next(number for number, line in enumerate(lines) if "<hfc_" in line)
    name = lines[start].split()[1]
    assert lines[start : start + 4] == [
        "# %s 203.0.113.1 # scanner" % name,
        "# %s 203.0.113.4, 203.0.113.6" % name,
        "# %s 203.0.113.10 # spammer" % name,
        "table %s const { 203.0.113.1, 203.0.113.4, 203.0.113.6, 203.0.113.10 }" % name,
    ]
    block = "block drop in quick inet from %s to any" % name
    order = [block, "pass in quick inet proto tcp from 203.0.113.8 to any port 80 flags any keep state"]
    order.append('block drop in quick inet from 203.0.113.8 to any label "but the web"')
    assert [line for line in lines if line in order] == order


def test_comments_that_no_longer_fit_to_their_table_are_not_believed():
    policy, _warnings = parse_policy_document(BLOCKS)
    text = text_of(guarded(policy), layout="compiled").replace("{ 203.0.113.1, 203", "{ 203.0.113.128/25, 203")
    found = parse_policy(text, FREEBSD)
    assert {"203.0.113.128/25", "203.0.113.4", "203.0.113.6", "203.0.113.10"} in [set(one.source.words()) for one in found.rules]


def test_ten_thousand_rules_are_joined_and_read_in_a_few_moments():
    policy = random_policy(random.Random(1), 10000, "mixed")
    policy = guarded(replace(policy, rules=tuple(plain(replace(rule, limit=None)) for rule in policy.rules)))
    start = time.process_time()
    text = text_of(policy, layout="compiled")
    parse_policy(text, FREEBSD)
    assert time.process_time() - start < 4
