# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The process that is a host's power supply: prepares the root file system, starts it, and starts it again after a reboot.

It runs in a mount namespace and in cgroups of its own. When it ends, however it ends, the overlay is unmounted by the kernel,
and systemd-nspawn and everything in it is killed.
"""

from __future__ import annotations

import os
import secrets
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

from . import kinds, network, rootfs, ssh
from .cgroup import Cgroup
from .errors import LabError
from .host import CONSOLE, Host
from .process import PATH, run
from .settings import Settings

# Exit status of systemd-nspawn when the system inside asked for a reboot.
REBOOT = 133
LOGINS = (("/root", 0), ("/home/admin", 1000), ("/home/plain", 1001))


def supervise(settings: Settings, name: str) -> NoReturn:
    """Become the host's power supply. Called in a fresh mount namespace; standard output is the host's console."""
    Cgroup.of(settings.scope, name).enter()
    host = entrusted(settings.state / "hosts" / name)
    kind = kinds.KINDS[host.kind]
    root = mount(host, rootfs.ensure(kind.image, settings.cache))
    prepare(root, host, settings)
    kinds.customise(root, kind, host.flavour)
    # From here on a shell does: it needs a fifteenth of the memory.
    sys.stdout.flush()
    os.execv("/bin/sh", ["sh", "-c", power_loop(nspawn(host, kind, root), host)])


def entrusted(folder: Path, seconds: float = 5) -> Host:
    """Read the record of the host once it names this process as its supervisor.

    It never does if the run that started us was killed before it could write; then a later run may have taken over.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        host = Host.load(folder)
        if host is None or (host.supervisor and host.supervisor.pid != os.getpid()):
            break
        if host.supervisor:
            return host
        time.sleep(0.01)
    raise LabError(f"{folder.name}: this process is not its supervisor")


def power_loop(command: list[str], host: Host) -> str:
    """Shell script that runs systemd-nspawn until the system inside powers off."""
    link = network.Network(host.scope).remove_link_command(host.machine)
    return f"""
while {shlex.join(command)} </dev/null; status=$?; [ $status -eq {REBOOT} ]; do
    {shlex.join(link)} 2>/dev/null
done
echo "systemd-nspawn ended with $status"
exit $status
"""


def mount(host: Host, base: Path) -> Path:
    """Mount the host's own layer over the shared one."""
    root, upper, work = (host.folder / name for name in ("root", "upper", "work"))
    for folder in (root, upper, work):
        folder.mkdir(exist_ok=True)
    upper.chmod(0o755)
    # volatile: nobody needs these files after a power cut, and without syncs everything is faster.
    options = f"lowerdir={base},upperdir={upper},workdir={work},volatile"
    try:
        run(["mount", "-t", "overlay", "overlay", "-o", options, str(root)])
    except LabError as error:
        raise LabError(f"{error}\nthe state folder must be on a disk or tmpfs, not on an overlay: set HOLDFAST_LAB_STATE") from error
    return root


def prepare(root: Path, host: Host, settings: Settings) -> None:
    """Give the host its identity: name, addresses, keys."""
    hosts = f"127.0.0.1 localhost\n::1 localhost ip6-localhost\n{host.ipv4} {host.name}\n{host.ipv6} {host.name}\n"
    rootfs.write(root, "/etc/hostname", f"{host.name}\n")
    rootfs.write(root, "/etc/hosts", hosts)
    rootfs.write(root, "/etc/machine-id", f"{secrets.token_hex(16)}\n", mode=0o444)
    # Sorts before 80-container-host0.network, which would ask for an address by DHCP.
    rootfs.write(root, "/etc/systemd/network/10-lab.network", network.host_network_file(host.index))
    rootfs.write(root, "/etc/ssh/sshd_config.d/20-port.conf", f"Port {host.ssh_port}\n")
    key = host.folder / "host_key"
    rootfs.write(root, "/etc/ssh/ssh_host_ed25519_key", key.read_text(encoding="ascii"), mode=0o600)
    rootfs.write(root, "/etc/ssh/ssh_host_ed25519_key.pub", ssh.public(key))
    for home, uid in LOGINS:
        rootfs.write(root, f"{home}/.ssh/authorized_keys", ssh.public(settings.state / ssh.KEY), mode=0o600, uid=uid)


def nspawn(host: Host, kind: kinds.Kind, root: Path) -> list[str]:
    """Command line that boots the host in the lab's network and dies with its parent."""
    return [
        "setpriv",
        "--pdeathsig=KILL",
        # Without lock files, which nobody would remove from /run; the record of the lab is the lock.
        *["env", "SYSTEMD_NSPAWN_LOCK=0"],
        *network.Network(host.scope).prefix,
        "systemd-nspawn",
        "--quiet",
        "--boot",
        "--register=no",
        "--keep-unit",
        "--settings=no",
        "--console=read-only",
        "--resolv-conf=off",
        "--timezone=off",
        "--link-journal=no",
        f"--machine={host.machine}",
        f"--hostname={host.name}",
        f"--network-bridge={network.BRIDGE}",
        f"--directory={root}",
        *kind.nspawn,
    ]


def launch(host: Host, settings: Settings, script: Path) -> subprocess.Popen[bytes]:
    """Start the supervisor of a host, detached from this process."""
    command = ["unshare", "--mount", "--propagation=slave", "--", sys.executable, "-B", str(script), "supervise", host.name]
    with open(host.folder / CONSOLE, "wb") as console:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            cwd="/",
            env={"PATH": PATH, "LANG": "C.UTF-8", **settings.environment},
            start_new_session=True,
        )
