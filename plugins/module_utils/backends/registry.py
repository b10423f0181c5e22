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

#: In the order in which they are probed.
NAMES = ("pf", "ipfw", "nftables", "iptables")


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


_MAKERS: t.Dict[str, t.Callable[[Host], Backend]] = {"pf": _pf, "ipfw": _ipfw, "nftables": _nftables, "iptables": _iptables}
