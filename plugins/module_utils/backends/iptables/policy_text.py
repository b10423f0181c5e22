# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of a policy: complete, in one section for each tool that loads it, and what is ours of a listing.

Pure: touches nothing. The sets come first, since rules name them; within a family, the filter table comes before the nat table. To load it
again, remove the jumps (``-I INPUT 1 -j holdfast-input``) first: all else replaces what is there.
"""

from __future__ import annotations

import typing as t

from .draft import Key
from .policy_chains import Own, own_part
from .saved import HEADINGS, SETS_HEADING, TOOL_HEADINGS, Tables, chain_order, table_order
from .sets import Sets, references, restore_text, set_lines
from .words import same_words

_HEADING = {meaning: heading for heading, meaning in TOOL_HEADINGS.items()}


def own_text(own: Own, families: t.Sequence[int]) -> str:
    """Return the text of all sections; that of the sets only where there are some."""
    lines: t.List[str] = []
    if own.sets:
        lines += [_HEADING[SETS_HEADING], restore_text(own.sets).rstrip("\n")]
    for family in families:
        lines.append(_HEADING[HEADINGS[family]])
        for table in table_order({key[1] for key in own.chains if key[0] == family}):
            names = chain_order(table, [key[2] for key in own.chains if key[:2] == (family, table)])
            lines.append("*" + table)
            lines.extend(":%s - [0:0]" % name for name in names)
            lines.extend("-I %s 1 -j %s" % (key[2], chain) for key, chain in sorted(own.jumps.items()) if key[:2] == (family, table))
            for name in names:
                lines.extend(own.chains[family, table, name])
            lines.append("COMMIT")
    return "\n".join(lines) + "\n"


def own_listing(saved: t.Mapping[int, Tables], sets: Sets) -> str:
    """Return what is ours of the live rules, for the record that tells an edit by hand; empty when there is nothing."""
    lines: t.List[str] = []
    for (family, table, name), rules in sorted(own_part(saved).items()):
        lines.append("# %s %s %s" % (HEADINGS[family][2:], table, name))
        lines.extend(rules)
    for name in references("\n".join(lines)):
        lines += set_lines(name, sets[name]) if name in sets else ["# %s is missing" % name]
    return "\n".join(lines) + "\n" if lines else ""


def as_listed(own: Own, saved: t.Mapping[int, Tables]) -> Own:
    """Return the same with lines that the host lists in other words (another release of iptables) as it lists them."""
    chains: t.Dict[Key, t.List[str]] = {}
    for key, lines in own.chains.items():
        family, table, name = key
        there = saved.get(family, {}).get(table, {}).get(name)
        if there is not None and len(there.rules) == len(lines):
            lines = [old if old == new or same_words(old) == same_words(new) else new for old, new in zip(there.rules, lines)]
        chains[key] = lines
    return own._replace(chains=chains)
