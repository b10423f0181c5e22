# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands and process identities. Starts processes and ends them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from ansible_collections.holdfast.firewall.tests.lab.errors import LabError
from ansible_collections.holdfast.firewall.tests.lab.process import Identity, parent, require_tools, run


def test_an_ordinary_user_is_told_to_become_root():
    with pytest.raises(LabError, match="as root"):
        require_tools(find=lambda program: program, uid=1000)


def test_missing_programs_are_named_with_their_packages():
    with pytest.raises(LabError, match=r"systemd-nspawn, ip not found: apt-get install iproute2 systemd-container$"):
        require_tools(find=lambda program: program not in ("systemd-nspawn", "ip"), uid=0)


def test_a_failed_command_is_quoted_with_its_own_words():
    with pytest.raises(LabError, match=r"exit status 3 from: .*\nno such thing"):
        run(["sh", "-c", "echo no such thing >&2; exit 3"])


def test_an_error_names_the_command_that_was_meant():
    with pytest.raises(LabError, match=r"^exit status 1 from: web1: nft\n"):
        run(["sh", "-c", "exit 1"], shown=["web1:", "nft"])


def test_a_missing_program_is_an_error_for_people():
    with pytest.raises(LabError, match="no-such-program: No such file"):
        run(["no-such-program"])


def test_a_command_without_end_is_an_error_for_people():
    with pytest.raises(LabError, match=r"no end after 0\.1 s: sleep 9"):
        run(["sleep", "9"], timeout=0.1)


def test_a_process_is_known_by_id_and_start_time():
    me = Identity.of(os.getpid())
    assert me is not None and me.alive()
    assert not Identity(me.pid, me.start - 1).alive()
    assert parent(os.getpid()) == os.getppid()


def test_a_zombie_does_not_live():
    process = subprocess.Popen([sys.executable, "-c", "pass"], stdout=subprocess.PIPE)
    try:
        process.stdout.read()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert Identity.of(process.pid) is None
    finally:
        process.communicate()
