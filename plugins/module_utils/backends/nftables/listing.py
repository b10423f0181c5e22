# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of ``nft list ruleset`` as tables, blocks and rule lines, and changes of it.

Pure: touches nothing. Text that goes in comes out the same, but for handles and for the elements of sets that fill and empty by
themselves (dynamic ones and ones with a timeout): those are left out, like counters.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, replace

from ...policy.errors import HoldfastError

_HANDLE = re.compile(r" # handle (\d+)( progname .+)?$")
#: The head of a block inside a table: its kind (one or two words) and its name.
_BLOCK = re.compile(r"^\t((?:ct )?[a-z]+) (\S+) \{$")
_TABLE = re.compile(r"^table (\S+) (\S+) \{")
_NOT_A_RULE = re.compile(r'^(type \S+ hook |comment "|flags |devices? |policy )')
_VOLATILE = re.compile(r"^\t\tflags .*\b(dynamic|timeout)\b")
_REFERENCE = re.compile(r'"[^"]*"|@(\S+)')
#: What every line has that refers to something by name.
_NAMING = re.compile(r'@|\b(?:jump|goto|add|offload)\b|\b(?:name|set) "')

TableKey = t.Tuple[str, str]


@dataclass(frozen=True)
class RuleLine:
    """One rule: its text without indentation, and its handle where it is known."""

    text: str
    handle: t.Optional[int] = None


@dataclass(frozen=True)
class Block:
    """A chain, set, map or object of a table.

    :ivar kind: ``chain``, ``set``, ``map``, ``counter``, ``ct helper`` …
    :ivar body: its lines with their indentation; of a chain only what stands before the rules.
    """

    kind: str
    name: str
    body: t.Tuple[str, ...] = ()
    rules: t.Tuple[RuleLine, ...] = ()

    @property
    def base(self) -> bool:
        """Whether this is a chain that packets enter by themselves."""
        return self.kind == "chain" and any(" hook " in line for line in self.body)

    @property
    def dynamic(self) -> bool:
        """Whether this is a set that rules fill."""
        return any(_VOLATILE.match(line) and "dynamic" in line for line in self.body)

    @property
    def volatile(self) -> bool:
        """Whether its elements come and go by themselves."""
        return any(_VOLATILE.match(line) for line in self.body)

    def without_elements(self) -> Block:
        """Return it without its elements."""
        start = next((number for number, line in enumerate(self.body) if line.startswith("\t\telements = ")), None)
        return self if start is None else replace(self, body=self.body[:start])

    def lines(self) -> t.List[str]:
        """Return its text, elements that come and go left out."""
        shown = self.without_elements() if self.volatile else self
        return ["\t%s %s {" % (self.kind, self.name), *shown.body, *("\t\t" + rule.text for rule in self.rules), "\t}"]

    def references(self) -> t.Set[str]:
        """Return the names of sets and chains that its rules or elements refer to."""
        found: t.Set[str] = set()
        for text in [rule.text for rule in self.rules] + list(self.body):
            if _NAMING.search(text):
                found |= referred(text)
        return found


def referred(text: str) -> t.Set[str]:
    """Return the names of sets (after ``@``), chains and objects that a rule's text may refer to."""
    found = {match.group(1) for match in _REFERENCE.finditer(text) if match.group(1)}
    words = re.sub(r'"[^"]*"', " ", text).replace(",", " ").split()
    found |= {word for before, word in zip(words, words[1:]) if before in ("jump", "goto", "add", "offload")}
    found |= {name for name in re.findall(r'name "([^"]*)"|set "([^"]*)"', text) for name in name if name}
    return found


@dataclass(frozen=True)
class Table:
    """One table: ``head`` is its first line, ``preamble`` what stands before its blocks (comment, flags)."""

    family: str
    name: str
    head: str
    preamble: t.Tuple[str, ...] = ()
    blocks: t.Tuple[Block, ...] = ()

    @property
    def key(self) -> TableKey:
        """Family and name."""
        return self.family, self.name

    @property
    def dormant(self) -> bool:
        """Whether its chains are switched off."""
        return any(re.match(r"\tflags .*\bdormant\b", line) for line in self.preamble)

    @property
    def owned(self) -> bool:
        """Whether a running program has reserved the table for itself."""
        return "# progname" in self.head or any(re.match(r"\tflags .*\bowner\b", line) for line in self.preamble)

    def block(self, kind: str, name: str) -> t.Optional[Block]:
        """Return the block of that kind and name."""
        return next((one for one in self.blocks if one.kind == kind and one.name == name), None)

    def chains(self) -> t.List[Block]:
        """Return the chains."""
        return [one for one in self.blocks if one.kind == "chain"]

    def lines(self) -> t.List[str]:
        """Return its text."""
        lines = [self.head, *self.preamble]
        for number, block in enumerate(self.blocks):
            if number:
                lines.append("")
            lines.extend(block.lines())
        return [*lines, "}"]

    def put(self, block: Block) -> Table:
        """Return it with a block replaced, or added behind the blocks of its kind."""
        for number, one in enumerate(self.blocks):
            if (one.kind, one.name) == (block.kind, block.name):
                return replace(self, blocks=(*self.blocks[:number], block, *self.blocks[number + 1 :]))
        behind = [number for number, one in enumerate(self.blocks) if rank(one) <= rank(block)]
        place = behind[-1] + 1 if behind else 0
        return replace(self, blocks=(*self.blocks[:place], block, *self.blocks[place:]))

    def drop(self, kind: str, name: str) -> Table:
        """Return it without a block."""
        return replace(self, blocks=tuple(one for one in self.blocks if (one.kind, one.name) != (kind, name)))


