# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One rule through Ansible on lab hosts, against ``ansible -m ping`` in the same round.

Each round runs every command once, so that a machine which gets slower in between slows all of them. The figure is the median of the
ratios within a round.
"""

from __future__ import annotations

from lab_commands import bench, not_possible, report

KINDS = ("nftables", "iptables-nft", "iptables-legacy")
RULE = "holdfast.firewall.rule"


def measure(quick: bool = False) -> int:
    """Print the ratios; returns the number of bounds missed."""
    reason = not_possible()
    if reason:
        print("  skipped: %s" % reason)
        return 0
    missed = 0
    with bench(KINDS) as hosts:
        for kind in KINDS:
            missed += _measure_kind(hosts, kind, 3 if quick else 9)
    return missed


def _measure_kind(hosts, kind: str, rounds: int) -> int:
    ports = iter(range(20000, 30000))
    hosts.module(kind, RULE, "action=allow port=443 stateful=true", "CHANGED")
    pings, unchanged, changed = [], [], []
    for number in range(rounds + 1):
        figures = (
            hosts.module(kind, "ansible.builtin.ping"),
            hosts.module(kind, RULE, "action=allow port=443 stateful=true"),
            hosts.module(kind, RULE, "action=allow port=%d stateful=true" % next(ports), "CHANGED"),
        )
        if number:  # the first round only warms up
            for figure, column in zip(figures, (pings, unchanged, changed)):
                column.append(figure)
    missed = report("%s: an unchanged rule, in pings" % kind, unchanged, pings, most=1.5)
    return missed + report("%s: a changed rule with its proof, in pings" % kind, changed, pings, most=4.0)
