# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Single rules put into ``before.rules`` and ``after.rules``, and taken out of them.

Pure: touches nothing. These decide before or behind all tuples, so a rule that belongs between two tuples goes to that end of them to which
it can go with every packet faring the same; where it can go to neither, it is refused: the tuples are the administrator's, who looks for
them in ``ufw status``.
"""

from __future__ import annotations

import typing as t

from ...analysis.relation import covers, overlaps
from ...policy.errors import HoldfastError
from ...policy.rule import Rule
from ..iptables.protocols import ProtocolNames
from ..placement import LOOPBACK
from ..ruleset import Edit, Entry
from .block import FIRST_BEGIN, RULES_BEGIN, cut_block, put_after, put_first, put_rules
from .chains import Line, all_singles, is_managed
from .files import AFTER, BEFORE, Files
from .single_lines import FIRST, LATE, PLACES, SOON, Single, block_lines, says_tuples, single_of
from .state import State
from .tuple_rules import reached_by

_FILES = {FIRST: BEFORE, SOON: BEFORE, LATE: AFTER}


class Singles:
    """The single rules of all families while some edits are made.

    :ivar notes: what a person should know.
    """

    def __init__(self, state: State, names: ProtocolNames, edits: t.Sequence[Edit]) -> None:
        self._state, self._names = state, names
        self._lists: t.Dict[t.Tuple[int, str], t.List[t.Tuple[int, Single]]] = {
            (family, place): list(enumerate(all_singles(state, family, place, names))) for family in state.families for place in PLACES
        }
        self._edits = edits
        self._moved = [edit.remove.rule for edit in edits if edit.remove is not None and isinstance(edit.remove.ref, int)]
        self.notes: t.List[str] = []

    def goes_first(self, edit: Edit, whole: t.Sequence[str], part: t.Sequence[str]) -> bool:
        """Return whether a rule has to come before what ``before.rules`` decides, and can.

        :param whole: lines there that decide all of its packets otherwise.
        :param part: lines there that decide a part of them otherwise.
        :raises HoldfastError: when it would beat lines there that are to beat it.
        """
        family, direction = t.cast(t.Tuple[int, str], edit.chain.ref)
        rule = t.cast(Rule, edit.rule)
        ref = (edit.remove or edit.before or Entry(())).ref
        if is_managed(self._state, family, direction):
            return False
        if isinstance(ref, Line) and ref.place == FIRST:
            if (part or whole) and edit.remove is None:
                raise HoldfastError(
                    "The rule has to stand before the first lines of %s, and behind one of that file, so nothing was changed: %s"
                    % (BEFORE[family], [*whole, *part][0])
                )
            return True
        if not whole or part or rule.action == "allow" or rule.interface in LOOPBACK:
            return False
        at = len(edit.chain.entries) if edit.before is None and edit.remove is None else edit.chain.entries.index(
            t.cast(Entry, edit.remove or edit.before)
        )  # fmt: skip
        crossed = [one for one in edit.chain.entries[:at] if not (isinstance(one.ref, Line) and one.ref.place == FIRST)]
        return self._strangers([*crossed, *self._beside(edit, at)[0]], family, rule) is None

    def carry_out(self, edit: Edit, first: bool) -> bool:
        """Make an edit as far as it is about these; returns whether its rule stands here now.

        :param first: whether its rule comes before all that ``before.rules`` decides.
        :raises HoldfastError: when the order cannot be kept.
        """
        family, _direction = t.cast(t.Tuple[int, str], edit.chain.ref)
        beside = edit.remove or edit.before
        ref = beside.ref if beside is not None else None
        place = FIRST if first else self._place(edit, ref) if edit.rule is not None else None
        if edit.rule is not None and place is not None:
            if edit.remove is None and edit.rule in self._moved:
                raise HoldfastError(
                    "The rule has to stand behind %s, which would have to be taken out of what ufw status shows, so nothing was changed. "
                    "Take that rule away first, or write both into a policy" % edit.rule.describe()
                )
            mine = self._lists[family, place]
            numbers = [number for number, _one in mine]
            at = numbers.index(ref.number) if isinstance(ref, Line) and ref.place == place and ref.number in numbers else len(mine)
            mine.insert(at, (-1, single_of(edit.rule, family, self._names, place)))
            self.notes.append("%s: ufw status does not show it, it stands in %s" % (edit.rule.describe(), _FILES[place][family]))
        if edit.remove is not None and isinstance(ref, Line):
            key = (family, ref.place)
            self._lists[key] = [one for one in self._lists[key] if one[0] != ref.number]
        return place is not None

    def _place(self, edit: Edit, ref: t.Any) -> t.Optional[str]:
        """Return in which block a rule stands, or None where it is a tuple.

        :raises HoldfastError: when it can stand nowhere.
        """
        family, direction = t.cast(t.Tuple[int, str], edit.chain.ref)
        rule = t.cast(Rule, edit.rule)
        if isinstance(ref, Line) and (edit.remove is not None or ref.place == SOON):
            return ref.place
        if is_managed(self._state, family, direction):
            if says_tuples(rule):
                return None
            raise HoldfastError(
                "The policy of this host decides direction %s, and ufw has no words for %s beside it: write it into the document"
                % (direction, rule.describe())
            )
        entries = edit.chain.entries
        beside = edit.remove or edit.before
        at = len(entries) if beside is None else entries.index(beside)
        last = next((number for number, one in enumerate(entries) if isinstance(one.ref, Line) and one.ref.place == LATE), len(entries))
        first = next((number for number, one in enumerate(entries) if not isinstance(one.ref, Line)), last)
        if says_tuples(rule):
            return None if self._strangers(entries[last:at], family, rule) is None else LATE
        front, back = self._beside(edit, at)
        if at >= last or (at >= first and self._strangers([*entries[at:last], *back], family, rule) is None):
            return LATE
        stranger = self._strangers([*entries[first:at], *front], family, rule)
        if stranger is not None:
            raise HoldfastError(
                "The rule has no place on ufw, so nothing was changed: ufw has no words for it, so it stands before or behind all rules of "
                "ufw itself, and here it has to stand before %s and behind %s. Take one of them away first, or write all into a policy"
                % (" / ".join(t.cast(Entry, beside).native), " / ".join(stranger.native))
            )
        return SOON

    def _beside(self, edit: Edit, at: int) -> t.Tuple[t.List[Entry], t.List[Entry]]:
        """Return the other rules that are put into the chain in front of a place, and behind it."""
        sides: t.Tuple[t.List[Entry], t.List[Entry]] = ([], [])
        mine = next(number for number, one in enumerate(self._edits) if one is edit)
        for number, one in enumerate(self._edits):
            if one.rule is not None and one.chain.name == edit.chain.name and one is not edit:
                beside = one.remove or one.before
                there = len(one.chain.entries) if beside is None else one.chain.entries.index(beside)
                sides[not (there < at or (there == at and number < mine))].append(Entry((one.rule.describe(),), one.rule))
        return sides

    def _strangers(self, entries: t.Sequence[Entry], family: int, rule: Rule) -> t.Optional[Entry]:
        """Return the first of some entries that a rule cannot change places with."""
        return next((one for one in entries if not self._free(one, family, rule)), None)

    def _free(self, entry: Entry, family: int, rule: Rule) -> bool:
        """Return whether all packets fare the same on both sides of an entry."""
        if entry.meanings():
            return all(_same_either_way(one, rule) for one in entry.meanings())
        if isinstance(entry.ref, Line):
            return False
        one = self._state.user_file(family).items[entry.ref].tuple
        if one is None:
            return True
        reached = reached_by(one, family)
        return bool(reached) and not any(overlaps(each, rule) for each in reached)

    def put(self, files: Files) -> Files:
        """Return the files with these rules."""
        texts: t.Dict[str, str] = {}
        for (family, place), mine in self._lists.items():
            path = _FILES[place][family]
            text, _old = cut_block(texts.get(path, files.text(path)), path, FIRST_BEGIN if place == FIRST else RULES_BEGIN)
            put = {FIRST: put_first, SOON: put_rules, LATE: put_after}[place]
            texts[path] = put(text, block_lines([one for _number, one in mine], family, place), path)
        return files.changed(texts)


def _same_either_way(one: Rule, other: Rule) -> bool:
    if not overlaps(one, other):
        return True
    if one.action != other.action:
        return False
    if one.limit is None and other.limit is None:
        return True
    # What counts must not get packets to count that it did not get, unless they pass, or stop, by the other one anyway.
    return covers(one, other) if one.limit is None else covers(other, one)
