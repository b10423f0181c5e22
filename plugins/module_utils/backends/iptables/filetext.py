# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Editing a file of iptables-save format in place: only the lines that change, comments and order kept.

Pure: touches nothing.
"""

from __future__ import annotations

import typing as t

from .draft import Draft, Key
from .flush import own_content
from .saved import Saved, SavedChain, Tables, is_builtin, table_text


def edited_text(text: str, saved: Saved, draft: Draft) -> str:
    """Return the text with the edits of a draft of its own tables."""
    lines = text.split("\n")
    gone: t.Set[int] = set()
    before: t.Dict[int, t.List[str]] = {}
    for key in draft.touched():
        _family, table, name = key
        chain = draft.saved_chain(key) or SavedChain(name)
        if key in draft.dropped:
            gone.update(chain.numbers)
            gone.update({chain.head} if chain.head is not None else ())
        elif table in saved.commits:
            if draft.is_new(key):
                heads = [one.head for one in saved.tables[table].values() if one.head is not None]
                before.setdefault(max(heads, default=saved.starts[table]) + 1, []).append(":%s - [0:0]" % name)
            _edit_chain(draft, key, chain, saved.commits[table], gone, before)
    result: t.List[str] = []
    for number in range(len(lines) + 1):
        result.extend(before.get(number, ()))
        if number < len(lines) and number not in gone:
            result.append(lines[number])
    return _with_new_tables("\n".join(result), saved, draft)


def _edit_chain(draft: Draft, key: Key, chain: SavedChain, commit: int, gone: t.Set[int], before: t.Dict[int, t.List[str]]) -> None:
    at = chain.numbers[-1] + 1 if chain.numbers else commit
    for item in reversed(draft.chain(key)):
        if item.number is not None:
            at = chain.numbers[item.number]
            gone.update({at} if item.removed else ())
        else:
            before.setdefault(at, []).insert(0, item.line)


def _with_new_tables(text: str, saved: Saved, draft: Draft) -> str:
    for table in sorted({key[1] for key in draft.touched()} - set(saved.commits)):
        for tables in draft.after().values():
            if table in tables:
                text = "\n".join([text.rstrip("\n"), *table_text(table, tables[table])]) + "\n"
    return text


def own_text(tables: Tables, wanted: t.Iterable[str], flush: bool) -> str:
    """Return a file with what is not kept by other programs in some tables.

    :param flush: whether the file is for ``--noflush`` and so empties the built-in chains itself.
    """
    lines: t.List[str] = []
    for table in wanted:
        content = own_content(tables, table)
        if not content:
            continue
        chains = {name: SavedChain(name, tables[table][name].policy, rules) for name, rules in content.items()}
        block = table_text(table, chains)
        if flush:
            at = 1 + len(chains)
            block[at:at] = ["-F %s" % name for name in chains if is_builtin(table, name)]
        lines.extend(block)
    return "\n".join(lines) + "\n" if lines else ""
