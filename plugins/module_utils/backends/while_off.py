# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a single rule may do to a firewall that is off.

It never switches it on where that would put more than the rule itself into force: whatever else the firewall was told would close or open
the host, and nobody has asked for that. So an allow is written for later and says so, and a deny is refused. Pure: builds sentences.
"""

from __future__ import annotations

import typing as t

from ..policy.errors import HoldfastError
from .ruleset import Edit


def off_sentence(who: str, name: str) -> str:
    """Return what a task says of rules that are listed and decide nothing.

    :param who: the firewall in words.
    :param name: the word of the ``backend`` option.
    """
    return "%s is off, so its rules decide nothing until it is switched on: %s" % (who, _switch(name))


def _switch(name: str) -> str:
    return "holdfast.firewall.backend with backend: %s and state: enabled" % name


def refuse_stopping(who: str, name: str, edits: t.Iterable[Edit], passes: t.Callable[[str], bool]) -> None:
    """Refuse to add a rule that stops packets.

    :param who: the firewall in words, as a sentence begins with it.
    :param name: the word of the ``backend`` option.
    :param passes: whether a raw line stops nothing.
    :raises HoldfastError: with what to do first.
    """
    for edit in edits:
        stops = edit.rule is not None and edit.rule.action != "allow"
        if stops or (edit.native is not None and not passes(edit.native)):
            raise HoldfastError(
                "%s is off on this host, so a rule that stops packets would not, and switching it on would put into force whatever else it "
                "is set to. Nothing was changed: switch it on first (%s), or write a policy (holdfast.firewall.policy)"
                % (who, _switch(name)),
                backend=name,
            )


def adds(edits: t.Iterable[Edit]) -> bool:
    """Return whether these edits put a rule in."""
    return any(edit.rule is not None or edit.native is not None for edit in edits)
