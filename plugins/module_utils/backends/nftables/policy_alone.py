# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking the administrator's own rules away, so that a policy of ours is the only one that decides.

Pure: touches nothing. Tables and chains of other programs stay exactly as they are. The administrator's base chains stay too, empty and
with the policy accept: they drop nothing any more, and what the policy of ours denies stays denied.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import replace

from .flush import flush_table
from .listing import Listing
from .names import OWN_TABLE
from .ruleset import NftRuleset, hook_of
from .transaction import Script

_POLICY = re.compile(r"policy \w+;$")


def empty_others(
    read: NftRuleset, after: Listing, switch: t.List[str], clear: t.List[str], facts: t.Dict[str, t.Any], spared: t.FrozenSet[str]
) -> Listing:
    """Return the listing without the administrator's rules.

    :param spared: the hooks of directions that the policy leaves alone: base chains there stay as they are.
    :param switch: gets the lines that set policies to accept, before their rules go, so that nothing is lost in between.
    :param clear: gets the lines that take the rules away.
    :param facts: gets what ``persist`` must know: the rules that are gone, and the policies.
    """
    policies: t.List[t.List[str]] = []
    for table in after.tables:
        if table.key == OWN_TABLE or read.owners.get(table.key) is not None:
            continue
        for block in table.chains():
            hook = hook_of(block)
            if hook is not None and hook[3] == "drop" and hook[1] not in spared:
                switch.append("add chain %s %s %s { policy accept; }" % (*table.key, block.name))
                table = table.put(replace(block, body=tuple(_POLICY.sub("policy accept;", line) for line in block.body)))
                policies.append([*table.key, block.name, "accept"])
        after = after.put(table)
    script = Script(after)
    for table in after.tables:
        if table.key != OWN_TABLE and read.owners.get(table.key) is None:
            flush_table(script, table, {}, spared)
    clear += script.creates + script.adds + script.replaces + script.removes + script.drops
    facts["added"] += script.added
    facts["removed"] += script.removed
    if policies:
        facts["policies"] = policies
    return script.after
