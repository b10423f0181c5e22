# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking nft itself how it lists a line: the line is loaded in a network namespace that is thrown away at once.

Runs programs; the host's rules are neither read nor changed: without a namespace of its own nothing is run.
"""

from __future__ import annotations

import typing as t

from ...host import Host
from ...policy.errors import HoldfastError
from .listing import Block, Listing, Table, TableKey, parse_listing

#: The chain that takes the lines; in the namespace only.
_CHAIN = "hf_lines"
#: Loads its input in a namespace of its own and lists what came of it.
LOAD_AND_LIST = ("unshare", "--net", "--", "sh", "-c", "nft -f - && nft -s list ruleset")


def listed_forms(
    host: Host, tables: Listing, lines: t.Sequence[t.Tuple[TableKey, str]], sets: t.Sequence[t.Tuple[TableKey, str, str]] = ()
) -> t.Optional[t.List[str]]:
    """Return how nft lists each line (a table and a rule's text), or None when it cannot be asked.

    :param tables: the live tables, for the sets and chains that the lines name.
    :param sets: new sets that the lines name: table, name, definition.
    """
    if not lines or host.which("unshare") is None:
        return None
    script: t.List[str] = []
    for key in dict.fromkeys(key for key, _line in lines):
        script += _skeleton(tables.table(key), key)
    script += ["add set %s %s %s %s" % (*key, name, definition) for key, name, definition in sets]
    script += ["add rule %s %s %s %s" % (*key, _CHAIN, line) for key, line in lines]
    result = host.run(LOAD_AND_LIST, "\n".join(script) + "\n")
    if not result.ok:
        return None
    try:
        listing = parse_listing(result.out)
    except HoldfastError:
        return None
    found: t.Dict[TableKey, t.Iterator[str]] = {}
    for table in listing.tables:
        block = table.block("chain", _CHAIN)
        found[table.key] = iter([rule.text for rule in block.rules] if block is not None else [])
    forms = [next(found.get(key, iter(())), None) for key, _line in lines]
    return None if None in forms else t.cast(t.List[str], forms)


def _skeleton(table: t.Optional[Table], key: TableKey) -> t.List[str]:
    """Return a table with everything that a rule may name, but without rules, elements and hooks."""
    lines = ["table %s %s {" % key]
    for block in table.blocks if table is not None else ():
        if block.kind == "chain":
            lines += ["\tchain %s {" % block.name, "\t}"]
        elif block.kind != "flowtable":
            lines += Block(block.kind, block.name, block.without_elements().body).lines()
    return [*lines, "\tchain %s {" % _CHAIN, "\t}", "}"]
