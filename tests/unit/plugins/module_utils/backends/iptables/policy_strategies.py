# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hypothesis strategies for rules with every field, translations, and whole policies."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from ansible_collections.holdfast.firewall.plugins.module_utils.policy.protocols import ICMP, ICMPV6, WITH_PORTS
from ansible_collections.holdfast.firewall.tests.unit.rule_strategies import ports, rules


@st.composite
def any_rules(draw, **words):
    """A random rule with any of the fields that a policy's rules have."""
    rule = draw(rules(**words))
    fields = {}
    if rule.protocol in WITH_PORTS and draw(st.booleans()):
        fields["source_ports"] = draw(ports())
    if rule.protocol in (ICMP, ICMPV6) and draw(st.booleans()):
        fields["icmp_types"] = tuple(sorted(draw(st.sets(st.integers(0, 254), min_size=1, max_size=4))))
    if rule.direction == "forward" and draw(st.booleans()):
        fields["out_interface"] = draw(st.sampled_from(["eth1", "lan0"]))
    if rule.action == "allow" and draw(st.integers(0, 9)) == 0:
        fields.update(established=True, stateful=False)
    return replace(rule, **fields)
