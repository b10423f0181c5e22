# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A network namespace of its own for each test, with the real nft in it; the host's own rules are never touched."""

from __future__ import annotations

import os
import shutil
import subprocess
import time

import pytest

from ansible_collections.holdfast.firewall.plugins.module_utils.backends.nftables.backend import Nftables
from ansible_collections.holdfast.firewall.plugins.module_utils.host import LocalHost


class NamespaceHost(LocalHost):
    """Runs programs inside a network namespace, and keeps files below a folder."""

    def __init__(self, pid, folder):
        super().__init__()
        self.pid = pid
        self.folder = str(folder)
        self.systemctl = []

    def run(self, argv, stdin=None, timeout=60.0):
        if argv[0] == "systemctl":
            self.systemctl.append(list(argv[1:]))
        return super().run(["nsenter", "--net=/proc/%d/ns/net" % self.pid, "--", *argv], stdin, timeout)

    def read(self, path):
        return super().read(self.folder + path)

    def write(self, path, text, mode=0o600):
        super().write(self.folder + path, text, mode)

    def remove(self, path):
        super().remove(self.folder + path)

    def exists(self, path):
        return super().exists(self.folder + path)

    def nft(self, text):
        """Load a ruleset text."""
        self.checked(["nft", "-f", "-"], text)

    def listed(self):
        """Return what an administrator sees."""
        return self.checked(["nft", "-s", "list", "ruleset"])


def _why_not():
    if os.geteuid() != 0:
        return "needs root for a network namespace"
    if any(shutil.which(one) is None for one in ("nft", "unshare", "nsenter")):
        return "needs nft, unshare and nsenter"
    if subprocess.run(["unshare", "--net", "nft", "list", "ruleset"], capture_output=True, check=False).returncode != 0:
        return "network namespaces or nftables are refused here"
    return None


@pytest.fixture(scope="session")
def namespaces():
    """Skip where there can be no namespaces."""
    reason = _why_not()
    if reason:
        pytest.skip(reason)


@pytest.fixture
def space(namespaces, tmp_path):
    """A host with an empty ruleset."""
    holder = subprocess.Popen(["unshare", "--net", "sleep", "600"])
    own = os.readlink("/proc/self/ns/net")
    deadline = time.monotonic() + 10
    while os.readlink("/proc/%d/ns/net" % holder.pid) == own and time.monotonic() < deadline:
        time.sleep(0.005)
    assert os.readlink("/proc/%d/ns/net" % holder.pid) != own
    yield NamespaceHost(holder.pid, tmp_path)
    holder.kill()
    holder.wait()


@pytest.fixture
def backend(space):
    """The backend on that host."""
    return Nftables(space)
