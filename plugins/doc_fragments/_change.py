# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documentation of every module that changes a firewall says about the options that they share. Holds text only.

Their argument specs are in ``plugins/module_utils/change/module_task.py``.
"""

from __future__ import annotations


class ModuleDocFragment:
    """The fragment; the name of the class is Ansible's."""

    DOCUMENTATION = r"""
options:
  backend:
    description:
      - The firewall to work with. V(auto) finds out which one decides on the host, see RV(detection).
    type: str
    choices: [auto, ufw, firewalld, pf, ipfw, npf, nftables, iptables, windows, macos]
    default: auto
  agent_ports:
    description:
      - TCP ports of agents on the host (monitoring, backup) that stay open like the port of SSH, whatever the task removes, denies or
        switches on.
    type: list
    elements: str
  confirm:
    description:
      - V(auto) opens a new connection after the change and confirms it, within this task.
      - V(manual) leaves that to a later task of M(holdfast.firewall.confirm), which has to run within O(confirm_within).
    type: str
    choices: [auto, manual]
    default: auto
  confirm_within:
    description:
      - Seconds after which the host restores its old rules by itself, unless the change is confirmed, from 10 to 3600.
    type: int
    default: 60
notes:
  - Reading and changing rules needs root on the host (C(become=true)).
  - The rollback is armed with C(at), else with C(systemd-run), on the BSDs with C(daemon), on macOS with C(launchd), on Windows with
    C(schtasks). A host that has none of them is not changed and the task fails with RV(rc=31).
  - For a Windows host the task runs on the control node, over any connection with a shell of Windows. It needs an account whose session
    is elevated.
  - Over a connection that is no network connection (local, chroot, a container's own exec) there is no new connection to open, and the
    proof only shows that the host still runs tasks. RV(proof) says so.
  - Ad hoc, where every option is text, lists are written C(80,443) or as JSON, mappings as JSON.
"""
