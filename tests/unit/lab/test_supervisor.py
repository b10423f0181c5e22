# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps a host running. Writes into folders for temporary files and starts shells."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from ansible_collections.holdfast.firewall.tests.lab import supervisor
from ansible_collections.holdfast.firewall.tests.lab.errors import LabError
from ansible_collections.holdfast.firewall.tests.lab.host import Host
from ansible_collections.holdfast.firewall.tests.lab.kinds import KINDS
from ansible_collections.holdfast.firewall.tests.lab.process import Identity


@pytest.fixture
def host(tmp_path):
    return Host("web1", "nftables", "", 10, 22, "no-such-scope", "h10-abcdef", tmp_path)


def loop(command, host):
    script = supervisor.power_loop(["sh", "-c", command], host)
    return subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)


def test_a_reboot_starts_the_host_again_and_a_power_off_ends_it(host, tmp_path):
    count = tmp_path / "count"
    done = loop(f'echo >>{count}; [ "$(wc -l <{count})" -ge 3 ] || exit 133', host)
    assert (done.returncode, count.read_text()) == (0, "\n\n\n")


def test_a_failed_start_is_not_repeated(host):
    done = loop("exit 1", host)
    assert (done.returncode, done.stdout) == (1, "systemd-nspawn ended with 1\n")


def test_the_container_dies_with_its_supervisor_and_stays_in_the_labs_network(host):
    command = supervisor.nspawn(host, KINDS["nftables"], Path("/root-of-host"))
    assert command[:2] == ["setpriv", "--pdeathsig=KILL"]
    assert command.index("--net=/run/netns/no-such-scope") < command.index("systemd-nspawn")


def test_only_the_process_in_the_record_may_run_the_host(host):
    with pytest.raises(LabError, match="not its supervisor"):
        supervisor.entrusted(host.folder, seconds=0.05)
    host.save()
    with pytest.raises(LabError, match="not its supervisor"):
        supervisor.entrusted(host.folder, seconds=0.05)
    host.supervised_by(Identity(1, 1)).save()
    with pytest.raises(LabError, match="not its supervisor"):
        supervisor.entrusted(host.folder)
    mine = host.supervised_by(Identity.of(os.getpid()))
    mine.save()
    assert supervisor.entrusted(host.folder) == mine
