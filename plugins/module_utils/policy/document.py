# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a whole policy document: defaults by direction, address sets, and rules in order.

Pure: touches nothing. First match decides; what no rule matches takes the default of its direction.
"""

from __future__ import annotations

import typing as t

from .errors import PolicyError
from .parse import FIELDS, check_keys, parse_choice, parse_rule
from .policy import DEFAULTS, Policy
from .rule import DIRECTIONS

KEYS = ("defaults", "address_sets", "rules")
MAX_RULES = 200000


def parse_policy(data: t.Any, place: str = "policy") -> Policy:
    """Read a policy document.

    :raises PolicyError: at the first thing that is not valid, with its exact place (``policy.rules[3].port``).
    """
    check_keys(data, KEYS, place)
    defaults = dict(DEFAULTS)
    given = data.get("defaults") or {}
    check_keys(given, DIRECTIONS, place + ".defaults")
    for direction, action in given.items():
        defaults[direction] = parse_choice(action, ("allow", "deny", "reject"), "%s.defaults.%s" % (place, direction))
    sets = parse_address_sets(data.get("address_sets"), place + ".address_sets")
    rules = data.get("rules")
    if rules is None:
        rules = []
    if not isinstance(rules, (list, tuple)):
        raise PolicyError(place + ".rules", rules, "a list of rules, each with the keys " + ", ".join(FIELDS))
    if len(rules) > MAX_RULES:
        raise PolicyError(place + ".rules", "(%d rules)" % len(rules), "at most %d rules" % MAX_RULES)
    return Policy(tuple(parse_rule(rule, "%s.rules[%d]" % (place, i), sets) for i, rule in enumerate(rules)), defaults)


def parse_address_sets(value: t.Any, place: str) -> t.Dict[str, t.List[t.Any]]:
    """Read named address sets: a mapping of names to lists of addresses (their words are checked where they are used).

    :raises PolicyError: when it is not such a mapping.
    """
    if value is None:
        return {}
    if not isinstance(value, t.Mapping):
        raise PolicyError(place, value, "a mapping of names to lists of addresses")
    sets: t.Dict[str, t.List[t.Any]] = {}
    for name, members in value.items():
        where = "%s.%s" % (place, name)
        if not isinstance(name, str) or not name.isidentifier() or not name.isascii() or len(name) > 31:
            raise PolicyError(where, name, "a name of 1 to 31 letters, digits and underscores that starts with a letter")
        if isinstance(members, str):
            members = [part.strip() for part in members.split(",")]
        if not isinstance(members, (list, tuple)) or not members:
            raise PolicyError(where, members, "a list of at least one address")
        sets[name] = list(members)
    return sets
