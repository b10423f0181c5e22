# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file that a host needs to enforce a policy, and what has to be true of the host for that.

Reads the host (``sysctl``), changes nothing.
"""

from __future__ import annotations

import typing as t

from ...host import Host
from ...policy.policy import Policy
from ..base import refuse_policy
from ..states_first import refuse_router
from .dialect import Dialect
from .policy_parts import cut
from .policy_place import anchors_behind, place, refuse_translating, without_rules
from .policy_render import render_parts
from .policy_supported import policy_unsupported


def wanted_text(text: str, policy: t.Optional[Policy], dialect: Dialect, layout: str, alone: bool) -> str:
    """Return a file with the parts of a policy in it, or without any (None).

    :param alone: whether the administrator's rules go.
    :raises HoldfastError: when the file cannot have them, or marks in it are broken.
    """
    rest, _parts = cut(text)
    if policy is None:
        return rest
    if alone:
        rest = without_rules(rest)
    refuse_policy("pf", policy_unsupported(policy, dialect))
    refuse_translating(rest, policy, dialect)
    return place(rest, render_parts(policy, dialect, layout, anchors_behind(rest, dialect)), dialect)


def refuse_forwarding(host: Host, policy: Policy, dialect: Dialect) -> None:
    """Refuse a policy on a router whose pf cannot tell forwarded packets from those of the host.

    :raises HoldfastError: with the setting that makes it a router.
    """
    if not dialect.tells_forwarding:
        refuse_router(host, policy, "pf of %s" % dialect.name, "pf.conf")
