# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our marked blocks in ``before.rules`` and ``before6.rules``.

Pure: touches nothing. The block of a policy stands in the filter part, behind the lines that declare (and so empty) ufw's chains, and
before all of ufw's own rules; that of single rules is the last of that part, and that of translations a part ``*nat`` of its own at the
end. The first declares what it fills, so that ``ufw reload`` gives the same rules however often it runs. No chain of ours leads to one
of ufw's: ufw could not delete such a chain when it stops, and would then not start again ("Firewall already started").
"""

from __future__ import annotations

import typing as t

from ...policy.errors import HoldfastError
from .files import CHAINS, PREFIX

BEGIN = "# BEGIN holdfast.firewall: the policy of this host, do not edit"
FIRST_BEGIN = "# BEGIN holdfast.firewall: single rules that come before those of this file, do not edit"
RULES_BEGIN = "# BEGIN holdfast.firewall: single rules that ufw has no words for, do not edit"
NAT_BEGIN = "# BEGIN holdfast.firewall: the translations of this host, do not edit"
END = "# END holdfast.firewall"


def cut_block(text: str, path: str, begin: str = BEGIN) -> t.Tuple[str, t.Tuple[str, ...]]:
    """Return a file without a block of ours, and the lines of the block.

    :raises HoldfastError: when the block has lost its end.
    """
    lines = text.split("\n")
    if begin not in lines:
        return text, ()
    first = lines.index(begin)
    if END not in lines[first:]:
        raise HoldfastError("%s has %r but no %r: put that line back behind the block, or delete the block" % (path, begin, END))
    last = lines.index(END, first)
    return "\n".join(lines[:first] + lines[last + 1 :]), tuple(lines[first + 1 : last])


def put_block(text: str, block: t.Sequence[str], path: str) -> str:
    """Return a file (that has none) with a block; an empty one is not written.

    :raises HoldfastError: when the file has no filter part.
    """
    if not block:
        return text
    text, first = cut_block(text, path, FIRST_BEGIN)
    return put_first(_put_head(text, BEGIN, block, path), first, path)


def put_first(text: str, block: t.Sequence[str], path: str) -> str:
    """Return a file (that has none) with the block of the single rules that come before all others, but behind a policy.

    :raises HoldfastError: when the file has no filter part.
    """
    text, policy = cut_block(text, path)
    if block:
        text = _put_head(text, FIRST_BEGIN, block, path)
    if not policy:
        return text
    if not block:
        return _put_head(text, BEGIN, policy, path)
    return text.replace(FIRST_BEGIN, "\n".join([BEGIN, *policy, END, FIRST_BEGIN]), 1)


def _put_head(text: str, begin: str, block: t.Sequence[str], path: str) -> str:
    lines = text.split("\n")
    start = next((number for number, line in enumerate(lines) if line.strip() == "*filter"), None)
    if start is None:
        raise HoldfastError("%s has no part *filter, so ufw would not load it; put the file of the package back" % path)
    end = next((number for number in range(start, len(lines)) if lines[number].strip() == "COMMIT"), len(lines))
    at = max(number for number in range(start, end) if number == start or lines[number].startswith(":")) + 1
    if any(line.startswith("-") for line in lines[start:at]):
        raise HoldfastError("%s declares a chain behind its first rule, so there is no place for ours; move that line up" % path)
    return "\n".join(lines[:at] + [begin, *block, END] + lines[at:])


def put_rules(text: str, block: t.Sequence[str], path: str) -> str:
    """Return a file (that has none) with the block of single rules as the last of the filter part.

    :raises HoldfastError: when the file has no such part.
    """
    if not block:
        return text
    lines = [line.strip() for line in text.split("\n")]
    if "*filter" not in lines or "COMMIT" not in lines[lines.index("*filter") :]:
        raise HoldfastError("%s has no part *filter with a COMMIT, so ufw would not load it; put the file of the package back" % path)
    at = lines.index("COMMIT", lines.index("*filter"))
    lines = text.split("\n")
    return "\n".join(lines[:at] + [RULES_BEGIN, *block, END] + lines[at:])


def put_after(text: str, block: t.Sequence[str], path: str) -> str:
    """Return ``after.rules`` (that has none) with the block of single rules before its first rule.

    :raises HoldfastError: when the file has no filter part.
    """
    if not block:
        return text
    lines = text.split("\n")
    start = next((number for number, line in enumerate(lines) if line.strip() == "*filter"), None)
    if start is None:
        raise HoldfastError("%s has no part *filter, so ufw would not load it; put the file of the package back" % path)
    end = next((number for number in range(start, len(lines)) if lines[number].strip() == "COMMIT"), len(lines))
    at = next((number for number in range(start, end) if lines[number].startswith("-")), end)
    return "\n".join(lines[:at] + [RULES_BEGIN, *block, END] + lines[at:])


def put_nat(text: str, block: t.Sequence[str]) -> str:
    """Return a file (that has none) with the block of translations at its end: a part ``*nat`` of our own."""
    if not block:
        return text
    lines = text.split("\n")
    at = len(lines) - (not lines[-1])
    return "\n".join(lines[:at] + [NAT_BEGIN, *block, END] + lines[at:])


def user_chains(family: int) -> t.List[str]:
    """Return the chains of ufw's own rules; ufw makes them after it has loaded ``before.rules``."""
    start = PREFIX[family] + "-user-"
    return (
        [start + one for one in CHAINS.values()]
        + [start + "logging-" + one for one in CHAINS.values()]
        + [start + "limit", start + "limit-accept"]
    )
