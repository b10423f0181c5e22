# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person wants to know about the firewall of a host, without changing anything.

Reads through the backend. A backend that cannot say one of the facts leaves it out, so that the others are still told.
"""

from __future__ import annotations

import typing as t

from ..backends.base import Backend
from ..backends.ruleset import Ruleset
from ..backends.switched_off import switched_off
from ..policy.errors import HoldfastError

Fields = t.Dict[str, t.Any]


def status_of(backend: Backend, ruleset: Ruleset) -> Fields:
    """Return the facts of a firewall whose rules were read."""
    facts = dict(backend.status())
    facts["enabled"] = backend.is_enabled(ruleset)
    facts["switched_off_by_task"] = switched_off(backend.host) == backend.NAME
    chains = [chain for chain in ruleset.chains if not chain.missing]
    facts["rules"] = sum(len(chain.entries) for chain in chains if chain.owner in (None, "holdfast"))
    facts["rules_of_others"] = sum(len(chain.entries) for chain in chains if chain.owner not in (None, "holdfast"))
    facts["other_programs"] = sorted({str(chain.owner) for chain in chains if chain.owner not in (None, "holdfast")})
    facts["defaults"] = {chain.name: chain.default for chain in chains if chain.base and chain.owner in (None, "holdfast")}
    try:
        policy = backend.read_policy(ruleset)
        facts["policy"] = policy is not None
        facts["policy_rules"] = len(policy.rules) if policy is not None else 0
    except HoldfastError as exc:
        facts["policy"] = "the policy was changed by hand: %s" % exc.msg
    return facts


def sentence(name: str, facts: t.Mapping[str, t.Any]) -> str:
    """Return the most important of the facts in one sentence."""
    words = ["enabled" if facts["enabled"] else "not enabled"]
    if isinstance(facts.get("at_boot"), bool):
        words.append("started at boot" if facts["at_boot"] else "not started at boot")
    count = facts["rules"]
    words.append("%d rule%s" % (count, "" if count == 1 else "s"))
    others = facts["other_programs"]
    if others:
        words.append("beside it rules of %s" % ", ".join(others))
    return "%s: %s" % (name, ", ".join(words))
