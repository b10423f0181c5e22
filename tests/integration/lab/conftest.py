# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real hosts for tests: one lab a session, one host of each kind when a test first asks for it, everything taken down at the end.

The lab has the name in HOLDFAST_LAB, or one of its own. Without root or systemd-nspawn the tests are skipped and say why.
"""

from __future__ import annotations

import atexit
import importlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
KINDS = ("nftables", "iptables-nft", "iptables-legacy")


def _link_this_checkout():
    """Let tests import this checkout by its name, wherever it lies and whatever its folder is called."""
    folder = Path(tempfile.mkdtemp(prefix="holdfast-lab-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    namespace = folder / "ansible_collections" / "holdfast"
    namespace.mkdir(parents=True)
    (namespace / "firewall").symlink_to(ROOT, target_is_directory=True)
    for package in (namespace.parent, namespace):
        (package / "__init__.py").touch()
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()


try:
    _found = importlib.util.find_spec("ansible_collections.holdfast.firewall.tests.lab")
except ModuleNotFoundError:
    _found = None
if _found is None:
    _link_this_checkout()


def _why_not():
    if os.geteuid() != 0:
        return "the lab needs root"
    done = subprocess.run(["bash", str(ROOT / "tests/checks/lab-possible.sh")], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout.strip() or done.stderr.strip()


@pytest.fixture(scope="session")
def lab():
    """The lab of this run."""
    from ansible_collections.holdfast.firewall.tests.lab.manager import Lab

    reason = _why_not()
    if reason:
        pytest.skip(reason)
    lab = Lab(os.environ.get("HOLDFAST_LAB") or f"holdfast-test-{os.getpid()}")
    # Also when a run is interrupted in the middle of a fixture.
    atexit.register(lambda: lab.settings.state.exists() and lab.destroy())
    yield lab
    if lab.settings.state.exists():
        lab.destroy()


@pytest.fixture(scope="session", params=KINDS)
def kind(request):
    """Each kind of Linux host in turn."""
    return request.param


@pytest.fixture(scope="session")
def host(lab, kind):
    """The host of that kind."""
    return lab.create(kind, kind=kind)


_FIGURES = pytest.StashKey()


@pytest.fixture(scope="session")
def packet_figures(request):
    """What the packet tests compared, by kind of host; printed at the end."""
    return request.config.stash.setdefault(_FIGURES, {})


@pytest.fixture(scope="session")
def bed(lab, host, kind, packet_figures):
    """The host with its clients, ready for rules and packets, and a count of what is compared."""
    from ansible_collections.holdfast.firewall.tests.integration.lab.packet_testbed import Testbed
    from ansible_collections.holdfast.firewall.tests.integration.lab.packet_trial import Figures, Trial

    bed = Testbed(lab, host)
    figures = packet_figures.setdefault(kind, Figures())
    started = time.monotonic()
    yield Trial(bed, kind, figures)
    figures.seconds += time.monotonic() - started
    bed.end()


def pytest_terminal_summary(terminalreporter, config):
    """Print the figures of the packet tests."""
    for kind, one in config.stash.get(_FIGURES, {}).items():
        terminalreporter.write_line(
            f"packets on {kind}: {one.pairs} pairs of a packet and the rules it met, {one.rules} rules, {one.mismatches} mismatches, "
            f"{one.uncertain} packets of which nothing is promised, {one.repeated} packets sent twice, {one.refused} rules refused, "
            f"{one.seconds:.0f} s"
        )
        for note in sorted(set(one.notes)):
            terminalreporter.write_line(f"    refused: {note}")
