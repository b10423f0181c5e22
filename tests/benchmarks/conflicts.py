# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Conflict detection against aerleon's shade check on the same policies, and by itself on policies of several shapes.

aerleon looks for rules that one earlier rule covers, so it is compared with the kinds of two rules, and with what several rules cover
together, which it does not look for. Its time is that of the check alone, without parsing. Times are those of the processor.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

from apply import exact_rules
from lab_commands import ROOT, report
from peers import peer_python
from translation import run_json

HERE = Path(__file__).resolve().parent
#: What ours finds in any two rules, and behind all rules before.
COMPARED = {"pairs": "any two rules", "coverage": "each rule against all before it"}
#: (shape, rules, kinds, seconds wanted at most, or None).
WANTED = (
    ("exact", 1000, "pairs", 1.0), ("exact", 1000, "coverage", 1.0),
    ("exact", 10000, "pairs", 1.0), ("mixed", 10000, "pairs", 1.0), ("ranges", 10000, "pairs", 1.0),
    ("exact", 10000, "coverage", 3.0), ("mixed", 10000, "coverage", 3.0), ("ranges", 10000, "coverage", 3.0),
    ("exact", 100000, "port_rules", 10.0), ("mixed", 100000, "port_rules", 10.0), ("exact", 100000, "pairs", None),
)  # fmt: skip


def measure(quick: bool = False) -> int:
    """Print the ratios and times; returns the number of bounds missed."""
    missed = 0
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-") as folder:
        link = Path(folder) / "ansible_collections" / "holdfast"
        link.mkdir(parents=True)
        (link / "firewall").symlink_to(ROOT)
        missed += _against_aerleon(folder, quick)
        for shape, count, kinds, most in WANTED:
            if quick and count > 10000:
                continue
            found = _ours(folder, shape, count, kinds)
            within = most is None or found["seconds"] <= most
            missed += not within
            counts = ", ".join("%d %s" % (number, kind.replace("_", " ")) for kind, number in found["counts"].items() if number)
            print(
                "  %-10s %6d rules of shape %-7s %6.2f s, %4d MiB%s (%s%s)"
                % (
                    kinds,
                    count,
                    shape,
                    found["seconds"],
                    found["peak"] // 1024,
                    "" if most is None else ", at most %g s wanted: %s" % (most, "yes" if within else "NO"),
                    counts or "no conflicts",
                    "; %d undecided" % found["undecided"] if found["undecided"] else "",
                ),
                flush=True,
            )
    return missed


def _against_aerleon(folder: str, quick: bool) -> int:
    python = peer_python()
    if python is None:
        print("  aerleon: skipped, it cannot be installed here")
        return 0
    missed = 0
    for count, rounds, least in ((1000, 3, 10.0), (10000, 1, 100.0)):
        if quick and count > 1000:
            print("  10,000 rules against aerleon: skipped, its check takes minutes")
            continue
        document, request = _policies(Path(folder), count)
        theirs = [_theirs(python, request) for _round in range(rounds)]
        for kinds, what in COMPARED.items():
            ours = [_ours(folder, document, count, kinds) for _round in range(rounds)]
            found = sum(ours[0]["counts"].get(kind, 0) for kind in ("redundancy", "redundant"))
            label = "%d rules, %s: faster than aerleon by" % (count, what)
            missed += report(label, [one["seconds"] for one in ours], [one["checked"] - one["plain"] for one in theirs], least=least)
            if found != count // 100:
                missed += 1
                print("    found %d of the %d rules that were planted" % (found, count // 100))
    return missed


def _policies(folder: Path, count: int) -> tuple[str, str]:
    """Write the same policy for ours and for aerleon; every hundredth rule repeats an earlier one."""
    rules = list(exact_rules(count))
    for number in range(99, count, 100):
        rules[number] = dict(rules[number - 50])
    path = folder / ("shade%d.json" % count)
    path.write_text(json.dumps({"rules": rules}))
    hosts = sorted({one[end] for one in rules for end in ("source", "destination")})
    names = {host: "H%d" % number for number, host in enumerate(hosts)}
    request = {
        "networks": ["%s = %s/32" % (names[host], host) for host in hosts],
        "services": ["P%d = %d/tcp" % (port, port) for port in sorted({one["port"] for one in rules})],
        "terms": "".join(
            "term t%d {\n source-address:: %s\n destination-address:: %s\n protocol:: tcp\n destination-port:: P%d\n action:: accept\n}\n"
            % (number, names[rule["source"]], names[rule["destination"]], rule["port"])
            for number, rule in enumerate(rules)
        ),
    }
    return str(path), json.dumps(request)


def _theirs(python: str, request: str) -> dict:
    return run_json([python, str(HERE / "peer_shade.py")], request, dict(os.environ))


def _ours(folder: str, source: str, count: int, kinds: str) -> dict:
    words = [sys.executable, str(HERE / "our_conflicts.py"), source, str(count), kinds]
    return run_json(words, "", dict(os.environ, PYTHONPATH=folder))


if __name__ == "__main__":
    sys.exit(1 if measure("--quick" in sys.argv) else 0)
