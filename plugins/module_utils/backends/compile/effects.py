# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the order of two rules matters: rules that do the same to a packet may change places.

Pure: touches nothing.
"""

from __future__ import annotations

import typing as t

from ...policy.protocols import TCP
from ...policy.rule import Rule

#: What a rule does to each packet that it matches.
Effect = t.Tuple[t.Any, ...]


def effect_of(rule: Rule) -> t.Optional[Effect]:
    """Return what a rule does, equal for rules that may change places, or None when it counts packets and so stands for itself."""
    if rule.limit is not None or (rule.log is not None and rule.log.rate is not None):
        return None
    answered_with_reset = rule.action == "reject" and rule.protocol == TCP
    return rule.action, answered_with_reset, rule.log


def decides(rule: Rule) -> bool:
    """Return whether no packet that a rule matches gets past it."""
    return rule.limit is None
