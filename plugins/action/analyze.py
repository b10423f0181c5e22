# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action plugin of ``analyze``: reads documents from files and text on the control node, and checks the options there."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase

from ansible_collections.holdfast.firewall.plugins.module_utils.change.analyze_request import parse_analyze_request
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import HoldfastError, PolicyError
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.json_text import lists_from_text
from ansible_collections.holdfast.firewall.plugins.plugin_utils.payload_cache import kept_payload
from ansible_collections.holdfast.firewall.plugins.plugin_utils.policy_file import load_policy_text, read_source, with_line
from ansible_collections.holdfast.firewall.plugins.plugin_utils.remote_host import is_windows

MODULE = "holdfast.firewall.analyze"

Result = t.Dict[str, t.Any]


class ActionModule(ActionBase):
    """Questions about policies."""

    _supports_check_mode = True

    def run(self, tmp: t.Optional[str] = None, task_vars: t.Optional[Result] = None) -> Result:
        """Run the task."""
        super().run(tmp, task_vars)
        args = lists_from_text(self._task.args, ("questions", "kinds", "agent_ports"))
        texts: t.Dict[str, t.Tuple[str, str]] = {}
        try:
            for key, source_key in (("policy", "src"), ("other", "other_src")):
                text = self._text_of(args, key, source_key)
                if text is not None:
                    texts[key] = text
                    args[key] = load_policy_text(*text)
            parse_analyze_request(args)
        except PolicyError as exc:
            root = next((key for key in texts if exc.place.split(".")[0].split("[")[0] == key), None)
            found = with_line(exc, *texts[root]) if root == "policy" else exc
            return dict(found.as_failure(), failed=True, changed=False)
        except HoldfastError as exc:
            return dict(exc.as_failure(), failed=True, changed=False)
        if is_windows(self._connection):
            from ansible_collections.holdfast.firewall.plugins.plugin_utils.windows_task import WindowsTask

            return WindowsTask(self._connection, self._task.check_mode, self._task.diff).analyze(args)
        with kept_payload("analyze"):
            result: Result = self._execute_module(module_name=MODULE, module_args=args, task_vars=task_vars or {})
        return result

    def _text_of(self, args: Result, key: str, source_key: str) -> t.Optional[t.Tuple[str, str]]:
        """Return the text of a document and what people call it, or None where it is no text.

        :raises HoldfastError: when its file cannot be read.
        """
        source = args.pop(source_key, None)
        if source is None:
            return (args[key], key) if isinstance(args.get(key), str) else None
        if args.get(key) is not None:
            raise PolicyError(source_key, source, "either %s or %s" % (source_key, key), "both were given")
        return read_source(self, str(source), source_key), str(source)
