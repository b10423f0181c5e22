# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trying rules whose kernel sets do not exist yet: ``iptables-restore --test`` refuses a rule that names one.

Builds the command; it loads sets and chains of ours in a network namespace of its own, which is thrown away. Where none can be made it
succeeds without having tried anything.
"""

from __future__ import annotations

import typing as t

from ..base import Command
from .policy_chains import is_own
from .saved import Tables, is_builtin
from .sets import Sets, references, restore_text
from .tools import TOOLS, Tools

_SCRIPT = """\
unshare --net true 2>/dev/null || exit 0
folder=$(mktemp -d) || exit 0
trap 'rm -rf "$folder"' EXIT
cat > "$folder/text"
sed -n 's/^s //p' "$folder/text" > "$folder/sets"
sed -n 's/^r //p' "$folder/text" > "$folder/rules"
unshare --net sh -c "ipset restore < $folder/sets && $0-restore < $folder/rules"
"""


def trial(tools: Tools, family: int, tables: Tables, sets: Sets) -> Command:
    """Return the command that tries what of ours is in the tables of a family, or its syntax alone where it names other sets too.

    :param sets: all sets of ours.
    """
    rules: t.List[str] = []
    for table in ("filter", "nat"):
        chains = tables.get(table, {})
        if any(is_own(name) for name in chains):
            rules.append("*" + table)
            rules += [":%s - [0:0]" % name for name in chains if not is_builtin(table, name)]
            rules += [line for name, chain in chains.items() if is_own(name) for line in chain.rules]
            rules.append("COMMIT")
    named = references("\n".join(rules))
    foreign = any("-set " in line and not any(" %s " % name in line for name in named) for line in rules)
    if foreign or any(name not in sets for name in named):
        return Command((*tools.restore(family, "--test"),), "")
    text = ["s " + line for line in restore_text({name: sets[name] for name in named}).splitlines()] + ["r " + line for line in rules]
    return Command(("sh", "-c", _SCRIPT, TOOLS[family]), "\n".join(text) + "\n")
