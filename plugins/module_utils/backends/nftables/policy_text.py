# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of a program: as a file for a host without a policy, and its parts for a transaction.

Pure: builds text. A file may be loaded again and again: the table and its base chains stay, their lines are replaced.
"""

from __future__ import annotations

import typing as t

from .listing import Block, RuleLine
from .names import OWN_TABLE
from .policy_program import NamedSet, Program, ProgramChain

TABLE = "%s %s" % OWN_TABLE


def program_text(program: Program) -> str:
    """Return the file of a program, as ``nft -f`` loads it."""
    body = table_lines(program.sets(), program.chains())
    return "\n".join(["add table " + TABLE, "flush table " + TABLE, *body]) + "\n"


def table_lines(sets: t.Sequence[NamedSet], chains: t.Sequence[ProgramChain]) -> t.List[str]:
    """Return a table block with these sets, maps and chains and all that is in them."""
    blocks = [set_block(one) for one in sets] + [chain_block(one, typed=True) for one in chains]
    lines = ["table %s {" % TABLE]
    for number, block in enumerate(blocks):
        if number:
            lines.append("")
        lines += block.lines()
    return [*lines, "}"]


def chain_block(chain: ProgramChain, typed: bool = False) -> Block:
    """Return a chain as a block of a listing; its lines as nft lists them, or as they are typed."""
    body = () if chain.hook is None else ("\t\t" + chain.hook.line(),)
    return Block("chain", chain.name, body, tuple(RuleLine(line.typed if typed else line.listed) for line in chain.lines))


def set_block(one: NamedSet) -> Block:
    """Return a set or map as a block of a listing, one element a line."""
    body = ["\t\t" + part for part in one.body]
    if one.elements:
        lines = [element.typed() for element in one.elements]
        body += ["%s%s%s" % ("\t\telements = { " if not number else "\t\t\t     ", text, ",") for number, text in enumerate(lines)]
        body[-1] = body[-1][:-1] + " }"
    return Block(one.kind, one.name, tuple(body))
