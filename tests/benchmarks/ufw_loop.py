# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole policy on a real ufw, commit-confirm included, against a loop of one ``community.general.ufw`` task a rule.

The loop is measured with 50 items, and its cost an item is extrapolated (it grows with the rules that are there, so that is in the loop's
favour). Without the collection the section says that it is skipped.
"""

from __future__ import annotations

import os
import sys

from lab_commands import ROOT, Bench, bench, not_possible, report
from peers import collection

POLICY = "holdfast.firewall.policy"
KIND = "ufw"
ITEMS = 50


def measure(quick: bool = False) -> int:
    """Print the ratios; returns the number of bounds missed."""
    reason = not_possible()
    home = collection("community", "general") if not reason else None
    if not reason and home is None:
        reason = "the collection community.general cannot be had"
    if reason or home is None:
        print("  skipped: %s" % reason)
        return 0
    with bench((KIND,)) as hosts:
        (hosts.folder / "ansible_collections" / "community").symlink_to(home / "ansible_collections" / "community")
        hosts.lab.exec("bench-%s" % KIND, ["sh", "-c", "ufw allow 22/tcp; ufw --force enable"])
        files = {count: hosts.write_policy(count) for count in (10, 1000)}
        _applied(hosts, files[10])
        ours = [_applied(hosts, files[1000]) for _round in range(1 if quick else 3)]
        hosts.module(KIND, POLICY, "state=deleted", "")
        empty = hosts.playbook(KIND, "    - ansible.builtin.meta: noop\n", "")
        item = (_loop(hosts) - empty) / ITEMS
    loop = [empty + 1000 * item] * len(ours)
    print("  the loop costs %.3f s an item (%d items measured), 1,000 rules by it %.0f s (extrapolated)" % (item, ITEMS, loop[0]))
    return report("1,000 rules on ufw: faster than the loop by", ours, loop, least=200)


def _applied(hosts: Bench, path: str) -> float:
    """Apply a policy to a host that has none of ours; only the applying is timed."""
    hosts.module(KIND, POLICY, "state=deleted", "")
    return hosts.playbook(KIND, "    - %s:\n        src: %s\n" % (POLICY, path), "CHANGED")


def _loop(hosts: Bench) -> float:
    task = (
        '    - community.general.ufw:\n        rule: allow\n        proto: tcp\n        from_ip: "10.0.0.{{ item }}"\n'
        '        to_port: "{{ 1024 + item }}"\n      loop: "{{ range(1, 1 + %d) | list }}"\n'
    )  # fmt: skip
    return hosts.playbook(KIND, task % ITEMS, "CHANGED")


if __name__ == "__main__":
    sys.exit("run %s" % os.path.join(str(ROOT), "tests", "benchmarks", "run.py"))
