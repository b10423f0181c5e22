# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether npf starts at boot, and with which file: rc.conf(5) of NetBSD.

Reads and writes /etc/rc.conf.
"""

from __future__ import annotations

import re
import typing as t

from ...host import Host

RC_CONF = "/etc/rc.conf"
DEFAULT_PATH = "/etc/npf.conf"
_YES = frozenset({"YES", "TRUE", "ON", "1"})


def boot_setting(host: Host, name: str) -> t.Optional[str]:
    """Return a variable of rc.conf; the last assignment counts."""
    value = None
    for found in re.finditer(r"^\s*%s=(\"[^\"\n]*\"|'[^'\n]*'|[^\s#;]*)" % re.escape(name), host.read(RC_CONF) or "", re.MULTILINE):
        value = found.group(1).strip("\"'")
    return value


def rules_path(host: Host) -> str:
    """Return the file that is loaded at boot."""
    return boot_setting(host, "npf_rules") or DEFAULT_PATH


def starts_at_boot(host: Host) -> bool:
    """Return whether npf starts at boot."""
    return (boot_setting(host, "npf") or "NO").upper() in _YES


def set_boot(host: Host, wanted: bool) -> t.List[str]:
    """Make npf start at boot, or not; returns what was written, nothing when it is so already."""
    if starts_at_boot(host) == wanted:
        return []
    word = "YES" if wanted else "NO"
    text = re.sub(r"^[ \t]*npf=.*\n?", "", host.read(RC_CONF) or "", flags=re.MULTILINE)
    host.write(RC_CONF, "%s%snpf=%s\n" % (text, "" if text.endswith("\n") or not text else "\n", word), 0o644)
    return ["set npf=%s in %s" % (word, RC_CONF)]
