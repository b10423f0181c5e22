# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of protocols and services, as the databases of a BSD base system have them (the part that firewalls use).

The tables are built in, so that a stand-in answers the same on every machine.
"""

from __future__ import annotations

PROTOCOLS = {
    "icmp": 1,
    "igmp": 2,
    "ggp": 3,
    "ipencap": 4,
    "tcp": 6,
    "egp": 8,
    "igp": 9,
    "udp": 17,
    "ipv6": 41,
    "rsvp": 46,
    "gre": 47,
    "esp": 50,
    "ah": 51,
    "ipv6-icmp": 58,
    "ospf": 89,
    "etherip": 97,
    "pim": 103,
    "ipcomp": 108,
    "carp": 112,
    "l2tp": 115,
    "sctp": 132,
    "udplite": 136,
    "pfsync": 240,
}
PROTOCOL_ALIASES = {"icmp6": 58, "ospfigp": 89, "vrrp": 112}
PROTOCOL_NAMES = {number: name for name, number in PROTOCOLS.items()}

# name -> (port, protocols)
_SERVICES = {
    "echo": (7, "tu"),
    "discard": (9, "tu"),
    "daytime": (13, "tu"),
    "ftp-data": (20, "tu"),
    "ftp": (21, "tu"),
    "ssh": (22, "tu"),
    "telnet": (23, "tu"),
    "smtp": (25, "tu"),
    "time": (37, "tu"),
    "whois": (43, "tu"),
    "tacacs": (49, "tu"),
    "domain": (53, "tu"),
    "bootps": (67, "tu"),
    "bootpc": (68, "tu"),
    "tftp": (69, "tu"),
    "finger": (79, "tu"),
    "http": (80, "tu"),
    "kerberos": (88, "tu"),
    "pop3": (110, "tu"),
    "sunrpc": (111, "tu"),
    "auth": (113, "tu"),
    "nntp": (119, "tu"),
    "ntp": (123, "tu"),
    "netbios-ns": (137, "tu"),
    "netbios-dgm": (138, "tu"),
    "netbios-ssn": (139, "tu"),
    "imap": (143, "tu"),
    "snmp": (161, "tu"),
    "snmptrap": (162, "tu"),
    "bgp": (179, "tu"),
    "ldap": (389, "tu"),
    "https": (443, "tu"),
    "microsoft-ds": (445, "tu"),
    "isakmp": (500, "tu"),
    "exec": (512, "t"),
    "login": (513, "t"),
    "shell": (514, "t"),
    "syslog": (514, "u"),
    "printer": (515, "tu"),
    "submission": (587, "tu"),
    "ipp": (631, "tu"),
    "ldaps": (636, "tu"),
    "rsync": (873, "tu"),
    "imaps": (993, "tu"),
    "pop3s": (995, "tu"),
    "socks": (1080, "tu"),
    "openvpn": (1194, "tu"),
    "nfsd": (2049, "tu"),
    "mysql": (3306, "tu"),
    "ipsec-msft": (4500, "tu"),
    "sip": (5060, "tu"),
    "postgresql": (5432, "tu"),
    "amqp": (5672, "tu"),
    "http-alt": (8080, "tu"),
}
_LETTER = {"t": "tcp", "u": "udp"}
_PORTS = {(name, _LETTER[letter]): port for name, (port, letters) in _SERVICES.items() for letter in letters}
_NAMES = {(port, proto): name for (name, proto), port in _PORTS.items()}


def protocol_number(name: str) -> int | None:
    """Number of a protocol name (exact, or all upper case), or ``None``."""
    if name in PROTOCOLS:
        return PROTOCOLS[name]
    if name in PROTOCOL_ALIASES:
        return PROTOCOL_ALIASES[name]
    if name.isupper() and name.lower() in PROTOCOLS:
        return PROTOCOLS[name.lower()]
    return None


def protocol_text(number: int) -> str:
    """Name of a protocol, or its number as text."""
    return PROTOCOL_NAMES.get(number, str(number))


def service_port(name: str, proto: str | None = None) -> int | None:
    """Port of a service name; without ``proto`` tcp is tried before udp."""
    for candidate in (proto,) if proto else ("tcp", "udp"):
        if (name, candidate) in _PORTS:
            return _PORTS[(name, candidate)]
    return None


def service_name(port: int, proto: str) -> str | None:
    """Service name of a port, or ``None``."""
    return _NAMES.get((port, proto))
