# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Forwarded packets about which firewalld asks no policy.

Reads through ``host``; changes nothing. From 2.0 to 2.4 firewalld makes jumps to a policy from ANY to ANY for each interface and source
that a zone names, and none for the rest: ``filter_FORWARD_POLICIES`` ends with the default zone alone (seen with 2.4.4; 1.3 and 2.5, whose
chains are others, ask everywhere).
"""

from __future__ import annotations

import re
import typing as t

from ...host import Host
from ...policy.errors import HoldfastError
from .nat_checks import SWITCHES
from .objects import OwnPolicy

_FROM, _BEFORE = (2, 0), (2, 5)
_ADDRESS = re.compile(r"^\d+: (\S+)\s+inet6? (\S+)", re.MULTILINE)


def refuse_where_nobody_is_asked(host: Host, facts: t.Mapping[str, t.Any], policies: t.Iterable[OwnPolicy]) -> None:
    """Refuse to decide about forwarding where some packets would not be decided.

    :raises HoldfastError: with the interfaces, and what to do.
    """
    version = tuple(int(one) for one in re.findall(r"\d+", str(facts.get("version", "")))[:2])
    if not _FROM <= version < _BEFORE or all(one.direction != "forward" for one in policies):
        return
    if all((host.read(path) or "0").strip() == "0" for path in SWITCHES.values()):
        return
    named = {name for settings in facts.get("zones", {}).values() for name in settings.get("interfaces") or ()}
    listed = _ADDRESS.findall(host.run(["ip", "-o", "address", "show"]).out)
    unnamed = sorted({name for name, address in listed if name not in {*named, "lo"} and not address.startswith("fe80:")})
    if unnamed:
        raise HoldfastError(
            "Firewalld %s asks no policy about packets between interfaces that no zone names (here %s), and this host forwards packets, so "
            "they cannot be decided. Name the interfaces (firewall-cmd --permanent --zone=%s --change-interface=%s, and the same without "
            "--permanent), or leave forwarding alone (defaults.forward: unmanaged)"
            % (facts.get("version"), ", ".join(unnamed[:5]), facts.get("default zone"), unnamed[0])
        )
