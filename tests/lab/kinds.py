# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of hosts, and how the shared root file system becomes one of them. Writes only below the root it is given."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from .errors import LabError
from .process import run, run_in_root

SIMULATORS = Path(__file__).resolve().parents[1] / "simulators"
# Where a host that is no Linux to its users keeps the commands that would give it away.
HIDDEN = "/usr/libexec/lab"


@dataclass(frozen=True)
class Kind:
    """What makes a host of this kind out of an image.

    :ivar group: name of its group in the inventory.
    :ivar image: key in rootfs.IMAGES.
    :ivar purge: packages that go.
    :ivar alternatives: name and path pairs for update-alternatives.
    :ivar disable: units that do not start.
    :ivar hide: programs that move out of the search path.
    :ivar simulator: folder in tests/simulators whose install.sh puts stand-in commands into the root.
    :ivar flavours: what that install.sh takes as its second argument; the first is the default.
    :ivar nspawn: further options for systemd-nspawn.
    :ivar variables: variables of its hosts in the inventory, in the place of the usual ones; an empty one is left out.
    """

    group: str
    image: str = "base"
    purge: tuple[str, ...] = ()
    alternatives: tuple[tuple[str, str], ...] = ()
    disable: tuple[str, ...] = ()
    hide: tuple[str, ...] = ()
    simulator: str = ""
    flavours: tuple[str, ...] = ()
    nspawn: tuple[str, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()

    @property
    def linux(self) -> bool:
        """Whether the host shows itself as the Linux it is."""
        return not self.simulator

    @property
    def systemctl(self) -> str:
        return f"{HIDDEN}/systemctl" if "/usr/bin/systemctl" in self.hide else "/usr/bin/systemctl"


def _iptables(variant: str) -> tuple[tuple[str, str], ...]:
    return tuple((name, f"/usr/sbin/{name}-{variant}") for name in ("iptables", "ip6tables"))


KINDS = {
    "nftables": Kind("nftables"),
    "iptables-nft": Kind("iptables_nft", purge=("nftables",), alternatives=_iptables("nft")),
    "iptables-legacy": Kind("iptables_legacy", purge=("nftables",), alternatives=_iptables("legacy")),
    "ufw": Kind("ufw", image="ufw", purge=("nftables",)),
    "firewalld": Kind("firewalld", image="firewalld"),
    "windows": Kind(
        "windows",
        simulator="windows",
        flavours=("en", "de"),
        variables=(
            ("ansible_user", "admin"),
            ("ansible_connection", "ssh"),
            ("ansible_shell_type", "cmd"),
            ("ansible_python_interpreter", ""),
        ),
    ),
    "bsd": Kind(
        "bsd",
        purge=("nftables", "iptables", "ipset"),
        disable=("atd.service",),
        hide=("/usr/bin/systemctl", "/usr/bin/systemd-run", "/usr/bin/journalctl"),
        simulator="bsd",
        flavours=("freebsd", "openbsd", "netbsd", "macos"),
    ),
}


def checked_flavour(kind: str, flavour: str | None) -> str:
    """Return the flavour of a new host of this kind, "" where kinds have none, or raise LabError."""
    flavours = KINDS[kind].flavours
    if flavour and flavour not in flavours:
        raise LabError(f"kind {kind} has no flavour {flavour!r}: {', '.join(flavours) or 'it has none at all'}")
    return flavour or (flavours[0] if flavours else "")


def customise(root: Path, kind: Kind, flavour: str) -> None:
    """Turn the root file system below ``root`` into a host of this kind."""
    if kind.purge:
        run_in_root(root, ["dpkg", "--purge", "--force-depends", "--force-unsafe-io", *kind.purge])
    for name, path in kind.alternatives:
        run_in_root(root, ["update-alternatives", "--set", name, path])
    if kind.disable:
        run_in_root(root, ["systemctl", "mask", *kind.disable])
    for program in kind.hide:
        _hide(root, program)
    if kind.simulator:
        _install_simulator(root, kind.simulator, flavour)


def _hide(root: Path, program: str) -> None:
    hidden = root / HIDDEN.lstrip("/")
    hidden.mkdir(parents=True, exist_ok=True)
    shutil.move(root / program.lstrip("/"), hidden)
    name = os.path.basename(program)
    for folder in ("usr/bin", "usr/sbin"):
        for link in (root / folder).iterdir():
            # reboot, shutdown and the like are systemctl under another name and stay usable.
            if link.is_symlink() and os.path.basename(os.readlink(link)) == name:
                link.unlink()
                link.symlink_to(f"{HIDDEN}/{name}")


def _install_simulator(root: Path, simulator: str, flavour: str) -> None:
    installer = SIMULATORS / simulator / "install.sh"
    if not installer.is_file():
        print(f"no {installer}: the host starts without stand-in commands", flush=True)
        return
    run(["sh", str(installer), str(root), flavour])
