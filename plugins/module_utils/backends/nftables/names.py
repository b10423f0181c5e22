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
MAX_INTERFACE = 15

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

#: How nft lists ICMP types (icmp_type_tbl and icmp6_type_tbl of nft); other numbers stay numbers.
ICMP_NAMES: t.Dict[int, t.Dict[int, str]] = {
    1: {
        0: "echo-reply", 3: "destination-unreachable", 4: "source-quench", 5: "redirect", 8: "echo-request", 9: "router-advertisement",
        10: "router-solicitation", 11: "time-exceeded", 12: "parameter-problem", 13: "timestamp-request", 14: "timestamp-reply",
        15: "info-request", 16: "info-reply", 17: "address-mask-request", 18: "address-mask-reply",
    },
    58: {
        1: "destination-unreachable", 2: "packet-too-big", 3: "time-exceeded", 4: "parameter-problem", 128: "echo-request",
        129: "echo-reply", 130: "mld-listener-query", 131: "mld-listener-report", 132: "mld-listener-done", 133: "nd-router-solicit",
        134: "nd-router-advert", 135: "nd-neighbor-solicit", 136: "nd-neighbor-advert", 137: "nd-redirect", 138: "router-renumbering",
        141: "ind-neighbor-solicit", 142: "ind-neighbor-advert", 143: "mld2-listener-report",
    },
}  # fmt: skip
ICMP_NUMBERS = {protocol: {name: number for number, name in names.items()} for protocol, names in ICMP_NAMES.items()}
ICMP_NUMBERS[58]["mld-listener-reduction"] = 132


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
