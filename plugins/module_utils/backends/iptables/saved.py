# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of iptables-save: tables, chains and rule lines, and the one listing that people and diffs see.

Pure: touches nothing. The listing has both families under ``# ipv4`` and ``# ipv6`` without counters and time stamps, tables and chains in
a fixed order (the legacy variant prints tables in the order of their use), and leaves out what says nothing: a table without rules, chains
and denying policies is the same as no table. Sets of ours that rules refer to stand under ``# ipset``.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

FAMILIES = (4, 6)
HEADINGS = {4: "# ipv4", 6: "# ipv6"}
SETS_HEADING = "# ipset"
#: The headings of the text that is for the tools themselves, and those of the listing that have the same meaning.
TOOL_HEADINGS = {
    "# ipset restore": SETS_HEADING, "# iptables-restore --noflush": HEADINGS[4], "# ip6tables-restore --noflush": HEADINGS[6],
}  # fmt: skip

#: The chains that the kernel has in each table (iptables(8), TABLES), in the order of iptables-save.
BUILTIN: t.Dict[str, t.Tuple[str, ...]] = {
    "filter": ("INPUT", "FORWARD", "OUTPUT"),
    "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
    "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
    "raw": ("PREROUTING", "OUTPUT"),
    "security": ("INPUT", "FORWARD", "OUTPUT"),
}
_COUNTERS = re.compile(r"\[\d+:\d+\]\s+")
_INSERTED = re.compile(r"-I (\S+) 1 ")
_INCOMPATIBLE = re.compile(r"# Table [`']([^']+)'.*incompatible")


@dataclass(frozen=True)
class SavedChain:
    """One chain of a saved table.

    :ivar policy: ``ACCEPT`` or ``DROP``; ``-`` for a chain that is not built in.
    :ivar rules: the lines, each from ``-A``.
    :ivar numbers: where each rule stands in the text (line numbers from 0).
    :ivar head: where the chain's own line stands, or None.
    """

    name: str
    policy: str = "-"
    rules: t.Tuple[str, ...] = ()
    numbers: t.Tuple[int, ...] = ()
    head: t.Optional[int] = None


Tables = t.Dict[str, t.Dict[str, SavedChain]]


@dataclass(frozen=True)
class Saved:
    """What one iptables-save text says.

    :ivar starts: the line number of each table's name.
    :ivar commits: the line number of each table's COMMIT.
    :ivar odd: the first line that is not of the form that iptables-save writes, or None.
    :ivar incompatible: tables that hold more than iptables can show (chains made with nft).
    """

    tables: Tables
    starts: t.Mapping[str, int]
    commits: t.Mapping[str, int]
    odd: t.Optional[str] = None
    incompatible: t.Tuple[str, ...] = ()


def is_builtin(table: str, chain: str) -> bool:
    """Return whether the kernel has this chain by itself."""
    return chain in BUILTIN.get(table, ())


def empty_table(table: str) -> t.Dict[str, SavedChain]:
    """Return a table as the kernel makes it: built-in chains without rules that accept."""
    return {name: SavedChain(name, "ACCEPT") for name in BUILTIN.get(table, ())}


