# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``user.rules`` as a list of tuples, each with its own piece of the file, so that what is not changed stays byte for byte.

Pure: touches nothing.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ...policy.errors import HoldfastError
from .tuples import MARK, Tuple, parse_tuple

BEGIN, END = "### RULES ###\n", "### END RULES ###"
_OWN_LINE = re.compile(r"-[AI] ufw6?-user-(?:logging-)?(?:input|output|forward) ")


@dataclass(frozen=True)
class Item:
    """One tuple.

    :ivar text: its piece of the file: an empty line, the tuple line, and the lines of iptables.
    :ivar tuple: what it says, or None where ufw skips it.
    """

    text: str
    tuple: t.Optional[Tuple]

    @property
    def line(self) -> str:
        """The tuple line."""
        return next((one for one in self.text.splitlines() if one.startswith(MARK)), "")

    @property
    def rules(self) -> t.List[str]:
        """The lines of iptables."""
        return [one for one in self.text.splitlines() if one.startswith("-")]


@dataclass(frozen=True)
class UserFile:
    """One file.

    :ivar head: up to the tuples.
    :ivar tail: from behind the last tuple.
    """

    head: str
    items: t.Tuple[Item, ...]
    tail: str

    def text(self) -> str:
        """Return the whole file."""
        return self.head + "".join(item.text for item in self.items) + self.tail

    def replaced(self, items: t.Iterable[Item]) -> UserFile:
        """Return the file with other tuples."""
        return UserFile(self.head, tuple(items), self.tail)


def parse_user_file(text: str, path: str) -> UserFile:
    """Read a file.

    :raises HoldfastError: when it has no place for rules.
    """
    head, mark, rest = text.partition(BEGIN)
    if not mark:
        raise HoldfastError(
            "%s has no line %s, so ufw did not write it; run ufw --force reset, or put the file back" % (path, BEGIN.strip())
        )
    lines = rest.splitlines(keepends=True)
    starts = [number for number, line in enumerate(lines) if line.startswith(MARK)]
    if not starts:
        return UserFile(head + mark, (), rest)
    end = starts[-1] + 1
    while end < len(lines) and _OWN_LINE.match(lines[end]):
        end += 1
    # The empty line before a tuple belongs to it.
    starts = [number - 1 if number and not lines[number - 1].strip() else number for number in starts]
    items = []
    for start, stop in zip(starts, [*starts[1:], end]):
        text = "".join(lines[start:stop])
        items.append(Item(text, parse_tuple(next(line for line in text.splitlines() if line.startswith(MARK)))))
    return UserFile(head + mark + "".join(lines[: starts[0]]), tuple(items), "".join(lines[end:]))


def item_of(one: Tuple, family: int) -> Item:
    """Return a new tuple's piece of a file."""
    return Item(one.text(family), one)
