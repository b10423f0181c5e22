# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole policy on a real firewalld, commit-confirm included, against a loop of one ``ansible.posix.firewalld`` task a rule.

The loop is measured with 50 items, and its cost an item is extrapolated. The collection ansible.posix comes out of the package ``ansible``
of PyPI; without it the section says that it is skipped.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import typing as t
import zipfile
from pathlib import Path

from lab_commands import ROOT, Bench, bench, not_possible, report

POLICY = "holdfast.firewall.policy"
KIND = "firewalld"
ITEMS = 50
HOME = ROOT / ".cache" / "bench-posix"


def measure(quick: bool = False) -> int:
    """Print the ratios; returns the number of bounds missed."""
    reason = not_possible()
    if not reason and not _collection():
        reason = "the collection ansible.posix cannot be had"
    if reason:
        print("  skipped: %s" % reason)
        return 0
    with bench((KIND,)) as hosts:
        (hosts.folder / "ansible_collections" / "ansible").symlink_to(HOME / "ansible_collections" / "ansible")
        files = {count: hosts.write_policy(count) for count in (10, 1000)}
        _applied(hosts, files[10])
        ours = [_applied(hosts, files[1000]) for _round in range(1 if quick else 3)]
        empty = hosts.playbook(KIND, "    - ansible.builtin.meta: noop\n", "")
        hosts.module(KIND, POLICY, "state=deleted", "")
        item = (_loop(hosts) - empty) / ITEMS
        reloads = statistics.median(_reload(hosts, files[1000]))
    loop = [empty + 1000 * item] * len(ours)
    print("  the loop costs %.3f s an item (%d items measured), 1,000 rules by it %.0f s (extrapolated)" % (item, ITEMS, loop[0]))
    print("  firewall-cmd --reload with 1,000 rules: %.2f s" % reloads)
    return report("1,000 rules on firewalld: faster than the loop by", ours, loop, least=100)


def _collection() -> bool:
    """Take ansible.posix out of the package; returns whether it is there."""
    if (HOME / "ansible_collections" / "ansible" / "posix").is_dir():
        return True
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-") as folder:
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "--dest", folder, "ansible"]
        done = subprocess.run(command, capture_output=True, check=False)
        wheels = list(Path(folder).glob("ansible-*.whl"))
        if done.returncode != 0 or not wheels:
            return False
        with zipfile.ZipFile(wheels[0]) as wheel:
            wheel.extractall(HOME, [name for name in wheel.namelist() if name.startswith("ansible_collections/ansible/posix/")])
    return (HOME / "ansible_collections" / "ansible" / "posix").is_dir()


def _applied(hosts: Bench, path: str) -> float:
    """Apply a policy to a host that has none of ours; only the applying is timed."""
    hosts.module(KIND, POLICY, "state=deleted", "")
    return hosts.playbook(KIND, "    - %s:\n        src: %s\n" % (POLICY, path), "CHANGED")


def _loop(hosts: Bench) -> float:
    """Open ports one by one, at once and for good, as playbooks do."""
    task = (
        '    - ansible.posix.firewalld:\n        rich_rule: rule family="ipv4" source address="10.0.0.{{ item }}" '
        'port port="{{ 1024 + item }}" protocol="tcp" accept\n        permanent: true\n        immediate: true\n        state: enabled\n'
        '      loop: "{{ range(1, 1 + %d) | list }}"\n'
    )  # fmt: skip
    return hosts.playbook(KIND, task % ITEMS, "CHANGED")


def _reload(hosts: Bench, path: str) -> t.List[float]:
    _applied(hosts, path)
    script = "for i in 1 2 3; do s=$(date +%s%N); firewall-cmd -q --reload; e=$(date +%s%N); echo $(((e - s) / 1000000)); done"
    told = hosts.lab.exec("bench-%s" % KIND, ["sh", "-c", script]).stdout
    return [int(line) / 1000 for line in told.split()]


if __name__ == "__main__":
    sys.exit("run %s" % os.path.join(str(ROOT), "tests", "benchmarks", "run.py"))
