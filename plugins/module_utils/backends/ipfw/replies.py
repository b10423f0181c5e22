# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rules for replies a list needs: those of a stateful rule pass where it stands, unless a rule before it stops them.

Pure: touches nothing.
"""

from __future__ import annotations

import typing as t

from ..ruleset import Chain, Edit, Entry


def with_needed_replies(edits: t.Sequence[Edit]) -> t.List[Edit]:
    """Return the edits without the replies that pass anyway where the stateful rule stands or is put.

    A reply rule at the end of the list is never needed: nothing before the stateful rule stops its replies. One before an entry is
    needed once, unless the stateful rule goes before that entry, too.
    """
    needed: t.List[Edit] = []
    seen: t.Set[t.Any] = set()
    for edit in edits:
        if edit.rule is None or not edit.rule.reply:
            needed.append(edit)
            continue
        if edit.before is None or edit.before.ref in seen:
            continue
        placed = [
            one.before for one in edits if one.rule is not None and one.rule.stateful and one.rule.action == "allow" and one.remove is None
        ]
        if any(before is not None and before.ref <= edit.before.ref for before in placed):
            continue
        seen.add(edit.before.ref)
        needed.append(edit)
    return needed


def carries_replies(chain: Chain, entry: Entry, edits: t.Sequence[Edit]) -> bool:
    """Return whether an entry that goes passes the replies of a stateful rule behind it, which a deny between the two would stop."""
    gone = [edit.remove for edit in edits if edit.remove is not None]
    if not entry.established or any(one.established for one in chain.entries[: chain.entries.index(entry)]):
        return False
    stopped = False
    for one in chain.entries[chain.entries.index(entry) + 1 :]:
        if one in gone:
            continue
        if one.established:
            return stopped and one.rule is not None
        stopped = stopped or any(meaning.action != "allow" for meaning in one.meanings())
    return False
