# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Root file systems: built once with mmdebstrap, kept in the cache, shared read-only by all hosts of all labs.

To add an image, add an entry to IMAGES; a change of its packages, commands or files gives it a new name in the cache.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import sys
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Iterator

from .errors import LabError
from .process import run, run_in_root, run_plain

KEEP_APT_OPTIONS = re.compile(r'Acquire::(\w+::Proxy|Retries|Check-Valid-Until|Check-Date)\b.* ".+";$')


@dataclass(frozen=True)
class File:
    path: str
    text: str
    mode: int = 0o644


@dataclass(frozen=True)
class Image:
    """A root file system.

    :ivar packages: Debian packages on top of the essential ones.
    :ivar commands: shell lines that run in the finished root, without /proc and without network.
    :ivar files: written before the commands run.
    """

    packages: tuple[str, ...]
    commands: tuple[str, ...] = ()
    files: tuple[File, ...] = ()


_BASE = Image(
    packages=(
        "systemd",
        "systemd-sysv",
        "dbus",
        "python3",
        "openssh-server",
        "nftables",
        "iptables",
        "ipset",
        "at",
        "sudo",
        "iproute2",
        "iputils-ping",
        "netcat-openbsd",
        "procps",
    ),
    files=(
        File(
            "/etc/ssh/sshd_config.d/10-lab.conf",
            "UseDNS no\nPrintMotd no\nPrintLastLog no\nMaxStartups 100:30:200\nMaxSessions 100\n"
            # The post-quantum exchange, first choice otherwise, takes 70 ms of computing per login.
            "KexAlgorithms curve25519-sha256\n",
        ),
        File("/etc/sudoers.d/admin", "admin ALL=(ALL:ALL) NOPASSWD: ALL\n", 0o440),
    ),
    commands=(
        # An unlocked account without a password: sshd takes keys, nobody can type anything.
        "useradd --create-home --shell /bin/bash --password '*' admin",
        "useradd --create-home --shell /bin/bash --password '*' plain",
        # Message of the day and mail checks only cost time at login.
        "sed -i -E '/pam_(motd|mail)\\.so/d' /etc/pam.d/sshd",
        "systemctl enable systemd-networkd.service",
        "systemctl disable ssh.socket 2>/dev/null || true",
        "systemctl enable ssh.service",
        # What wakes up on its own would disturb measurements; there is no terminal and no disk to care for.
        "systemctl mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer",
        "systemctl mask e2scrub_reap.service systemd-networkd-wait-online.service console-getty.service getty@tty1.service",
        # Each host gets its own; the machine's mirror and apt settings stay with the machine.
        "rm -f /etc/ssh/ssh_host_* /etc/machine-id /etc/hostname /etc/resolv.conf",
        "rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/* /etc/apt/apt.conf.d/99mmdebstrap /var/lib/apt/lists/*",
    ),
)

IMAGES = {
    "base": _BASE,
    # Apart, so that no other kind has a front end that owns its rules.
    "ufw": replace(_BASE, packages=(*_BASE.packages, "ufw"), commands=(*_BASE.commands, "systemctl enable ufw.service")),
    "firewalld": replace(_BASE, packages=(*_BASE.packages, "firewalld"), commands=(*_BASE.commands, "systemctl enable firewalld.service")),
}


@dataclass(frozen=True)
class Release:
    """The Debian or Ubuntu release of this machine, which the images are made of."""

    id: str
    codename: str

    @classmethod
    def of_this_machine(cls) -> Release:
        text = Path("/etc/os-release").read_text(encoding="utf-8")
        fields = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', text, re.MULTILINE))
        if "VERSION_CODENAME" not in fields:
            raise LabError("/etc/os-release names no VERSION_CODENAME: the lab is made of the packages of a Debian or Ubuntu release")
        return cls(fields.get("ID", "debian"), fields["VERSION_CODENAME"])


def cache_name(name: str, image: Image, release: Release) -> str:
    """Folder of an image in the cache: anything that changes the result changes the name."""
    content = json.dumps([asdict(image), asdict(release)], sort_keys=True)
    return f"{name}-{release.codename}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"


def source_lines(targets: str, release: Release, keyring: str | None) -> list[str]:
    """The machine's apt sources of its own release, in one-line style, without third parties.

    :param targets: lines ``origin|release|component|uri`` from ``apt-get indextargets``.
    """
    signed = f"[signed-by={keyring}] " if keyring else ""
    lines = []
    for target in targets.splitlines():
        origin, suite, component, uri = target.split("|")
        ours = origin.lower() == release.id and suite.partition("-")[0] == release.codename and not suite.endswith("-backports")
        line = f"deb {signed}{uri} {suite} {component}"
        if ours and line not in lines:
            lines.append(line)
    return lines


def machine_sources(release: Release) -> list[str]:
    """Ask apt for the sources this machine uses."""
    form = "$(ORIGIN)|$(RELEASE)|$(COMPONENT)|$(REPO_URI)"
    targets = run(["apt-get", "indextargets", "--format", form, "Created-By: Packages"]).stdout
    keyring = Path(f"/usr/share/keyrings/{release.id}-archive-keyring.gpg")
    lines = source_lines(targets, release, str(keyring) if keyring.is_file() else None)
    if not lines:
        raise LabError(f"apt on this machine knows no packages of {release.id} {release.codename}: run apt-get update")
    return lines


def apt_options() -> list[str]:
    """Options for mmdebstrap that carry over the machine's proxy and validity settings."""
    dump = run(["apt-config", "dump", "Acquire"]).stdout
    return [f"--aptopt={line.rstrip(';')}" for line in dump.splitlines() if KEEP_APT_OPTIONS.match(line)]


def ensure(name: str, cache: Path) -> Path:
    """Return the root file system of an image, built first if the cache does not have it."""
    image, release = IMAGES[name], Release.of_this_machine()
    finished = cache / cache_name(name, image, release)
    if finished.is_dir():
        return finished
    cache.mkdir(parents=True, exist_ok=True)
    with _locked(cache / f"{finished.name}.lock") as lock:
        if finished.is_dir():
            return finished
        print(f"building the root file system {finished.name} (once, less than a minute)", file=sys.stderr, flush=True)
        for stale in cache.glob(f"{finished.name}.build-*"):
            shutil.rmtree(stale)
        build = cache / f"{finished.name}.build-{os.getpid()}"
        try:
            _build(build, image, release, lock)
            build.rename(finished)
        finally:
            shutil.rmtree(build, ignore_errors=True)
    return finished


def _build(build: Path, image: Image, release: Release, lock: int) -> None:
    # In a mount namespace of its own nothing stays mounted below the folder, whatever happens: it can be removed safely.
    # The lock goes along, so that it is held for as long as a process writes there.
    command = ["unshare", "--mount", "mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(image.packages)}"]
    sources = "".join(f"{line}\n" for line in machine_sources(release))
    run_plain([*command, *apt_options(), release.codename, str(build), "-"], input=sources, pass_fds=(lock,))
    for file in image.files:
        write(build, file.path, file.text, mode=file.mode)
    for line in image.commands:
        run_in_root(build, ["sh", "-ec", line])
    build.chmod(0o755)


def write(root: Path, path: str, text: str, *, mode: int = 0o644, uid: int = 0) -> None:
    """Write a file below ``root``; the folders above it are made and given to the same user."""
    target = root / path.lstrip("/")
    made = [folder for folder in target.parents if not folder.exists()]
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    target.touch(mode=0o600)
    target.write_text(text, encoding="utf-8")
    target.chmod(mode)
    for owned in [target, *made]:
        os.chown(owned, uid, uid)


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)
