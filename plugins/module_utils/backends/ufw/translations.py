# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The translations of a policy in ufw's own files: a part ``*nat`` in ``before.rules``, and a hook in ``before.init``.

Pure: touches nothing. ufw loads ``*nat`` parts with ``iptables-restore --noflush`` at every start and never takes anything of that table
away (seen with 0.36.2): a chain that the part declares is emptied, but the line that leads to it comes once more with each reload, and
stays when ufw is switched off. So ``before.init``, which ufw runs before it starts and when it stops, removes that line and our chains.
"""

from __future__ import annotations

import re
import typing as t

from ...policy.errors import HoldfastError
from ..iptables.draft import Draft
from ..iptables.owners import is_foreign, rule_owner
from ..iptables.policy_chains import NAT_CHAINS, is_own, jump_line, own_target
from ..iptables.saved import SavedChain, Tables, empty_table
from .block import END, NAT_BEGIN, cut_block
from .files import BEFORE, INIT, Files

_SHELL = re.compile(r"#! ?/\S*(?:/env )?/?(?:sh|bash|dash)\b")
_MODE = re.compile(r"# The permissions of this file without these lines: ([0-7]{1,4})\Z")
_HOOK = """\
# ufw loads the translations of before.rules, and never takes them away: that is done here.
case "$1" in
start | stop | flush-all)
    for holdfast_tool in iptables ip6tables; do
%s
    done
    ;;
esac"""
_CHAIN = """\
        while "$holdfast_tool" -w 5 -t nat -D %(builtin)s -j %(own)s 2>/dev/null; do :; done
        if "$holdfast_tool" -w 5 -t nat -F %(own)s 2>/dev/null; then "$holdfast_tool" -w 5 -t nat -X %(own)s; fi"""

Chains = t.Dict[str, SavedChain]


def nat_part(chains: t.Mapping[str, t.Sequence[str]]) -> t.List[str]:
    """Return the part ``*nat`` with our chains, their jumps and their lines; empty where there are none."""
    if not chains:
        return []
    jumps = ["-I %s -j %s" % (builtin, own) for builtin, own in NAT_CHAINS.values() if own in chains]
    lines = [line for name in sorted(chains) for line in chains[name]]
    return ["*nat", *(":%s - [0:0]" % name for name in sorted(chains)), *jumps, *lines, "COMMIT"]


def read_nat(lines: t.Sequence[str]) -> t.Tuple[Chains, t.List[str]]:
    """Return the table that a part ``*nat`` of ours makes, and lines that are not of our making."""
    chains = empty_table("nat")
    odd: t.List[str] = []
    rules: t.Dict[str, t.List[str]] = {}
    jumps = {"-I %s -j %s" % pair: pair for pair in NAT_CHAINS.values()}
    for line in lines:
        if line.startswith(":"):
            rules.setdefault(line[1:].split()[0], [])
        elif line.startswith("-A ") and is_own(line.split()[1]):
            rules.setdefault(line.split()[1], []).append(line)
        elif line in jumps:
            builtin, own = jumps[line]
            chains[builtin] = SavedChain(builtin, "ACCEPT", (jump_line(builtin, own),))
        elif line not in ("*nat", "COMMIT"):
            odd.append(line)
    chains.update({name: SavedChain(name, rules=tuple(texts)) for name, texts in rules.items()})
    return chains, odd


def edit_nat(draft: Draft, live: Tables, files: Files, family: int) -> None:
    """Edit a draft so that the table nat has of ours what ufw makes of some files. Lines that are not ours stay behind our jumps, those of
    other programs where they are.
    """
    lines = cut_block(files.text(BEFORE[family]), BEFORE[family], NAT_BEGIN)[1] if files.enabled else ()
    wanted, _odd = read_nat(lines)
    there = live.get("nat", {})
    for name, chain in wanted.items():
        if is_own(name) and (name not in there or there[name].rules != chain.rules):
            draft.fill((family, "nat", name), chain.rules)
    for name in there:
        if is_own(name) and name not in wanted:
            draft.drop((family, "nat", name))
    for builtin, _own in NAT_CHAINS.values():
        old = there[builtin].rules if builtin in there else ()
        ours = [number for number, line in enumerate(old) if own_target(line)]
        jumps = wanted[builtin].rules
        alone = [old[number] for number in ours] == list(jumps)
        if alone and all(is_foreign(rule_owner(line)) for line in old[: ours[0] if ours else 0]):
            continue
        for number in ours:
            draft.remove((family, "nat", builtin), number, 1)
        draft.insert((family, "nat", builtin), jumps, 0 if old else None)
    draft.backwards = draft.backwards or not lines


def with_hook(files: Files, wanted: bool) -> Files:
    """Return the files with our hook, or without it.

    :raises HoldfastError: where there is no place for it.
    """
    text, block = cut_block(files.text(INIT), INIT, NAT_BEGIN)
    mode = mode_without(block, files.init_mode)
    if wanted:
        head, newline, rest = text.partition("\n")
        if not _SHELL.match(head) or not newline:
            raise HoldfastError(
                "%s is no shell script, and ufw takes translations away by nothing else: put the file of the package ufw back" % INIT
            )
        chains = "\n".join(_CHAIN % {"builtin": builtin, "own": own} for builtin, own in NAT_CHAINS.values())
        lines = [NAT_BEGIN, "# The permissions of this file without these lines: %o" % mode, *(_HOOK % chains).split("\n")]
        if not mode & 0o111:
            lines.append("exit 0  # ufw did not run the rest of this file, since it was not executable")
        text = "\n".join([head, *lines, END, rest])
    return Files({**files.texts, INIT: text}, mode) if text != files.text(INIT) else files


def hook_sleeps(files: Files) -> bool:
    """Return whether our hook is there and ufw does not run it."""
    return not files.init_mode & 0o111 and bool(cut_block(files.text(INIT), INIT, NAT_BEGIN)[1])


def mode_without(block: t.Sequence[str], mode: int) -> int:
    """Return the permissions of the file without our hook."""
    found = next(filter(None, map(_MODE.match, block)), None)
    return int(found.group(1), 8) if found is not None else mode


def mode_with(text: str, old: str, mode: int) -> int:
    """Return the permissions that ``before.init`` has with a text, when it has ``old`` and ``mode`` now."""
    before = mode_without(cut_block(old, INIT, NAT_BEGIN)[1], mode)
    return before | 0o110 if cut_block(text, INIT, NAT_BEGIN)[1] else before
