# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of the lab. Runs it as a program that changes nothing."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

LAB = Path(__file__).resolve().parents[2] / "lab" / "lab.py"


def lab(*arguments):
    return subprocess.run([LAB, *arguments], capture_output=True, text=True, check=False)


def test_it_runs_as_a_program_from_any_place():
    assert "create" in lab("--help").stdout


@pytest.mark.parametrize("arguments", [("create", "web1"), ("create", "--kind", "nftables"), ("create", "web1", "--kind", "plan9"), ()])
def test_an_incomplete_command_line_is_refused(arguments):
    done = lab(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage:" in done.stderr


def test_trouble_is_one_line_and_no_traceback():
    # Who is not root hears about that, root about the name.
    done = lab("--lab", "../x", "list")
    assert done.returncode == 1
    assert done.stderr.startswith("lab: ")
    assert done.stderr.count("\n") == 1
