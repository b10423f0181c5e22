# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures whole tasks side by side in one run on lab hosts and prints ratios. Makes a lab of its own and ends it; needs root.

Each round runs every command once, so that a machine which gets slower in between slows all of them. The figure is the median of the
ratios within a round.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

KINDS = ("nftables", "iptables-nft", "iptables-legacy")
RULE = "holdfast.firewall.rule"


def main() -> int:
    """Run all benchmarks; 0 when every ratio is within its bound."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9, help="rounds to measure, after one that is not counted")
    parser.add_argument("--kind", action="append", choices=KINDS, help="only hosts of this kind")
    options = parser.parse_args()
    reason = _not_possible()
    if reason:
        print("skipped: %s" % reason)
        return 0
    from lab.manager import Lab

    lab = Lab(os.environ.get("HOLDFAST_LAB") or "bench-%d" % os.getpid())
    failures = 0
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-") as folder:
        _link_collection(Path(folder))
        try:
            for kind in options.kind or KINDS:
                lab.create("bench-%s" % kind, kind=kind)
            inventory = Path(folder) / "inventory.yml"
            inventory.write_text(lab.inventory())
            for kind in options.kind or KINDS:
                failures += _measure_kind(lab, folder, inventory, kind, options.rounds)
        finally:
            lab.destroy()
    return 1 if failures else 0


def _measure_kind(lab, folder: str, inventory: Path, kind: str, rounds: int) -> int:
    host = "bench-%s" % kind
    ports = iter(range(20000, 30000))

    def command(module: str, arguments: str = "") -> list[str]:
        words = [_ansible(), "-i", str(inventory), host, "-m", module]
        return lab.entered(words + (["-a", arguments] if arguments else []))

    def timed(words: list[str], sign: str) -> float:
        started = time.perf_counter()
        done = subprocess.run(words, env=_environment(folder), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        took = time.perf_counter() - started
        if done.returncode != 0 or sign not in done.stdout:
            raise SystemExit("%s\nfailed or did not say %r:\n%s" % (" ".join(words), sign, done.stdout))
        return took

    timed(command(RULE, "action=allow port=443 stateful=true"), "CHANGED")
    pings, unchanged, changed = [], [], []
    for number in range(rounds + 1):
        figures = (
            timed(command("ansible.builtin.ping"), "SUCCESS"),
            timed(command(RULE, "action=allow port=443 stateful=true"), "SUCCESS"),
            timed(command(RULE, "action=allow port=%d stateful=true" % next(ports)), "CHANGED"),
        )
        if number:  # the first round only warms up
            for figure, column in zip(figures, (pings, unchanged, changed)):
                column.append(figure)
    print("%s: ansible -m ping takes %.2f s (median of %d rounds)" % (kind, statistics.median(pings), rounds))
    return _report("an unchanged rule", unchanged, pings, 1.5) + _report("a changed rule, proof included", changed, pings, 4.0)


def _report(what: str, column: list[float], pings: list[float], bound: float) -> int:
    ratios = sorted(one / ping for one, ping in zip(column, pings))
    ratio = statistics.median(ratios)
    within = ratio <= bound
    print(
        "  %-32s %.2f x ping (from %.2f to %.2f; median %.2f s), at most %.1f wanted: %s"
        % (what, ratio, ratios[0], ratios[-1], statistics.median(column), bound, "yes" if within else "NO")
    )
    return 0 if within else 1


def _environment(folder: str) -> dict[str, str]:
    return dict(
        os.environ,
        ANSIBLE_COLLECTIONS_PATH=folder,
        ANSIBLE_HOST_KEY_CHECKING="false",
        ANSIBLE_NOCOLOR="1",
        ANSIBLE_STDOUT_CALLBACK="minimal",
    )


def _link_collection(folder: Path) -> None:
    """Let Ansible find this checkout as the collection."""
    namespace = folder / "ansible_collections" / "holdfast"
    namespace.mkdir(parents=True)
    (namespace / "firewall").symlink_to(ROOT)


def _ansible() -> str:
    beside = Path(sys.executable).with_name("ansible")
    return str(beside) if beside.exists() else shutil.which("ansible") or "ansible"


def _not_possible() -> str:
    if os.geteuid() != 0:
        return "the lab needs root"
    missing = [program for program in ("systemd-nspawn", "mmdebstrap", "ip") if shutil.which(program) is None]
    return "these programs are missing: %s" % ", ".join(missing) if missing else ""


if __name__ == "__main__":
    sys.exit(main())
