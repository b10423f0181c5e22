# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules that change a firewall share: options that each of them has, and how a task ends.

Touches nothing. The words about these options are in ``plugins/doc_fragments/_change.py``; the control node reads the specs too, to know
which options are lists.
"""

from __future__ import annotations

import typing as t

from ..policy.errors import HoldfastError
from ..policy.request import BACKENDS, CONFIRM, DEFAULT_WINDOW

Spec = t.Dict[str, t.Dict[str, t.Any]]

#: A list of texts; copy it where it gets more words.
STRINGS: t.Mapping[str, t.Any] = {"type": "list", "elements": "str"}


def argument_spec(own: t.Mapping[str, t.Mapping[str, t.Any]]) -> Spec:
    """Return a module's own options with those that every changing module has."""
    return {
        **{name: dict(words) for name, words in own.items()},
        "backend": {"type": "str", "choices": ["auto", *BACKENDS], "default": "auto"},
        "agent_ports": dict(STRINGS),
        "confirm": {"type": "str", "choices": list(CONFIRM), "default": "auto"},
        "confirm_within": {"type": "int", "default": DEFAULT_WINDOW},
    }


def finish(module: t.Any, carry_out: t.Callable[[], t.Dict[str, t.Any]]) -> None:
    """Carry out the task of an ``AnsibleModule`` and end the module with its result, or with an error for people."""
    try:
        result = carry_out()
    except HoldfastError as exc:
        module.fail_json(**exc.as_failure())
        return
    for warning in result.pop("warnings", ()):
        module.warn(warning)
    module.exit_json(**result)
