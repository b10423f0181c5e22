# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``trace``."""

from __future__ import annotations

DOCUMENTATION = r"""
name: trace
short_description: Tell what a firewall policy does with a packet, and which rule decides
version_added: 1.0.0
description:
  - Follows a packet through a policy. Returns the verdict, the rule or default that decides, and the rules with a limit that it met before.
positional: packet
options:
  _input:
    description:
      - The policy. A document like that of M(holdfast.firewall.policy), a list of rules, or the text of either in YAML or JSON.
    type: raw
    required: true
  packet:
    description:
      - The packet as a mapping in the words of the rule language, or as C(key=value) words. A list of packets returns a list.
      - C(port) is required with TCP, UDP and SCTP. What else is not given is assumed, and the result says what was. See the option
        O(holdfast.firewall.analyze#module:packet) of the module for all keys.
    type: raw
    required: true
seealso:
  - module: holdfast.firewall.analyze
author:
  - holdfast.firewall contributors (@holdfast)
"""

EXAMPLES = r"""
- name: Make sure that the database stays closed to the world and open to the application
  ansible.builtin.assert:
    that:
      - "(db_policy | holdfast.firewall.trace({'port': 5432})).verdict == 'deny'"
      - "(db_policy | holdfast.firewall.trace('port=5432 source=192.0.2.7')).verdict == 'allow'"

- name: Show which rule decides
  ansible.builtin.debug:
    msg: "{{ (db_policy | holdfast.firewall.trace({'port': 5432, 'source': '192.0.2.7'})).decided_by.place }}"
"""

RETURN = r"""
_value:
  description:
    - A mapping, or a list of them for a list of packets, as an item of RV(holdfast.firewall.analyze#module:traces) of the module.
  type: raw
  sample:
    verdict: allow
    outcome: allowed
    decided_by: {place: "rules[0]", action: allow, rule: allow in tcp ipv4 from 192.0.2.0/24 to any port 5432}
    packet: {direction: in, protocol: tcp, source: 192.0.2.7, port: 5432, state: new}
    assumed: [direction, protocol, destination, interface, state, source_port]
    passed: []
    notes: []
    text: "in tcp 192.0.2.7:40000 -> 198.51.100.10:5432 (new): allowed by rules[0]: allow in tcp ipv4 from 192.0.2.0/24 to any port 5432"
"""

import typing as t

from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.packets import Packet
from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.trace import trace as follow
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.policy import Policy
from ansible_collections.holdfast.firewall.plugins.plugin_utils.filtered_policies import read_packet, read_policy, with_errors_for_people


@with_errors_for_people("trace")
def trace(policy: t.Any, packet: t.Any) -> t.Any:
    """Return the way of a packet, or of each packet of a list."""
    read = read_policy(policy)
    if isinstance(packet, (list, tuple)):
        return [_told(read, read_packet(one, "packet[%d]" % number)) for number, one in enumerate(packet)]
    return _told(read, read_packet(packet))


def _told(policy: Policy, packet: Packet) -> t.Dict[str, t.Any]:
    found = follow(policy, packet)
    return dict(found.as_dict(), text=found.describe())


class FilterModule:
    """The name is Ansible's."""

    def filters(self) -> t.Dict[str, t.Callable[..., t.Any]]:
        """Return the filters of this file."""
        return {"trace": trace}
