#!/usr/bin/python
# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module ``role_ports``: documentation and argument spec; the work is in ``module_utils.change.role_task``."""

from __future__ import annotations

DOCUMENTATION = r"""
module: role_ports
short_description: Open or close the ports of a host's roles on any firewall
version_added: 1.0.0
description:
  - Makes all firewall rules of one role, or of several, present or absent on a host, in one transaction.
  - A role is a list of rules in the words of a policy document, so the PortRules of an orchestration engine are understood as they are.
  - Every rule is matched by its content. A second run changes nothing, and rules that are there already are not added again.
  - Rules are placed as M(holdfast.firewall.rule) places them, each beside those that went before. The order of the rules in a role has no
    meaning. A narrower rule counts before a wider one, and a deny before an allow that it overlaps in part. Two rules of one task of which
    one takes the other's effect are refused.
  - A removal never closes a port that the host is managed by. Such a rule stays, see RV(skipped_preserved_ports).
  - The rules of a whole policy (M(holdfast.firewall.policy)) are not removed; change its document.
  - A change cannot lock you out for longer than O(confirm_within). The host arms its own rollback first, then the change is applied at
    run time only, then the control node opens a B(new) connection. Only when that works is the change made to last.
extends_documentation_fragment:
  - holdfast.firewall._attributes
  - holdfast.firewall._attributes.action
  - holdfast.firewall._attributes.actiongroup_host
  - holdfast.firewall._change
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
  platform:
    support: full
    platforms: Linux, FreeBSD, OpenBSD, NetBSD, macOS, Windows
  action:
    support: full
options:
  role:
    description:
      - The names of the roles whose rules are added or removed, each a key of O(roles). For a host that has none, an empty list is nothing
        to do.
    type: list
    elements: str
    required: true
  roles:
    description:
      - The rules of each role, a mapping of the role's name to a list of rules. It may have more roles than the task is about, so one
        variable serves a whole fleet.
      - A rule has the words of the rules of a policy document, for example C(action), C(port), C(protocol), C(source), C(direction), and
        C(name) or C(description). See the guide of the rule language for all of them.
      - Other names of the same words are known too, C(cidr), C(source_cidr) and C(source_ip) for the source, C(inbound), C(outbound),
        C(ingress) and C(egress) for the direction.
      - Ad hoc it is JSON text, or a variable of the inventory.
    type: dict
    required: true
  keep_roles:
    description:
      - Roles that the host still has. With O(state=absent), a rule that one of them has as well is not removed, see RV(kept).
    type: list
    elements: str
  state:
    description:
      - V(present) adds every rule where it decides. V(absent) removes the rules but for those that keep a management port open.
    type: str
    choices: [present, absent]
    default: present
notes:
  - Kept open on removal are the port of SSH that is really in use, on Windows those of RDP and WinRM, DNS (53) and DHCP (67, 68), and
    O(agent_ports).
  - Of two rules that say the same, also in two roles, the first counts.
seealso:
  - module: holdfast.firewall.rule
  - module: holdfast.firewall.policy
author:
  - holdfast.firewall contributors (@holdfast)
"""

EXAMPLES = r"""
- name: Open the ports of the roles that this host has
  holdfast.firewall.role_ports:
    role: [web, monitored]
    roles:
      web:
        - name: HTTP and HTTPS
          action: allow
          port: [80, 443]
      monitored:
        - name: Node exporter
          action: allow
          port: 9100
          source_cidr: 192.0.2.0/24
          description: Prometheus

- name: Take a role's ports away, but not those that another role of the host needs
  holdfast.firewall.role_ports:
    role: web
    keep_roles: proxy
    state: absent
    roles:
      web:
        - {action: allow, port: 80}
        - {action: allow, port: 443}
      proxy:
        - {action: allow, port: 443}

- name: Open what an orchestration engine says, in its own words
  holdfast.firewall.role_ports:
    role: database
    roles:
      database:
        - {action: allow, protocol: tcp, port: 5432, source_cidr: 198.51.100.0/24, direction: inbound, description: PostgreSQL}
"""

