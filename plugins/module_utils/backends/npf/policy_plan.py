# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file that a host needs to enforce a policy.

Pure: touches nothing.
"""

from __future__ import annotations

import typing as t

from ...policy.policy import Policy
from ..base import refuse_policy
from .edit import has_default, loads_icmp, place_part, without_rules
from .policy_supported import policy_unsupported
from .policy_text import cut, render_part


def wanted_text(text: str, policy: t.Optional[Policy], alone: bool) -> str:
    """Return a file with the part of a policy in it, or without any (None).

    :param alone: whether the administrator's rules go.
    :raises HoldfastError: when npf cannot carry the policy, or marks in the file are broken.
    """
    rest, _part = cut(text)
    if policy is None:
        return rest
    if alone:
        rest = without_rules(rest)
    refuse_policy("npf", policy_unsupported(policy))
    return place_part(rest, render_part(policy, not loads_icmp(rest), not has_default(rest)))
