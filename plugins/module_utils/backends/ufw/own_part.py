# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a host with ufw belongs to a policy of ours, as text: the record of it tells an edit by hand.

Pure: touches nothing.
"""

from __future__ import annotations

from ...policy.rule import DIRECTIONS
from ..iptables.owners import is_foreign, rule_owner
from ..iptables.policy_chains import FILTER_CHAINS, NAT_CHAINS, is_own, own_target
from .block import NAT_BEGIN, cut_block
from .files import CHAINS, INIT, PREFIX
from .loading import BUILTIN
from .policy_read import is_own as is_own_tuple
from .state import State
from .translations import hook_sleeps


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
        if "*nat" in block:
            lines += cut_block(state.files.text(INIT), INIT, NAT_BEGIN)[1]
            lines += ["# not executable"] if hook_sleeps(state.files) else []
            nat = state.live[family].get("nat", {})
            for name in (*(builtin for builtin, _own in NAT_CHAINS.values()), *sorted(filter(is_own, nat))):
                rules = nat[name].rules if name in nat else ("# missing",)
                last = len(rules) if is_own(name) else max((number + 1 for number, line in enumerate(rules) if own_target(line)), default=0)
                lines += ["# nat " + name, *(line for line in rules[:last] if not is_foreign(rule_owner(line)))]
    return "\n".join(["# %s" % ("enabled" if state.files.enabled else "disabled"), *lines]) + "\n" if lines else ""
