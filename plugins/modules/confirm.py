#!/usr/bin/python
# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module ``confirm``: documentation and argument spec; the work is in ``module_utils.change.confirm``."""

from __future__ import annotations

DOCUMENTATION = r"""
module: confirm
short_description: Confirm, undo or ask after a firewall change that waits for its confirmation
version_added: 1.0.0
description:
  - A change that was made with C(confirm=manual) is undone by the host itself when its time is over. This module is the second step that
    makes it last.
  - V(state=confirmed) runs over a B(new) connection, so that confirming proves that the host can still be reached.
  - When no change is pending, nothing is done and the task is not changed.
extends_documentation_fragment:
  - holdfast.firewall._attributes
  - holdfast.firewall._attributes.action
attributes:
  check_mode:
    support: full
    details:
      - In check mode every state only reports, like O(state=status).
  diff_mode:
    support: none
  idempotent:
    support: full
  platform:
    support: full
    platforms: Linux, FreeBSD, OpenBSD, NetBSD, macOS, Windows
  action:
    support: full
options:
  state:
    description:
      - V(confirmed) makes the change last and disarms its rollback. V(restored) puts the rules from before it back at once. V(status)
        only reports.
    type: str
    choices: [confirmed, restored, status]
    default: confirmed
  change:
    description:
      - The identity of the change, as the task that made it returned it. Without it, the one change that is pending is meant.
      - With it, V(confirmed) fails when that change is not pending any more because it was rolled back.
    type: str
  waited:
    description:
      - Seconds between the end of the task that made the change and the opening of this connection. The action plugins set it. A change
        that came into force later than that is not confirmed, since the connection may be older than the change.
    type: float
notes:
  - Needs root on the host (C(become=true)), also for V(state=status), since pending changes are for root alone to see.
seealso:
  - module: holdfast.firewall.rule
author:
  - holdfast.firewall contributors (@holdfast)
"""

EXAMPLES = r"""
- name: Change a rule and leave the confirmation to a later task
  holdfast.firewall.rule:
    action: deny
    port: 5432
    confirm: manual
    confirm_within: 300
  register: edit

- name: See that the application still works
  ansible.builtin.uri:
    url: https://app.example/health
  delegate_to: localhost

- name: Make the change last
  holdfast.firewall.confirm:
    change: "{{ edit.change | default(omit) }}"

- name: Take a change back before its time is over
  holdfast.firewall.confirm:
    state: restored
"""

RETURN = r"""
msg:
  description: What was done, in one sentence.
  returned: always
  type: str
  sample: Change 20261121113045-1f0c9a7e confirmed
change:
  description: The identity of the change.
  returned: when there is one
  type: str
  sample: 20261121113045-1f0c9a7e
pending:
  description: Whether a change waits for its confirmation after this task.
  returned: success
  type: bool
  sample: false
seconds_left:
  description: Seconds until the host undoes the change.
  returned: for O(state=status) while a change is pending
  type: int
  sample: 42
backend:
  description: The backend of the change.
  returned: when there is a change
  type: str
  sample: nftables
applied:
  description: Whether the change is in force; it comes into force a moment after the answer of the task that made it.
  returned: for O(state=status) while a change is pending
  type: bool
  sample: true
applied_ago:
  description: Seconds since the change came into force; none when it has not yet, or was refused.
  returned: for O(state=status) while a change is pending, but not of a Windows host
  type: float
  sample: 3.2
timer:
  description: What holds the rollback.
  returned: for O(state=status) while a change is pending
  type: str
  sample: at
persisted:
  description: The files that make the change last, and warnings about it.
  returned: when a change was confirmed
  type: list
  elements: str
  sample: [/etc/holdfast/nftables/holdfast.nft]
proof:
  description: How it was proved that the host can still be reached.
  returned: when a change was confirmed
  type: str
  sample: a new ssh connection
rolled_back:
  description: That the change was undone.
  returned: when it was
  type: bool
  sample: true
restored:
  description: Whether restoring the rules succeeded.
  returned: after a rollback
  type: bool
  sample: true
restored_at:
  description: When the rules were restored, in seconds since 1970, by the host's clock.
  returned: after a rollback
  type: int
  sample: 1795260645
identical:
  description: Whether the rules are now, byte by byte, those from before the change.
  returned: after a rollback, when they can be read
  type: bool
  sample: true
error:
  description: Why the host refused the change, if it did.
  returned: after a rollback
  type: str
  sample: nft failed with code 1
log:
  description: What the restore script said.
  returned: after a rollback
  type: str
  sample: ""
too_early:
  description: That the change came into force after this connection was opened, so that it proves nothing; nothing was confirmed.
  returned: in that case
  type: bool
  sample: true
in_force_after:
  description: After how many seconds from the end of the changing task the change was in force.
  returned: with RV(too_early)
  type: float
  sample: 0.9
place:
  description: Where in the options or in the document the mistake is.
  returned: when one of them does not say something valid
  type: str
  sample: confirm.state
found:
  description: What stands there.
  returned: with RV(place)
  type: str
  sample: "'confirm'"
allowed:
  description: What may stand there.
  returned: with RV(place)
  type: str
  sample: confirmed, restored, status
"""

from ansible_collections.holdfast.firewall.plugins.module_utils.kept_code import keep_code
from ansible_collections.holdfast.firewall.plugins.module_utils.state_folder import state_root


def main() -> None:
    """Run the module."""
    keep_code(state_root())  # before the imports that it speeds up
    from ansible.module_utils.basic import AnsibleModule

    from ansible_collections.holdfast.firewall.plugins.module_utils.change.confirm import confirm, inquire, undo
    from ansible_collections.holdfast.firewall.plugins.module_utils.host import LocalHost
    from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError

    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["confirmed", "restored", "status"], "default": "confirmed"},
            "change": {"type": "str"},
            "waited": {"type": "float"},
        },
        supports_check_mode=True,
    )
    state, change = module.params["state"], module.params["change"]
    host = LocalHost()
    try:
        if state == "status" or module.check_mode:
            module.exit_json(**inquire(host, change))
        elif state == "restored":
            module.exit_json(**undo(host, change))
        else:
            module.exit_json(**confirm(host, change, module.params["waited"]))
    except HoldfastError as exc:
        module.fail_json(**exc.as_failure())


if __name__ == "__main__":
    main()
