# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows Defender Firewall: read from the registry, changed by one script of netsh.

Runs on the control node and touches the Windows host through ``host`` only, as follows.

Reading (never the text of ``netsh ... show``, which is in the language of the display):

* ``reg query HKLM\\SYSTEM\\CurrentControlSet\\Services\\SharedAccess\\Parameters\\FirewallPolicy /s``: profiles and rules; must succeed,
* ``reg query HKLM\\SOFTWARE\\Policies\\Microsoft\\WindowsFirewall /s``: those of group policies; code 1 says that there are none,
* ``reg query HKLM\\SYSTEM\\CurrentControlSet\\Services\\Tcpip\\Parameters /v IPEnableRouter``: whether the host routes (policies only),
* ``sc query mpssvc``: whether the service runs (``status`` only).

Before a change, by whoever carries it out: ``export_commands(folder)``, which is ``netsh advfirewall export FOLDER\\before.wfw``. The
``script`` of the ``Snapshot`` is text for cmd.exe that imports this file from the folder ``%DIR%`` and ends with a code that tells success.
The snapshot has no other files, no paths, and is needed after a reboot too: what netsh does is on disk at once.

Changing: ``apply`` writes the script (``Command.stdin`` of the one command) to SCRIPT with ``host.write`` and runs ``netsh -f SCRIPT``
without standard input. netsh goes on after a line that it refuses, so ``apply`` then reads the registry again and compares it with
``Transaction.after``. ``persist`` writes nothing and runs nothing. SCRIPT stays there, for people.
"""

from __future__ import annotations

import typing as t

from ..base import Backend, Command, Sighting

#: The script that netsh runs.
SCRIPT = "C:\\ProgramData\\holdfast\\rules.netsh"


def export_commands(folder: str) -> t.Tuple[Command, ...]:
    """Return what has to run, in order, to save the whole firewall into a folder of the target that exists."""
    return (Command(("netsh", "advfirewall", "export", folder + "\\before.wfw")),)


class Windows(Backend):
    """Windows Defender Firewall."""

    NAME = "windows"
    ACCEPT_IS_FINAL = False
    PERSISTS_AT_ONCE = True

    def sight(self) -> Sighting:
        return Sighting(self.NAME, False, False, "not on this host")
