# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``semantic_diff``."""

from __future__ import annotations

DOCUMENTATION = r"""
name: semantic_diff
short_description: Tell which packets meet something else under another firewall policy
version_added: 1.0.0
description:
  - Compares two policies as sets of packets, not as lines. Returns which packets the second one newly allows, denies, rejects, limits,
    translates or logs, each with the rules that decided before and that decide after, and an example packet.
  - Nothing is returned for rules that were moved, split or joined without an effect.
positional: after
options:
  _input:
    description:
      - The policy before. A document like that of M(holdfast.firewall.policy), a list of rules, or the text of either in YAML or JSON.
    type: raw
    required: true
  after:
    description:
      - The policy after, in the same forms.
    type: raw
    required: true
seealso:
  - module: holdfast.firewall.analyze
  - plugin: holdfast.firewall.equivalent
    plugin_type: filter
author:
  - holdfast.firewall contributors (@holdfast)
"""

EXAMPLES = r"""
- name: Show what a change of a policy means for packets
  ansible.builtin.debug:
    msg: "{{ (old_policy | holdfast.firewall.semantic_diff(new_policy)).text.splitlines() }}"
"""

RETURN = r"""
_value:
  description:
    - A mapping with C(text) for people, C(count), C(complete), C(changes) and C(notes), as
      RV(holdfast.firewall.analyze#module:semantic_diff) of the module.
  type: dict
  sample:
    count: 1
    complete: true
    text: "1 change\n  in tcp any -> any port 8080: denied (default (in)) -> allowed (rules[2])"
    changes:
      - kind: allowed
        before: denied
        after: allowed
        before_by: [default (in)]
        after_by: ["rules[2]"]
    notes: []
"""

import typing as t

from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.semantic_diff import semantic_diff as find_changes
from ansible_collections.holdfast.firewall.plugins.plugin_utils.filtered_policies import read_policy, with_errors_for_people


@with_errors_for_people("semantic_diff")
def semantic_diff(before: t.Any, after: t.Any) -> t.Dict[str, t.Any]:
    """Return what changes for packets from one policy to another one."""
    return find_changes(read_policy(before, "before"), read_policy(after, "after")).as_dict()


class FilterModule:
    """The name is Ansible's."""

    def filters(self) -> t.Dict[str, t.Callable[..., t.Any]]:
        """Return the filters of this file."""
        return {"semantic_diff": semantic_diff}
