# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sets of addresses at one interface: the only words in which a rich rule names an interface.

Pure: touches nothing. A set of the type ``hash:net,iface`` has pairs of a network and an interface. As the ``destination`` of a rich rule
it is compared with where a packet goes and the interface it arrives on, as the ``source`` with where it comes from and the interface it
leaves by. From firewalld 2.3 on the two interfaces are the other way round. A packet whose destination is translated has no interface to
leave by yet, so there a rule for each of the two readings is right everywhere: the other one matches nothing.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
import typing as t
from dataclasses import dataclass

from ...policy.addresses import ANY, BITS, Addresses, Network, intervals_of, make_addresses, network_text, networks_of, without
from .names import PREFIX

#: The type of such a set.
PASSAGES = "hash:net,iface"
#: Names of interfaces that are themselves in a set, and not a pattern or something else.
PLAIN_NAME = re.compile(r"[A-Za-z0-9_.@-]{1,15}\Z")


@dataclass(frozen=True)
class Passage:
    """Addresses of one family at one interface; ``networks`` is never empty and the whole of a family is one network of length 0."""

    interface: str
    networks: t.Tuple[Network, ...]

    @property
    def family(self) -> int:
        """4 or 6."""
        return self.networks[0].version

    @property
    def addresses(self) -> Addresses:
        """The addresses as a rule has them."""
        return ANY if self.networks[0].prefixlen == 0 else Addresses(self.networks)


def make_passage(addresses: Addresses, interface: str, family: int) -> Passage:
    """Return the passage of addresses, negated ones as all others of the family."""
    networks = affirmed(addresses).networks
    return Passage(interface, networks or networks_of([(0, 2 ** BITS[family] - 1)], family))


def affirmed(addresses: Addresses) -> Addresses:
    """Return the same addresses without a negation."""
    if not addresses.negated:
        return addresses
    version = addresses.networks[0].version
    return Addresses(networks_of(without([(0, 2 ** BITS[version] - 1)], intervals_of(addresses.networks)), version))


def passage_name(passage: Passage) -> str:
    """Return the name of the set with exactly this in it."""
    text = "\n".join(passage_entries(passage))
    return "%sif%d-%s" % (PREFIX, passage.family, hashlib.sha256(text.encode("ascii")).hexdigest()[:16])


def passage_entries(passage: Passage) -> t.List[str]:
    """Return the entries of the set; firewalld takes no network of length 0, so that is two halves."""
    networks: t.List[Network] = []
    for one in passage.networks:
        networks += one.subnets() if one.prefixlen == 0 else [one]
    return ["%s,%s" % (network_text(one), passage.interface) for one in networks]


def read_passage(entries: t.Sequence[str], family: int) -> t.Optional[Passage]:
    """Return the passage that a set is, or None where it has several interfaces or something else."""
    networks = []
    interfaces = set()
    for entry in entries:
        text, comma, interface = entry.partition(",")
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError:
            return None
        if not comma or network.version != family or not PLAIN_NAME.match(interface):
            return None
        networks.append(network)
        interfaces.add(interface)
    return Passage(interfaces.pop(), make_addresses(networks).networks) if len(interfaces) == 1 else None
