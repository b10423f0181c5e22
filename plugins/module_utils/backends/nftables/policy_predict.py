# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How nft will list a program, block by block.

Runs nft in a network namespace that is thrown away at once; the host's rules are neither read nor changed. Of lines that differ in
addresses, ports and comments only, two are asked about: the others are listed in the same form. Sets, maps and native lines are asked
about whole.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import replace

from ...host import Host
from ...policy.errors import HoldfastError
from .listing import Block, RuleLine, Table, parse_listing
from .names import OWN_TABLE
from .namespace import LOAD_AND_LIST
from .policy_program import AFTER, BEFORE, LAID, Program, ProgramChain
from .policy_text import chain_block, set_block, table_lines
from .render import Statement

_VALUE = re.compile(r'"[^"]*"|\b(?:saddr|daddr|sport|dport) (?:!= )?(?:\{[^}]*\}|[^ @]\S*)|\b%s\w+' % LAID)
#: How many lines of one form are asked about.
SAMPLES = 2


def predict(host: Host, program: Program, whole: bool = False) -> t.List[Block]:
    """Return the blocks of a program as nft lists them: sets and maps, then chains.

    :param whole: ask about every line.
    """
    pure = pure_blocks(program)
    chains = program.chains()
    asked = [range(len(chain.lines)) for chain in chains] if whole else _asked(chains)
    sample = [replace(chain, lines=tuple(chain.lines[number] for number in numbers)) for chain, numbers in zip(chains, asked)]
    answer = _answer(host, program, sample)
    if answer is None:
        return pure
    found: t.List[Block] = []
    for block, chain, numbers in zip(pure[len(program.sets()) :], chains, asked):
        listed = answer.block("chain", chain.name)
        if listed is None or len(listed.rules) != len(numbers):
            return pure
        rules = list(block.rules)
        for number, rule in zip(numbers, listed.rules):
            if rules[number].text != rule.text and not (whole or _native(chain)):
                return predict(host, program, whole=True)  # this nft lists in forms of its own
            rules[number] = RuleLine(rule.text)
        found.append(replace(block, body=listed.body, rules=tuple(rules)))
    sets = [answer.block(one.kind, one.name) for one in program.sets()]
    return pure if None in sets else [*t.cast("t.List[Block]", sets), *found]


def pure_blocks(program: Program) -> t.List[Block]:
    """Return the blocks as far as they are known without asking: the elements of sets may stand in another order and break."""
    return [set_block(one) for one in program.sets()] + [chain_block(one) for one in program.chains()]


def _answer(host: Host, program: Program, chains: t.Sequence[ProgramChain]) -> t.Optional[Table]:
    if host.which("unshare") is None:
        return None
    text = "\n".join(table_lines(program.sets(), chains)) + "\n"
    result = host.run(LOAD_AND_LIST, text)
    if not result.ok:
        return None  # no namespaces here; what nft refuses, it refuses once more when the transaction is checked
    try:
        return parse_listing(result.out).table(OWN_TABLE)
    except HoldfastError:
        return None


def _asked(chains: t.Sequence[ProgramChain]) -> t.List[t.Sequence[int]]:
    """Return for each chain which of its lines are asked about."""
    seen: t.Dict[str, int] = {}
    asked: t.List[t.Sequence[int]] = []
    for chain in chains:
        if _native(chain):
            asked.append(range(len(chain.lines)))
            continue
        numbers = []
        for number, line in enumerate(chain.lines):
            form = _form(line)
            count = seen.get(form, 0)
            if count < SAMPLES:
                seen[form] = count + 1
                numbers.append(number)
        asked.append(numbers)
    return asked


def _form(line: Statement) -> str:
    return _VALUE.sub(_mark, line.typed)


def _mark(found: t.Match[str]) -> str:
    text = found.group()
    if text[0] == '"' or text.startswith(LAID):
        return "*"
    kind = "{" if "{" in text else "-" if "-" in text else "/" if "/" in text else "."
    return text[:6] + kind + ("!" if "!=" in text else "")


def _native(chain: ProgramChain) -> bool:
    return chain.hook is None and chain.name.endswith((BEFORE[len(LAID) - 1 :], AFTER[len(LAID) - 1 :]))
