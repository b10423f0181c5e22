# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From nft's listings to a ruleset in our terms.

Pure: touches nothing. The text says what stands where; the JSON, where it is given, says what each rule means (by handle). Without it the
text of the rules is read, which knows fewer words.
"""

from __future__ import annotations

import json
import re
import typing as t
from dataclasses import replace

from ...policy.errors import HoldfastError
from ..ruleset import Chain, Entry
from .fold import Line, fold
from .grammar import read_rule
from .listing import Block, Listing, RuleLine, Table, TableKey, parse_listing
from .meaning import Elements, Statement, Unread, understand
from .names import DIRECTION_OF, FAMILIES_OF, HOOK_OF, LIMIT_SET, OWN_TABLE, chain_name
from .owners import IPTABLES, chain_owner, table_owner
from .policy_entries import LaterEntries, entries_of_chain
from .render import statements
from .ruleset import ChainRef, NftRuleset, hook_words
from .verdict_map import expand_map


class Document:
    """nft's JSON of a ruleset: the statements of rules by handle, the elements of sets, and which tables hold xtables expressions.

    :param texts: one document, or several that together are the ruleset.
    """

    def __init__(self, *texts: str) -> None:
        self.objects: t.List[t.Dict[str, t.Any]] = []
        self.rules: t.Dict[t.Tuple[str, str, int], t.Tuple[t.List[Statement], t.Optional[str]]] = {}
        self.elements: t.Dict[TableKey, t.Dict[str, t.Sequence[t.Any]]] = {}
        self.xtables: t.Set[TableKey] = set()
        try:
            for text in texts:
                self.objects += json.loads(text)["nftables"]
        except (ValueError, KeyError, TypeError) as exc:
            raise HoldfastError("nft's JSON listing cannot be read: %s" % exc) from None
        for one in self.objects:
            kind, value = next(iter(one.items()))
            if kind == "rule":
                expressions = value.get("expr", [])
                self.rules[value["family"], value["table"], value["handle"]] = (expressions, value.get("comment"))
                if any("xt" in statement for statement in expressions):
                    self.xtables.add((value["family"], value["table"]))
            elif kind in ("set", "map"):
                self.elements.setdefault((value["family"], value["table"]), {})[value["name"]] = value.get("elem", [])


def build(tables: Listing, document: t.Optional[Document], with_missing: bool = True, own_by_text: bool = True) -> NftRuleset:
    """Return the ruleset; ``with_missing`` adds the chains of our table that do not exist yet.

    Our own table is read from its text, unless ``own_by_text`` says that there is none.
    """
    ranked: t.List[t.Tuple[int, Chain]] = []
    inner: t.List[Chain] = []
    owners: t.Dict[TableKey, t.Optional[str]] = {}
    for table in tables.tables:
        owner = table_owner(table, document is not None and table.key in document.xtables)
        owners[table.key] = owner
        directions = _directions(table)
        for block in table.chains():
            views: t.List[Chain] = []
            if own_by_text and table.key == OWN_TABLE:
                chain = _own_chain(table, block, directions[block.name])
            else:
                chain, views = _chain(table, block, owner, directions[block.name], document)
            if chain.base:
                ranked.append((hook_words(block)[2], chain))
            else:
                inner.append(chain)
            inner.extend(views)
    if with_missing:
        own = tables.table(OWN_TABLE)
        for direction in ("in", "out", "forward"):
            if own is None or own.block("chain", HOOK_OF[direction]) is None:
                ranked.append((0, own_chain(direction)))
    ranked.sort(key=lambda pair: pair[0])
    return NftRuleset(tuple([chain for _priority, chain in ranked] + inner), tables.text(), tables, owners)


def own_chain(direction: str) -> Chain:
    """Return the chain of our table for a direction, as long as it does not exist."""
    ref: ChainRef = (*OWN_TABLE, HOOK_OF[direction])
    return Chain(chain_name(*ref), frozenset({direction}), FAMILIES_OF["inet"], owner="holdfast", missing=True, ref=ref)


def parse_text(text: str) -> NftRuleset:
    """Read nft's JSON, nft's listing, or the commands that ``render`` writes.

    :raises HoldfastError: when it is none of these.
    """
    if text.lstrip().startswith("{"):
        document = Document(text)
        read = build(_listing_of(document), document, with_missing=False, own_by_text=False)
        chains = [replace(chain, entries=tuple(_say(one, chain) for one in chain.entries)) for chain in read.chains]
        return replace(read, chains=tuple(chains))
    if re.match(r"\s*(add|insert) ", text):
        return build(_listing_of_commands(text), None, with_missing=False)
    return build(parse_listing(text), None, with_missing=False)


def _directions(table: Table) -> t.Dict[str, t.List[str]]:
    """Return for each chain the directions whose packets may walk through it, by following the jumps."""
    chains = {one.name: one for one in table.chains()}
    names = set(chains)
    maps = {one.name: one.references() & names for one in table.blocks if one.kind == "map"}
    found: t.Dict[str, t.Set[str]] = {name: set() for name in names}
    for block in table.chains():
        kind, hook, _rank, _policy = hook_words(block)
        if table.dormant or table.family not in FAMILIES_OF or hook not in DIRECTION_OF or kind not in ("filter", "route"):
            continue
        direction = DIRECTION_OF[hook]
        waiting = [block.name]
        while waiting:
            name = waiting.pop()
            if direction in found[name]:
                continue
            found[name].add(direction)
            words = chains[name].references()
            for word in words:
                waiting.extend(maps.get(word, ()))
            waiting.extend(words & names)
    return {name: sorted(directions) for name, directions in found.items()}


def _own_chain(table: Table, block: Block, directions: t.Sequence[str]) -> Chain:
    entries: t.Sequence[Entry] = LaterEntries(lambda: entries_of_chain(block, directions, table))
    return Chain(
        chain_name(table.family, table.name, block.name), frozenset(directions), FAMILIES_OF["inet"] if directions else frozenset(),
        default="deny" if hook_words(block)[3] == "drop" else "allow", entries=t.cast("t.Tuple[Entry, ...]", entries), base=block.base,
        owner="holdfast", ref=(table.family, table.name, block.name),
    )  # fmt: skip


def _chain(
    table: Table, block: Block, owner: t.Optional[str], directions: t.Sequence[str], document: t.Optional[Document]
) -> t.Tuple[Chain, t.List[Chain]]:
    _kind, _hook_name, _rank, policy = hook_words(block)
    kept = chain_owner(block.name) if owner in (None, IPTABLES) else None
    name = chain_name(table.family, table.name, block.name)
    elements = _steady(table, document)
    lines: t.List[Line] = []
    views: t.List[Chain] = []
    for rule in block.rules:
        found, comment = _statements(table, rule, document)
        if any("vmap" in one for one in found) and table.family in FAMILIES_OF:
            entry, view = expand_map(rule, found, directions, table.key, elements, name)
            views.extend(view)
            lines.append(Line(rule, None, comment, entry))
            continue
        try:
            if table.family not in FAMILIES_OF:
                raise Unread
            lines.append(Line(rule, understand(found, table.family, elements), comment))
        except Unread:
            lines.append(Line(rule, None, comment))
    entries = fold(lines, directions, table.key)
    families = FAMILIES_OF.get(table.family, frozenset()) if directions else frozenset()
    chain = Chain(
        name, frozenset(directions), families, default="deny" if policy == "drop" else "allow", entries=entries, base=block.base,
        owner=kept or owner, ref=(table.family, table.name, block.name),
    )  # fmt: skip
    return chain, views


def _statements(table: Table, rule: RuleLine, document: t.Optional[Document]) -> t.Tuple[t.List[Statement], t.Optional[str]]:
    known = None
    # Some versions of nft leave the limit of a dynamic set out of their JSON; the text, where there is one, has it.
    if document is not None and rule.handle is not None and (" @" + LIMIT_SET not in rule.text):
        known = document.rules.get((table.family, table.name, rule.handle))
    return known if known is not None else read_rule(rule.text)  # type: ignore[return-value]


def _steady(table: Table, document: t.Optional[Document]) -> Elements:
    """Return the elements of the table's named sets that do not change by themselves."""
    if document is None:
        return {}
    known = document.elements.get(table.key, {})
    moving = {one.name for one in table.blocks if one.volatile}
    return {name: values for name, values in known.items() if name not in moving}


