# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables of ours: long or negated lists of addresses, named by their content.

Pure: touches nothing. npf reads the addresses of a table from a file, so each table has one below FOLDER. A comment above its line says the
addresses as the rule has them; the file has what npf needs, for a negated list everything else. Only type ``lpm`` takes networks.
"""

from __future__ import annotations

import hashlib
import re
import typing as t

from ...policy.addresses import Addresses, Network, intervals_of, joined, make_addresses, network_text, networks_of, parse_network, without
from ...policy.errors import PolicyError

FOLDER = "/etc/holdfast/npf"
#: What the names of our tables start with: those of single rules and those of a policy.
PREFIX, POLICY_PREFIX = "hf_", "hfp_"
#: A list of up to this many IPv4 networks stands in the rule; the jumps of a rule's code reach 254 instructions.
INLINE = 8

_TOLD = re.compile(r"^[ \t]*# table ((?:hf|hfp)_[0-9a-f]{12}): (\S+(?:, \S+)*)[ \t]*$", re.MULTILINE)
_OWN = re.compile(r"(?:hf|hfp)_[0-9a-f]{12}\Z")

Contents = t.Dict[str, Addresses]


class TableBook:
    """The tables that lines name."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self.known: t.Dict[str, Addresses] = {}

    def name(self, addresses: Addresses) -> str:
        """Return the name of the table with exactly these addresses, and note that it is needed."""
        name = table_name(addresses, self._prefix)
        self.known[name] = addresses
        return name


def is_own(name: str) -> bool:
    """Return whether a table has a name of ours."""
    return _OWN.match(name) is not None


def in_place(addresses: Addresses) -> bool:
    """Return whether addresses can stand in a rule.

    A list of IPv6 networks cannot: npfctl compares them word by word, and in a list the first word that is equal decides. Nor can ``::``,
    which its scanner does not know, and ``!``, which its listing loses.
    """
    if addresses.negated:
        return False
    if addresses.family == 6:
        return len(addresses.networks) == 1 and re.match(r"::(/|\Z)", network_text(addresses.networks[0])) is None
    return len(addresses.networks) <= INLINE


def table_name(addresses: Addresses, prefix: str) -> str:
    """Return the name of the table with exactly these addresses."""
    return prefix + hashlib.sha256(" ".join(addresses.words()).encode("ascii")).hexdigest()[:12]


def table_lines(name: str, addresses: Addresses) -> t.List[str]:
    """Return the lines that define a table."""
    return ["# table %s: %s" % (name, ", ".join(addresses.words())), 'table <%s> type lpm file "%s/%s"' % (name, FOLDER, name)]


def included(addresses: Addresses) -> t.Tuple[Network, ...]:
    """Return the networks that addresses match, also of a negated list."""
    if not addresses.negated:
        return addresses.networks
    version = addresses.networks[0].version
    top = 2 ** addresses.networks[0].max_prefixlen - 1
    return networks_of(without([(0, top)], joined(intervals_of(addresses.networks))), version)


def table_text(addresses: Addresses) -> str:
    """Return the text of a table's file."""
    return "".join(network_text(one) + "\n" for one in included(addresses))


def tables_in(text: str) -> Contents:
    """Return our tables that a text tells the addresses of; one whose addresses are not those of its name is left out."""
    found: Contents = {}
    for match in _TOLD.finditer(text):
        addresses = _read(match.group(2).split(", "))
        if addresses is not None and table_name(addresses, match.group(1).partition("_")[0] + "_") == match.group(1):
            found[match.group(1)] = addresses
    return found


def _read(words: t.Sequence[str]) -> t.Optional[Addresses]:
    negated = [word.startswith("!") for word in words]
    networks: t.List[Network] = []
    for word in words:
        try:
            networks.extend(parse_network(word.lstrip("!"), ""))
        except PolicyError:
            return None
    if len(set(negated)) != 1 or len({one.version for one in networks}) != 1:
        return None
    return make_addresses(networks, negated[0])