RETURN = r"""
msg:
  description: What was done, in one sentence.
  returned: always
  type: str
  sample: 2 rules of web added (nftables)
backend:
  description: The firewall that was worked with.
  returned: when it was found
  type: str
  sample: nftables
detection:
  description: What was seen on the host, and why this backend was chosen.
  returned: when it was found
  type: dict
  sample:
    backend: nftables
    reason: nftables is the first in the order macos, pf, ipfw, npf, nftables, iptables that holds rules
    saw: ["nftables: 1 base chain"]
added:
  description:
    - The rules that were added, with their role, their place in the task (RV(ignore:label)), the rule in the common language and in the
      backend's own words, and where they stand now.
  returned: when the backend was found
  type: list
  elements: dict
  sample:
    - role: web
      label: roles.web[0] (HTTP)
      rule: {action: allow, direction: in, protocol: tcp, port: [80]}
      native: add rule inet holdfast input tcp dport 80 accept
      where: ["inet holdfast input, at the end"]
removed:
  description: The rules that were removed, in the form of RV(added).
  returned: when the backend was found
  type: list
  elements: dict
  sample: []
kept:
  description: The rules that stayed although the task is to remove them, in the form of RV(added), and why (RV(ignore:why)).
  returned: when the backend was found
  type: list
  elements: dict
  sample:
    - role: base
      label: roles.base[0]
      rule: {action: allow, direction: in, protocol: tcp, port: [22]}
      native: add rule inet holdfast input tcp dport 22 accept
      why: without it management port 22/tcp would be closed
skipped_preserved_ports:
  description: Management ports that were kept open against the wording of the task.
  returned: when the backend was found
  type: list
  elements: str
  sample: [22/tcp]
unsupported:
  description: Conditions that the backend cannot carry exactly. Such a task is refused, and nothing is changed.
  returned: when the backend was found
  type: list
  elements: dict
  sample: [{field: "roles.web[0].limit", value: 6/minute, reason: pf has no packet rate on this system}]
commands:
  description: The commands that make the change.
  returned: when the backend was found
  type: list
  elements: str
  sample: ["nft -f - <<EOF\nadd rule inet holdfast input tcp dport 80 accept\nEOF"]
diff:
  description: The live rules before and after, as the backend lists them.
  returned: when something changes
  type: dict
  sample: {before: "", after: "tcp dport 80 accept\n"}
change:
  description: The identity of the change on the host.
  returned: when something was changed
  type: str
  sample: 20261121113045-1f0c9a7e
pending:
  description: That the change waits for its confirmation, and for how many seconds.
  returned: for O(confirm=manual)
  type: dict
  sample: {change: 20261121113045-1f0c9a7e, confirm_within: 300, timer: at}
proof:
  description: How it was proved that the host can still be reached.
  returned: when a change was confirmed
  type: str
  sample: a new ssh connection
persisted:
  description: The files that make the change last, and warnings about it.
  returned: when a change was confirmed
  type: list
  elements: str
  sample: [/etc/holdfast/nftables/holdfast.nft]
rolled_back:
  description: That the change was undone.
  returned: when it was
  type: bool
  sample: true
identical:
  description: Whether the rules after the rollback are, byte by byte, those from before the change.
  returned: after a rollback
  type: bool
  sample: true
rc:
  description: V(31) when no rollback timer can be armed on the host.
  returned: in that case
  type: int
  sample: 31
place:
  description: Where in the options or in the document the mistake is.
  returned: when one of them does not say something valid
  type: str
  sample: roles.web[0].prot
found:
  description: What stands there.
  returned: with RV(place)
  type: str
  sample: "(unknown key prot)"
allowed:
  description: What may stand there.
  returned: with RV(place)
  type: str
  sample: action, port, protocol
waiting:
  description: The identity of the change for which this task would have to wait; nothing was changed.
  returned: when another change of the host waits for its confirmation
  type: str
  sample: 20261121113045-1f0c9a7e
"""

from ansible_collections.holdfast.firewall.plugins.module_utils.kept_code import keep_code
from ansible_collections.holdfast.firewall.plugins.module_utils.state_folder import state_root


def main() -> None:
    """Run the module."""
    keep_code(state_root())  # before the imports that it speeds up
    from ansible.module_utils.basic import AnsibleModule

    from ansible_collections.holdfast.firewall.plugins.module_utils.change.module_task import STRINGS, argument_spec, finish
    from ansible_collections.holdfast.firewall.plugins.module_utils.change.role_task import run_roles
    from ansible_collections.holdfast.firewall.plugins.module_utils.host import LocalHost
    from ansible_collections.holdfast.firewall.plugins.module_utils.policy.role_request import parse_role_request

    module = AnsibleModule(
        argument_spec=argument_spec(
            {
                "role": dict(STRINGS, required=True),
                "roles": {"type": "dict", "required": True},
                "keep_roles": dict(STRINGS),
                "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            }
        ),
        supports_check_mode=True,
    )
    finish(module, lambda: run_roles(LocalHost(), parse_role_request(module.params), module.check_mode))


if __name__ == "__main__":
    main()
