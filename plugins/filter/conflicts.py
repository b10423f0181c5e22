# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``conflicts``."""

from __future__ import annotations

DOCUMENTATION = r"""
name: conflicts
short_description: Find the rules of a firewall policy that conflict
version_added: 1.0.0
description:
  - Returns which rules of a policy shadow, repeat or contradict others, each with the rules, an example packet, an explanation and what to
    do about it.
  - Exact for addresses, ports, interfaces, ICMP types and states, in IPv4 and IPv6, also where several rules together cover another one.
positional: kinds
options:
  _input:
    description:
      - The policy. A document like that of M(holdfast.firewall.policy), a list of rules, or the text of either in YAML or JSON.
    type: raw
    required: true
  kinds:
    description:
      - The kinds of conflicts to look for, or the groups V(port_rules), V(pairs) and V(coverage) of them. All of them by default. See the
        option O(holdfast.firewall.analyze#module:kinds) of the module.
    type: list
    elements: str
  limit:
    description:
      - So many conflicts of each kind are listed. All of them are counted.
    type: int
    default: 100
seealso:
  - module: holdfast.firewall.analyze
  - plugin: holdfast.firewall.semantic_diff
    plugin_type: filter
  - plugin: holdfast.firewall.trace
    plugin_type: filter
  - plugin: holdfast.firewall.equivalent
    plugin_type: filter
author:
  - holdfast.firewall contributors (@holdfast)
"""

EXAMPLES = r"""
- name: Refuse a policy with rules that never do what they say
  ansible.builtin.assert:
    that: errors | length == 0
    fail_msg: "{{ errors | map(attribute='explanation') | join(' ') }}"
  vars:
    found: "{{ web_policy | holdfast.firewall.conflicts(kinds=['coverage']) }}"
    errors: "{{ found.conflicts | selectattr('severity', 'eq', 'error') }}"

- name: Show the conflicts of a file
  ansible.builtin.debug:
    msg: "{{ (lookup('ansible.builtin.file', 'policies/web.yml') | holdfast.firewall.conflicts).text.splitlines() }}"

- name: Count the conflicts of a file
  ansible.builtin.debug:
    msg: "{{ (lookup('ansible.builtin.file', 'policies/web.yml') | holdfast.firewall.conflicts).counts }}"
"""

RETURN = r"""
_value:
  description:
    - A mapping with C(summary), C(text), C(conflicts), C(counts), C(undecided) and C(notes). They are those of
      RV(holdfast.firewall.analyze#module:conflicts) of the module.
  type: dict
  sample:
    summary: 2 rules, 1 fully shadowed
    counts: {fully_shadowed: 1}
    undecided: []
    notes: []
    conflicts:
      - kind: fully_shadowed
        severity: error
        rules: ["rules[1]", "rules[0]"]
        texts: [allow in tcp ipv4 from 192.0.2.7 to any port 22, deny in tcp ipv4 from 192.0.2.0/24 to any port 22]
        explanation: "rules[1] never decides a packet: rules[0] takes all of them, and acts otherwise."
        suggestion: "Move it before rules[0] if it is meant as an exception, else remove it."
"""

import typing as t

from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.conflicts import LIMIT, find_conflicts, parse_kinds
from ansible_collections.holdfast.firewall.plugins.module_utils.change.analyze_request import parse_limit
from ansible_collections.holdfast.firewall.plugins.plugin_utils.filtered_policies import read_policy, with_errors_for_people


@with_errors_for_people("conflicts")
def conflicts(policy: t.Any, kinds: t.Any = None, limit: t.Any = LIMIT) -> t.Dict[str, t.Any]:
    """Return the conflicts of a policy."""
    return find_conflicts(read_policy(policy), parse_kinds(kinds), parse_limit(limit)).as_dict()


class FilterModule:
    """The name is Ansible's."""

    def filters(self) -> t.Dict[str, t.Callable[..., t.Any]]:
        """Return the filters of this file."""
        return {"conflicts": conflicts}
