# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turning edits into one nft transaction, and predicting the listing after it.

Pure: touches nothing (how nft lists a line may be asked of the caller's ``ask``). Additions come first in the transaction, then
replacements, then removals, so that a place named by a handle exists when it is needed.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace

from ...policy.errors import HoldfastError
from ..base import Command, Transaction
from ..ruleset import Chain, Edit, Entry
from .listing import Block, Listing, RuleLine, Table, TableKey
from .names import LIMIT_SET, OWN_TABLE
from .native import split_native
from .policy_order import default_place, in_order
from .render import LimitSet, Statement, limit_sets, statements
from .ruleset import ChainRef, NftRuleset

#: Asks how nft lists lines: (table, text) pairs and new sets (table, name, definition); None when nobody can say.
Ask = t.Callable[[t.Sequence[t.Tuple[TableKey, str]], t.Sequence[t.Tuple[TableKey, str, str]]], t.Optional[t.List[str]]]
_TYPE = "type filter hook %s priority %s; policy accept;"


@dataclass
class Script:
    """The commands of a transaction in the order of their kinds, the listing they lead to, and what ``persist`` must know.

    :ivar added: rules put into chains of other tables than ours: family, table, chain, text.
    :ivar removed: rules taken out of such chains.
    """

    after: Listing
    creates: t.List[str] = field(default_factory=list)
    adds: t.List[str] = field(default_factory=list)
    replaces: t.List[str] = field(default_factory=list)
    removes: t.List[str] = field(default_factory=list)
    drops: t.List[str] = field(default_factory=list)
    added: t.List[t.List[str]] = field(default_factory=list)
    removed: t.List[t.List[str]] = field(default_factory=list)

    def transaction(self, before: str) -> Transaction:
        """Return it as one transaction; without commands when nothing would change."""
        text = in_order(self.after).text()
        lines = self.creates + self.adds + self.replaces + self.removes + self.drops
        if text == before or not lines:
            return Transaction((), before)
        script = "\n".join(lines) + "\n"
        return Transaction(
            commands=(Command(("nft", "-f", "-"), script),),
            after=text,
            persist={"added": self.added, "removed": self.removed},
            checks=(Command(("nft", "-c", "-f", "-"), script),),
        )

    def note(self, kept: t.List[t.List[str]], ref: ChainRef, lines: t.Iterable[str]) -> None:
        """Remember lines for ``persist`` when they are in somebody else's table."""
        if ref[:2] != OWN_TABLE:
            kept.extend([*ref, line] for line in lines)

    def ensure_chain(self, chain: Chain) -> None:
        """Create a chain of ours that does not exist yet."""
        family, name, hook = chain.ref
        table = self.after.table((family, name))
        if table is None:
            table = Table(family, name, "table %s %s {" % (family, name))
            self.creates.append("add table %s %s" % (family, name))
        if table.block("chain", hook) is None:
            self.creates.append("add chain %s %s %s { %s }" % (family, name, hook, _TYPE % (hook, "0")))
            table = table.put(Block("chain", hook, ("\t\t" + _TYPE % (hook, "filter"),)))
        self.after = self.after.put(table)

    def ensure_set(self, key: TableKey, wanted: LimitSet) -> None:
        """Create a set for a limit per source unless it is there."""
        table = self.after.table(key)
        if table is not None and table.block("set", wanted.name) is None:
            self.creates.append("add set %s %s %s %s" % (*key, wanted.name, wanted.definition()))
            body = tuple("\t\t" + line for line in wanted.listed())
            self.after = self.after.put(table.put(Block("set", wanted.name, body)))

    def rules(self, ref: ChainRef) -> t.List[RuleLine]:
        """Return the rules of a chain as they will be."""
        block = self._block(ref)
        return list(block.rules)

    def set_rules(self, ref: ChainRef, rules: t.Sequence[RuleLine]) -> None:
        """Say what rules a chain will have."""
        block = self._block(ref)
        table = self.after.table(ref[:2])
        if table is not None:
            self.after = self.after.put(table.put(replace(block, rules=tuple(rules))))

    def _block(self, ref: ChainRef) -> Block:
        table = self.after.table(ref[:2])
        block = table.block("chain", ref[2]) if table is not None else None
        if block is None:
            raise HoldfastError("Chain %s %s %s is not there any more; run the task again" % ref)
        return block

    def drop_unused_sets(self, removed: t.Iterable[t.Tuple[TableKey, str]]) -> None:
        """Delete our dynamic sets that only removed lines named."""
        for key, name in dict.fromkeys(removed):
            table = self.after.table(key)
            if table is None or table.block("set", name) is None or any(name in one.references() for one in table.chains()):
                continue
            self.drops.append("delete set %s %s %s" % (*key, name))
            self.after = self.after.put(table.drop("set", name))


def plan(ruleset: NftRuleset, edits: t.Sequence[Edit], ask: Ask) -> Transaction:
    """Return the transaction for some edits."""
    script = Script(ruleset.tables)
    wanted = [_lines(edit) for edit in edits]
    sets = [limit_sets(edit.rule) if edit.rule is not None else () for edit in edits]
    for edit, lines, needed in zip(edits, wanted, sets):
        if not lines:
            continue
        if edit.chain.missing:
            script.ensure_chain(edit.chain)
        for one in needed:
            script.ensure_set(edit.chain.ref[:2], one)
    forms = ask_forms(ask, [(edit.chain.ref[:2], line) for edit, lines in zip(edits, wanted) for line in lines], edits, sets)
    steps = [(edit, lines, [next(forms) for _line in lines]) for edit, lines in zip(edits, wanted)]
    unused: t.List[t.Tuple[TableKey, str]] = []
    gone: t.Set[t.Tuple[ChainRef, int]] = set()
    # In the order of the transaction: what others are put in front of is there until the end.
    for edit, lines, listed in steps:
        if edit.remove is None:
            _add(script, edit.chain.ref, edit, lines, listed)
        elif lines and len(lines) != len(edit.remove.native):
            _put_beside(script, edit.chain.ref, edit.remove, lines, listed)
    for edit, lines, listed in steps:
        if edit.remove is not None and len(lines) == len(edit.remove.native):
            _replace(script, edit.chain.ref, edit.remove, lines, listed)
    for edit, lines, _listed in steps:
        if edit.remove is None:
            continue
        unused += [(edit.chain.ref[:2], word) for text in edit.remove.native for word in _limit_names(text)]
        key = (edit.chain.ref, _handles(edit.remove)[0])
        if len(lines) != len(edit.remove.native) and key not in gone:
            gone.add(key)
            _remove(script, edit.chain.ref, edit.remove)
    script.drop_unused_sets(unused)
    return script.transaction(ruleset.listing)


def ask_forms(
    ask: Ask, lines: t.Sequence[t.Tuple[TableKey, Statement]], edits: t.Sequence[Edit], sets: t.Sequence[t.Sequence[LimitSet]]
) -> t.Iterator[str]:
    """Return the listed form of each line: nft's own word where it can be asked, else ours."""
    new = [(edit.chain.ref[:2], one.name, one.definition()) for edit, needed in zip(edits, sets) for one in needed]
    answer = ask([(key, line.typed) for key, line in lines], list(dict.fromkeys(new))) if lines else None
    return iter(answer if answer is not None else [line.listed for _key, line in lines])


def _lines(edit: Edit) -> t.Tuple[Statement, ...]:
    if edit.native is not None:
        text = split_native(edit.native).text
        return (Statement(text, " ".join(text.split())),)
    return statements(edit.rule, edit.chain.ref[0]) if edit.rule is not None else ()


def _handles(entry: Entry) -> t.List[int]:
    handles = [one for one in entry.ref or () if isinstance(one, int)]
    if len(handles) != len(entry.native):
        raise HoldfastError("The rule %s has no handle, so it cannot be changed" % " / ".join(entry.native))
    return handles


def _limit_names(text: str) -> t.List[str]:
    return [word[1:] for word in text.split() if word.startswith("@" + LIMIT_SET)]


def _add(script: Script, ref: ChainRef, edit: Edit, lines: t.Sequence[Statement], listed: t.Sequence[str]) -> None:
    rules = script.rules(ref)
    first = edit.native is not None and split_native(edit.native).first
    if edit.before is not None:
        place = _place(rules, _handles(edit.before)[0], ref)
    else:
        place = 0 if first and rules and rules[0].handle is not None else len(rules)
    if ref[:2] == OWN_TABLE:
        place = min(place, default_place(rules))  # behind it nothing is reached, and all is logged as denied
    handle = rules[place].handle if place < len(rules) else None
    if handle is not None:
        script.adds += ["insert rule %s %s %s position %d %s" % (*ref, handle, line.typed) for line in lines]
    else:
        place = len(rules)
        script.adds += ["add rule %s %s %s %s" % (*ref, line.typed) for line in lines]
    script.set_rules(ref, rules[:place] + [RuleLine(text) for text in listed] + rules[place:])
    script.note(script.added, ref, listed)


def _replace(script: Script, ref: ChainRef, entry: Entry, lines: t.Sequence[Statement], listed: t.Sequence[str]) -> None:
    rules = script.rules(ref)
    for handle, line, text in zip(_handles(entry), lines, listed):
        script.replaces.append("replace rule %s %s %s handle %d %s" % (*ref, handle, line.typed))
        rules[_place(rules, handle, ref)] = RuleLine(text)
    script.set_rules(ref, rules)
    script.note(script.removed, ref, entry.native)
    script.note(script.added, ref, listed)


def _put_beside(script: Script, ref: ChainRef, entry: Entry, lines: t.Sequence[Statement], listed: t.Sequence[str]) -> None:
    """Put lines before an entry that they replace, where their number differs; the entry is removed at the end."""
    handle = _handles(entry)[0]
    rules = script.rules(ref)
    place = _place(rules, handle, ref)
    script.adds += ["insert rule %s %s %s position %d %s" % (*ref, handle, line.typed) for line in lines]
    script.set_rules(ref, rules[:place] + [RuleLine(text) for text in listed] + rules[place:])
    script.note(script.added, ref, listed)


def _remove(script: Script, ref: ChainRef, entry: Entry) -> None:
    handles = _handles(entry)
    script.removes += ["delete rule %s %s %s handle %d" % (*ref, handle) for handle in handles]
    script.set_rules(ref, [one for one in script.rules(ref) if one.handle not in handles])
    script.note(script.removed, ref, entry.native)


def _place(rules: t.Sequence[RuleLine], handle: int, ref: ChainRef) -> int:
    for place, one in enumerate(rules):
        if one.handle == handle:
            return place
    raise HoldfastError("A rule of chain %s %s %s is not there any more; run the task again" % ref)
