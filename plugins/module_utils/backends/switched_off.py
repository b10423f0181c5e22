# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The note that a task switched a firewall off, so that a later task finds the same firewall again and adds nothing to it in between.

Reads and writes one file below /etc/holdfast.
"""

from __future__ import annotations

import typing as t

from ..host import Host
from ..policy.errors import HoldfastError

PATH = "/etc/holdfast/switched-off"


def switched_off(host: Host) -> t.Optional[str]:
    """Return the name of the firewall that a task switched off last, unless it was switched on since."""
    name = (host.read(PATH) or "").strip()
    return name or None


def note_switch(host: Host, backend: str, state: str) -> None:
    """Note that a firewall was switched off, or forget that it was."""
    if state == "disabled":
        host.write(PATH, backend + "\n", 0o644)
    elif switched_off(host) is not None:
        host.remove(PATH)


def refuse_switched_off(host: Host, backend: str) -> None:
    """Refuse to change rules that are switched off: the change would replace what is kept for the day on which they are enabled again.

    :raises HoldfastError: in that case.
    """
    if switched_off(host) == backend:
        raise HoldfastError(
            "%s was switched off on this host, and its rules are kept on disk. Switch it on first (holdfast.firewall.backend with "
            "state: enabled)" % backend,
            backend=backend,
        )
