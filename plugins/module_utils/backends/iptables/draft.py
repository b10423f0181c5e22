# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Edits of saved tables, and the input of iptables-restore that carries them out.

Pure: touches nothing. One text for each family is one transaction for each table: removals from the bottom up, then insertions from the
top down, each by number, and never ``-R``: with a rule that came in the same transaction that crashes iptables-nft-restore 1.8.9.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from .saved import SavedChain, Tables, chain_order, empty_table, is_builtin, table_order

Key = t.Tuple[int, str, str]
#: With more lines than this to remove and to insert, a chain is written anew.
FEW_EDITS = 64


@dataclass
class Item:
    """One line of a chain that is being edited.

    :ivar number: its number before the edit, or None for a new line.
    """

    line: str
    number: t.Optional[int] = None
    removed: bool = False


@dataclass
class Draft:
    """The tables of some families, with edits.

    :ivar filled: chains that are written anew.
    :ivar backwards: whether the tables are changed in the reverse of their usual order.
    """

    saved: t.Mapping[int, Tables]
    items: t.Dict[Key, t.List[Item]] = field(default_factory=dict)
    dropped: t.Set[Key] = field(default_factory=set)
    filled: t.Set[Key] = field(default_factory=set)
    backwards: bool = False

    def chain(self, key: Key) -> t.List[Item]:
        """Return the lines of a chain for editing; a chain that does not exist yet is empty."""
        if key not in self.items:
            saved = self.saved_chain(key)
            self.items[key] = [Item(line, number) for number, line in enumerate(saved.rules if saved is not None else ())]
        return self.items[key]

    def saved_chain(self, key: Key) -> t.Optional[SavedChain]:
        """Return a chain as it was."""
        family, table, chain = key
        return self.saved.get(family, {}).get(table, {}).get(chain)

    def remove(self, key: Key, first: int, count: int) -> None:
        """Remove lines by their numbers before the edit; they keep their place for insertions."""
        for item in self.chain(key):
            if item.number is not None and first <= item.number < first + count:
                item.removed = True

    def insert(self, key: Key, lines: t.Sequence[str], before: t.Optional[int] = None) -> None:
        """Put lines before the line that had a number, or at the end."""
        items = self.chain(key)
        at = next((index for index, item in enumerate(items) if before is not None and item.number == before), len(items))
        items[at:at] = [Item(line) for line in lines]

    def replace(self, key: Key, lines: t.Sequence[str]) -> None:
        """Give a chain this content; lines that it has already stay the same lines."""
        items = self.chain(key)
        wanted = list(lines)
        for item in items:
            if wanted and item.line == wanted[0]:
                wanted.pop(0)
            else:
                item.removed = True
        items.extend(Item(line) for line in wanted)

    def fill(self, key: Key, lines: t.Sequence[str]) -> None:
        """Give a chain that is not built in this content. Where few lines differ only these are edited, so that all others keep their
        counters and limits; else the chain is written anew.
        """
        items = self.chain(key)
        old = [item.line for item in items]
        head = 0
        while head < len(old) and head < len(lines) and old[head] == lines[head]:
            head += 1
        tail = 0
        while tail < len(old) - head and tail < len(lines) - head and old[-1 - tail] == lines[-1 - tail]:
            tail += 1
        new = list(lines[head : len(lines) - tail])
        for item in items[head : len(items) - tail]:
            item.removed = True
        items[len(items) - tail : len(items) - tail] = [Item(line) for line in new]
        if len(new) + len(old) - head - tail > FEW_EDITS or not head + tail:
            self.filled.add(key)

    def drop(self, key: Key) -> None:
        """Remove a chain that is not built in."""
        self.dropped.add(key)

    def touched(self) -> t.List[Key]:
        """Return the chains that the edits change or make."""
        changed = [
            key for key, items in self.items.items()
            if key not in self.dropped and (self.is_new(key) or any(item.removed or item.number is None for item in items))
        ]  # fmt: skip
        return sorted(set(changed) | self.dropped)

    def is_new(self, key: Key) -> bool:
        """Return whether the edits make this chain."""
        return self.saved_chain(key) is None and not is_builtin(key[1], key[2])

    def lines(self, key: Key) -> t.Tuple[str, ...]:
        """Return the lines of a chain after the edits."""
        return tuple(item.line for item in self.chain(key) if not item.removed)

    def after(self) -> t.Dict[int, Tables]:
        """Return the tables after the edits."""
        result: t.Dict[int, Tables] = {
            family: {table: dict(chains) for table, chains in tables.items()} for family, tables in self.saved.items()
        }
        for family, table, chain in self.touched():
            chains = result.setdefault(family, {}).setdefault(table, empty_table(table))
            old = chains.get(chain)
            if (family, table, chain) in self.dropped:
                chains.pop(chain, None)
            else:
                chains[chain] = SavedChain(chain, old.policy if old is not None else "-", self.lines((family, table, chain)))
        return result

    def restore_input(self, family: int) -> str:
        """Return the input of ``iptables-restore --noflush`` that makes the edits of a family; empty when there are none."""
        touched = [key for key in self.touched() if key[0] == family]
        lines: t.List[str] = []
        for table in sorted(table_order(key[1] for key in touched), key=lambda one: self.backwards and one == "filter"):
            names = chain_order(table, [key[2] for key in touched if key[1] == table])
            kept = [name for name in names if (family, table, name) not in self.dropped]
            gone = [name for name in names if name not in kept]
            lines.append("*" + table)
            anew = {name for name in kept if self.is_new((family, table, name)) or (family, table, name) in self.filled}
            lines.extend(":%s - [0:0]" % name for name in kept if name in anew)  # made, or emptied
            for name in kept:
                if name not in anew:
                    lines.extend(self._removals(name, self.chain((family, table, name))))
            lines.extend("-F %s" % name for name in gone)
            lines.extend("-X %s" % name for name in gone)
            for name in kept:
                items = self.chain((family, table, name))
                lines.extend([item.line for item in items if not item.removed] if name in anew else _insertions(name, items))
            lines.append("COMMIT")
        return "\n".join(lines) + "\n" if lines else ""

    @staticmethod
    def _removals(chain: str, items: t.Sequence[Item]) -> t.List[str]:
        numbers = [item.number for item in items if item.removed and item.number is not None]
        if numbers and all(item.removed or item.number is None for item in items):
            return ["-F %s" % chain]
        return ["-D %s %d" % (chain, number + 1) for number in sorted(numbers, reverse=True)]


