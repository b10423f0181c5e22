# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rules of a policy conflict: the front door of conflict detection.

Pure: touches nothing. Three families of kinds, each complete by itself, so that one fault can show in several of them:

- port rules (``triples``): what rules say about the same port, protocol and direction, whatever their order;
- pairs (``pairs``): any two rules, as sets of packets;
- coverage (``coverage``): each rule against all rules before it together, and what would change without it.

Native lines and translations are not judged. The guard takes packets before the rules but is no part of a conflict's pair.
"""

from __future__ import annotations

import gc
import typing as t

from ..policy.errors import PolicyError, nearest
from ..policy.policy import Policy
from ..policy.rule import DIRECTIONS
from . import coverage, pairs, triples
from .conflict_report import Conflict, ConflictReport, Undecided
from .conflict_words import Teller
from .cover import Effort
from .coverage import STEPS, TOTAL_STEPS, Coverage
from .pairs import Pairs
from .trace import native_notes
from .triple_words import TripleTeller
from .triples import Triple, find_triples
from .units import Units

GROUPS: t.Dict[str, t.Tuple[str, ...]] = {"port_rules": triples.KINDS, "pairs": pairs.KINDS, "coverage": coverage.KINDS}
KINDS: t.Tuple[str, ...] = triples.KINDS + pairs.KINDS + coverage.KINDS
LIMIT = 100


def find_conflicts(
    policy: Policy, kinds: t.Optional[t.Sequence[str]] = None, limit: int = LIMIT, steps: int = TOTAL_STEPS
) -> ConflictReport:
    """Return the conflicts of a policy.

    :param kinds: kinds, or the names of groups of them (``port_rules``, ``pairs``, ``coverage``); None: all.
    :param limit: so many conflicts of each kind are listed; all are counted.
    :param steps: the effort for what needs a search; what it does not suffice for is in ``undecided``.
    :raises PolicyError: for an unknown kind.
    """
    wanted = parse_kinds(kinds)
    # All that is made here stays until the end, so the collector would only walk it again and again.
    collects = gc.isenabled()
    gc.disable()
    try:
        return _find(policy, wanted, limit, steps)
    finally:
        if collects:
            gc.enable()


def _find(policy: Policy, wanted: t.Collection[str], limit: int, steps: int) -> ConflictReport:
    counts: t.Dict[str, int] = {}
    entries: t.List[Conflict] = []
    undecided: t.List[Undecided] = []
    if any(kind in wanted for kind in triples.KINDS):
        entries.extend(_look_at_port_rules(policy, wanted, limit, counts))
    if any(kind in wanted for kind in pairs.KINDS + coverage.KINDS):
        units = Units(policy)
        teller = Teller(policy, units)
        if any(kind in wanted for kind in pairs.KINDS):
            found = Pairs(units, wanted, limit)
            counts.update(found.counts)
            entries.extend(teller.pair(kind, earlier, later) for kind, which in found.found.items() for earlier, later in which)
        if any(kind in wanted for kind in coverage.KINDS):
            behind = Coverage(units, policy, Effort(steps, min(steps, STEPS)))
            entries.extend(_look_at_coverage(behind, units, teller, wanted, limit, counts))
            undecided.extend(Undecided((unit.label,), what, why) for unit, what, why in behind.undecided)
        for (wide, narrow), why in sorted(units.unsure.items()):
            labels = units.units[wide].label, units.units[narrow].label
            undecided.append(Undecided(labels, "whether the first covers the second", why))
    return ConflictReport(len(policy.rules), tuple(entries), counts, tuple(undecided), _notes(policy))


def _look_at_port_rules(policy: Policy, wanted: t.Collection[str], limit: int, counts: t.Dict[str, int]) -> t.List[Conflict]:
    found = find_triples(policy)
    listed: t.List[Triple] = []
    for kind in triples.KINDS:
        if kind in wanted:
            mine = [one for one in found if one.kind == kind]
            counts[kind] = len(mine)
            listed.extend(mine[:limit])
    teller = TripleTeller(policy, listed)
    return [teller.tell(one) for one in listed]


def _look_at_coverage(
    behind: Coverage, units: Units, teller: Teller, wanted: t.Collection[str], limit: int, counts: t.Dict[str, int]
) -> t.List[Conflict]:
    entries: t.List[Conflict] = []
    for kind in coverage.KINDS:
        if kind in wanted:
            fates = [fate for fate in behind.fates if fate.kind == kind]
            counts[kind] = len(fates)
            entries.extend(teller.fate(fate, behind) for fate in fates[:limit])
    if coverage.REDUNDANT in wanted:
        counts[coverage.REDUNDANT] += len(units.nothing)
        entries.extend(teller.nothing(unit) for unit in units.nothing[:limit])
    return entries


def parse_kinds(kinds: t.Optional[t.Sequence[str]], place: str = "kinds") -> t.Tuple[str, ...]:
    """Read kinds and names of groups; returns the kinds in their fixed order.

    :raises PolicyError: for a word that is neither.
    """
    if kinds is None:
        return KINDS
    if isinstance(kinds, str):
        kinds = [one.strip() for one in kinds.split(",")]
    known = [*GROUPS, *KINDS]
    chosen: t.Set[str] = set()
    for number, kind in enumerate(kinds):
        if kind not in known:
            close = nearest(kind, known) if isinstance(kind, str) else None
            raise PolicyError("%s[%d]" % (place, number), kind, ", ".join(known), "did you mean %s?" % close if close else "")
        chosen.update(GROUPS.get(kind, (kind,)))
    return tuple(kind for kind in KINDS if kind in chosen)


def _notes(policy: Policy) -> t.Tuple[str, ...]:
    notes: t.List[str] = []
    for direction in DIRECTIONS:
        for place in ("before", "after"):
            for note in native_notes(policy, direction, place):
                if note not in notes:
                    notes.append(note)
    return tuple(notes)
