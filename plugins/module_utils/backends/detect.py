# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which firewall decides on this host: what was seen, what was chosen, and why.

Reads the host, changes nothing. A front end owns the rules beneath it, so an active one is chosen before everything else, and two active
ones are refused. Then the first backend that holds rules counts. Where none holds rules, the platform decides: its own front end where that
is installed, else the first backend that answers.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ..host import Host
from ..policy.errors import HoldfastError
from .base import Backend, Sighting
from .registry import NAMES, make_backend
from .switched_off import switched_off

#: The program without which a backend is not on a host.
PROGRAMS = {
    "ufw": "ufw", "firewalld": "firewall-cmd", "macos": "/usr/libexec/ApplicationFirewall/socketfilterfw", "pf": "pfctl", "ipfw": "ipfw",
    "npf": "npfctl", "nftables": "nft", "iptables": "iptables",
}  # fmt: skip
#: The front end that a distribution's administrators expect, by the words of ID and ID_LIKE in os-release.
FRONT_END_OF = {
    "debian": "ufw", "ubuntu": "ufw", "rhel": "firewalld", "fedora": "firewalld", "centos": "firewalld", "rocky": "firewalld",
    "almalinux": "firewalld", "ol": "firewalld", "amzn": "firewalld", "suse": "firewalld", "opensuse": "firewalld",
}  # fmt: skip
#: Backends that are asked for rules, in this order.
PROBED = tuple(name for name in NAMES if name not in ("ufw", "firewalld", "windows"))


@dataclass(frozen=True)
class Detection:
    """The chosen backend, what was seen on the way, and the reason.

    :ivar decides: whether it holds rules or is enabled; else it is only the one that is expected here.
    """

    backend: Backend
    saw: t.Tuple[str, ...]
    reason: str
    decides: bool = True

    def as_dict(self) -> t.Dict[str, t.Any]:
        """Return it for a task's result."""
        return {"backend": self.backend.NAME, "saw": list(self.saw), "reason": self.reason}


def detect(host: Host, wanted: str = "auto") -> Detection:
    """Choose the backend of a host; ``wanted`` overrides it.

    :raises HoldfastError: when two front ends are active, when one is active that is not supported, or when there is no firewall.
    """
    if wanted != "auto":
        fronts = front_ends(host)
        saw = tuple("%s: %s" % pair for pair in fronts)
        reason = "asked for with backend: %s" % wanted
        if fronts:
            reason += ", although %s is active and may overwrite it" % " and ".join(name for name, _sign in fronts)
        return Detection(make_backend(wanted, host), saw, reason)
    fronts = front_ends(host)
    names = [name for name, _sign in fronts]
    signs = "; ".join("%s: %s" % pair for pair in fronts)
    if len(fronts) > 1:
        raise HoldfastError(
            "Two firewall front ends are active on this host, %s (%s). They overwrite each other's rules: disable one of them"
            % (" and ".join(names), signs), detection={"active": names},
        )  # fmt: skip
    if fronts:
        reason = "%s is active, and a front end owns the rules beneath it" % names[0]
        return Detection(make_backend(names[0], host), tuple("%s: %s" % pair for pair in fronts), reason)
    sightings: t.List[Sighting] = []
    for name in PROBED:
        sightings.append(_sight(host, name))
        if sightings[-1].active:
            reason = "%s is the first in the order %s that holds rules" % (name, ", ".join(PROBED))
            return Detection(make_backend(name, host), _said(sightings), reason)
    saw = _said(sightings)
    former = switched_off(host)
    if former in PROGRAMS and host.which(PROGRAMS[former]) is not None:
        reason = "no firewall holds rules now; %s was switched off by holdfast.firewall.backend" % former
        return Detection(make_backend(former, host), saw, reason, False)
    expected = _front_end_of_platform(host)
    if expected is not None:
        reason = "no firewall holds rules yet; %s is installed, and it is the front end of this platform" % expected
        return Detection(make_backend(expected, host), (*saw, "%s: installed, not active" % expected), reason, False)
    for one in sightings:
        if one.available:
            reason = "no firewall holds rules yet; %s is the first in the order %s that answers" % (one.backend, ", ".join(PROBED))
            return Detection(make_backend(one.backend, host), saw, reason, False)
    raise HoldfastError(
        "No firewall was found on this host (%s). Install nftables, or name a backend with backend: for a dry run" % "; ".join(saw),
        detection={"saw": list(saw)},
    )


def _front_end_of_platform(host: Host) -> t.Optional[str]:
    """Return the installed front end that the distribution expects, or None."""
    name = expected_front_end(host)
    return name if name is not None and host.which(PROGRAMS[name]) is not None else None


def expected_front_end(host: Host) -> t.Optional[str]:
    """Return the front end that administrators of this distribution expect, installed or not, or None."""
    text = host.read("/etc/os-release") or ""
    words = [word for line in re.findall(r"^(?:ID|ID_LIKE)=(.*)$", text, re.MULTILINE) for word in line.strip("\"' ").split()]
    return next((FRONT_END_OF[word] for word in words if word in FRONT_END_OF), None)


def _sight(host: Host, name: str) -> Sighting:
    """Look for one backend; one whose program is not there is not even loaded."""
    if host.which(PROGRAMS[name]) is None:
        return Sighting(name, False, False, "%s is not installed" % PROGRAMS[name])
    return make_backend(name, host).sight()


def _said(sightings: t.Sequence[Sighting]) -> t.Tuple[str, ...]:
    return tuple("%s: %s" % (one.backend, one.saw) for one in sightings)


def front_ends(host: Host) -> t.List[t.Tuple[str, str]]:
    """Return the active front ends with the sign each was known by. Asks no front end's own tool: they take up to a second."""
    found = []
    configured = re.search(r"^\s*ENABLED\s*=\s*[\"']?yes", host.read("/etc/ufw/ufw.conf") or "", re.MULTILINE | re.IGNORECASE)
    if configured and host.which("ufw") is not None:
        found.append(("ufw", "ENABLED=yes in /etc/ufw/ufw.conf"))
    if host.which("firewalld") is not None or host.which("firewall-cmd") is not None:
        if host.which("systemctl") is not None and host.run(["systemctl", "is-active", "--quiet", "firewalld"]).ok:
            found.append(("firewalld", "its service is active"))
        elif _running_firewalld(host):
            found.append(("firewalld", "its daemon is running"))
    return found


def _running_firewalld(host: Host) -> bool:
    for path in ("/run/firewalld.pid", "/var/run/firewalld.pid"):
        pid = (host.read(path) or "").strip()
        if pid.isdigit() and host.exists("/proc/%s" % pid):
            return True
    return False
