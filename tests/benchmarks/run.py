# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the benchmarks and prints ratios, each section side by side in one run. Makes what it needs and ends it.

Without root only the sections that need no kernel run; the others say that they are skipped.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

#: Section, and what it measures. Each is a file beside this one with ``measure(quick) -> int``, the number of bounds that were missed.
SECTIONS = {
    "rule_task": "one rule through Ansible, against a ping",
    "apply": "a whole policy through Ansible, against a loop of one rule a task, a bare nft -f, and a ping",
    "firewalld_loop": "a whole policy on firewalld through Ansible, against a loop of ansible.posix.firewalld",
    "ufw_loop": "a whole policy on ufw through Ansible, against a loop of community.general.ufw",
    "translation": "from a policy to native text, against aerleon, capirca and ferm",
    "correctness": "what the kernel does with the text of each generator",
    "packet_cost": "the cost of one packet, by number and shape of rules",
    "swap": "packets that leak or are lost while a policy is replaced under traffic",
    "conflicts": "conflict detection, against aerleon's shade check",
}


def main() -> int:
    """Run the chosen sections; 0 when every bound is kept."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("section", nargs="*", metavar="SECTION", help="only these: %s" % ", ".join(SECTIONS))
    parser.add_argument("--quick", action="store_true", help="fewer rounds and smaller numbers, for a first look")
    options = parser.parse_args()
    unknown = [one for one in options.section if one not in SECTIONS]
    if unknown:
        parser.error("unknown section %s; known are %s" % (", ".join(unknown), ", ".join(SECTIONS)))
    missed = {}
    for name in options.section or SECTIONS:
        print("== %s: %s" % (name, SECTIONS[name]), flush=True)
        missed[name] = importlib.import_module(name).measure(options.quick)
    bad = ["%s (%d)" % (name, count) for name, count in missed.items() if count]
    print("== %d sections; bounds missed: %s" % (len(missed), ", ".join(bad) or "none"))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
