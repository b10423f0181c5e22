# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab as a whole: the class tests use, and the command line too. Touches the lab's state folder, namespace and cgroups.

README.md beside this file shows its use.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator, Sequence

from . import inventory, network, rootfs, ssh, supervisor
from .cgroup import Cgroup
from .errors import LabError
from .host import CONTROL_SOCKETS, Host
from .kinds import KINDS, checked_flavour
from .process import Identity, require_tools, run
from .settings import Settings, checked_name

SCRIPT = Path(__file__).with_name("lab.py")
INVENTORY = "inventory.yml"
BOOT_SECONDS = 60.0


class Lab:
    """The lab with this name (default: the environment's HOLDFAST_LAB, else holdfast-lab)."""

    def __init__(self, name: str | None = None, settings: Settings | None = None) -> None:
        self.settings = settings or Settings.from_environment(name)
        self.network = network.Network(self.settings.scope)

    # -- making and ending hosts

    def create(self, name: str, *, kind: str = "nftables", flavour: str | None = None, ssh_port: int = 22) -> Host:
        """Make a host and return when a login works; a running host of that name and kind is returned as it is."""
        return self.create_all([name], kind=kind, flavour=flavour, ssh_port=ssh_port)[0]

    def create_all(self, names: Sequence[str], *, kind: str = "nftables", flavour: str | None = None, ssh_port: int = 22) -> list[Host]:
        """Make several hosts at the same time."""
        require_tools()
        if kind not in KINDS:
            raise LabError(f"no kind {kind!r}: {', '.join(KINDS)}")
        flavour = checked_flavour(kind, flavour)
        if not 0 < ssh_port < 65536:
            raise LabError(f"port {ssh_port}: 1 to 65535")
        names = [checked_name(name, "host") for name in dict.fromkeys(names)]
        rootfs.ensure(KINDS[kind].image, self.settings.cache)
        with self._locked():
            self._clean()
            ssh.make_key(self.settings.state / ssh.KEY, self.settings.scope)
            self.network.ensure()
            hosts = [self._existing(name, kind, flavour, ssh_port) or self._start(name, kind, flavour, ssh_port) for name in names]
            self._publish()
        with ThreadPoolExecutor(max_workers=len(hosts)) as pool:
            return list(pool.map(self._wait_first_login, hosts))

    def destroy(self, *names: str) -> list[str]:
        """End the named hosts, or without names the whole lab, with what a killed run left of it. Returns the names."""
        require_tools()
        with self._locked():
            known = self._names()
            for name in names:
                if name not in known:
                    raise LabError(f"no host {name}; there are: {', '.join(known) or 'none'}")
            gone = list(names) or known
            for name in gone:
                self._remove(name)
            self._clean()
            if self._names():
                self._publish()
            else:
                self.network.remove()
                shutil.rmtree(self.settings.state)
        try:
            self.settings.state_root.rmdir()
        except OSError:
            pass  # other labs
        return gone

    def reboot(self, name: str, *, wait: str = "login", seconds: float = BOOT_SECONDS) -> Host:
        """Restart the system of a host, out of band.

        :param wait: ``login`` returns when SSH works again, ``boot`` when the system is up, whoever may reach it.
        """
        host = self.host(name)
        before = host.leader()
        if before is None:
            raise LabError(f"{name} is not running")
        # systemd(1): SIGRTMIN+5 starts reboot.target.
        os.kill(before.pid, signal.SIGRTMIN + 5)
        deadline = time.monotonic() + seconds
        while host.leader() in (None, before):
            self._check_deadline(host, deadline, "it does not come back from the reboot")
        self._wait_boot(host, deadline)
        if wait == "login":
            self._wait_login(host, deadline)
        return host

    # -- using them

    def hosts(self) -> list[Host]:
        """The hosts that are there, running or not, by name."""
        found = [Host.load(self._folder(name)) for name in self._names()]
        return [host for host in found if host is not None]

    def host(self, name: str) -> Host:
        for host in self.hosts():
            if host.name == name:
                return host
        raise LabError(f"no host {name}; there are: {', '.join(self._names()) or 'none'}")

    def exec(self, name: str, argv: Sequence[str], *, check: bool = True, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command in the host as root, without the network. ``options`` go to subprocess.run."""
        return run(self.host(name).inside(list(argv)), check=check, shown=[f"{name}:", *argv], **options)

    def enter(self, argv: Sequence[str], *, check: bool = True, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command as the control node, in the lab's network. ``options`` go to subprocess.run."""
        return run(self.entered(argv), check=check, shown=argv, **options)

    def entered(self, argv: Sequence[str]) -> list[str]:
        """Command line that runs ``argv`` as the control node."""
        if not self.network.path.exists():
            raise LabError(f"lab {self.settings.lab} does not run: create a host first")
        return [*self.network.prefix, *argv]

    def inventory_path(self) -> Path:
        """An inventory file of all hosts; it changes with every host that comes and goes."""
        return self.settings.state / INVENTORY

    def inventory(self, *, family: int = 4, via: str | None = None, proxied: bool = False) -> str:
        """Text of an inventory; see inventory.render."""
        namespace = self.settings.scope if proxied else None
        return inventory.render(self.settings.state, self.hosts(), family=family, via=via, namespace=namespace)

    # -- inside

    @contextmanager
    def _locked(self) -> Iterator[None]:
        state = self.settings.state
        while True:
            state.mkdir(parents=True, exist_ok=True)
            state.chmod(0o700)
            descriptor = os.open(state / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            try:
                if os.fstat(descriptor).st_ino == (state / "lock").stat().st_ino:
                    break
            except FileNotFoundError:
                pass
            os.close(descriptor)  # the lab was destroyed while we waited
        try:
            yield
        finally:
            os.close(descriptor)

    def _folder(self, name: str) -> Path:
        return self.settings.state / "hosts" / name

    def _names(self) -> list[str]:
        hosts = self.settings.state / "hosts"
        return sorted(folder.name for folder in hosts.iterdir()) if hosts.is_dir() else []

    def _existing(self, name: str, kind: str, flavour: str, ssh_port: int) -> Host | None:
        host = Host.load(self._folder(name))
        if host and (host.kind, host.flavour, host.ssh_port) != (kind, flavour, ssh_port):
            have = " ".join(filter(None, [host.kind, host.flavour, f"on port {host.ssh_port}"]))
            raise LabError(f"{name} is there already as {have}: destroy it first, or choose another name")
        return host

    def _start(self, name: str, kind: str, flavour: str, ssh_port: int) -> Host:
        folder = self._folder(name)
        folder.mkdir(parents=True)
        index = network.free_index({host.index for host in self.hosts()})
        host = Host(name, kind, flavour, index, ssh_port, self.settings.scope, self.settings.machine(index), folder)
        ssh.make_key(folder / "host_key", name)
        host.save()
        process = supervisor.launch(host, self.settings, SCRIPT)
        host = host.supervised_by(Identity.of(process.pid))
        host.save()
        return host

    def _clean(self) -> None:
        """Remove the hosts that do not run: ended by themselves, or left by a run that was killed."""
        # Hosts without a folder are those of a lab whose state was deleted by hand.
        for name in sorted({*self._names(), *Cgroup.hosts(self.settings.scope)}):
            host = Host.load(self._folder(name))
            if host is None or not host.running():
                self._remove(name)

    def _remove(self, name: str) -> None:
        folder, host = self._folder(name), Host.load(self._folder(name))
        ssh.close_shared_connections(folder / CONTROL_SOCKETS)
        if host is not None:
            self._end_supervisor(host)
        Cgroup.of(self.settings.scope, name).kill()
        if host is not None:
            self.network.remove_link(host.machine)
            # systemd-nspawn leaves this behind when it is killed, or when /run is no tmpfs.
            shutil.rmtree(f"/run/systemd/nspawn/propagate/{host.machine}", ignore_errors=True)
        if folder.exists():
            shutil.rmtree(folder)

    @staticmethod
    def _end_supervisor(host: Host) -> None:
        # It may not have reached its cgroup yet.
        while host.supervisor and host.supervisor.alive():
            os.kill(host.supervisor.pid, signal.SIGKILL)
            time.sleep(0.01)

    def _publish(self) -> None:
        state, hosts = self.settings.state, self.hosts()
        keys = [(host, ssh.public(host.folder / "host_key")) for host in hosts]
        texts = {
            ssh.CONFIG: ssh.config(state, hosts),
            ssh.KNOWN_HOSTS: ssh.known_hosts(keys),
            INVENTORY: inventory.render(state, hosts),
        }
        for name, text in texts.items():
            draft = state / f"{name}.new"
            draft.write_text(text, encoding="utf-8")
            draft.rename(state / name)

    def _wait_first_login(self, host: Host) -> Host:
        ready = host.folder / "ready"
        if not ready.exists():
            deadline = time.monotonic() + BOOT_SECONDS
            self._wait_boot(host, deadline)
            self._wait_login(host, deadline)
            ready.touch()
        return host

    def _wait_boot(self, host: Host, deadline: float) -> None:
        while not host.listens():
            self._check_deadline(host, deadline, "no SSH server listens")
        # Also waits for what starts after the SSH server, such as atd and logins of ordinary users.
        systemctl = KINDS[host.kind].systemctl
        while self.exec(host.name, [systemctl, "is-system-running", "--wait"], check=False, timeout=60).stdout.strip() not in (
            "running",
            "degraded",
        ):
            self._check_deadline(host, deadline, "the system does not finish its start")

    def _wait_login(self, host: Host, deadline: float) -> None:
        config = str(self.settings.state / ssh.CONFIG)
        for address in (host.ipv4, host.ipv6):
            login = self.entered(["ssh", "-F", config, "-o", "ConnectTimeout=1", address, "true"])
            while (done := run(login, check=False)).returncode != 0:
                self._check_deadline(host, deadline, f"no login over {address}: {done.stderr.strip()}")

    @staticmethod
    def _check_deadline(host: Host, deadline: float, trouble: str) -> None:
        if host.running() and time.monotonic() < deadline:
            time.sleep(0.02)
            return
        if not host.running():
            trouble = "it ended"
        console = host.console()
        if "inotify" in console:
            trouble += "\nthe limit fs.inotify.max_user_instances of this machine is reached (7 per host): destroy other hosts"
        raise LabError(f"{host.name}: {trouble}\n{console[-2000:]}")