@dataclass(frozen=True)
class Listing:
    """All tables, in order."""

    tables: t.Tuple[Table, ...] = ()

    def text(self) -> str:
        """Return what ``nft -s list ruleset`` prints."""
        return "".join("\n".join(table.lines()) + "\n" for table in self.tables)

    def table(self, key: TableKey) -> t.Optional[Table]:
        """Return a table."""
        return next((one for one in self.tables if one.key == key), None)

    def put(self, table: Table) -> Listing:
        """Return it with a table replaced, or added at the end."""
        if self.table(table.key) is None:
            return Listing((*self.tables, table))
        return Listing(tuple(table if one.key == table.key else one for one in self.tables))

    def drop(self, key: TableKey) -> Listing:
        """Return it without a table."""
        return Listing(tuple(one for one in self.tables if one.key != key))


def rank(block: Block) -> int:
    """Return where blocks of this kind are listed: objects, then sets and maps, then flow tables, then chains."""
    return {"set": 1, "map": 1, "meter": 1, "flowtable": 2, "chain": 3}.get(block.kind, 0)


def standing(base: Block) -> t.List[str]:
    """Return what cannot be changed of a base chain while it stands: everything but its policy."""
    return [line.partition(" policy ")[0] for line in base.body]


def declared(block: Block) -> Block:
    """Return a block without rules and elements."""
    return replace(block, rules=()).without_elements()


def head(table: Table) -> t.List[str]:
    """Return the line that opens a table."""
    return ["table %s %s {" % table.key]


def whole(block: Block) -> t.List[str]:
    """Return a block with all its elements, also those that come and go."""
    return ["\t%s %s {" % (block.kind, block.name), *block.body, *("\t\t" + rule.text for rule in block.rules), "\t}"]


def parse_listing(text: str) -> Listing:
    """Read the text of ``nft list ruleset``, with handles (``-a``) or without.

    :raises HoldfastError: when the text is not such a listing.
    """
    tables: t.List[Table] = []
    lines = iter(text.split("\n"))
    for raw in lines:
        line, _handle = _split(raw)
        if not line.strip() or line.startswith("#"):
            continue
        found = _TABLE.match(line)
        if found is None:
            raise HoldfastError("This is not a listing of nftables rules: %r where a table should begin" % line[:80])
        tables.append(_table(found.group(1), found.group(2), line, lines))
    return Listing(tuple(tables))


def _table(family: str, name: str, head: str, lines: t.Iterator[str]) -> Table:
    preamble: t.List[str] = []
    blocks: t.List[Block] = []
    for raw in lines:
        line, _handle = _split(raw)
        if line == "}":
            return Table(family, name, head, tuple(preamble), tuple(blocks))
        found = _BLOCK.match(line)
        if found is not None:
            blocks.append(_block(found.group(1), found.group(2), lines))
        elif line or not blocks:
            preamble.append(line)
    raise HoldfastError("The listing of table %s %s is cut off" % (family, name))


def _block(kind: str, name: str, lines: t.Iterator[str]) -> Block:
    body: t.List[str] = []
    rules: t.List[RuleLine] = []
    for raw in lines:
        if raw == "\t}":
            return Block(kind, name, tuple(body), tuple(rules))
        line, handle = _split(raw)
        text = line[2:] if line.startswith("\t\t") else line
        if kind == "chain" and (handle is not None or not _NOT_A_RULE.match(text)):
            rules.append(RuleLine(text, handle))
        else:
            body.append(line)
    raise HoldfastError("The listing of %s %s is cut off" % (kind, name))


def _split(line: str) -> t.Tuple[str, t.Optional[int]]:
    if "# handle" not in line:
        return line, None
    found = _HANDLE.search(line)
    if found is None:
        return line, None
    # Without handles the name of a table's owner stands alone.
    return line[: found.start()] + (" #" + found.group(2) if found.group(2) else ""), int(found.group(1))
