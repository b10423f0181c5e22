# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the stages of ``make test`` one after the other and sum them up.

A stage is a script ``tests/checks/stages/<name>.sh``. It runs in the root of this checkout and finds in its environment:

``COLLECTIONS``  a folder outside of the checkout that holds a copy of it as ``ansible_collections/holdfast/firewall``;
``COLLECTION``   that copy;
``JUNIT``        where a stage that runs pytest writes its JUnit report; its tests are then counted one by one;
``REASON``       where a stage that cannot run here writes why, before it ends with status 77.

Any other status than 0 is a failure. A stage that fails stops no other.

Reads this checkout, writes below the system's folder for temporary files and removes what it wrote.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
import typing as t
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

# In the order in which they run.
STAGES = (
    "ruff",
    "mypy",
    "imports",
    "python-floor",
    "headers",
    "yamllint",
    "ansible-lint",
    "sanity",
    "docs",
    "changelog",
    "unit",
    "lab",
    "molecule",
)

ROOT = Path(__file__).resolve().parents[2]
SKIPPED = 77
NEVER_COPIED = (
    ".git",
    ".venv",
    ".cache",
    ".ansible",
    ".hypothesis",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    "__pycache__",
    "output",
)


@dataclass(frozen=True)
class Outcome:
    """What became of one stage; ``passed``, ``failed`` and ``skipped`` count tests, or the stage itself where it counts none."""

    stage: str
    verdict: str
    seconds: float
    passed: int
    failed: int
    skipped: int


def tracked_files() -> list[str] | None:
    """Return the files of this checkout that git does not ignore, or None outside of a git repository."""
    # The owner of the checkout can be someone else than the user who runs the checks as root.
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listing = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError):
        return None
    return [name for name in os.fsdecode(listing.stdout).split("\0") if name]


def copy_checkout(target: Path) -> None:
    """Copy this checkout, without what git ignores, to the folder ``target``."""
    names = tracked_files()
    if names is None:
        shutil.copytree(ROOT, target, symlinks=True, ignore=shutil.ignore_patterns(*NEVER_COPIED))
        return
    for name in names:
        source = ROOT / name
        # A file that is deleted but not yet committed is still listed.
        if not source.is_symlink() and not source.is_file():
            continue
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target / name, follow_symlinks=False)


def count_tests(report: Path) -> tuple[int, int, int]:
    """Return how many tests passed, failed and were skipped according to a JUnit report; all 0 if there is none."""
    if not report.is_file():
        return 0, 0, 0
    try:
        suites = list(ET.parse(report).iter("testsuite"))
    except ET.ParseError:
        # The test runner was stopped while it wrote.
        return 0, 0, 0

    def total(attribute: str) -> int:
        return sum(int(suite.get(attribute, "0")) for suite in suites)

    failed = total("failures") + total("errors")
    skipped = total("skipped")
    return total("tests") - failed - skipped, failed, skipped


def run_stage(stage: str, work: Path) -> Outcome:
    """Run one stage to its end, its output shown as it comes."""
    print(f"\n== {stage} ==", flush=True)
    report, reason = work / f"{stage}.xml", work / f"{stage}.reason"
    collections = work / "collections"
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(ROOT / ".venv" / "bin"), os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"]),
        "COLLECTIONS": str(collections),
        "COLLECTION": str(collections / "ansible_collections" / "holdfast" / "firewall"),
        "JUNIT": str(report),
        "REASON": str(reason),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    if not sys.stdout.isatty():
        # Some of the tools colour a log as well.
        environment.update(NO_COLOR="1", PY_COLORS="0", ANSIBLE_NOCOLOR="1")
    started = time.monotonic()
    status = subprocess.run(
        ["bash", str(ROOT / "tests" / "checks" / "stages" / f"{stage}.sh")], cwd=ROOT, env=environment, check=False
    ).returncode
    seconds = time.monotonic() - started
    passed, failed, skipped = count_tests(report)
    if status == SKIPPED:
        why = reason.read_text(encoding="utf-8").strip() if reason.is_file() else "no reason given"
        return Outcome(stage, f"SKIPPED: {why}", seconds, passed, failed, skipped + 1)
    if status != 0:
        return Outcome(stage, f"FAILED (status {status})", seconds, passed, max(failed, 1), skipped)
    return Outcome(stage, "passed", seconds, passed if passed + skipped else 1, failed, skipped)


def print_summary(outcomes: t.Sequence[Outcome]) -> None:
    """Print a line for each stage, and the sums alone on the last line."""
    print("\n== summary ==")
    for outcome in outcomes:
        counts = f"{outcome.passed} passed"
        if outcome.failed:
            counts += f", {outcome.failed} failed"
        if outcome.skipped and not outcome.verdict.startswith("SKIPPED"):
            counts += f", {outcome.skipped} skipped"
        detail = "" if outcome.verdict.startswith("SKIPPED") else f"  ({counts})"
        print(f"  {outcome.stage:<14}{outcome.seconds:>7.1f} s  {outcome.verdict}{detail}")
    passed, failed, skipped = (sum(getattr(outcome, name) for outcome in outcomes) for name in ("passed", "failed", "skipped"))
    print()
    print(f"{passed} passed, {failed} failed, {skipped} skipped", flush=True)


def main(wanted: t.Sequence[str]) -> int:
    """Run the wanted stages, or all, in their order; return the status of the whole."""
    unknown = [name for name in wanted if name not in STAGES]
    if unknown:
        print(f"no such stage: {', '.join(unknown)}. Stages are: {', '.join(STAGES)}", file=sys.stderr)
        return 2
    work = Path(tempfile.mkdtemp(prefix="holdfast-checks-"))
    outcomes: list[Outcome] = []
    try:
        copy_checkout(work / "collections" / "ansible_collections" / "holdfast" / "firewall")
        for stage in STAGES:
            if not wanted or stage in wanted:
                outcomes.append(run_stage(stage, work))
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print_summary(outcomes)
    return 1 if any(outcome.failed for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
