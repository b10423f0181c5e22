# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a policy to native text: ours against aerleon, capirca and ferm, each in a process of its own, in the same rounds.

The policy is the peers' best case, one source, one destination and one port a rule. For aerleon and capirca the time is that of parsing
and generating, without start and import; for ferm, which has no library, it is that of the whole process, and so is ours beside it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from apply import exact_rules
from lab_commands import ROOT, report
from peers import peer_python, program

HERE = Path(__file__).resolve().parent
MEMORY_KIB = 400 * 1024


def measure(quick: bool = False) -> int:
    """Print the ratios; returns the number of bounds missed."""
    rounds = 2 if quick else 5
    missed = 0
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-") as folder:
        link = Path(folder) / "ansible_collections" / "holdfast"
        link.mkdir(parents=True)
        (link / "firewall").symlink_to(ROOT)
        documents = {count: _document(Path(folder), count) for count in (1000, 10000, 100000)}
        missed += _against_libraries(folder, documents, rounds)
        missed += _against_ferm(folder, documents[10000], rounds)
        print("  foomuuri: skipped, there is no package of it for this system and none in the package index")
        missed += _growth(folder, documents)
    return missed


def _against_libraries(folder: str, documents: dict, rounds: int) -> int:
    python = peer_python()
    if python is None:
        print("  aerleon and capirca: skipped, they cannot be installed here")
        return 0
    missed = 0
    for backend, target in (("nftables", "nftables inet input"), ("iptables", "iptables INPUT DROP"), ("pf", "packetfilter")):
        for tool in ("aerleon", "capirca"):
            ours, theirs = [], []
            for number in range(rounds + 1):
                figures = (_ours(folder, documents[10000], backend), _peer(python, tool, target, 10000))
                if number:
                    ours.append(figures[0]["seconds"])
                    theirs.append(figures[1]["seconds"])
            bound = 4.0 if tool == "aerleon" else 1.0
            missed += report("10,000 rules to %s: faster than %s by" % (backend, tool), ours, theirs, least=bound)
    return missed


def _against_ferm(folder: str, document: str, rounds: int) -> int:
    ferm = program("ferm", "ferm")
    if ferm is None:
        print("  ferm: skipped, it cannot be installed here")
        return 0
    source = Path(folder) / "rules.ferm"
    lines = [
        "proto %s saddr %s daddr %s dport %d ACCEPT;" % (rule["protocol"], rule["source"], rule["destination"], rule["port"])
        for rule in exact_rules(10000)
    ]  # fmt: skip
    source.write_text("domain ip table filter chain INPUT {\n%s\n}\n" % "\n".join(lines))
    ours, theirs = [], []
    for number in range(rounds + 1):
        started = time.perf_counter()
        _ours(folder, document, "iptables")
        between = time.perf_counter()
        subprocess.run([ferm, "--noexec", "--lines", str(source)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
        if number:
            ours.append(between - started)
            theirs.append(time.perf_counter() - between)
    return report("10,000 rules to iptables, whole process: faster than ferm by", ours, theirs, least=1.0)


def _growth(folder: str, documents: dict) -> int:
    missed = 0
    for backend in ("nftables", "iptables", "pf", "ipfw"):
        for layout in ("rules", "compiled"):
            figures = {count: _ours(folder, path, backend, layout) for count, path in documents.items()}
            most = figures[100000]
            grown = [most["seconds"] / (10 * figures[10000]["seconds"])]
            missed += report("100,000 rules to %s, %s: growth beyond linear" % (backend, layout), grown, [1.0], most=1.5)
            within = most["peak"] <= MEMORY_KIB
            missed += not within
            print("    peak memory %d MiB, at most 400 wanted: %s" % (most["peak"] // 1024, "yes" if within else "NO"))
    return missed


def _ours(folder: str, path: str, backend: str, layout: str = "rules") -> dict:
    return run_json([sys.executable, str(HERE / "our_generate.py"), path, backend, layout], "", dict(os.environ, PYTHONPATH=folder))


def _peer(python: str, tool: str, target: str, count: int) -> dict:
    rules = list(exact_rules(count))
    request = {
        "tool": tool, "target": target, "networks": ["H%d = %s/32" % pair for pair in enumerate(one["source"] for one in rules)],
        "services": ["P%d = %d/tcp" % (port, port) for port in sorted({one["port"] for one in rules})],
        "terms": "".join(
            "term t%d {\n source-address:: H%d\n destination-address:: D%s\n protocol:: tcp\n destination-port:: P%d\n action:: accept\n}\n"
            % (number, number, rule["destination"].rpartition(".")[2], rule["port"]) for number, rule in enumerate(rules)
        ),
    }  # fmt: skip
    request["networks"] += ["D%s = %s/32" % (one.rpartition(".")[2], one) for one in sorted({one["destination"] for one in rules})]
    answer = run_json([python, str(HERE / "peer_generate.py")], json.dumps(request), dict(os.environ))
    if answer["error"]:
        raise SystemExit("%s refused: %s" % (tool, answer["error"]))
    return answer


def run_json(words: list, text: str, environment: dict) -> dict:
    """Run a generator; returns what it wrote as JSON."""
    done = subprocess.run(words, input=text, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit("%s failed:\n%s" % (" ".join(words), done.stderr[-2000:]))
    return json.loads(done.stdout[done.stdout.index("{") :])


def _document(folder: Path, count: int) -> str:
    path = folder / ("policy%d.json" % count)
    path.write_text(json.dumps({"rules": list(exact_rules(count))}))
    return str(path)
