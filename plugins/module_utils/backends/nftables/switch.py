# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Switching nftables on and off: what is ours is loaded from disk, or taken out of the kernel and kept on disk.

Reads the files of ours; ``persist`` makes the switch last. The administrator's own tables stay as they are, and so does their unit,
nftables.service.
"""

from __future__ import annotations

import typing as t
from collections import Counter
from dataclasses import replace

from ...host import Host
from ...policy.errors import HoldfastError
from ...policy.rule import Rule
from ..base import Backend, Command, Transaction
from ..placement import place_needed
from ..switched_off import switched_off
from .listing import Block, Listing, RuleLine, parse_listing
from .loader import Record, read_records
from .names import FOREIGN_FILE, OWN_FILE, OWN_TABLE
from .parse import parse_text
from .persist import loads_at_boot, own_file
from .policy_order import in_order
from .render import statements
from .ruleset import NftRuleset
from .transaction import Script

#: Lines of our file before its table: a comment, and what empties the table.
HEAD_LINES = 3


def plan_switch(backend: Backend, ruleset: NftRuleset, state: str, keep: t.Sequence[Rule]) -> Transaction:
    """Return the transaction; without commands where it is so already."""
    host = backend.host
    if state == "disabled":
        return _disable(host, ruleset)
    own = host.read(OWN_FILE)
    records = read_records(host.read(FOREIGN_FILE) or "")
    live = ruleset.tables.table(OWN_TABLE)
    script = Script(ruleset.tables)
    left_out = _load_records(script, records)
    changes = script.creates + script.adds + script.removes
    restarted = state == "restarted"
    load = own is not None and (live is None or restarted)
    ready = switched_off(host) != backend.NAME and loads_at_boot(host) is not False
    if (own is None and not records) or (ready and not load and not changes and not restarted):
        return Transaction((), ruleset.listing)
    head: t.List[str] = []
    after = script.after
    if load and own is not None:
        table = _saved_table(own)
        if live is not None:
            head = ["add table %s %s" % OWN_TABLE, "delete table %s %s" % OWN_TABLE]
        head += own.rstrip("\n").split("\n")
        after = after.put(table)
        inserted, after = _let_in(backend, after, keep)
        changes += inserted
    text = "\n".join([*head, *changes, ""]) if head or changes else "# everything is loaded already\n"
    return Transaction(
        commands=(Command(("nft", "-f", "-"), text),),
        after=in_order(after).text(),
        persist={"left_out": left_out},
        checks=(Command(("nft", "-c", "-f", "-"), text),),
    )


def _disable(host: Host, ruleset: NftRuleset) -> Transaction:
    live = ruleset.tables.table(OWN_TABLE)
    records = read_records(host.read(FOREIGN_FILE) or "")
    script = Script(ruleset.tables)
    _unload_records(script, records)
    changes = list(script.removes)
    after = script.after
    facts: t.Dict[str, t.Any] = {}
    if live is not None:
        changes.append("delete table %s %s" % OWN_TABLE)
        after = after.drop(OWN_TABLE)
        own, known = own_file(ruleset.tables), host.read(OWN_FILE)
        if own is not None and (known is None or in_order(Listing((_saved_table(known),))).text() != in_order(Listing((live,))).text()):
            facts["own"] = own  # enabled again, it has the rules that it has now
    saved = host.read(OWN_FILE) is not None or bool(records)
    if not changes and not (saved and loads_at_boot(host)):
        return Transaction((), ruleset.listing)
    text = "\n".join([*changes, ""]) if changes else "# nothing is loaded\n"
    return Transaction(
        commands=(Command(("nft", "-f", "-"), text),),
        after=in_order(after).text(),
        persist=facts,
        checks=(Command(("nft", "-c", "-f", "-"), text),),
    )


def _saved_table(own: str) -> t.Any:
    """Return the table of our file.

    :raises HoldfastError: when somebody has changed the file into something else.
    """
    try:
        tables = parse_listing("\n".join(own.split("\n")[HEAD_LINES:])).tables
    except HoldfastError as exc:
        raise HoldfastError(
            "%s was changed by hand so that it cannot be read, and nothing was changed: %s. Put a copy of it back, or remove it and write "
            "the rules anew (holdfast.firewall.rule or holdfast.firewall.policy)" % (OWN_FILE, exc.msg)
        ) from exc
    if len(tables) != 1 or tables[0].key != OWN_TABLE:
        raise HoldfastError("%s does not hold the table %s %s, so it is not loaded" % (OWN_FILE, *OWN_TABLE))
    return tables[0]


def _load_records(script: Script, records: t.Sequence[Record]) -> t.List[str]:
    """Put what is ours in other tables there, as the loader does at boot; returns the rules that have no chain any more."""
    left_out: t.List[str] = []
    chains = {(table.family, table.name, one.name): one for table in script.after.tables for one in table.chains()}
    waiting = {ref: Counter(rule.text for rule in one.rules) for ref, one in chains.items()}
    for one in records:
        if one.what == "set":
            table = script.after.table(one.ref[:2])
            if table is not None and table.block("set", one.ref[2]) is None:
                script.creates.append("add set %s %s %s %s" % (*one.ref, one.text))
                body = tuple("\t\t" + line.strip() for line in one.text.strip("{} ").split(";") if line.strip())
                script.after = script.after.put(table.put(Block("set", one.ref[2], body)))
        elif one.ref not in chains:
            left_out += ["%s %s %s: %s" % (*one.ref, one.text)] if one.what == "add" else []
        elif one.what == "del":
            while waiting[one.ref][one.text] > (int(one.anchor) if one.anchor.isdigit() else 0):
                waiting[one.ref][one.text] -= 1
                _take_out(script, one)
        elif one.what == "add":
            if waiting[one.ref][one.text] > 0:
                waiting[one.ref][one.text] -= 1
                continue
            _put_in(script, one)
    return left_out


def _unload_records(script: Script, records: t.Sequence[Record]) -> None:
    """Take what is ours out of other tables."""
    for one in records:
        table = script.after.table(one.ref[:2])
        if one.what == "add" and table is not None and table.block("chain", one.ref[2]) is not None:
            _take_out(script, one)


def _take_out(script: Script, one: Record) -> None:
    rules = script.rules(one.ref)
    found = next((rule for rule in rules if rule.text == one.text and rule.handle is not None), None)
    if found is not None:
        script.removes.append("delete rule %s %s %s handle %s" % (*one.ref, found.handle))
        script.set_rules(one.ref, [rule for rule in rules if rule is not found])


def _put_in(script: Script, one: Record) -> None:
    rules = script.rules(one.ref)
    place = next((number for number, rule in enumerate(rules) if rule.text == one.anchor and rule.handle is not None), len(rules))
    if place < len(rules):
        script.adds.append("insert rule %s %s %s position %s %s" % (*one.ref, rules[place].handle, one.text))
    else:
        script.adds.append("add rule %s %s %s %s" % (*one.ref, one.text))
    script.set_rules(one.ref, [*rules[:place], RuleLine(one.text), *rules[place:]])


def _let_in(backend: Backend, after: Listing, keep: t.Sequence[Rule]) -> t.Tuple[t.List[str], Listing]:
    """Put rules that have to pass at the head of our chains where they would not."""
    lines: t.List[str] = []
    for rule in keep:
        wanted = {
            (edit.chain.ref, edit.rule) for edit in place_needed(backend, parse_text(after.text()), rule).edits
            if edit.rule is not None and edit.remove is None and edit.chain.ref[:2] == OWN_TABLE
            and edit.rule.comment in (rule.comment, None)
        }  # fmt: skip
        for ref, one in sorted(wanted, key=lambda pair: pair[0]):
            table = after.table(OWN_TABLE)
            block = table.block("chain", ref[2]) if table is not None else None
            if table is None or block is None:
                continue
            for statement in reversed(statements(one, ref[0])):
                lines.append("insert rule %s %s %s %s" % (*ref, statement.typed))
                block = replace(block, rules=(RuleLine(statement.listed), *block.rules))
            after = after.put(table.put(block))
    return lines, after
