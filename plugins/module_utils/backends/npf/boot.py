# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether npf starts at boot, and with which file: rc.conf(5) of NetBSD.

Reads and writes /etc/rc.conf.
"""

from __future__ import annotations

import typing as t

from ...host import Host
from ..rc_conf import rc_setting, says_yes, write_rc_setting

RC_CONF = "/etc/rc.conf"
DEFAULT_PATH = "/etc/npf.conf"


def rules_path(host: Host) -> str:
    """Return the file that is loaded at boot."""
    return rc_setting(host, (RC_CONF,), "npf_rules") or DEFAULT_PATH


def starts_at_boot(host: Host) -> bool:
    """Return whether npf starts at boot."""
    return says_yes(rc_setting(host, (RC_CONF,), "npf"))


def set_boot(host: Host, wanted: bool) -> t.List[str]:
    """Make npf start at boot, or not; returns what was written, nothing when it is so already."""
    if starts_at_boot(host) == wanted:
        return []
    return write_rc_setting(host, RC_CONF, "npf", "YES" if wanted else "NO")
