# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that is a throw-away network namespace with the real iptables of one variant, and files in a folder of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.iptables.backend import Iptables
from ansible_collections.holdfast.firewall.plugins.module_utils.host import PATH, LocalHost, Result

VARIANTS = ("nft", "legacy")
PROGRAMS = [tool + job for tool in ("iptables", "ip6tables") for job in ("", "-save", "-restore")]


def refuse_reason():
    """Return why no namespace can be used here, or None."""
    if os.geteuid() != 0:
        return "needs root"
    if shutil.which("unshare") is None or subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode:
        return "no network namespace can be made here"
    missing = [one for one in ("xtables-nft-multi", "xtables-legacy-multi") if shutil.which(one) is None]
    return "%s is not installed" % missing[0] if missing else None


class NamespaceHost(LocalHost):
    """Commands run in the namespace, with a search path on which iptables is the chosen variant.

    Files below ``/etc``, ``/run`` and ``/usr/share`` are in a folder of the test; ``systemctl`` keeps its units in a set.
    """

    def __init__(self, variant, missing=()):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="holdfast-iptables-"))
        self.missing = set(missing)
        self.enabled = set()
        self.calls = []
        programs = self.folder / "bin"
        programs.mkdir()
        for name in PROGRAMS:
            if name not in self.missing:
                (programs / name).symlink_to(shutil.which("xtables-%s-multi" % variant))
        self.path = "%s:%s" % (programs, PATH)
        self.holder = subprocess.Popen(["unshare", "--net", "sleep", "600"])
        self._await_namespace()

    def _await_namespace(self):
        mine = os.readlink("/proc/self/ns/net")
        for _try in range(200):
            try:
                if os.readlink("/proc/%d/ns/net" % self.holder.pid) != mine:
                    return
            except OSError:
                pass
            time.sleep(0.01)
        raise RuntimeError("the namespace did not come up")

    def close(self):
        self.holder.kill()
        self.holder.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, argv, stdin=None, timeout=60.0):
        self.calls.append(tuple(argv))
        if argv[0] in self.missing:
            return Result(127, "", "%s: not found" % argv[0])
        if argv[0] == "systemctl":
            return self._systemctl(argv[1:])
        return super().run(["nsenter", "--net=/proc/%d/ns/net" % self.holder.pid, "env", "PATH=" + self.path, *argv], stdin, timeout)

    def _systemctl(self, words):
        if words[0] == "enable":
            self.enabled.add(words[-1])
        elif words[0] == "disable":
            self.enabled.discard(words[-1])
        return Result(0 if words[0] != "is-enabled" or words[-1] in self.enabled else 1, "", "")

    def which(self, program):
        if program in self.missing:
            return None
        return "/bin/systemctl" if program == "systemctl" else super().which(program)

    def _moved(self, path):
        moved = path.startswith(("/etc/", "/run/", "/usr/share/")) and path != "/etc/protocols"
        return str(self.folder) + path if moved else path

    def read(self, path):
        if path.startswith("/proc/net/"):
            result = self.run(["cat", path])
            return result.out if result.ok else None
        return super().read(self._moved(path))

    def write(self, path, text, mode=0o600):
        super().write(self._moved(path), text, mode)

    def remove(self, path):
        super().remove(self._moved(path))

    def exists(self, path):
        return super().exists(self._moved(path)) and path not in self.missing

    def load(self, text, family=4):
        """Load rules as an administrator would, replacing the tables that are named."""
        self.checked(["iptables-restore" if family == 4 else "ip6tables-restore", "-w", "5"], text)

    def shell(self, script):
        """Run a line of shell in the namespace."""
        return self.checked(["sh", "-c", script])


needs_namespace = pytest.mark.skipif(refuse_reason() is not None, reason=str(refuse_reason()))


class PaperHost(LocalHost):
    """A host without iptables, for what is pure."""

    def __init__(self, *programs):
        super().__init__()
        self.programs = programs

    def which(self, program):
        return "/usr/sbin/" + program if program in self.programs else None

    def read(self, path):
        return "tcp 6 TCP\nudp 17 UDP\nigmp 2 IGMP\ngre 47 GRE\nipv6-icmp 58 IPv6-ICMP\n" if path == "/etc/protocols" else None


def paper(*programs):
    """Return a backend on paper."""
    return Iptables(PaperHost(*(programs or ("ipset",))))
