# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shared base of every action plugin whose module changes rules: apply, prove with a new connection, confirm, or wait for the rollback.

Runs on the control node; touches the managed node only through modules of this collection.
"""

from __future__ import annotations

import json
import shlex
import time
import typing as t

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.json_text import lists_from_text
from ansible_collections.holdfast.firewall.plugins.plugin_utils.fresh_connection import describe_proof, fresh, over_network
from ansible_collections.holdfast.firewall.plugins.plugin_utils.payload_cache import kept_payload
from ansible_collections.holdfast.firewall.plugins.plugin_utils.remote_host import is_windows

if t.TYPE_CHECKING:
    from ansible_collections.holdfast.firewall.plugins.plugin_utils.windows_task import WindowsTask

CONFIRM_MODULE = "holdfast.firewall.confirm"

#: Seconds between the answer of the changing task and the first new connection, at least and at most; the host says after how many
#: seconds its change is likely in force. A connection that was opened too early proves nothing, but the host answers it once the change is
#: in force, so the next one is opened at that very moment.
FIRST_WAIT = 0.15
LONGEST_WAIT = 10.0
#: Seconds between two attempts.
NEXT_WAIT = 0.3
#: Seconds by which a duration on its way to the host may be rounded.
TICK = 0.005
#: Seconds before the deadline at which proving stops.
MARGIN = 2.0
#: Seconds to look for the host after the deadline of its own rollback.
AFTERMATH = 60.0
#: Seconds for one attempt to connect.
CONNECT_TIMEOUT = 8

#: The options of the modules that are one word of some; they are read in any case, and the module gets them in small letters.
CHOICES = ("state", "action", "direction", "family", "limit_per", "backend", "confirm", "layout")

Result = t.Dict[str, t.Any]


class ConfirmedChangeAction(ActionBase):
    """An action that runs its module and confirms what the module began."""

    #: The module, and whether the task's options are checked on the control node first.
    MODULE = ""
    #: Its options that are lists; an ad-hoc task writes them as JSON text, perhaps.
    LISTS: t.Tuple[str, ...] = ("agent_ports",)
    _requires_connection = True
    _supports_async = True  # to refuse it in words
    _supports_check_mode = True
    #: The task for a Windows host, which runs here; None for all others.
    _windows: t.Optional[WindowsTask] = None

    def prepare(self, args: Result, task_vars: Result) -> Result:
        """Return the options that are sent to the module; here is the place to read files of the control node.

        :raises HoldfastError: when they cannot be read.
        """
        return args

    def check(self, args: t.Mapping[str, t.Any]) -> None:
        """Check the task's options before anything is sent.

        :raises HoldfastError: when they are not valid.
        """
        raise NotImplementedError

    def run(self, tmp: t.Optional[str] = None, task_vars: t.Optional[Result] = None) -> Result:
        """Run the task."""
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        if self._task.async_val:
            msg = "async is refused: this task has to prove that the host can be reached before it ends. Remove async"
            return {"failed": True, "changed": False, "msg": msg}
        try:
            args = self.prepare(lists_from_text(self._task.args, self.LISTS), task_vars)
            self.check(args)
            args = {name: _small(value) if name in CHOICES else value for name, value in args.items()}
        except HoldfastError as exc:
            return dict(exc.as_failure(), failed=True, changed=False)
        result = self._change(args, task_vars)
        answered = time.monotonic()
        pending = result.get("pending")
        if result.get("failed") or not isinstance(pending, dict):
            return result
        result["change"] = pending["change"]
        if str(self._task.args.get("confirm", "auto")).strip().lower() == "manual":
            _wait_until_likely_in_force(pending)  # the next task may look at what the change does
            result["msg"] = "%s; it waits %d seconds for its confirmation" % (result.get("msg", ""), pending["confirm_within"])
            return result
        del result["pending"]
        result.update(self._prove(pending, answered, task_vars))
        return result

    def _change(self, args: Result, task_vars: Result) -> Result:
        """Run the module on the host, or its task here for a Windows host."""
        if is_windows(self._connection):
            from ansible_collections.holdfast.firewall.plugins.plugin_utils.windows_task import WindowsTask

            self._windows = WindowsTask(self._connection, self._task.check_mode, self._task.diff)
            return self._windows.change(self.MODULE, args)
        with kept_payload(self.MODULE.rpartition(".")[2]):
            result: Result = self._execute_module(module_name=self.MODULE, module_args=args, task_vars=task_vars)
        return result

    def _prove(self, pending: Result, answered: float, task_vars: Result) -> Result:
        """Confirm over a new connection; returns what that adds to the result."""
        # Where arming takes several calls, the window has begun before the answer.
        deadline = answered + pending["confirm_within"] - pending.get("spent", 0.0) - MARGIN
        _wait_until_likely_in_force(pending)
        trouble = tried = ""
        early = False
        while time.monotonic() < deadline:
            waited = time.monotonic() - answered
            left = max(1, min(CONNECT_TIMEOUT, int(deadline - time.monotonic())))
            question = {"change": pending["change"], "waited": waited}
            outcome, trouble = self._over_new_connection(question, task_vars, left, pending.get("ask"))
            early = outcome is not None and bool(outcome.get("too_early"))
            if outcome is None or early:
                tried = trouble
                time.sleep(NEXT_WAIT if outcome is None else _until_in_force(outcome, time.monotonic() - answered))
                continue
            if outcome.get("failed"):
                return self._explain_refusal(pending, answered, outcome, trouble or tried, task_vars)
            return {"proof": describe_proof(self._connection), "persisted": outcome.get("persisted", [])}
        return self._await_rollback(pending, answered, trouble, task_vars, early)

    def _await_rollback(self, pending: Result, answered: float, trouble: str, task_vars: Result, early: bool = False) -> Result:
        """Wait until the host has restored its rules, connect again, and tell what happened.

        :param early: whether the last new connection worked, and the host was not done with the change yet.
        """
        window = pending["confirm_within"]
        cut = "The change was undone: after it, no new connection to this host worked (%s)" % (trouble or "no attempt ended in time")
        if early:
            cut = (
                "The change was undone: the host had not put all of it in force within confirm_within (%d seconds), though new connections "
                "to it work. Give it a longer confirm_within; the more rules there are, the longer it takes" % window
            )
        last = trouble
        outcome: t.Optional[Result] = None
        while time.monotonic() < answered + window + AFTERMATH:
            outcome, last = self._over_new_connection({"change": pending["change"], "state": "status"}, task_vars, CONNECT_TIMEOUT)
            if outcome is not None and not outcome.get("failed") and not outcome.get("pending"):
                self._reset_quietly()
                return self._account(outcome, cut)
            time.sleep(1.0)
        self._reset_quietly()
        if outcome is not None and outcome.get("pending"):
            busy = "The host can be reached and is still putting the old rules back (holdfast.firewall.confirm with state: status)"
            return {"failed": True, "changed": True, "rolled_back": None, "msg": "%s. %s" % (cut, busy)}
        why = (
            "%s. The host cannot be reached although its rollback (%s, change %s) was due %d seconds ago (%s). %s; else use the host's "
            "console"
        )
        reboot = "Nothing of the change was saved, so a reboot also brings the old rules back"
        if self._windows is not None:
            reboot = "The rollback also runs when the host starts, so a reboot may bring the old rules back"
        msg = why % (cut, pending["timer"], pending["change"], AFTERMATH, last, reboot)
        return {"failed": True, "changed": True, "rolled_back": None, "msg": msg}

    def _account(self, outcome: Result, cut: str) -> Result:
        account: Result = {"failed": True, "changed": False, "rolled_back": bool(outcome.get("rolled_back"))}
        if not outcome.get("rolled_back"):
            account["msg"] = "%s. It is neither pending nor rolled back now, perhaps somebody else confirmed it" % cut
            account["changed"] = True
        elif not outcome.get("restored"):
            account["changed"] = True
            account["msg"] = "%s, but restoring the old rules failed: %s" % (cut, outcome.get("log") or "no log")
        elif outcome.get("identical") is False:
            account["identical"] = False
            account["msg"] = "%s. Its rollback restored the old rules; somebody else changed the live rules in between" % cut
        else:
            account["identical"] = outcome.get("identical")
            account["msg"] = "%s. Its rollback restored the old rules, the host can be reached again, and in force is what was before" % cut
        return account

    def _explain_refusal(self, pending: Result, answered: float, outcome: Result, trouble: str, task_vars: Result) -> Result:
        """Tell why the host did not confirm; where it had already restored its rules, tell what is in force."""
        if trouble and outcome.get("rolled_back"):
            return self._await_rollback(pending, answered, trouble, task_vars)
        msg = outcome.get("msg") or outcome.get("module_stderr") or "The change could not be confirmed; the host undoes it by itself"
        return {"failed": True, "changed": False, "rolled_back": bool(outcome.get("rolled_back")), "msg": msg}

    def _over_new_connection(
        self, args: Result, task_vars: Result, timeout: int, ask: t.Optional[str] = None
    ) -> t.Tuple[t.Optional[Result], str]:
        """Ask the process that applied the change, or run ``confirm``, over a new connection; returns the result, or None and why not."""
        if self._windows is not None:
            return self._windows_over_new_connection(self._windows, args, timeout)
        try:
            with fresh(self._connection, timeout, watched=True), kept_payload("confirm"):
                answer = self._ask(ask, args["waited"]) if ask is not None else None
                if answer is not None:
                    return answer, ""
                if over_network(self._connection):
                    # Opens the connection; a file transfer that fails in its place would warn about its method.
                    self._connection.exec_command("exit 0", sudoable=False)
                outcome: Result = self._execute_module(module_name=CONFIRM_MODULE, module_args=args, task_vars=task_vars)
        except AnsibleConnectionFailure as exc:
            return None, _one_line(exc)
        except AnsibleError as exc:
            # A connection that breaks between two commands shows up as a failed transfer or a missing folder.
            return None, _one_line(exc)
        if outcome.get("unreachable") or ("msg" in outcome and outcome.get("failed") and "MODULE FAILURE" in str(outcome["msg"])):
            return None, _one_line(outcome.get("module_stderr") or outcome["msg"])
        return outcome, ""

    def _windows_over_new_connection(
        self, windows: WindowsTask, args: Result, timeout: int
    ) -> t.Tuple[t.Optional[Result], str]:  # fmt: skip
        try:
            with fresh(self._connection, timeout, watched=True):
                return windows.prove(args), ""
        except Exception as exc:  # connection plugins for Windows let what their libraries raise through
            return None, _one_line(exc) or type(exc).__name__

    def _ask(self, script: str, waited: float) -> t.Optional[Result]:
        """Return the answer of the process that applied the change; None when it is not there to answer: ``confirm`` does the same."""
        said = self._low_level_execute_command("/bin/sh %s %.3f" % (shlex.quote(script), waited))
        if said["rc"] != 0:
            return None
        try:
            answer = json.loads(said["stdout"].strip().splitlines()[-1])
        except (ValueError, IndexError):
            return None
        return answer if isinstance(answer, dict) else None

    def _reset_quietly(self) -> None:
        """Close the shared connection of other tasks, which the lockout may have left half-dead."""
        if over_network(self._connection):
            try:
                self._connection.reset()
            except Exception:  # the next task opens a new one anyway
                self._display_vvv("the old connection could not be reset")

    def _display_vvv(self, text: str) -> None:
        from ansible.utils.display import Display

        Display().vvv("holdfast.firewall: %s" % text)


def _wait_until_likely_in_force(pending: Result) -> None:
    time.sleep(min(max(FIRST_WAIT, float(pending.get("settles_in", 0))), LONGEST_WAIT))


def _until_in_force(outcome: Result, passed: float) -> float:
    """Return after how many seconds a connection is newer than the change that the last one was too early for."""
    after = outcome.get("in_force_after")
    return min(NEXT_WAIT, max(0.0, float(after) - passed) + TICK) if after is not None else NEXT_WAIT


def _small(value: t.Any) -> t.Any:
    return value.strip().lower() if isinstance(value, str) else value


def _one_line(text: t.Any) -> str:
    return " ".join(str(text).split())[:300]
