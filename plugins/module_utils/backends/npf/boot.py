# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether npf starts at boot, and with which file: rc.conf(5) of NetBSD.

Reads and writes /etc/rc.conf, and /etc/rc.conf.d/npf where an administrator has that: load_rc_config of rc.subr(8) reads it after the
other, for the script ``npf``, which loads the rules. The script ``npf_boot``, which starts npf, reads /etc/rc.conf alone.
"""

from __future__ import annotations

import typing as t

from ...host import Host
from ..rc_conf import rc_setting, says_yes, write_rc_setting

RC_CONF = "/etc/rc.conf"
#: Settings for the script ``npf`` alone; later ones count.
OVERRIDE = "/etc/rc.conf.d/npf"
DEFAULT_PATH = "/etc/npf.conf"


def rules_path(host: Host) -> str:
    """Return the file that is loaded at boot."""
    return rc_setting(host, (RC_CONF, OVERRIDE), "npf_rules") or DEFAULT_PATH


def starts_at_boot(host: Host) -> bool:
    """Return whether npf starts at boot, and its file is loaded."""
    return _says(host, RC_CONF) is True and _says(host, OVERRIDE) is not False


def _says(host: Host, path: str) -> t.Optional[bool]:
    """Return what a file says, and None where it says nothing."""
    value = rc_setting(host, (path,), "npf")
    return None if value is None else says_yes(value)


def set_boot(host: Host, wanted: bool) -> t.List[str]:
    """Make npf start at boot, or not; returns what was written, nothing when it is so already."""
    notes: t.List[str] = []
    for path in (RC_CONF, OVERRIDE):
        said = _says(host, path)
        if said is (not wanted) or (said is None and path == RC_CONF and wanted):
            notes += write_rc_setting(host, path, "npf", "YES" if wanted else "NO")
    return notes
