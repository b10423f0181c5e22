# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole policy through Ansible, commit-confirm included, against what people do today, in the same rounds.

The loop of one ``ansible.builtin.iptables`` task a rule is measured with 50 items, and its cost an item is extrapolated. A bare
``nft -f`` of the very text that the policy is rendered to is the floor: no proof, no rollback, nothing saved.
"""

from __future__ import annotations

import json
import statistics
import sys

from lab_commands import ROOT, Bench, bench, not_possible, report

POLICY = "holdfast.firewall.policy"
ITEMS = 50
KIND = "nftables"


def measure(quick: bool = False) -> int:
    """Print the ratios; returns the number of bounds missed."""
    reason = not_possible()
    if reason:
        print("  skipped: %s" % reason)
        return 0
    rounds = 2 if quick else 5
    with bench((KIND,)) as hosts:
        files = {count: _write_policy(hosts, count) for count in (10, 100, 1000, 10000)}
        texts = {count: _write_rendered(hosts, files[count], count) for count in (1000,)}
        _applied(hosts, files[10])
        columns = {name: [] for name in ("ours10", "ours100", "ours1000", "ours10000", "bare", "empty", "loop")}
        for number in range(rounds + 1):
            figures = {"ours%d" % count: _applied(hosts, path) for count, path in files.items()}
            figures["bare"] = _bare(hosts, texts[1000])
            figures["empty"] = hosts.playbook(KIND, "    - ansible.builtin.meta: noop\n", "")
            if number:
                for name, figure in figures.items():
                    columns[name].append(figure)
        for number in range(1 if quick else 3):
            columns["loop"].append(_loop(hosts, number))
        missed = _report(columns)
        missed += _unchanged(hosts, files[10000], rounds)
    return missed


def _report(columns: dict) -> int:
    empty = statistics.median(columns["empty"])
    item = (statistics.median(columns["loop"]) - empty) / ITEMS
    loop = [empty + 1000 * item] * len(columns["ours1000"])
    print("  the loop costs %.3f s an item (%d items measured), 1,000 rules by it %.0f s (extrapolated)" % (item, ITEMS, loop[0]))
    missed = report("1,000 rules: faster than the loop by", columns["ours1000"], loop, least=150)
    missed += report("1,000 rules: in bare nft -f through Ansible", columns["ours1000"], columns["bare"], most=2.0)
    for count in (10, 100):
        report("%d rules: in the time of 1,000" % count, columns["ours%d" % count], columns["ours1000"])
    return missed + report("10,000 rules: in the time of 1,000", columns["ours10000"], columns["ours1000"], most=3.0)


def _unchanged(hosts: Bench, path: str, rounds: int) -> int:
    _applied(hosts, path)
    pings, unchanged = [], []
    for number in range(rounds + 1):
        figures = (hosts.module(KIND, "ansible.builtin.ping"), hosts.module(KIND, POLICY, "src=%s" % path))
        if number:
            pings.append(figures[0])
            unchanged.append(figures[1])
    return report("10,000 rules unchanged, live rules read: in pings", unchanged, pings, most=4.0)


def _applied(hosts: Bench, path: str) -> float:
    """Apply a policy to a host that has none of ours; only the applying is timed."""
    hosts.module(KIND, POLICY, "state=deleted", "")
    return hosts.playbook(KIND, "    - %s:\n        src: %s\n" % (POLICY, path), "CHANGED")


def _bare(hosts: Bench, path: str) -> float:
    hosts.module(KIND, POLICY, "state=deleted", "")
    task = "    - ansible.builtin.command:\n        cmd: nft -f -\n        stdin: \"{{ lookup('ansible.builtin.file', '%s') }}\"\n" % path
    return hosts.playbook(KIND, task, "CHANGED")


def _loop(hosts: Bench, number: int) -> float:
    task = (
        "    - ansible.builtin.iptables:\n        chain: INPUT\n        protocol: tcp\n        source: 203.0.113.%d\n"
        "        destination_port: \"{{ item }}\"\n        jump: ACCEPT\n      loop: \"{{ range(20000, 20000 + %d) | list }}\"\n"
    )  # fmt: skip
    return hosts.playbook(KIND, task % (number + 1, ITEMS), "CHANGED")


def _write_policy(hosts: Bench, count: int) -> str:
    path = hosts.folder / ("policy%d.json" % count)
    path.write_text(json.dumps({"rules": list(exact_rules(count))}))
    return str(path)


def exact_rules(count: int):
    """Yield the rules of the measured policies: one source, one destination, one port each, like the peers' figures."""
    for number in range(count):
        yield {
            "action": "allow", "protocol": "tcp", "source": "10.%d.%d.%d" % (number >> 16 & 255, number >> 8 & 255, number & 255),
            "destination": "192.0.2.%d" % (number % 250 + 1), "port": 1024 + number % 50000,
        }  # fmt: skip


def _write_rendered(hosts: Bench, path: str, count: int) -> str:
    """Write the native text of the policy, guard included, so that the floor keeps the host reachable too."""
    sys.path.insert(0, str(hosts.folder))
    from ansible_collections.holdfast.firewall.plugins.module_utils.backends.registry import make_backend
    from ansible_collections.holdfast.firewall.plugins.module_utils.change.management import Management
    from ansible_collections.holdfast.firewall.plugins.module_utils.change.policy_guard import with_guard
    from ansible_collections.holdfast.firewall.plugins.module_utils.host import LocalHost
    from ansible_collections.holdfast.firewall.plugins.module_utils.policy.document import parse_policy

    with open(path, encoding="utf-8") as handle:
        policy = with_guard(parse_policy(json.load(handle)), Management((22,)))
    target = hosts.folder / ("rendered%d.nft" % count)
    target.write_text(make_backend(KIND, LocalHost()).render_policy(policy))
    return str(target)


if __name__ == "__main__":
    sys.exit("run %s" % (ROOT / "tests" / "benchmarks" / "run.py"))
