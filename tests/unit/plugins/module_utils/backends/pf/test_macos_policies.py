# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random policies for pf of macOS: each is read back with exactly its packets, or is refused whole."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.equivalence import differ
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.pf.backend import Pf
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.scope import Scope
from ansible_collections.holdfast.firewall.tests.unit.paper_host import PaperHost
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.pf import standin_host
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.pf.policies import kept, pf_policies
from ansible_collections.holdfast.firewall.tests.unit.policy_strategies import policies

from holdfast_standin.pf_parser import parse_pf  # isort: skip  # on the path since standin_host

assert standin_host

MAC = Pf(PaperHost(), "macos")
INTERFACES = {"lo0": ["127.0.0.1/8", "::1/128"], "en0": ["192.0.2.10/24"]}


@settings(max_examples=300)
@given(st.one_of(policies(guard=True), pf_policies("macos", max_nat=2)))
def test_a_random_policy_comes_back_as_it_was_or_is_refused(wanted):
    if MAC.policy_unsupported(wanted):
        with pytest.raises(HoldfastError, match="cannot carry"):
            MAC.render_policy(wanted)
        return
    text = MAC.render_policy(wanted)
    difference = differ(MAC.parse_policy(text), kept(wanted))
    assert difference is None, (difference.describe(), text)
    taken = parse_pf(text, "macos", INTERFACES, strict=True)
    assert taken.accepted, (taken.stderr, text)


@settings(max_examples=30)
@given(pf_policies("macos").filter(lambda policy: policy.rules))
def test_a_rule_for_a_program_is_never_one_for_every_program(wanted):
    first = replace(wanted.rules[0], scope=Scope(program="/Applications/Foo.app"))
    found = MAC.policy_unsupported(replace(wanted, rules=(first, *wanted.rules[1:])))
    assert [one.field for one in found if one.field.endswith(".program")] == ["rules[0].program"]
