# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs aerleon's shade check in its own Python: one request as JSON comes in; seconds with and without the check go out as JSON."""

from __future__ import annotations

import json
import logging
import sys
import time


class Counted(logging.Handler):
    """Counts what the check reports."""

    found = 0

    def emit(self, record: logging.LogRecord) -> None:
        Counted.found += "shade" in record.getMessage().lower()


def main() -> None:
    """Parse the policy of the request, plainly and with the check."""
    request = json.load(sys.stdin)
    from aerleon.lib import naming, policy

    logging.getLogger().addHandler(Counted())
    definitions = naming.Naming()
    definitions.ParseNetworkList(request["networks"])
    definitions.ParseServiceList(request["services"])
    text = "header {\n  target:: nftables inet input\n}\n%s" % request["terms"]
    seconds = {}
    for name, check in (("plain", False), ("checked", True)):
        started = time.process_time()
        try:
            policy.ParsePolicy(text, definitions, shade_check=check)
        except Exception as exc:  # what is shaded may also be refused
            Counted.found += "shad" in str(exc).lower()
        seconds[name] = time.process_time() - started
    json.dump(dict(seconds, found=Counted.found), sys.stdout)


if __name__ == "__main__":
    main()
