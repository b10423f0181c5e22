# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Installing the package of a firewall without letting it open or close anything by itself.

Builds commands; asks the host only which programs it has. Debian starts a service as soon as its package is there, others enable it for
the next boot: a firewall that starts with its defaults keeps SSH on port 22 only. So its unit is masked while the package is unpacked, and
is disabled after that: the task that installs it enables it under the protection of its rollback.
"""

from __future__ import annotations

import typing as t

from ..host import Host
from ..policy.errors import HoldfastError
from .base import Command

#: Package managers in the order in which they are looked for, and what installs a package without a question.
MANAGERS = (
    ("apt-get", "DEBIAN_FRONTEND=noninteractive apt-get -y -q -o Dpkg::Options::=--force-confold install --no-install-recommends"),
    ("dnf", "dnf -y -q install"),
    ("yum", "yum -y -q install"),
    ("zypper", "zypper --non-interactive --quiet install"),
    ("apk", "apk add --quiet"),
    ("pacman", "pacman -S --noconfirm --needed --quiet"),
)  # fmt: skip
#: What brings the manager's lists up to date, tried once where the first attempt fails.
REFRESH = {"apt-get": "apt-get -q update", "apk": "apk update --quiet", "pacman": "pacman -Sy --quiet"}


def package_manager(host: Host) -> t.Optional[str]:
    """Return the package manager of the host, or None."""
    return next((name for name, _line in MANAGERS if host.which(name) is not None), None)


def install_package(
    host: Host, firewall: str, package: str, names: t.Optional[t.Mapping[str, str]] = None, unit: str = ""
) -> t.Tuple[Command, ...]:
    """Return what installs a package.

    :param names: the package's name with a package manager where it is another one.
    :param unit: the service of systemd that the package may start or enable; it stays as it was, not running and not enabled.
    :raises HoldfastError: when no package manager is known here.
    """
    manager = package_manager(host)
    if manager is None:
        raise HoldfastError(
            "%s is not installed, and none of %s is here to install it: install it by hand"
            % (firewall, ", ".join(name for name, _line in MANAGERS)), backend=firewall,
        )  # fmt: skip
    wanted = (names or {}).get(manager, package)
    line = "%s %s" % (dict(MANAGERS)[manager], wanted)
    if manager in REFRESH:
        line = "%s || { %s && %s; }" % (line, REFRESH[manager], line)
    if not unit or host.which("systemctl") is None:
        return (Command(("sh", "-c", line)),)
    script = (
        "systemctl mask --runtime --quiet {unit} 2>/dev/null; {line}; status=$?; systemctl unmask --runtime --quiet {unit} 2>/dev/null; "
        "systemctl disable --quiet {unit} 2>/dev/null; exit $status"
    )
    return (Command(("sh", "-c", script.format(unit=unit, line=line))),)
