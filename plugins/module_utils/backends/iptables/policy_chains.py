# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The chains of a whole policy: their names, and where packets are led into them.

Pure: touches nothing. One chain for each direction decides everything; the built-in chain only jumps to it. What belongs to a policy is
known by the name of its chain, so that a new policy fills the same chains in the same transaction and no jump has to move: on the nft
variant, too, no base chain is touched and no packet slips past (see ``tests/benchmarks/swap.py``).

The jump stands behind the entries of other programs that come first in the built-in chain (fail2ban's jumps in ``INPUT``, Docker's in
``FORWARD``), and before everything else: a verdict in our chain ends the walk, so behind it those programs would be switched off, and
behind the administrator's entries it would not decide everything.
"""

from __future__ import annotations

import re
import typing as t

from ..base import GUARD_MARK
from .draft import Key
from .owners import is_foreign, rule_owner
from .saved import Tables, is_builtin
from .sets import KernelSet

#: The name of this backend's native lines in a policy.
NATIVE = "iptables"
PREFIX = "holdfast-"
#: The built-in chain and ours, by direction (table filter).
FILTER_CHAINS = {"in": ("INPUT", PREFIX + "input"), "out": ("OUTPUT", PREFIX + "output"), "forward": ("FORWARD", PREFIX + "forward")}
#: The same for translations of the destination and of the source (table nat).
NAT_CHAINS = {"destination": ("PREROUTING", PREFIX + "prerouting"), "source": ("POSTROUTING", PREFIX + "postrouting")}
#: Chains of native lines.
BEFORE, AFTER = "-before", "-after"
#: Chains in which the packets of several lines are counted together; a number follows.
COUNT = "-count-"
#: The comments of the line that says a default, and of the one that logs what it denies.
DEFAULT_COMMENT = GUARD_MARK + "default"
DENIED_COMMENT = GUARD_MARK + "denied"
_TARGET = re.compile(r" -[jg] (%s\S+)" % PREFIX)
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')


class Own(t.NamedTuple):
    """All that a policy has on a host.

    :ivar chains: the lines of our chains; a chain may come after one that jumps to it.
    :ivar jumps: the built-in chains that lead to one of ours, and its name.
    :ivar sets: the kernel sets that the lines name.
    """

    chains: t.Dict[Key, t.List[str]]
    jumps: t.Dict[Key, str]
    sets: t.Dict[str, KernelSet]


class Laid(t.NamedTuple):
    """The rules of one direction and family.

    :ivar lines: of the main chain, between the guard and the default.
    :ivar chains: further chains that the lines lead to.
    :ivar sets: the kernel sets that lines name.
    """

    lines: t.List[str]
    chains: t.Dict[str, t.List[str]]
    sets: t.Dict[str, KernelSet]


def is_own(chain: str) -> bool:
    """Return whether a chain of this name belongs to a policy."""
    return chain.startswith(PREFIX)


def own_target(line: str) -> t.Optional[str]:
    """Return the chain of ours that a line leads to, or None."""
    if PREFIX not in line:
        return None
    found = _TARGET.findall(_QUOTED.sub('""', line))
    return t.cast(str, found[-1]) if found else None


def jump_line(chain: str, target: str) -> str:
    """Return the line that leads from a built-in chain to one of ours."""
    return "-A %s -j %s" % (chain, target)


def jump_place(lines: t.Sequence[str]) -> int:
    """Return where our jump stands among the entries of a built-in chain that are not ours: behind other programs' at its head."""
    for number, line in enumerate(lines):
        if not is_foreign(rule_owner(line)):
            return number
    return len(lines)


def own_chains(saved: t.Mapping[int, Tables]) -> t.Dict[Key, t.List[str]]:
    """Return the chains of ours that some tables have, with their lines."""
    return {
        (family, table, name): list(chain.rules)
        for family, tables in saved.items() for table in ("filter", "nat") for name, chain in tables.get(table, {}).items() if is_own(name)
    }  # fmt: skip


def own_part(saved: t.Mapping[int, Tables]) -> t.Dict[Key, t.Tuple[str, ...]]:
    """Return what is ours: our chains, and of the built-in chains our jumps with what stands before them and is no other program's."""
    found: t.Dict[Key, t.Tuple[str, ...]] = {}
    for family, tables in saved.items():
        for table in ("filter", "nat"):
            for name, chain in tables.get(table, {}).items():
                if is_own(name):
                    found[family, table, name] = chain.rules
                elif is_builtin(table, name):
                    last = max((number for number, line in enumerate(chain.rules) if own_target(line)), default=-1)
                    if last >= 0:
                        found[family, table, name] = tuple(line for line in chain.rules[: last + 1] if not is_foreign(rule_owner(line)))
    return found
