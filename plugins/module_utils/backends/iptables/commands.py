# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules as the command lines that an administrator would type, for dry runs, and those lines read back.

Pure: touches nothing.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import replace

from ...policy.rule import Rule
from ..ruleset import Chain, Entry, Ruleset
from .meaning import build_ruleset
from .protocols import ProtocolNames
from .render import Abilities, rule_lines, rule_sets
from .saved import Tables, parse_saved
from .sets import list_set, parse_sets, set_lines

_TOOLS = {4: "iptables", 6: "ip6tables"}
_COMMAND = re.compile(r"(ip6?tables) (.*)\Z")


def command_lines(rule: Rule, can: Abilities) -> t.List[str]:
    """Return the commands of a rule: its address sets, then its lines for each family."""
    lines: t.List[str] = []
    for name, addresses in sorted(rule_sets(rule).items()):
        lines.extend("ipset " + line for line in set_lines(name, list_set(addresses)))
    for family in sorted(rule.families()):
        lines.extend("%s %s" % (_TOOLS[family], line) for line in rule_lines(rule, family, can))
    return lines


def parse_commands(text: str, names: ProtocolNames) -> Ruleset:
    """Read such commands; a rule that stands for both families in the same place is one rule of both."""
    lines: t.Dict[int, t.List[str]] = {4: [], 6: []}
    sets: t.List[str] = []
    for line in (one.strip() for one in text.splitlines()):
        command = _COMMAND.match(line)
        if line.startswith("ipset "):
            sets.append(line[len("ipset ") :])
        elif command:
            lines[4 if command.group(1) == "iptables" else 6].append(command.group(2))
        elif line and not line.startswith("#"):
            lines[4].append(line)
            lines[6].append(line)
    saved: t.Dict[int, Tables] = {
        family: parse_saved("\n".join(["*filter"] + found + ["COMMIT"])).tables for family, found in lines.items() if found
    }
    ruleset = build_ruleset(saved, text, names, parse_sets(sets, names))
    chains = [one for one in ruleset.chains if one.entries]
    merged: t.List[Chain] = []
    for chain in chains:
        twin = next((one for one in chains if one.ref == replace(chain.ref, family=6) and chain.ref.family == 4), None)
        both = _both(chain, twin) if twin is not None else None
        if both is not None:
            chains.remove(t.cast(Chain, twin))
        merged.append(both or chain)
    return Ruleset(tuple(merged), text)


def _both(chain: Chain, twin: Chain) -> t.Optional[Chain]:
    """Return one chain for both families when all their entries are the same rules."""
    entries: t.List[Entry] = []
    for one, other in zip(chain.entries, twin.entries):
        if one.rule is None or other.rule is None or replace(one.rule, family=None) != replace(other.rule, family=None):
            return None
        native = tuple("%s %s" % (_TOOLS[family], line) for family, entry in ((4, one), (6, other)) for line in entry.native)
        entries.append(replace(one, native=native, rule=replace(one.rule, family=None), ref=one.ref + other.ref))
    if len(chain.entries) != len(twin.entries):
        return None
    return replace(chain, name=chain.ref.chain, families=frozenset({4, 6}), entries=tuple(entries))
