# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Making pf start at boot with the file, on each system.

Writes the system's boot settings. Sources: rc.conf(5) and sysrc(8) of FreeBSD, rcctl(8) of OpenBSD, rc.conf(5) of NetBSD, launchd.plist(5).
"""

from __future__ import annotations

import typing as t

from ...host import Host
from ..rc_conf import rc_setting, says_yes, write_rc_setting
from .dialect import Dialect

#: Takes a reference of ours and notes it (``reference``), then loads the file. Apple's own job (com.apple.pfctl) loads it at the same
#: moment, and of two loads at once one is refused with a busy device: so pf is turned on first, and a load that fails is repeated.
_PLIST = """\
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
    <key>Label</key>
    <string>com.holdfast.firewall.pf</string>
    <key>ProgramArguments</key>
    <array>
        <string>/bin/sh</string>
        <string>-c</string>
        <string>umask 077; /bin/mkdir -p /etc/holdfast; \
/sbin/pfctl -E 2&gt;&amp;1 | /usr/bin/sed -n 's/^Token *: *//p' &gt; /etc/holdfast/pf.token; \
for wait in 1 2 4 8; do /sbin/pfctl -f /etc/pf.conf &amp;&amp; exit 0; /bin/sleep $wait; done; exit 1</string>
    </array>
    <key>RunAtLoad</key>
    <true/>
</dict>
</plist>
"""


def starts_at_boot(host: Host, dialect: Dialect) -> bool:
    """Return whether the system enables pf at boot."""
    if dialect.name == "macos":
        return host.read(dialect.boot_files[0]) == _PLIST
    name = "pf_enable" if dialect.name == "freebsd" else "pf"
    value = rc_setting(host, dialect.boot_files, name)
    if value is None:
        return dialect.name == "openbsd"
    return says_yes(value)


def start_at_boot(host: Host, dialect: Dialect) -> t.List[str]:
    """Make pf start at boot; returns what was written, nothing when it does already."""
    if starts_at_boot(host, dialect):
        return []
    if dialect.name == "freebsd":
        host.checked(["sysrc", "pf_enable=YES"])
        return ["set pf_enable=YES in rc.conf"]
    if dialect.name == "openbsd":
        host.checked(["rcctl", "enable", "pf"])
        return ["enabled pf with rcctl"]
    path = dialect.boot_files[0]
    if dialect.name == "macos":
        host.write(path, _PLIST, 0o644)
        return ["wrote %s, which enables pf at boot" % path]
    return write_rc_setting(host, path, "pf", "YES")


def stop_at_boot(host: Host, dialect: Dialect) -> t.List[str]:
    """Make pf not start at boot; returns what was written, nothing when it does not."""
    if not starts_at_boot(host, dialect):
        return []
    if dialect.name == "freebsd":
        host.checked(["sysrc", "pf_enable=NO"])
        return ["set pf_enable=NO in rc.conf"]
    if dialect.name == "openbsd":
        host.checked(["rcctl", "disable", "pf"])
        return ["disabled pf with rcctl"]
    path = dialect.boot_files[0]
    if dialect.name == "macos":
        host.remove(path)
        return ["removed %s, which enabled pf at boot" % path]
    return write_rc_setting(host, path, "pf", "NO")
