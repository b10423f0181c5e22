# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a whole task of ``role_ports``: which roles, and the rules of each.

Pure: touches nothing. The rules are in the words of a policy document, also in those of the PortRules of orchestration engines. The
control node reads the task before it opens a connection, the target reads it again.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from .bounds import check_bounds
from .document import parse_policy_document
from .errors import PolicyError, nearest
from .json_text import from_json_text
from .names import parse_name
from .parse import check_keys, parse_choice, parse_list
from .rule import Rule
from .task_words import SHARED, TaskWords, parse_task_words

STATES = ("present", "absent")
OPTIONS = ("role", "roles", "keep_roles", "state", *SHARED)


@dataclass(frozen=True)
class RoleRule:
    """One rule of a role; ``label`` is its place in the task, and its name where it has one."""

    role: str
    label: str
    rule: Rule


@dataclass(frozen=True)
class RoleRequest:
    """What one task of ``role_ports`` asks for.

    :ivar roles: the names of the roles that the task is about.
    :ivar rules: their rules, in order.
    :ivar kept: the rules of roles that the host still has, which stay.
    """

    state: str
    roles: t.Tuple[str, ...]
    rules: t.Tuple[RoleRule, ...]
    kept: t.Tuple[RoleRule, ...] = ()
    words: TaskWords = field(default_factory=TaskWords)
    warnings: t.Tuple[str, ...] = ()


def parse_role_request(args: t.Any) -> RoleRequest:
    """Read the arguments of a task.

    :raises PolicyError: at the first argument that is not valid; nothing has been touched.
    """
    check_bounds(args, "role_ports task")
    check_keys(args, OPTIONS, "role_ports task")
    given = {key: value for key, value in args.items() if value is not None}
    state = parse_choice(given.get("state", "present"), STATES, "state")
    known, warnings = _parse_roles(given.get("roles"))
    names = _parse_named(given.get("role"), known, "role")
    if not names and given.get("role") is None:
        raise PolicyError("role", "(nothing)", "the name of a role, or several", _known(known))
    keep = _parse_named(given.get("keep_roles"), known, "keep_roles")
    if keep and state == "present":
        raise PolicyError("keep_roles", ", ".join(keep), "no keep_roles with state present", "nothing is removed then; leave it out")
    both = [name for name in keep if name in names]
    if both:
        raise PolicyError("keep_roles", ", ".join(both), "roles that are not in role", "a role cannot be removed and kept")
    return RoleRequest(
        state=state,
        roles=tuple(names),
        rules=tuple(rule for name in names for rule in known[name]),
        kept=tuple(rule for name in keep for rule in known[name]),
        words=parse_task_words(given),
        warnings=tuple(warnings),
    )


def _parse_roles(value: t.Any) -> t.Tuple[t.Dict[str, t.List[RoleRule]], t.List[str]]:
    allowed = "a mapping of the names of roles to lists of rules, or the same as JSON text"
    value = from_json_text(value, "roles", allowed)
    if not isinstance(value, t.Mapping) or not value:
        raise PolicyError("roles", value if value else "(nothing)", allowed)
    found: t.Dict[str, t.List[RoleRule]] = {}
    warnings: t.List[str] = []
    for key, given in value.items():
        name = parse_name(key, "roles")
        place = "roles.%s" % name
        if not isinstance(given, (list, tuple)):
            hint = "put a dash before each rule" if isinstance(given, t.Mapping) else ""
            raise PolicyError(place, given, "a list of rules, each with action and port", hint)
        policy, said = parse_policy_document(list(given), place)
        warnings += said
        labels = policy.labels or ("rules",) * len(policy.rules)
        found[name] = [RoleRule(name, label.replace("rules", place, 1), rule) for label, rule in zip(labels, policy.rules)]
    return found, warnings


def _parse_named(value: t.Any, known: t.Mapping[str, t.Any], place: str) -> t.List[str]:
    names: t.List[str] = []
    if isinstance(value, (list, tuple)) and not value:
        return names  # a host that has none
    for one in parse_list(value, place):
        if not isinstance(one, str) or one not in known:
            close = nearest(one, tuple(known)) if isinstance(one, str) else None
            raise PolicyError(place, one, "the name of a role in roles", "did you mean %s?" % close if close else _known(known))
        if one not in names:
            names.append(one)
    return names


def _known(known: t.Iterable[str]) -> str:
    names = list(known)
    return "roles has %s" % ", ".join(names[:20]) + (" and more" if len(names) > 20 else "")
