# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a policy of ours did to the application firewall, which keeps no mark of whose a rule is.

Touches one file. It has the text of the policy and what each program and setting was before, so that a policy that goes puts back what it
changed, and leaves alone what administrators and macOS itself have set.
"""

from __future__ import annotations

import json
import os
import typing as t
from dataclasses import dataclass, field

from ...host import Host
from ...policy.errors import HoldfastError
from ...policy.policy import Policy
from .policy_text import deciding, parse_policy, render_policy, settings_of
from .rules import program_of, untouched
from .state import State

PATH = "/etc/holdfast/macos.policy.json"


@dataclass(frozen=True)
class Record:
    """The policy in force, and what was there before it.

    :ivar programs: path to its action before, None where it had no rule.
    """

    text: str
    programs: t.Mapping[str, t.Optional[str]] = field(default_factory=dict)
    settings: t.Mapping[str, bool] = field(default_factory=dict)

    def policy(self) -> Policy:
        """Return the policy."""
        return parse_policy(self.text)

    def as_dict(self) -> t.Dict[str, t.Any]:
        """Return it for the file."""
        return {"text": self.text, "programs": dict(self.programs), "settings": dict(self.settings)}


def read_record(host: Host) -> t.Optional[Record]:
    """Return the record, or None where there is none.

    :raises HoldfastError: where only root may see whether there is one; the tool itself answers everybody.
    """
    text = host.read(PATH)
    if text is None and not host.is_root() and host.exists(os.path.dirname(PATH)):
        raise HoldfastError("Reading %s, which says what is ours, needs root; add become: true (or -b)" % PATH)
    try:
        noted = json.loads(text or "null")
    except ValueError:
        return None
    if not isinstance(noted, dict) or not isinstance(noted.get("text"), str):
        return None
    return Record(noted["text"], noted.get("programs") or {}, noted.get("settings") or {})


def write_record(host: Host, noted: t.Optional[t.Mapping[str, t.Any]]) -> t.List[str]:
    """Write or remove the record; returns what was done."""
    if noted is None:
        host.remove(PATH)
        return ["removed %s" % PATH]
    host.write(PATH, json.dumps(noted, indent=1, sort_keys=True) + "\n", 0o600)
    return ["wrote %s" % PATH]


def target(live: State, record: t.Optional[Record], wanted: t.Optional[Policy], alone: bool) -> t.Tuple[State, t.Optional[Record]]:
    """Return the state in which a policy is in force (None: no longer), and the record of it."""
    programs, settings = dict(live.programs), dict(live.settings)
    rules = {program_of(rule): rule.action for rule in deciding(wanted)} if wanted is not None else {}
    lines = settings_of(wanted) if wanted is not None else {}
    before_programs: t.Dict[str, t.Optional[str]] = dict(record.programs) if record is not None else {}
    before_settings: t.Dict[str, bool] = dict(record.settings) if record is not None else {}
    for path, action in before_programs.items():
        if path not in rules:
            programs.pop(path, None)
            if action is not None:
                programs[path] = action
    settings.update((name, on) for name, on in before_settings.items() if name not in lines and name in settings)
    if wanted is None:
        return _sound(State(settings, programs)), None
    if alone:
        programs = untouched(programs)
    programs.update(rules)
    settings.update(lines)
    noted = Record(
        render_policy(wanted),
        {path: before_programs[path] if path in before_programs else live.programs.get(path) for path in rules},
        {name: before_settings.get(name, live.on(name)) for name in lines},
    )
    return State(settings, programs), noted


def _sound(state: State) -> State:
    """Return the state as the firewall can be in: one that is off does not block everything."""
    if state.on("enabled") or not state.on("block_all"):
        return state
    return State({**state.settings, "block_all": False}, state.programs)
