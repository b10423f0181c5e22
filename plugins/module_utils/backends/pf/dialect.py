# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The four pf systems and on what they differ for us.

Pure: touches nothing. Sources: pf.conf(5), pfctl(8), rc.conf(5) of each system.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ...policy.errors import HoldfastError


@dataclass(frozen=True)
class Dialect:
    """One system with pf.

    :ivar name: our word for it.
    :ivar old_translation: whether translation has lines of its own (``nat``, ``rdr``), listed apart from the filter rules.
    :ivar loadable: whether pf is a kernel module that may have to be loaded first.
    :ivar enable: the option of pfctl that turns pf on. macOS counts references: ``-E`` hands out a token, ``-X TOKEN`` gives it back.
    :ivar boot_files: the files that say whether pf starts at boot.
    :ivar tells_forwarding: whether ``(self)`` follows the addresses of all interfaces, so that packets to the host and packets through it
        can be told apart when they arrive. It needs interface groups, which NetBSD and macOS lack: there it would match nothing.
    """

    name: str
    old_translation: bool
    loadable: bool
    enable: str
    boot_files: t.Tuple[str, ...]
    tells_forwarding: bool

    @property
    def by_reference(self) -> bool:
        """Whether pf counts who needs it (``reference``)."""
        return self.enable == "-E"


FREEBSD = Dialect("freebsd", True, True, "-e", ("/etc/rc.conf", "/etc/rc.conf.local"), True)
OPENBSD = Dialect("openbsd", False, False, "-e", ("/etc/rc.conf.local",), True)
NETBSD = Dialect("netbsd", True, False, "-e", ("/etc/rc.conf",), False)
MACOS = Dialect("macos", True, False, "-E", ("/Library/LaunchDaemons/com.holdfast.firewall.pf.plist",), False)

_BY_NAME = {one.name: one for one in (FREEBSD, OPENBSD, NETBSD, MACOS)}
_BY_SYSTEM = {"FreeBSD": FREEBSD, "OpenBSD": OPENBSD, "NetBSD": NETBSD, "Darwin": MACOS}


def dialect_named(name: str) -> Dialect:
    """Return the dialect of that name.

    :raises HoldfastError: for an unknown name.
    """
    if name not in _BY_NAME:
        raise HoldfastError("pf has no dialect %s; known are %s" % (name, ", ".join(sorted(_BY_NAME))))
    return _BY_NAME[name]


def dialect_of(system: str) -> Dialect:
    """Return the dialect of a system by what ``uname -s`` prints; that of FreeBSD where there is no pf (a dry run elsewhere)."""
    return _BY_SYSTEM.get(system.strip(), FREEBSD)
