# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading ports where numbers, ranges and named sets may stand side by side.

Pure: touches nothing.
"""

from __future__ import annotations

import typing as t

from .address_words import MAX_NESTED
from .bounds import Budget
from .errors import PolicyError
from .names import reached, unknown_name
from .ports import PortRange, merge_ports, parse_port, parse_port_range

ALLOWED = "a port number from 1 to 65535, a range FIRST-LAST, or @NAME of a port set, or several as a list"
Ports = t.Tuple[PortRange, ...]


class PortSets:
    """Named sets of ports; each is worked out once, when it is first used.

    :ivar budget: what its members are counted against.
    """

    def __init__(self, sets: t.Mapping[str, t.Sequence[t.Any]], place: str = "port_sets", budget: t.Optional[Budget] = None) -> None:
        self._sets = sets
        self._place = place
        self._known: t.Dict[str, Ports] = {}
        self.budget = budget or Budget()
        self._named: t.Set[str] = set()
        self._inner: t.Dict[str, t.List[str]] = {}

    def check(self) -> None:
        """Work out every set, so that a mistake is found in one that nothing uses, too.

        :raises PolicyError: as ``parse``.
        """
        for name in self._sets:
            self._resolve(name, self._place, ())

    def used(self) -> t.Set[str]:
        """Return the names that something outside of the sets has used, and those that these use."""
        return reached(self._named, self._inner)

    def parse(self, values: t.Sequence[t.Any], place: str) -> Ports:
        """Read the words of a port field.

        :raises PolicyError: for what is no port, no range and no set, an unknown set, or a cycle.
        """
        if len(values) == 1:
            return self._word(values[0], place, ())
        found = [one for number, value in enumerate(values) for one in self._word(value, "%s[%d]" % (place, number), ())]
        self.budget.spend(len(found), place)
        return merge_ports(found)

    def _word(self, value: t.Any, place: str, within: t.Tuple[str, ...]) -> Ports:
        if isinstance(value, str):
            word = value.strip()
            if word.startswith("@"):
                self._inner.setdefault(within[-1], []).append(word[1:]) if within else self._named.add(word[1:])
                return self._resolve(word[1:], place, within)
            if "-" in word[1:]:
                return (parse_port_range(word, place),)
            if not word.isdigit():
                raise PolicyError(
                    place,
                    value,
                    ALLOWED,
                    "for the ports of a service write service: %s" % word if word.isalpha() and len(word) < 32 else "",
                )
        return (parse_port(value, place),)

    def _resolve(self, name: str, place: str, within: t.Tuple[str, ...]) -> Ports:
        known = self._known.get(name)
        if known is not None:
            return known
        if name in within:
            raise PolicyError(place, "@" + name, "a set that does not contain itself", "the cycle is %s" % " -> ".join((*within, name)))
        if len(within) >= MAX_NESTED:
            raise PolicyError(place, "@" + name, "sets inside each other at most %d levels deep" % MAX_NESTED)
        if name not in self._sets:
            raise unknown_name(name, self._sets, place, "port set", "port_sets", "@")
        where = "%s.%s" % (self._place, name)
        found: t.List[PortRange] = []
        for number, value in enumerate(self._sets[name]):
            found.extend(self._word(value, "%s[%d]" % (where, number), (*within, name)))
        self.budget.spend(len(found), where)
        self._known[name] = merge_ports(found)
        return self._known[name]
