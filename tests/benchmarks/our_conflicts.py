# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks for conflicts in a process of its own: prints seconds, counts and peak memory as JSON."""

from __future__ import annotations

import json
import random
import resource
import sys
import time


def main() -> None:
    """Look for the kinds of conflicts in a document, or in so many random rules of a shape with one for everything at the end."""
    source, count, kinds = sys.argv[1], int(sys.argv[2]), sys.argv[3].split(",")
    from ansible_collections.holdfast.firewall.plugins.module_utils.analysis.conflicts import find_conflicts
    from ansible_collections.holdfast.firewall.plugins.module_utils.policy.document import parse_policy
    from ansible_collections.holdfast.firewall.plugins.module_utils.policy.policy import Policy
    from ansible_collections.holdfast.firewall.plugins.module_utils.policy.rule import Rule
    from ansible_collections.holdfast.firewall.tests.unit.policy_generator import SHAPES, random_policy

    data = policy = None
    if source in SHAPES:
        made = random_policy(random.Random(1), count - 1, source)
        policy = Policy((*made.rules, Rule("deny", protocol=None)), made.defaults, (*made.labels, "rules[%d]" % (count - 1)))
    else:
        with open(source, encoding="utf-8") as handle:
            data = json.load(handle)
    started = time.process_time()
    policy = policy or parse_policy(data)
    parsed = time.process_time()
    report = find_conflicts(policy, kinds)
    done = time.process_time()
    json.dump(
        {
            "seconds": done - parsed,
            "parse": parsed - started,
            "counts": dict(report.counts),
            "undecided": len(report.undecided),
            "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()
