# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove-NetFirewallRule of PowerShell, with identities from a file: those of rules in the registry, the names of their values."""

import re

_REMOVAL = re.compile(
    r"\. \{ param\(\[string\]\$file\) "
    r"Remove-NetFirewallRule -PolicyStore PersistentStore -ErrorAction Stop -Name \(Get-Content \$file\) \}$"
)


def is_removal(words):
    """Return whether PowerShell is called for that."""
    return len(words) == 5 and words[:3] == ["-NoProfile", "-NonInteractive", "-Command"] and _REMOVAL.match(words[3]) is not None


def remove(store, words):
    """Remove rules; returns the code of PowerShell and what it says. Nothing is removed when there is none of a name."""
    if not is_removal(words):
        return 1, "This stand-in knows no such command of PowerShell.\n"
    try:
        with open(store.path(words[-1]), encoding="cp1252", errors="replace", newline="") as handle:
            names = [line for line in handle.read().replace("\r\n", "\n").split("\n") if line]
    except OSError:
        return 1, "Get-Content : Cannot find path '%s' because it does not exist.\n" % words[-1]
    if not store.elevated or store.state["service"] != 4:
        return 1, "Remove-NetFirewallRule : Access is denied.\n"
    for name in names:
        # Names are patterns, in which capital letters are no others.
        if re.search(r"[*?\[]", name) or name.lower() not in [one.lower() for one, _text in store.rules]:
            return 1, "Remove-NetFirewallRule : No MSFT_NetFirewallRule objects found with property 'InstanceID' equal to '%s'.\n" % name
    gone = {name.lower() for name in names}
    store.state["rules"] = [one for one in store.rules if one[0].lower() not in gone]
    store.save()
    return 0, ""
