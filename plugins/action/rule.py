# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action plugin of ``rule``: checks the options on the control node, then the shared confirmed change."""

from __future__ import annotations

import typing as t

from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import PolicyError
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.parse import CONDITIONS
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.request import parse_request
from ansible_collections.holdfast.firewall.plugins.plugin_utils.confirmed_change import ConfirmedChangeAction


class ActionModule(ConfirmedChangeAction):
    """One rule, confirmed."""

    MODULE = "holdfast.firewall.rule"
    LISTS = ("port", "port_range", "source_port", "icmp_type", "source", "destination", "profile", "agent_ports")

    def check(self, args: t.Mapping[str, t.Any]) -> None:
        """Read the whole request once here: a typo never opens a connection.

        The module cannot tell an option without a value from one that is left out. A task can, and is not taken to mean every port.
        """
        for key in CONDITIONS:
            if key in args and args[key] is None:
                hint = "without the key it matches everything; leave it out, or write default(omit), if that is meant"
                raise PolicyError("rule.%s" % key, "(nothing)", "a value", hint)
        parse_request(args)
