# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action plugin of ``role_ports``: checks roles and rules on the control node, then the shared confirmed change."""

from __future__ import annotations

import typing as t

from ansible_collections.holdfast.firewall.plugins.module_utils.policy.role_request import parse_role_request
from ansible_collections.holdfast.firewall.plugins.plugin_utils.confirmed_change import ConfirmedChangeAction


class ActionModule(ConfirmedChangeAction):
    """The ports of some roles, confirmed."""

    MODULE = "holdfast.firewall.role_ports"
    LISTS = ("role", "keep_roles", "agent_ports")

    def check(self, args: t.Mapping[str, t.Any]) -> None:
        """Read the whole request once here: a typo never opens a connection."""
        parse_role_request(args)
