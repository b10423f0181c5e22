# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Raw rules that a user wrote for nft: which chain they are for, and which live rule equals them.

A line is ``add rule FAMILY TABLE CHAIN …`` or ``insert rule …`` (the family may be left out: ip), or the rule alone, which goes into
our own table: into its input chain, or into the one named first (``output tcp dport 25 drop``). Runs nft, changes nothing.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, replace

from ...host import Host
from ...policy.errors import HoldfastError
from ..ruleset import Chain, Entry
from .listing import TableKey
from .names import DIRECTION_OF, HOOK_OF, OWN_TABLE, chain_name
from .namespace import listed_forms
from .ruleset import ChainRef, NftRuleset

_COMMANDS = frozenset(
    ("add", "insert", "rule", "create", "delete", "replace", "flush", "destroy", "table", "chain", "include", "define", "list", "reset")
)
_FAMILIES = ("ip", "ip6", "inet", "arp", "bridge", "netdev")


@dataclass(frozen=True)
class NativeLine:
    """A raw rule: the chain it is for, its text, and whether it goes to the top (``insert``)."""

    ref: ChainRef
    text: str
    first: bool = False


def split_native(line: str) -> NativeLine:
    """Read one raw line.

    :raises HoldfastError: when it is not one rule.
    """
    words = line.strip().rstrip(";").split()
    first = words[:1] == ["insert"]
    bare = re.sub(r'"[^"]*"', "", line.strip().rstrip(";"))
    if not words or "\n" in line.strip() or any(c in bare for c in ';#"'):
        raise HoldfastError("A native nftables rule is one command on one line, without ; and # outside quotes; found %r" % line[:120])
    if words[0] in _COMMANDS:
        place = words[2:5] if words[2:3] and words[2] in _FAMILIES else ["ip", *words[2:4]]
        skip = 5 if place == words[2:5] else 4
        if words[:2] not in (["add", "rule"], ["insert", "rule"]) or len(words) <= skip:
            raise HoldfastError("A native nftables rule is add rule FAMILY TABLE CHAIN …, or the rule alone; found %r" % line[:120])
        if words[skip] in ("position", "handle", "index"):
            raise HoldfastError("A native nftables rule has no position, handle or index, for these change; found %r" % line[:120])
        return NativeLine((place[0], place[1], place[2]), _after(line, skip), first)
    if words[0] in DIRECTION_OF and len(words) > 1:
        return NativeLine((*OWN_TABLE, words[0]), _after(line, 1))
    return NativeLine((*OWN_TABLE, HOOK_OF["in"]), _after(line, 0))


def _after(line: str, skip: int) -> str:
    """Return the text behind the first words, with its own blanks (they count inside quotes)."""
    return line.strip().rstrip(";").rstrip().split(None, skip)[-1]


def match_native(host: Host, ruleset: NftRuleset, text: str) -> t.List[t.Tuple[Chain, t.Optional[Entry]]]:
    """Return for each raw line its chain and the live entry that nft lists in the same words.

    :raises HoldfastError: when a line is not valid, or its chain does not exist or belongs to another program.
    """
    lines = [split_native(line) for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
    chains = [_chain(ruleset, line) for line in lines]
    _validate(host, lines, chains)
    keys: t.List[t.Tuple[TableKey, str]] = [(line.ref[:2], line.text) for line in lines]
    forms = listed_forms(host, ruleset.tables, keys) or [" ".join(line.text.split()) for line in lines]
    taken: t.Set[t.Tuple[str, t.Any]] = set()
    found: t.List[t.Tuple[Chain, t.Optional[Entry]]] = []
    for chain, form in zip(chains, forms):
        entry = _live(chain, form, taken)
        if entry is not None:
            taken.add((chain.name, entry.ref))
        found.append((chain, entry))
    return found


def _chain(ruleset: NftRuleset, line: NativeLine) -> Chain:
    chain = ruleset.chain(chain_name(*line.ref))
    if chain is None:
        raise HoldfastError("There is no nftables chain %s, so the rule %r has no place" % (chain_name(*line.ref), line.text))
    if not chain.changeable:
        raise HoldfastError("Chain %s belongs to %s and is not changed by holdfast.firewall" % (chain.name, chain.owner))
    return chain


def _validate(host: Host, lines: t.Sequence[NativeLine], chains: t.Sequence[Chain]) -> None:
    script = []
    for line, chain in zip(lines, chains):
        if chain.missing:
            script.append("add table %s %s" % line.ref[:2])
            script.append("add chain %s %s %s { type filter hook %s priority 0; policy accept; }" % (*line.ref, line.ref[2]))
        script.append("add rule %s %s %s %s" % (*line.ref, line.text))
    if not script:
        return
    result = host.run(["nft", "-c", "-f", "-"], "\n".join(script) + "\n")
    if not result.ok:
        raise HoldfastError("nft refuses the native rules: %s" % (result.err or result.out).strip()[:2000])


def _live(chain: Chain, form: str, taken: t.Set[t.Tuple[str, t.Any]]) -> t.Optional[Entry]:
    for entry in chain.entries:
        for text, handle in zip(entry.native, entry.ref):
            if text == form and (chain.name, (handle,)) not in taken:
                return entry if len(entry.native) == 1 else replace(entry, native=(text,), rule=None, parts=(), ref=(handle,))
    return None
