# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that nftables, our own table and our files go by.

Pure: touches nothing. Hook priorities and protocol names: nft(8); numbers: IANA "Assigned Internet Protocol Numbers".
"""

from __future__ import annotations

import socket
import typing as t

OWN_TABLE = ("inet", "holdfast")
#: The hook of the chain in our table for each direction; the chain is called like the hook.
HOOK_OF = {"in": "input", "out": "output", "forward": "forward"}
DIRECTION_OF = {hook: direction for direction, hook in HOOK_OF.items()}
#: The address families that a table of a family sees; bridge, arp and netdev tables are not for IP filtering.
FAMILIES_OF: t.Dict[str, t.FrozenSet[int]] = {"inet": frozenset({4, 6}), "ip": frozenset({4}), "ip6": frozenset({6})}
PRIORITIES = {"raw": -300, "mangle": -150, "dstnat": -100, "filter": 0, "security": 50, "srcnat": 100}

#: Dynamic sets of ours that count per source: this prefix, eight hexadecimal digits, and the family.
LIMIT_SET = "hf_limit_"
LIMIT_SIZE = 65535
MAX_COMMENT = 128
MAX_PREFIX = 127

FOLDER = "/etc/holdfast/nftables"
OWN_FILE = FOLDER + "/holdfast.nft"
FOREIGN_FILE = FOLDER + "/foreign.rules"
LOADER = FOLDER + "/load.sh"
UNIT = "holdfast-firewall.service"
UNIT_FILE = "/etc/systemd/system/" + UNIT
INCLUDED_FOLDER = "/etc/nftables.d"
INCLUDED_FILE = INCLUDED_FOLDER + "/holdfast.nft"
MAIN_FILES = ("/etc/nftables.conf", "/etc/nftables.nft", "/etc/sysconfig/nftables.conf")

#: How nft names the protocols; it asks the host's protocols file, which may know more.
PROTOCOLS: t.Dict[str, int] = {
    "ip": 0, "icmp": 1, "igmp": 2, "ipencap": 4, "tcp": 6, "egp": 8, "udp": 17, "dccp": 33, "ipv6": 41, "rsvp": 46, "gre": 47, "esp": 50,
    "ah": 51, "ipv6-icmp": 58, "icmpv6": 58, "eigrp": 88, "ospf": 89, "ipip": 94, "pim": 103, "comp": 108, "ipcomp": 108, "vrrp": 112,
    "l2tp": 115, "sctp": 132, "udplite": 136,
}  # fmt: skip
#: The names that every nft prints.
PRINTED = {1: "icmp", 6: "tcp", 17: "udp", 47: "gre", 50: "esp", 51: "ah", 58: "ipv6-icmp", 132: "sctp"}


def protocol_number(word: t.Union[str, int]) -> t.Optional[int]:
    """Return the number of a protocol as nft lists it (a name or a number), or None when it is not known here."""
    if isinstance(word, int):
        return word
    if word.isascii() and word.isdigit():
        return int(word)
    if word in PROTOCOLS:
        return PROTOCOLS[word]
    try:
        return socket.getprotobyname(word)
    except OSError:
        return None


def chain_name(family: str, table: str, chain: str) -> str:
    """Return what people call a chain: ``inet filter input``."""
    return "%s %s %s" % (family, table, chain)
