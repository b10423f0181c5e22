# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Translates a policy in a process of its own: prints seconds and peak memory as JSON, for the same measure as the peers."""

from __future__ import annotations

import json
import resource
import sys
import time


def main() -> None:
    """Translate the document that is named, for a backend, ``rules`` or ``compiled``."""
    path, backend_name, layout = sys.argv[1:4]
    from ansible_collections.holdfast.firewall.plugins.module_utils.backends.registry import make_backend
    from ansible_collections.holdfast.firewall.plugins.module_utils.change.management import Management
    from ansible_collections.holdfast.firewall.plugins.module_utils.change.policy_guard import with_guard
    from ansible_collections.holdfast.firewall.plugins.module_utils.host import LocalHost
    from ansible_collections.holdfast.firewall.plugins.module_utils.policy.document import parse_policy

    with open(path, encoding="utf-8") as handle:
        text = handle.read()
    data = json.loads(text) if path.endswith(".json") else None
    started = time.perf_counter()
    if data is None:
        from ansible_collections.holdfast.firewall.plugins.plugin_utils.policy_file import load_policy_text

        data = load_policy_text(text, path)
    policy = with_guard(parse_policy(data), Management((22,)))
    parsed = time.perf_counter()
    made = make_backend(backend_name, LocalHost()).render_policy(policy, layout)
    done = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    json.dump({"seconds": done - started, "parse": parsed - started, "render": done - parsed, "size": len(made), "peak": peak}, sys.stdout)


if __name__ == "__main__":
    main()
