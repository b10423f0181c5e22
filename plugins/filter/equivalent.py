# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``equivalent``."""

from __future__ import annotations

DOCUMENTATION = r"""
name: equivalent
short_description: Tell whether two firewall policies do the same with every packet
version_added: 1.0.0
description:
  - Proves that two policies do the same with every packet, or returns a packet with which they do not.
  - Limits and translations count, and native lines are compared as text.
positional: other
options:
  _input:
    description:
      - One policy. A document like that of M(holdfast.firewall.policy), a list of rules, or the text of either in YAML or JSON.
    type: raw
    required: true
  other:
    description:
      - The other policy, in the same forms.
    type: raw
    required: true
  logs:
    description:
      - Whether it counts how packets are logged.
    type: bool
    default: true
seealso:
  - module: holdfast.firewall.analyze
  - plugin: holdfast.firewall.semantic_diff
    plugin_type: filter
author:
  - holdfast.firewall contributors (@holdfast)
"""

EXAMPLES = r"""
- name: Make sure that the shorter policy does the same
  ansible.builtin.assert:
    that: proof.equivalent
    fail_msg: "{{ proof.counterexample.what | default('') }}"
  vars:
    proof: "{{ short_policy | holdfast.firewall.equivalent(long_policy) }}"
"""

RETURN = r"""
_value:
  description:
    - A mapping. C(equivalent) is the answer. C(counterexample) is null, or has C(what) in one sentence, the C(packet), and what the
      policies do with it in C(left) and C(right).
  type: dict
  sample:
    equivalent: false
    counterexample:
      what: "in tcp 203.0.113.10:40000 -> 198.51.100.10:8080 (new) is allowed by one policy and denied by the other"
      packet: {direction: in, protocol: tcp, port: 8080}
"""

import typing as t

from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.equivalence import differ
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.parse import parse_bool
from ansible_collections.holdfast.firewall.plugins.plugin_utils.filtered_policies import read_policy, with_errors_for_people


@with_errors_for_people("equivalent")
def equivalent(policy: t.Any, other: t.Any, logs: t.Any = True) -> t.Dict[str, t.Any]:
    """Return whether two policies do the same, with a packet that shows the contrary."""
    difference = differ(read_policy(policy), read_policy(other, "other"), parse_bool(logs, "logs"))
    return {"equivalent": difference is None, "counterexample": difference.as_dict() if difference is not None else None}


class FilterModule:
    """The name is Ansible's."""

    def filters(self) -> t.Dict[str, t.Callable[..., t.Any]]:
        """Return the filters of this file."""
        return {"equivalent": equivalent}
