# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of backends: one name, one class.

Imports are literal and inside the functions: a task loads only the backend it uses, and the packager still finds all of them.
"""

from __future__ import annotations

import typing as t

from ..host import Host
from ..policy.errors import HoldfastError
from .base import Backend

#: In the order in which they are probed. A front end owns the rules beneath it, so front ends come first; Windows is never probed (its
#: rules are planned on the control node).
NAMES = ("ufw", "firewalld", "macos", "pf", "ipfw", "npf", "nftables", "iptables", "windows")


def make_backend(name: str, host: Host) -> Backend:
    """Return the backend of that name for a host.

    :raises HoldfastError: for an unknown name.
    """
    maker = _MAKERS.get(name)
    if maker is None:
        raise HoldfastError("Backend %s is not known; known are %s" % (name, ", ".join(NAMES)))
    return maker(host)


def _pf(host: Host) -> Backend:
    from .pf.backend import Pf

    return Pf(host)


def _ipfw(host: Host) -> Backend:
    from .ipfw.backend import Ipfw

    return Ipfw(host)


def _nftables(host: Host) -> Backend:
    from .nftables.backend import Nftables

    return Nftables(host)


def _iptables(host: Host) -> Backend:
    from .iptables.backend import Iptables

    return Iptables(host)


def _ufw(host: Host) -> Backend:
    from .ufw.backend import Ufw

    return Ufw(host)


def _firewalld(host: Host) -> Backend:
    from .firewalld.backend import Firewalld

    return Firewalld(host)


def _npf(host: Host) -> Backend:
    from .npf.backend import Npf

    return Npf(host)


def _windows(host: Host) -> Backend:
    from .windows.backend import Windows

    return Windows(host)


def _macos(host: Host) -> Backend:
    from .macos.backend import Macos

    return Macos(host)


_MAKERS: t.Dict[str, t.Callable[[Host], Backend]] = {
    "ufw": _ufw, "firewalld": _firewalld, "pf": _pf, "ipfw": _ipfw, "npf": _npf, "nftables": _nftables, "iptables": _iptables,
    "windows": _windows, "macos": _macos,
}  # fmt: skip
