# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a host with ufw belongs to a policy of ours, as text: the record of it tells an edit by hand.

Pure: touches nothing.
"""

from __future__ import annotations

from ...policy.rule import DIRECTIONS
from ..iptables.owners import is_foreign, rule_owner
from ..iptables.policy_chains import FILTER_CHAINS, is_own
from .files import CHAINS, PREFIX
from .loading import BUILTIN
from .policy_read import is_own as is_own_tuple
from .state import State


def own_text(state: State) -> str:
    """Return our blocks and tuples, and all chains that decide with them; empty where there is no policy."""
    lines = []
    for family in state.families:
        block = state.block(family)
        items = state.user_file(family).items
        if not block and not any(is_own_tuple(item.tuple) for item in items):
            continue
        lines += ["# files of IPv%d" % family, *block, *(item.line for item in items)]
        chains = state.live[family].get("filter", {})
        for direction in DIRECTIONS:
            if not any(FILTER_CHAINS[direction][1] in line for line in block):
                continue
            word = CHAINS[direction]
            names = [BUILTIN[direction], "%s-before-%s" % (PREFIX[family], word), "%s-user-%s" % (PREFIX[family], word)]
            names += sorted(name for name in chains if is_own(name) and name.startswith(FILTER_CHAINS[direction][1]))
            for name in names:
                rules = chains[name].rules if name in chains else ("# missing",)
                policy = chains[name].policy if name in chains else ""
                lines += [
                    "# %s %s" % (name, policy),
                    *(line for line in rules if rule_owner(line) == "ufw" or not is_foreign(rule_owner(line))),
                ]
    return "\n".join(["# %s" % ("enabled" if state.files.enabled else "disabled"), *lines]) + "\n" if lines else ""
