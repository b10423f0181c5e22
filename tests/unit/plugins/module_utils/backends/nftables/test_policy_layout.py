# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compiled layouts as text: what is written reads back to rules that decide alike."""

from __future__ import annotations

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.nftables.backend import Nftables
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.nftables.listing import Table
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.nftables.policy_layout import lay_out, read_laid
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.nftables.policy_text import chain_block, set_block
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.compile.compiled_lists import (
    small_bounds,
)
from ansible_collections.holdfast.firewall.tests.unit.policy_strategies import policy_rules


def table_of(laid):
    blocks = [set_block(one) for one in laid.sets] + [chain_block(one) for one in laid.chains]
    return Table("inet", "holdfast", "table inet holdfast {", blocks=tuple(blocks))


def read_back(direction, laid):
    return read_laid(direction, [line.listed for line in laid.lines], table_of(laid))


@given(
    st.sampled_from(["in", "out", "forward"]).flatmap(lambda one: st.lists(policy_rules(directions=(one,)), min_size=2, max_size=14)),
    st.sampled_from([1, 2, 4]),
    st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_a_compiled_layout_is_read_back_as_the_list_it_was_made_of(rules, cell, tables):
    backend = Nftables(None)
    assume(not any(backend.unsupported(rule) for rule in rules))
    with small_bounds(cell, tables):
        laid = lay_out(rules[0].direction, rules, "compiled")
    assert laid.notes == ()
    assert read_back(rules[0].direction, laid) == rules
