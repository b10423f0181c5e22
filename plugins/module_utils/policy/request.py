# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a whole task of ``rule``: its rule, its state, and how the change is confirmed.

Pure: touches nothing. The control node reads it before it opens a connection, the target reads it again.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from .bounds import check_bounds
from .document import parse_address_sets
from .errors import PolicyError
from .json_text import from_json_text
from .parse import FIELDS, check_keys, parse_bool, parse_choice, parse_rule, parse_single_ports
from .rule import Rule

STATES = ("present", "absent", "check", "flush")
CONFIRM = ("auto", "manual")
BACKENDS = ("ufw", "firewalld", "pf", "ipfw", "npf", "nftables", "iptables", "windows", "macos")
MIN_WINDOW, MAX_WINDOW, DEFAULT_WINDOW = 10, 3600, 60
OPTIONS = (*FIELDS, "state", "dry_run", "backend", "native", "address_sets", "agent_ports", "confirm", "confirm_within")


@dataclass(frozen=True)
class RuleRequest:
    """What one task of ``rule`` asks for.

    :ivar rule: the rule in the common language; None for ``check``, ``flush`` and tasks that only have ``native``.
    :ivar native: raw rules by backend.
    :ivar backend: ``auto`` or a backend's name.
    :ivar agent_ports: TCP ports of agents that are kept open like SSH.
    :ivar confirm_within: seconds until the target restores the old rules by itself.
    """

    state: str
    rule: t.Optional[Rule]
    native: t.Mapping[str, str] = field(default_factory=dict)
    backend: str = "auto"
    dry_run: bool = False
    agent_ports: t.Tuple[int, ...] = ()
    confirm: str = "auto"
    confirm_within: int = DEFAULT_WINDOW


def parse_request(args: t.Any) -> RuleRequest:
    """Read the arguments of a task.

    :raises PolicyError: at the first argument that is not valid; nothing has been touched.
    """
    check_bounds(args, "rule")
    check_keys(args, OPTIONS, "rule")
    given = {key: value for key, value in args.items() if value is not None}
    state = parse_choice(given.get("state", "present"), STATES, "rule.state")
    sets = parse_address_sets(
        from_json_text(
            given.get("address_sets"), "rule.address_sets", "a mapping of names to lists of addresses, or the same as JSON text"
        ),
        "rule.address_sets",
    )
    native = _parse_native(given.get("native"))
    rule = None
    words = {key: value for key, value in given.items() if key in FIELDS}
    if state in ("present", "absent"):
        if words or not native:
            rule = parse_rule(words, "rule", sets) if "action" in words or not native else None
    elif words:
        # A task that needs no rule still gets its words checked, so that a typo is found.
        parse_rule({"action": "allow", **words}, "rule", sets)
    return RuleRequest(
        state=state,
        rule=rule,
        native=native,
        backend=parse_choice(given.get("backend", "auto"), ("auto", *BACKENDS), "rule.backend"),
        dry_run=parse_bool(given.get("dry_run", False), "rule.dry_run"),
        agent_ports=parse_single_ports(given.get("agent_ports"), "rule.agent_ports"),
        confirm=parse_choice(given.get("confirm", "auto"), CONFIRM, "rule.confirm"),
        confirm_within=parse_window(given.get("confirm_within", DEFAULT_WINDOW), "rule.confirm_within"),
    )


def parse_window(value: t.Any, place: str) -> int:
    """Read the confirmation window: whole seconds from 10 to 3600."""
    text = str(value).strip()
    if isinstance(value, bool) or not (text.isascii() and text.isdigit()) or not MIN_WINDOW <= int(text[:9]) <= MAX_WINDOW or len(text) > 9:
        raise PolicyError(place, value, "a whole number of seconds from %d to %d" % (MIN_WINDOW, MAX_WINDOW))
    return int(text)


def _parse_native(value: t.Any) -> t.Dict[str, str]:
    if value is None:
        return {}
    allowed = "a mapping of a backend's name to its raw rules, one a line, or the same as JSON text"
    value = from_json_text(value, "rule.native", allowed)
    if not isinstance(value, t.Mapping):
        raise PolicyError("rule.native", value, allowed)
    check_keys(value, BACKENDS, "rule.native")
    native: t.Dict[str, str] = {}
    for name, text in value.items():
        place = "rule.native.%s" % name
        if isinstance(text, (list, tuple)) and all(isinstance(one, str) for one in text):
            text = "\n".join(text)
        if not isinstance(text, str) or not any(line.strip() and not line.strip().startswith("#") for line in text.splitlines()):
            raise PolicyError(place, text, "raw rules of %s, one a line" % name)
        if any(not (c.isprintable() or c in "\n\t") for c in text):
            raise PolicyError(place, text, "raw rules of %s, one a line" % name, "control characters are refused")
        native[name] = text
    return native