def _say(entry: Entry, chain: Chain) -> Entry:
    """Give an entry that was read from JSON alone its text, where the language has it."""
    if entry.rule is None:
        return entry
    return replace(entry, native=tuple(one.listed for one in statements(entry.rule, chain.ref[0])))


def _listing_of(document: Document) -> Listing:
    """Return the structure of a JSON document; the text of its rules is their JSON."""
    heads: t.Dict[TableKey, t.Dict[t.Tuple[str, str], Block]] = {}
    rules: t.Dict[t.Tuple[str, str, str], t.List[RuleLine]] = {}
    for one in document.objects:
        kind, value = next(iter(one.items()))
        if kind == "table":
            heads.setdefault((value["family"], value["name"]), {})
        elif kind == "rule":
            line = RuleLine(json.dumps(value.get("expr", []), sort_keys=True), value["handle"])
            rules.setdefault((value["family"], value["table"], value["chain"]), []).append(line)
        elif kind in ("chain", "set", "map"):
            body: t.Tuple[str, ...] = ()
            if "hook" in value:
                facts = (value["type"], value["hook"], value.get("prio", 0), value.get("policy", "accept"))
                body = ("\t\ttype %s hook %s priority %s; policy %s;" % facts,)
            elif value.get("flags"):
                body = ("\t\tflags %s" % ",".join(value["flags"]),)
            heads.setdefault((value["family"], value["table"]), {})[kind, value["name"]] = Block(kind, value["name"], body)
    return _assemble(heads, rules)


