# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables: the constant ones that rules of ours use, named by their content, and what a table line in a file says.

Pure: touches nothing. A negated list has to be a table: pf expands ``{ ! a, ! b }`` to two rules, which together match everything.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
import typing as t

from ...policy.addresses import Addresses, Network, make_addresses, network_text
from .statements import Statement, Word

PREFIX = "hf_"
#: A list of up to this many networks stands in the rule; pf makes one rule of each.
INLINE = 8

_OCTAL = re.compile(r"(?:^|\.)0[0-9]")

Contents = t.Dict[str, t.Tuple[Network, ...]]


def needs_table(addresses: Addresses) -> bool:
    """Return whether these addresses go into a table."""
    return len(addresses.networks) > (1 if addresses.negated else INLINE)


def table_name(addresses: Addresses, prefix: str = PREFIX) -> str:
    """Return the name of the table with exactly these networks (at most 31 characters)."""
    words = " ".join(network_text(one) for one in addresses.networks)
    return prefix + hashlib.sha256(words.encode("ascii")).hexdigest()[:12]


def table_line(addresses: Addresses) -> str:
    """Return the line that defines the table."""
    return "table <%s> const { %s }" % (table_name(addresses), ", ".join(network_text(one) for one in addresses.networks))


def table_of(statement: Statement) -> t.Optional[str]:
    """Return the name of the table that a statement defines, or None."""
    if statement.kind != "table":
        return None
    words = statement.words or ()
    if [one.text for one in words[1:4:2]] != ["<", ">"]:
        return None
    return words[2].text


def tables_used(statement: Statement) -> t.Set[str]:
    """Return the names of the tables that a rule names."""
    words = statement.words or ()
    return {
        two.text for one, two, three in zip(words, words[1:], words[2:]) if (one.text, three.text) == ("<", ">") and not one.quoted
    }  # fmt: skip


def constant_tables(statements: t.Iterable[Statement]) -> Contents:
    """Return the networks of the tables whose content is in the file and cannot change."""
    found: Contents = {}
    for statement in statements:
        name = table_of(statement)
        if name is None:
            continue
        networks = _constant(statement.words or ())
        if networks is None or name in found:
            found.pop(name, None)
        else:
            found[name] = networks
    return found


def by_family(networks: t.Iterable[Network]) -> t.List[t.Tuple[Addresses, int]]:
    """Return canonical addresses for each family among the networks."""
    groups = []
    for family in (4, 6):
        same = [one for one in networks if one.version == family]
        if same:
            groups.append((make_addresses(same), family))
    return groups


def network_of(text: str) -> t.Optional[Network]:
    """Read an address or a network, masking host bits as pf does; None for everything else.

    A number with a zero in front is octal to pf, and was decimal to older Pythons.
    """
    if _OCTAL.search(text) is not None and ":" not in text:
        return None
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _constant(words: t.Sequence[Word]) -> t.Optional[t.Tuple[Network, ...]]:
    texts = [one.text for one in words[4:]]
    if texts[:1] != ["const"] or texts[1:2] != ["{"] or texts[-1:] != ["}"]:
        return None
    networks = [network_of(text) for text in texts[2:-1] if text != ","]
    known = [one for one in networks if one is not None]
    return tuple(known) if known and len(known) == len(networks) else None
