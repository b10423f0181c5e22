# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the two firewalls of macOS a task is for: the application firewall decides about programs, pf about packets.

Reads the host, changes nothing. Both are on every Mac, and both have to let a connection through, so it is the task that chooses and not
the state of the host.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ..host import Host
from ..policy.errors import HoldfastError
from ..policy.rule import Rule
from .detect import PROGRAMS, Detection
from .registry import make_backend

_BOTH = ("macos", "pf")


@dataclass(frozen=True)
class Asked:
    """What a task wants to put on a host.

    :ivar native: the backends for which it has raw lines.
    """

    rules: t.Sequence[Rule] = ()
    native: t.Collection[str] = ()


def choose_on_mac(host: Host, asked: t.Callable[[], Asked]) -> t.Optional[Detection]:
    """Return the firewall for a task on a Mac, or None where the host is none. ``asked`` is called on a Mac only.

    :raises HoldfastError: when rules of one task are for both.
    """
    if host.which(PROGRAMS["macos"]) is None or host.run(["uname", "-s"]).out.strip() != "Darwin":
        return None
    name, reason = _choose(asked())
    saw = tuple("%s: %s" % (one, make_backend(one, host).sight().saw) for one in _BOTH)
    return Detection(make_backend(name, host), saw, reason)


def _choose(asked: Asked) -> t.Tuple[str, str]:
    programs = sum(rule.scope is not None and rule.scope.program is not None for rule in asked.rules)
    if programs and programs < len(asked.rules):
        raise HoldfastError(
            "%d of %d rules name a program and are for the application firewall of macOS, the others are for pf. They are independent, "
            "and both have to let a connection through: write two documents, and put them in force with backend: macos and backend: pf"
            % (programs, len(asked.rules))
        )
    native = [one for one in _BOTH if one in asked.native]
    if programs:
        return "macos", "this is macOS, and the rules name programs, about which its application firewall decides"
    if native == ["macos"] and not asked.rules:
        return "macos", "this is macOS, and the task has lines for its application firewall only"
    return "pf", "this is macOS, and no rule names a program: pf decides about packets (backend: macos is the application firewall)"