def _insertions(chain: str, items: t.Sequence[Item]) -> t.List[str]:
    left = [item for item in items if not item.removed]
    old = sum(1 for item in left if item.number is not None)
    lines: t.List[str] = []
    seen = 0
    for position, item in enumerate(left):
        if item.number is not None:
            seen += 1
            continue
        rule = item.line[len("-A %s" % chain) :]
        lines.append("-A %s%s" % (chain, rule) if seen == old else "-I %s %d%s" % (chain, position + 1, rule))
    return lines


def rebuild_input(saved: Tables, touched: t.Sequence[t.Tuple[str, str]]) -> str:
    """Return the input of ``iptables-restore --noflush`` that gives chains of a family back what they held.

    :param touched: (table, chain); a chain that did not exist is removed. Running it twice does no harm.
    """
    lines: t.List[str] = []
    for table in table_order(name for name, _chain in touched):
        chains = saved.get(table, {})
        names = chain_order(table, [chain for name, chain in touched if name == table])
        built = [name for name in names if is_builtin(table, name)]
        users = [name for name in names if name not in built]
        lines.append("*" + table)
        lines.extend(":%s - [0:0]" % name for name in users)  # made, or emptied
        lines.extend("-F %s" % name for name in built)
        for name in names:
            if name in chains:
                lines.extend(chains[name].rules)
        lines.extend("-X %s" % name for name in users if name not in chains)
        lines.append("COMMIT")
    return "\n".join(lines) + "\n" if lines else ""
