# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action plugin of ``policy``: reads the document's file, checks it on the control node, then the shared confirmed change."""

from __future__ import annotations

import typing as t

from ansible_collections.holdfast.firewall.plugins.module_utils.policy.errors import PolicyError
from ansible_collections.holdfast.firewall.plugins.module_utils.policy.policy_request import parse_policy_request
from ansible_collections.holdfast.firewall.plugins.plugin_utils.checked_documents import is_checked, note_checked
from ansible_collections.holdfast.firewall.plugins.plugin_utils.confirmed_change import ConfirmedChangeAction, Result
from ansible_collections.holdfast.firewall.plugins.plugin_utils.policy_file import (
    load_policy_text,
    read_source,
    with_line,
)


class ActionModule(ConfirmedChangeAction):
    """One whole policy, confirmed."""

    MODULE = "holdfast.firewall.policy"
    #: The text of the document and what people call it, where it came as text.
    _text: t.Optional[t.Tuple[str, str]] = None

    def prepare(self, args: Result, task_vars: Result) -> Result:
        """Read ``src`` (also from a vault) or a document given as text, so that the module gets data."""
        source = args.pop("src", None)
        if source is not None:
            if args.get("policy") is not None:
                raise PolicyError("src", source, "either src or policy", "both were given")
            self._text = (read_source(self, str(source), "src"), str(source))
        elif isinstance(args.get("policy"), str):
            self._text = (args["policy"], "policy")
        if self._text is not None:
            args["policy"] = load_policy_text(*self._text)
        return args

    def check(self, args: t.Mapping[str, t.Any]) -> None:
        """Read the whole document once here: a typo never opens a connection."""
        request = parse_policy_request(args)
        if request.document is not None and not is_checked(request.document):
            try:
                request.read()
            except PolicyError as exc:
                raise (with_line(exc, *self._text) if self._text is not None else exc) from None
            if not request.warnings:
                note_checked(request.document)
