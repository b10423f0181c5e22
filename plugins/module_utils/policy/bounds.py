# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How large a policy document may be, so that a bad one is refused in bounded time and memory.

Pure: touches nothing. YAML can name one value many times (an anchor and its aliases), so a short file can stand for billions of values:
each use counts.
"""

from __future__ import annotations

import typing as t

from .errors import PolicyError

#: Values in a document (keys not counted): 200,000 rules with twelve fields each, and room for sets.
MAX_VALUES = 4_000_000
#: Lists and mappings inside each other; the deepest valid place is ``native.pf.before.any[0]``.
MAX_DEPTH = 16
MAX_TEXT = 1 << 20
MAX_ALL_TEXT = 32 << 20
MAX_BITS = 128
#: Rules, and translations, after each is written out for one family, protocol and interface.
MAX_RULES = 200_000
#: Combinations of protocol, interface and zone that are looked at for all of these; one may match nothing.
MAX_COMBINATIONS = 2_000_000
#: Networks and port ranges that the rules and sets of a document come to, shared ones counted once.
MAX_MEMBERS = 1_000_000

_PLAIN = frozenset({bool, type(None), float})


def check_bounds(data: t.Any, place: str) -> None:
    """Count the values of a document without recursion, before anything else looks at them.

    :raises PolicyError: for more than MAX_VALUES values, MAX_DEPTH levels, too much text in one value or in all, or a number of more than
        MAX_BITS bits.
    """
    values, text, depth = 1, 0, 0
    level: t.List[t.Any] = [(data,)]
    while level:
        if depth > MAX_DEPTH:
            raise PolicyError(place, "(values inside each other more than %d levels deep)" % MAX_DEPTH, "a policy document")
        deeper: t.List[t.Any] = []
        for container in level:
            values += len(container)
            if values > MAX_VALUES:
                raise _too_many(place)
            for one in container.values() if isinstance(container, dict) else container:
                kind = type(one)
                if kind is str:
                    if len(one) > 100:
                        # A text with commas is a list.
                        values += one.count(",")
                        if len(one) > MAX_TEXT:
                            raise _too_long(place, one)
                    text += len(one)
                elif kind is dict or kind is list:
                    if one:
                        deeper.append(one)
                elif kind is int:
                    if one.bit_length() > MAX_BITS:
                        raise PolicyError(place, one, "numbers of at most %d bits" % MAX_BITS)
                elif kind not in _PLAIN:
                    text += _check_other(one, deeper, place)
        if values > MAX_VALUES:
            raise _too_many(place)
        if text > MAX_ALL_TEXT:
            raise PolicyError(place, "(%d characters of text)" % text, "at most %d characters of text" % MAX_ALL_TEXT)
        level = deeper
        depth += 1


def _check_other(one: t.Any, deeper: t.List[t.Any], place: str) -> int:
    """Look at a value of another class, which may be one that Ansible derives from ours; return its length where it is text."""
    if isinstance(one, (dict, list, tuple)):
        if one:
            deeper.append(one)
    elif isinstance(one, t.Mapping):
        deeper.append(dict(one))
    elif isinstance(one, (str, bytes)):
        if len(one) > MAX_TEXT:
            raise _too_long(place, one)
        return len(one)
    elif isinstance(one, int) and one.bit_length() > MAX_BITS:
        raise PolicyError(place, one, "numbers of at most %d bits" % MAX_BITS)
    return 0


def _too_many(place: str) -> PolicyError:
    hint = "a value that is used many times (a YAML alias) counts each time"
    return PolicyError(place, "(more than %d values)" % MAX_VALUES, "a policy document of at most %d values" % MAX_VALUES, hint)


def _too_long(place: str, text: t.Union[str, bytes]) -> PolicyError:
    return PolicyError(
        place, "(one text of %d characters)" % len(text), "texts of at most %d characters" % MAX_TEXT, "write a list instead"
    )


class Budget:
    """How many members (networks, port ranges) a document may still come to, and how many combinations may still be looked at.

    A short document can ask for much: a difference of two large sets, written in each of many rules.
    """

    def __init__(self, members: int = MAX_MEMBERS, combinations: int = MAX_COMBINATIONS) -> None:
        self._left = members
        self._combinations = combinations

    def try_out(self, combinations: int, place: str) -> None:
        """Count combinations of one rule before they are looked at.

        :raises PolicyError: when they are more than rules could be, or too many in all.
        """
        self._combinations -= combinations
        if combinations > MAX_RULES or self._combinations < 0:
            hint = "rules with several protocols, interfaces, zones or families are written out"
            raise PolicyError(place, "(more than %d rules in all)" % MAX_RULES, "at most %d rules" % MAX_RULES, hint)

    def spend(self, members: int, place: str) -> None:
        """Count new members.

        :raises PolicyError: when they are too many in all.
        """
        self._left -= members
        if self._left < 0:
            raise PolicyError(
                place,
                "(more than %d networks and port ranges in all)" % MAX_MEMBERS,
                "at most %d" % MAX_MEMBERS,
                "large sets that are cut in many rules, and long address ranges, come to many networks; name the networks you mean",
            )
