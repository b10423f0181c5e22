# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file that a host needs to enforce a policy, and what has to be true of the host for that.

Reads the host (``sysctl``), changes nothing.
"""

from __future__ import annotations

import typing as t

from ...host import Host
from ...policy.errors import HoldfastError
from ...policy.policy import Policy
from ...policy.rule import DIRECTIONS
from ..base import Unsupported
from .edit import has_default, loads_icmp, place_part, without_rules
from .policy_supported import policy_unsupported
from .policy_text import cut, render_part

_FORWARDING = ("net.inet.ip.forwarding", "net.inet6.ip6.forwarding")


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
    refuse_unsupported(policy_unsupported(policy))
    return place_part(rest, render_part(policy, not loads_icmp(rest), not has_default(rest)))


def refuse_unsupported(refused: t.Sequence[Unsupported]) -> None:
    """Refuse a policy that npf cannot carry.

    :raises HoldfastError: with the first reasons.
    """
    if refused:
        reasons = "; ".join("%s (%s): %s" % (one.field, one.value, one.reason) for one in refused[:10])
        raise HoldfastError("npf cannot carry this policy exactly: %s" % reasons, unsupported=[one.as_dict() for one in refused])


def refuse_forwarding(host: Host, policy: Policy) -> None:
    """Refuse a policy on a router: npf cannot tell forwarded packets from those of the host.

    :raises HoldfastError: with the setting that makes it a router.
    """
    if all(policy.defaults[direction] == "unmanaged" for direction in DIRECTIONS):
        return
    for name in _FORWARDING:
        answer = host.run(["sysctl", "-n", name])
        if answer.ok and answer.out.strip() not in ("", "0"):
            raise HoldfastError(
                "This host forwards packets (%s is %s), and npf cannot tell them from packets to the host, so this policy cannot be kept "
                "exactly. Set %s to 0, or write the rules of this host in npf.conf" % (name, answer.out.strip(), name)
            )
