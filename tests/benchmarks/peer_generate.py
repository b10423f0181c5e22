# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs aerleon or capirca in its own Python: one request as JSON comes in; text, seconds and peak memory go out as JSON."""

from __future__ import annotations

import importlib
import json
import resource
import sys
import time


def main() -> None:
    """Translate the policy of the request."""
    request = json.load(sys.stdin)
    library = "%s.lib" % request["tool"]
    policy = importlib.import_module(library + ".policy")
    naming = importlib.import_module(library + ".naming")
    module, name = {
        "nftables": ("nftables", "Nftables"),
        "iptables": ("iptables", "Iptables"),
        "packetfilter": ("packetfilter", "PacketFilter"),
    }[request["target"].split()[0]]
    generator = getattr(importlib.import_module("%s.%s" % (library, module)), name)
    definitions = naming.Naming()
    definitions.ParseNetworkList(request["networks"])
    definitions.ParseServiceList(request["services"])
    text = "header {\n  target:: %s\n}\n%s" % (request["target"], request["terms"])
    started = time.perf_counter()
    try:
        made = str(generator(policy.ParsePolicy(text, definitions), 365))
        error = None
    except Exception as exc:  # what a peer refuses is part of the comparison
        made, error = "", "%s: %s" % (type(exc).__name__, exc)
    took = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    json.dump(
        {"text": made if request.get("want_text") else "", "size": len(made), "seconds": took, "peak": peak, "error": error}, sys.stdout
    )


if __name__ == "__main__":
    main()
