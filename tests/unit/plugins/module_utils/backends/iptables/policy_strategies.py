# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hypothesis strategies for rules with every field, translations, and whole policies."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.base import GUARD_MARK
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.iptables.policy_nat import nat_unsupported
from ansible_collections.holdfast.firewall.plugins.module_utils.backends.iptables.render import unsupported
from ansible_collections.holdfast.firewall.plugins.module_utils.change.management import Management
from ansible_collections.holdfast.firewall.plugins.module_utils.change.policy_guard import with_guard
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.addresses import ANY
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.nat import DESTINATION_KINDS, NatRule
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.policy import Policy
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.protocols import ICMP, ICMPV6, WITH_PORTS
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rates import Rate
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rule import DIRECTIONS, Log
from ansible_collections.holdfast.firewall.tests.unit.plugins.module_utils.backends.iptables.namespace import paper
from ansible_collections.holdfast.firewall.tests.unit.rule_strategies import COMMENTS, addresses, networks, ports, rules


@st.composite
def any_rules(draw, **words):
    """A random rule with any of the fields that a policy's rules have."""
    rule = draw(rules(**words))
    fields = {}
    if rule.comment is not None and rule.comment.startswith(GUARD_MARK):
        fields["comment"] = "not " + rule.comment
    if rule.protocol in WITH_PORTS and draw(st.booleans()):
        fields["source_ports"] = draw(ports())
    if rule.protocol in (ICMP, ICMPV6) and draw(st.booleans()):
        fields["icmp_types"] = tuple(sorted(draw(st.sets(st.integers(0, 254), min_size=1, max_size=4))))
    if rule.direction == "forward" and draw(st.booleans()):
        fields["out_interface"] = draw(st.sampled_from(["eth1", "lan0"]))
    if rule.action == "allow" and draw(st.integers(0, 9)) == 0:
        fields.update(established=True, stateful=False)
    return replace(rule, **fields)


@st.composite
def translations(draw):
    """A random translation."""
    kind = draw(st.sampled_from(["masquerade", "snat", "dnat", "redirect"]))
    family = draw(st.sampled_from([4, 6])) if kind in ("snat", "dnat") else draw(st.sampled_from([None, 4, 6]))
    protocol = draw(st.sampled_from([6, 17, 132] if kind == "redirect" else [None, 6, 17, 132, 47]))
    changed = kind in DESTINATION_KINDS and protocol in WITH_PORTS
    to_port = draw(st.one_of([st.integers(1, 65535)] + [st.none()] * (kind != "redirect"))) if changed else None
    return NatRule(
        kind,
        family,
        protocol,
        draw(addresses(family)) if family else ANY,
        draw(addresses(family)) if family else ANY,
        draw(ports()) if protocol in WITH_PORTS else (),
        draw(st.sampled_from(["eth0", "br0.12"] + [None] * (kind != "masquerade"))),
        draw(networks(family)).network_address if kind in ("snat", "dnat") else None,
        to_port,
        draw(st.one_of(st.none(), COMMENTS)),
    )


@st.composite
def policies(draw, size=12, guarded=True, **words):
    """A random policy that iptables carries, with the guard of a host."""
    can = paper().tools.abilities()
    defaults = {one: draw(st.sampled_from(["allow", "deny", "reject", "unmanaged"])) for one in DIRECTIONS}
    found = draw(st.lists(any_rules(**words), max_size=size))
    nat = draw(st.lists(translations(), max_size=4))
    policy = Policy(
        rules=tuple(one for one in found if defaults[one.direction] != "unmanaged" and not unsupported(one, can, True)),
        defaults=defaults,
        nat=tuple(one for one in nat if not nat_unsupported(one, can)),
        log_denied=draw(st.one_of(st.none(), st.just(Log()), st.just(Log("no ", Rate(6, 60))))),
    )
    return with_guard(policy, Management(ssh_ports=(22,), agent_ports=(5985,))) if guarded else policy
