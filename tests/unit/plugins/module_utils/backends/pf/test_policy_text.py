# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policies as text of pf.conf and back."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.equivalence import differ
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.pf.dialect import dialect_named
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.pf.policy_parse import parse_policy
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rule import DIRECTIONS
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.pf import standin_host
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.pf.policies import FLAVOURS, kept, pf_policies, text_of

from holdfast_standin.pf_parser import parse_pf  # isort: skip  # on the path since standin_host

assert standin_host

INTERFACES = {"lo0": ["127.0.0.1/8", "::1/128"], "eth0": ["192.0.2.10/24"]}
NATIVE = {"pf": {"any": ["antispoof quick for eth0", 'anchor "mine/*"', "pass in quick proto tcp to port 99 keep state"]}}


@pytest.mark.parametrize("dialect", ["freebsd", "openbsd", "macos"])
@given(data=st.data())
@settings(max_examples=60)
def test_a_policy_is_read_back_as_it_was(dialect, data):
    policy = data.draw(pf_policies(dialect, max_nat=3, native=NATIVE))
    found = parse_policy(text_of(policy, dialect), dialect_named(dialect))
    wanted = kept(policy)
    for direction in DIRECTIONS:
        assert found.list_for(direction) == wanted.list_for(direction)
    assert found.defaults == wanted.defaults
    assert found.log_denied == wanted.log_denied
    assert found.native == wanted.native
    difference = differ(found, wanted)
    assert difference is None, (difference.describe(), text_of(policy, dialect))


@pytest.mark.parametrize("flavour", sorted(FLAVOURS))
@given(data=st.data())
@settings(max_examples=40)
def test_every_system_takes_the_text_without_a_word(flavour, data):
    policy = data.draw(pf_policies(FLAVOURS[flavour], max_nat=3, native=NATIVE))
    text = text_of(policy, FLAVOURS[flavour])
    taken = parse_pf(text, flavour, INTERFACES, strict=True)
    assert taken.accepted, (taken.stderr, text)
    assert not taken.stderr
