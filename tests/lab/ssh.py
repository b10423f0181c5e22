# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys and client configuration of a lab. Touches only the state folder of the lab."""

from __future__ import annotations

from pathlib import Path

from .host import Host
from .process import run

KEY = "id_ed25519"
CONFIG = "ssh_config"
KNOWN_HOSTS = "known_hosts"


def make_key(path: Path, comment: str) -> None:
    """Make an ed25519 key pair without a passphrase, unless it is there."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)])


def public(path: Path) -> str:
    """The public half of a key pair, one line."""
    return path.with_name(f"{path.name}.pub").read_text(encoding="ascii")


def config(state: Path, hosts: list[Host]) -> str:
    """Text of an ssh_config that reaches every host by its name and by its addresses, and reads nothing of the user's own."""
    blocks = [
        f"""Host {host.name}
    HostName {host.ipv4}

Host {host.name} {host.ipv4} {host.ipv6}
    Port {host.ssh_port}
"""
        for host in hosts
    ]
    everywhere = f"""Host *
    User root
    IdentityFile {_quoted(state / KEY)}
    IdentitiesOnly yes
    UserKnownHostsFile {_quoted(state / KNOWN_HOSTS)}
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
    BatchMode yes
"""
    return "\n".join([*blocks, everywhere])


def known_hosts(keys: list[tuple[Host, str]]) -> str:
    """Text of a known_hosts file from hosts and their public host keys."""
    lines = []
    for host, key in keys:
        names = ",".join(name if host.ssh_port == 22 else f"[{name}]:{host.ssh_port}" for name in (host.name, host.ipv4, host.ipv6))
        lines.append(f"{names} {' '.join(key.split()[:2])}\n")
    return "".join(lines)


def close_shared_connections(sockets: Path) -> None:
    """End the connections that OpenSSH keeps open in the background for later commands (ControlPersist)."""
    for socket in sockets.glob("*"):
        run(["ssh", "-F", "none", "-o", f"ControlPath={socket}", "-O", "exit", "any"], check=False)


def _quoted(path: Path) -> str:
    # ssh expands percent signs in both values.
    return '"' + str(path).replace("%", "%%") + '"'
