# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tasks of single rules say where the firewall is off, so that its rules decide nothing, or off in some networks of the host.

Touches the host only through the backend, which changes nothing here.
"""

from __future__ import annotations

from ..backends.base import Backend
from ..backends.ruleset import Ruleset
from ..policy.errors import HoldfastError
from ..policy.rule import Rule


def asleep_words(backend: Backend, ruleset: Ruleset) -> str:
    """Return what a message ends with; empty where the rules decide."""
    asleep = backend.asleep(ruleset) or backend.half_asleep(ruleset)
    return "; %s" % asleep if asleep is not None else ""


def refuse_asleep(backend: Backend, ruleset: Ruleset, rule: Rule, label: str) -> None:
    """Refuse to call a rule present that is to stop packets and is listed while nothing is in force.

    :param label: the rule, as a sentence begins with it.
    :raises HoldfastError: in that case.
    """
    asleep = backend.asleep(ruleset)
    if asleep is not None and rule.action != "allow":
        raise HoldfastError("%s stops nothing here: %s" % (label, asleep), backend=backend.NAME)
