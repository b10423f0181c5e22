# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action plugin of ``confirm``: runs the module over a new connection, so that confirming is a proof."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase

from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.parse import check_keys
from ansible_collections.holdfast.firewall.plugins.plugin_utils.confirmed_change import CONFIRM_MODULE
from ansible_collections.holdfast.firewall.plugins.plugin_utils.fresh_connection import default_connect_timeout, describe_proof, fresh
from ansible_collections.holdfast.firewall.plugins.plugin_utils.payload_cache import kept_payload


class ActionModule(ActionBase):
    """Confirm, undo or ask after a pending change."""

    _supports_check_mode = True

    def run(self, tmp: t.Optional[str] = None, task_vars: t.Optional[t.Dict[str, t.Any]] = None) -> t.Dict[str, t.Any]:
        """Run the task."""
        super().run(tmp, task_vars)
        args = dict(self._task.args)
        try:
            check_keys(args, ("state", "change", "waited"), "confirm")
        except HoldfastError as exc:
            return dict(exc.as_failure(), failed=True, changed=False)
        with fresh(self._connection, default_connect_timeout()), kept_payload("confirm"):
            result: t.Dict[str, t.Any] = self._execute_module(module_name=CONFIRM_MODULE, module_args=args, task_vars=task_vars or {})
        if result.get("changed") and str(args.get("state", "confirmed")) == "confirmed":
            result["proof"] = describe_proof(self._connection)
        return result
