# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The listing of a firewall whose rules are one file: the text, below a line that says so where its rules are not in force.

Pure: touches nothing.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from .ruleset import Entry


@dataclass(frozen=True)
class StatusLines:
    """The first line of a listing whose rules are not in force.

    :ivar disabled: the line when the firewall is off.
    :ivar strayed: the line when other rules than those of the file are in force.
    """

    disabled: str
    strayed: str

    def without(self, listing: str) -> str:
        """Return a listing less such a line: the text of the file."""
        for line in (self.disabled, self.strayed):
            if listing.startswith(line):
                return listing[len(line) :]
        return listing


@dataclass(frozen=True)
class LiveFile:
    """What was found on a host.

    :ivar enabled: whether the firewall decides about packets.
    :ivar ruled: whether it has rules.
    :ivar path: the file that they come from.
    :ivar text: the text of that file, or of the change that waits for its confirmation.
    :ivar strayed: why the rules in force are not those of the text; empty where they are, or where none are in force.
    """

    enabled: bool
    ruled: bool
    path: str
    text: str
    strayed: str = ""


class FileEntries(t.Sequence[Entry]):
    """The entries of a file, read when the first of them is asked for: a policy, which may have thousands, does without."""

    def __init__(self, read: t.Callable[[], t.Tuple[Entry, ...]], weak: bool) -> None:
        self._read = read
        self._weak = weak
        self._found: t.Optional[t.Tuple[Entry, ...]] = None

    def _all(self) -> t.Tuple[Entry, ...]:
        if self._found is None:
            found = self._read()
            self._found = tuple(replace(one, weak=True) for one in found) if self._weak else found
        return self._found

    def __len__(self) -> int:
        return len(self._all())

    def __getitem__(self, number: t.Any) -> t.Any:
        return self._all()[number]

    def __eq__(self, other: object) -> bool:
        return self._all() == (other._all() if isinstance(other, FileEntries) else other)

    def __hash__(self) -> int:
        return hash(self._all())


def first_difference(live: t.Sequence[str], expected: t.Sequence[str]) -> str:
    """Return in words the first line in which the rules in force are not those of the file."""
    for one, other in zip(live, expected):
        if one != other:
            return "the first difference: live is '%s', the file says '%s'" % (one, other)
    if len(live) > len(expected):
        return "live is also '%s'" % live[len(expected)]
    return "the file also says '%s'" % expected[len(live)]
