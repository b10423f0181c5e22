# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documentation of every module and action plugin says about its attributes. Holds text only.

A module extends ``holdfast.firewall._attributes``, then ``._attributes.action`` where an action plugin stands in front of it and
``._attributes.actiongroup_host`` where it is in the action group ``host``, and states its own ``support`` for each attribute.
"""

from __future__ import annotations


class ModuleDocFragment:
    """The fragments; the name of the class is Ansible's."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description:
      - In check mode the task predicts its result and changes nothing on the managed node.
  diff_mode:
    description:
      - In diff mode the result shows the text before and after, in the backend's own syntax.
  idempotent:
    description:
      - A second run with the same options changes nothing, as long as nobody else changed the managed node in between.
  platform:
    description:
      - The operating systems that the task works on.
"""

    ACTION = r"""
options: {}
attributes:
  action:
    description:
      - An action plugin runs a part of the task on the control node.
"""

    ACTIONGROUP_HOST = r"""
options: {}
attributes:
  action_group:
    description:
      - Set defaults for every module of the group with C(group/holdfast.firewall.host) in C(module_defaults), for example C(agent_ports)
        and C(confirm_within). The modules that change a firewall are in it.
    support: full
    membership:
      - holdfast.firewall.host
"""
