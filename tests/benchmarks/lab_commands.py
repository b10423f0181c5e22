# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lab hosts and timed Ansible commands for the benchmarks that go through Ansible."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def not_possible() -> str:
    """Return why the lab cannot be had here, or nothing."""
    if os.geteuid() != 0:
        return "the lab needs root"
    missing = [program for program in ("systemd-nspawn", "mmdebstrap", "ip") if shutil.which(program) is None]
    return "these programs are missing: %s" % ", ".join(missing) if missing else ""


class Bench:
    """Lab hosts, one of each kind that was asked for, and commands against them."""

    def __init__(self, lab: t.Any, folder: Path, kinds: t.Sequence[str]) -> None:
        self.lab = lab
        self.folder = folder
        self.inventory = folder / "inventory.yml"
        for kind in kinds:
            lab.create("bench-%s" % kind, kind=kind)
        self.inventory.write_text(lab.inventory())

    def module(self, kind: str, module: str, arguments: str = "", sign: str = "SUCCESS") -> float:
        """Run one ad-hoc command, return its seconds of wall time."""
        words = [beside("ansible"), "-i", str(self.inventory), "bench-%s" % kind, "-m", module]
        return self._timed(words + (["-a", arguments] if arguments else []), sign)

    def playbook(self, kind: str, text: str, sign: str) -> float:
        """Run a playbook of these tasks (YAML, indented by four), return its seconds of wall time."""
        path = self.folder / "play.yml"
        path.write_text("- hosts: bench-%s\n  gather_facts: false\n  become: true\n  tasks:\n%s" % (kind, text))
        return self._timed([beside("ansible-playbook"), "-i", str(self.inventory), str(path)], sign)

    def write_policy(self, count: int) -> str:
        """Write a policy of so many rules, each of one source and one port; returns its path."""
        rules = [
            {"action": "allow", "protocol": "tcp", "source": "10.0.%d.%d" % (number >> 8, number & 255), "port": 1024 + number}
            for number in range(count)
        ]
        path = self.folder / ("policy%d.json" % count)
        path.write_text(json.dumps({"rules": rules}))
        return str(path)

    def _timed(self, words: t.List[str], sign: str) -> float:
        started = time.perf_counter()
        done = subprocess.run(
            self.lab.entered(words), env=self._environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        took = time.perf_counter() - started
        if done.returncode != 0 or sign not in done.stdout:
            raise SystemExit("%s\nfailed or did not say %r:\n%s" % (" ".join(words), sign, done.stdout[-3000:]))
        return took

    def _environment(self) -> t.Dict[str, str]:
        return dict(
            os.environ, ANSIBLE_COLLECTIONS_PATH=str(self.folder), ANSIBLE_HOST_KEY_CHECKING="false", ANSIBLE_NOCOLOR="1",
            ANSIBLE_STDOUT_CALLBACK="minimal",
        )  # fmt: skip


@contextlib.contextmanager
def bench(kinds: t.Sequence[str]) -> t.Iterator[Bench]:
    """Make the hosts, and end them."""
    from lab.manager import Lab

    lab = Lab(os.environ.get("HOLDFAST_LAB") or "bench-%d" % os.getpid())
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-") as folder:
        namespace = Path(folder) / "ansible_collections" / "holdfast"
        namespace.mkdir(parents=True)
        (namespace / "firewall").symlink_to(ROOT)
        try:
            yield Bench(lab, Path(folder), kinds)
        finally:
            lab.destroy()


def beside(program: str) -> str:
    """Return the program of this Python's environment."""
    path = Path(sys.executable).with_name(program)
    return str(path) if path.exists() else shutil.which(program) or program


def report(
    what: str, mine: t.Sequence[float], theirs: t.Sequence[float], most: t.Optional[float] = None, least: t.Optional[float] = None
) -> int:
    """Print the median ratio mine / theirs (or theirs / mine where ``least`` is the bound); 1 when the bound is missed."""
    pairs = [(theirs_one / mine_one) if least is not None else (mine_one / theirs_one) for mine_one, theirs_one in zip(mine, theirs)]
    ratio = statistics.median(pairs)
    word, within = "", True
    if most is not None:
        within, word = ratio <= most, ", at most %g wanted: " % most
    if least is not None:
        within, word = ratio >= least, ", at least %g wanted: " % least
    print(
        "  %-58s %8.2f (%.2f to %.2f; %.2f s against %.2f s)%s%s"
        % (
            what,
            ratio,
            min(pairs),
            max(pairs),
            statistics.median(mine),
            statistics.median(theirs),
            word,
            ("yes" if within else "NO") if word else "",
        ),
        flush=True,
    )
    return 0 if within else 1