def _listing_of_commands(text: str) -> Listing:
    """Return the structure that ``add rule …`` lines make in our own table."""
    heads: t.Dict[TableKey, t.Dict[t.Tuple[str, str], Block]] = {}
    rules: t.Dict[t.Tuple[str, str, str], t.List[RuleLine]] = {}
    for line in text.splitlines():
        words = line.split(None, 5)
        if len(words) < 6 or words[0] not in ("add", "insert") or words[1] != "rule":
            if not line.strip() or words[:2] in (["add", "table"], ["add", "chain"], ["add", "set"]):
                continue
            raise HoldfastError("This is no nftables rule: %s" % line[:120])
        family, name, chain = words[2:5]
        body = ("\t\ttype filter hook %s priority filter; policy accept;" % chain,) if chain in DIRECTION_OF else ()
        heads.setdefault((family, name), {})["chain", chain] = Block("chain", chain, body)
        lines = rules.setdefault((family, name, chain), [])
        lines.insert(len(lines) if words[0] == "add" else 0, RuleLine(words[5]))
    return _assemble(heads, rules)


def _assemble(
    heads: t.Mapping[TableKey, t.Mapping[t.Tuple[str, str], Block]], rules: t.Mapping[t.Tuple[str, str, str], t.Sequence[RuleLine]]
) -> Listing:
    tables = []
    for (family, name), blocks in heads.items():
        filled = [
            replace(one, rules=tuple(rules.get((family, name, one.name), ()))) if one.kind == "chain" else one for one in blocks.values()
        ]
        tables.append(Table(family, name, "table %s %s {" % (family, name), blocks=tuple(filled)))
    return Listing(tuple(tables))
