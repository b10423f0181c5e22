# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action plugin of ``confirm``: runs the module over a new connection, so that confirming is a proof."""

from __future__ import annotations

import time
import typing as t

from ansible.plugins.action import ActionBase

from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.parse import check_keys, parse_choice
from ansible_collections.holdfast.firewall.plugins.plugin_utils.confirmed_change import CONFIRM_MODULE
from ansible_collections.holdfast.firewall.plugins.plugin_utils.fresh_connection import (
    default_connect_timeout,
    describe_proof,
    fresh,
    over_network,
)
from ansible_collections.holdfast.firewall.plugins.plugin_utils.payload_cache import kept_payload
from ansible_collections.holdfast.firewall.plugins.plugin_utils.remote_host import is_windows

#: How often a connection is opened before a change that does not come into force is given up.
ATTEMPTS = 20

STATES = ("confirmed", "restored", "status")
#: What is said then.
NOT_IN_FORCE = "The change is pending but did not come into force, so there is nothing to confirm; the host undoes it by itself"

Result = t.Dict[str, t.Any]


class ActionModule(ActionBase):
    """Confirm, undo or ask after a pending change."""

    _supports_check_mode = True

    def run(self, tmp: t.Optional[str] = None, task_vars: t.Optional[Result] = None) -> Result:
        """Run the task."""
        super().run(tmp, task_vars)
        args = dict(self._task.args)
        try:
            check_keys(args, ("state", "change", "waited"), "confirm")
        except HoldfastError as exc:
            return dict(exc.as_failure(), failed=True, changed=False)
        if is_windows(self._connection):
            return self._windows(args)
        wanted = str(args.get("state", "confirmed")).strip().lower()
        if wanted == "confirmed" and not self._task.check_mode and over_network(self._connection):
            return self._confirm(args, task_vars or {})
        with fresh(self._connection, default_connect_timeout()), kept_payload("confirm"):
            result: Result = self._execute_module(module_name=CONFIRM_MODULE, module_args=args, task_vars=task_vars or {})
        if result.get("changed") and wanted == "confirmed":
            result["proof"] = describe_proof(self._connection)
        return result

    def _windows(self, args: Result) -> Result:
        """Do the same for a Windows host, from here: where it confirms, over a connection that is newer than one that saw the change."""
        from ansible_collections.holdfast.firewall.plugins.plugin_utils.windows_task import WindowsTask

        task = WindowsTask(self._connection, self._task.check_mode, self._task.diff)
        state = str(args.get("state", "confirmed")).strip().lower()
        try:
            parse_choice(state, STATES, "confirm.state")
        except HoldfastError as exc:
            return dict(exc.as_failure(), failed=True, changed=False)
        confirms = state == "confirmed" and not self._task.check_mode
        for _attempt in range(ATTEMPTS):
            if not confirms:
                break
            with fresh(self._connection, default_connect_timeout(), watched=True):
                if task.is_applied(args.get("change")) is not False:
                    break
            time.sleep(0.5)
        with fresh(self._connection, default_connect_timeout(), watched=True):
            result = task.confirm(args)
        if result.pop("too_early", False):
            return {"failed": True, "changed": False, "pending": True, "msg": NOT_IN_FORCE}
        if result.get("changed") and confirms:
            result["proof"] = describe_proof(self._connection)
        return result

    def _confirm(self, args: Result, task_vars: Result) -> Result:
        """Confirm over a connection that was opened after the change came into force.

        A change is applied a moment after its task has ended, so a task that follows at once may have connected before. Both ends
        measure a duration by their own clock: how long ago this connection was opened at most, and how long ago the change was applied.
        """
        asked = dict(args, state="status")
        for _attempt in range(ATTEMPTS):
            opened = time.monotonic()
            with fresh(self._connection, default_connect_timeout()), kept_payload("confirm"):
                # Opens the connection; a file transfer that fails in its place would try every other method first.
                self._connection.exec_command("exit 0", sudoable=False)
                status: Result = self._execute_module(module_name=CONFIRM_MODULE, module_args=asked, task_vars=task_vars)
                took = time.monotonic() - opened
                ago = status.get("applied_ago")
                if not status.get("pending") or (ago is not None and ago >= took):
                    result: Result = self._execute_module(module_name=CONFIRM_MODULE, module_args=args, task_vars=task_vars)
                    if result.get("changed"):
                        result["proof"] = describe_proof(self._connection)
                    return result
            time.sleep(0.5)
        return {"failed": True, "changed": False, "pending": True, "msg": NOT_IN_FORCE}