def parse_saved(text: str) -> Saved:
    """Read the text of iptables-save, or a file of that format."""
    tables: Tables = {}
    starts: t.Dict[str, int] = {}
    commits: t.Dict[str, int] = {}
    rules: t.Dict[t.Tuple[str, str], t.List[t.Tuple[str, int]]] = {}
    odd: t.Optional[str] = None
    incompatible: t.List[str] = []
    table = ""
    for number, raw in enumerate(text.split("\n")):
        line = _COUNTERS.sub("", raw.strip(), count=1) if raw.lstrip().startswith("[") else raw.strip()
        if not line or line.startswith("#"):
            found = _INCOMPATIBLE.match(line)
            if found:
                incompatible.append(found.group(1))
            continue
        if line.startswith("*"):
            table = line[1:].strip()
            odd = odd or (line if table in starts else None)
            starts[table] = number
            tables.setdefault(table, empty_table(table))
        elif line == "COMMIT" and table:
            commits[table] = number
            table = ""
        elif line.startswith(":") and table:
            words = line[1:].split()
            name, policy = words[0], words[1] if len(words) > 1 else "-"
            tables[table][name] = SavedChain(name, policy, head=number)
        elif line.startswith("-A ") and table and len(line.split(None, 2)) > 1:
            rules.setdefault((table, line.split(None, 2)[1]), []).append((line, number))
        else:
            odd = odd or line
    for (name, chain), lines in rules.items():
        known = tables[name].get(chain, SavedChain(chain))
        tables[name][chain] = SavedChain(chain, known.policy, tuple(one for one, _n in lines), tuple(n for _one, n in lines), known.head)
    if len(starts) != len(commits):
        odd = odd or "*%s without COMMIT" % next(name for name in starts if name not in commits)
    return Saved(tables, starts, commits, odd, tuple(incompatible))


def chain_order(table: str, chains: t.Iterable[str]) -> t.List[str]:
    """Return chain names as the listing has them: built-in ones first, the others by name."""
    builtin = BUILTIN.get(table, ())
    known = set(chains)
    return [name for name in builtin if name in known] + sorted(known.difference(builtin))


def table_order(tables: t.Iterable[str]) -> t.List[str]:
    """Return table names as the listing has them: filter first."""
    known = set(tables)
    return [name for name in BUILTIN if name in known] + sorted(known.difference(BUILTIN))


def says_something(chains: t.Mapping[str, SavedChain]) -> bool:
    """Return whether a table has a rule, a chain that is not built in, or a policy other than ACCEPT."""
    return any(chain.rules or chain.policy != "ACCEPT" for chain in chains.values())


def table_text(table: str, chains: t.Mapping[str, SavedChain]) -> t.List[str]:
    """Return the lines of one table."""
    names = chain_order(table, chains)
    lines = ["*" + table]
    lines.extend(":%s %s [0:0]" % (name, chains[name].policy) for name in names)
    for name in names:
        lines.extend(chains[name].rules)
    return lines + ["COMMIT"]


def make_listing(saved: t.Mapping[int, Tables], sets: t.Mapping[str, t.Sequence[str]]) -> str:
    """Return the listing of all families.

    :param sets: the sets of ours that rules refer to, name to the lines of ``ipset``.
    """
    lines: t.List[str] = []
    for family in FAMILIES:
        if family not in saved:
            continue
        lines.append(HEADINGS[family])
        for table in table_order(saved[family]):
            if says_something(saved[family][table]):
                lines.extend(table_text(table, saved[family][table]))
    if sets:
        lines.append(SETS_HEADING)
        for name in sorted(sets):
            lines.extend(sets[name])
    return "\n".join(lines) + "\n"


def split_listing(text: str) -> t.Tuple[t.Dict[int, Tables], t.List[str]]:
    """Read a listing back: the tables of each family, and the lines under ``# ipset``.

    Text without headings is one family's own iptables-save; its first line tells which.
    """
    parts: t.Dict[str, t.List[str]] = {}
    current = HEADINGS[6] if re.search(r"^# Generated by ip6tables", text, re.MULTILINE) else HEADINGS[4]
    known = {**{one: one for one in (*HEADINGS.values(), SETS_HEADING)}, **TOOL_HEADINGS}
    for line in text.split("\n"):
        if line in known:
            current = known[line]
            parts.setdefault(current, [])
        elif line:
            parts.setdefault(current, []).append(_INSERTED.sub(r"-A \1 ", line) if line.startswith("-I ") else line)
    families = {family: parse_saved("\n".join(parts[HEADINGS[family]])).tables for family in FAMILIES if HEADINGS[family] in parts}
    return families, parts.get(SETS_HEADING, [])
