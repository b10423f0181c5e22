#!/usr/bin/python
# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module ``backend``: documentation and argument spec; the work is in ``module_utils.change.backend_task``."""

from __future__ import annotations

DOCUMENTATION = r"""
module: backend
short_description: Install a host's firewall, switch it on or off, or tell how it is
version_added: 1.0.0
description:
  - Switches the firewall of a host as a whole, whichever that is. Rules are left to M(holdfast.firewall.rule) and
    M(holdfast.firewall.policy).
  - Enabled means that the rules decide now and after every boot. Disabled means that they decide neither now nor then, and that they stay
    on disk, so a firewall that is enabled again has the rules that it had.
  - Enabling a firewall cannot lock you out. The ports that the host is really managed by are let in where the rules would not do so, the
    host arms its own rollback, and only when the control node has opened a B(new) connection is the switch made to last. Else all of it
    is undone.
  - Two active front ends, such as ufw and firewalld, are refused with both named, since they overwrite each other's rules. Switching one of
    them off by its name is the way out.
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
    support: partial
    details: O(state=restarted) loads the rules each time.
  platform:
    support: full
    platforms: Linux, FreeBSD, OpenBSD, NetBSD, macOS, Windows
  action:
    support: full
options:
  state:
    description:
      - V(enabled), V(disabled) and V(restarted) switch the firewall. V(restarted) loads its rules anew from disk. It enables a firewall
        that was off, but for ufw, which refuses.
      - V(status) tells how it is and changes nothing.
      - With nftables these states are about the rules that tasks made. Your own tables, and the unit C(nftables.service) that loads them,
        stay as they are.
      - With iptables they are about all rules but those of other programs (Docker, fail2ban and the like), since your own and those of
        tasks stand in the same chains. Chains that deny by default accept as long as it is disabled.
      - With pf, V(disabled) is C(pfctl -d), and the file of its rules is not touched. With ipfw it is the kernel's own switch; the rules
        stay in the kernel. V(restarted) is refused for ipfw.
    type: str
    choices: [enabled, disabled, restarted, status]
    default: enabled
  install:
    description:
      - Installs the firewall where it is missing, with apt, dnf, yum, zypper, apk or pacman. The BSDs, macOS and Windows have theirs built
        in.
      - With O(backend=auto), on a host where no firewall decides yet, this is the one that its administrators expect, ufw on Debian and
        Ubuntu, firewalld on Fedora, SUSE and the family of RHEL, nftables elsewhere.
      - The package is installed before anything is armed, and its service is kept from starting by itself. Nothing is opened or closed by
        the installation.
    type: bool
    default: false
notes:
  - As long as nftables or iptables are disabled, tasks that change their rules are refused, since they would replace the rules that are
    kept.
  - An installed package stays installed when the switch that follows is undone.
seealso:
  - module: holdfast.firewall.rule
  - module: holdfast.firewall.policy
  - module: holdfast.firewall.confirm
author:
  - holdfast.firewall contributors (@holdfast)
"""

EXAMPLES = r"""
- name: Make sure that the host has a firewall, and that it is on
  holdfast.firewall.backend:
    state: enabled
    install: true

- name: Look how the firewall is
  holdfast.firewall.backend:
    state: status
  register: firewall

- name: Switch it off while somebody looks for a fault
  holdfast.firewall.backend:
    state: disabled

- name: Load the rules anew from disk
  holdfast.firewall.backend:
    state: restarted

- name: Leave ufw for another firewall
  holdfast.firewall.backend:
    backend: ufw
    state: disabled

- name: Enable it, look for yourself, and confirm in a second step
  holdfast.firewall.backend:
    state: enabled
    agent_ports: [10050]
    confirm: manual
    confirm_within: 300
"""

RETURN = r"""
msg:
  description: What was done, in one sentence; for O(state=status) the most important facts.
  returned: always
  type: str
  sample: nftables is enabled
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
installed:
  description: Whether a package was installed.
  returned: when the backend was found
  type: bool
  sample: false
status:
  description:
    - The facts of the firewall; for the other states than V(status) those from before the change.
    - RV(ignore:enabled) says whether it decides now, RV(ignore:at_boot) whether it does after a boot, where the backend knows.
      RV(ignore:rules) counts its entries, RV(ignore:rules_of_others) those of the programs in RV(ignore:other_programs).
      RV(ignore:owner) is the front end that owns the rules, or the backend itself. RV(ignore:policy) says whether there is a policy of
      M(holdfast.firewall.policy). RV(ignore:waiting) are changes that wait for their confirmation.
    - What else there is depends on the backend, such as RV(ignore:version).
  returned: when the rules were read
  type: dict
  sample:
    enabled: true
    at_boot: true
    version: "1.0.6"
    rules: 12
    rules_of_others: 5
    other_programs: [docker]
    owner: nftables
    defaults: {inet holdfast input: allow}
    policy: false
    policy_rules: 0
    switched_off_by_task: false
    waiting: []
kept_open:
  description: The management ports that were let in, or that pass already.
  returned: when the backend was found
  type: list
  elements: str
  sample: [22/tcp]
commands:
  description: The commands that make the change.
  returned: when the backend was found
  type: list
  elements: str
  sample: ["nft -f - <<EOF\ndelete table inet holdfast\nEOF"]
diff:
  description: The live rules before and after, as the backend lists them.
  returned: when they change
  type: dict
  sample: {before: "", after: "tcp dport 80 accept\n"}
change:
  description: The identity of the change on the host.
  returned: when something was switched
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
  sample: [disabled holdfast-firewall.service; the rules stay in /etc/holdfast/nftables/holdfast.nft]
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
  sample: backend.agent_ports
found:
  description: What stands there.
  returned: with RV(place)
  type: str
  sample: "'x'"
allowed:
  description: What may stand there.
  returned: with RV(place)
  type: str
  sample: a port number from 1 to 65535, or a service name
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

    from ansible_collections.holdfast.firewall.plugins.module_utils.change.backend_task import run_backend
    from ansible_collections.holdfast.firewall.plugins.module_utils.change.module_task import argument_spec, finish
    from ansible_collections.holdfast.firewall.plugins.module_utils.host import LocalHost
    from ansible_collections.holdfast.firewall.plugins.module_utils.policy.backend_request import STATES, parse_backend_request

    module = AnsibleModule(
        argument_spec=argument_spec(
            {
                "state": {"type": "str", "choices": list(STATES), "default": "enabled"},
                "install": {"type": "bool", "default": False},
            }
        ),
        supports_check_mode=True,
    )
    finish(module, lambda: run_backend(LocalHost(), parse_backend_request(module.params), module.check_mode))


if __name__ == "__main__":
    main()
