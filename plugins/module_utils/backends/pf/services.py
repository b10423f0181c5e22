# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Port numbers of the service names that pf.conf may use.

Reads the machine's service database for names that are not in the table (a file, never the network, on the BSDs).
"""

from __future__ import annotations

import socket
import typing as t

# The names that firewall rules use; IANA "Service Name and Transport Protocol Port Number Registry".
_PORTS: t.Dict[str, int] = {
    "ftp-data": 20, "ftp": 21, "ssh": 22, "telnet": 23, "smtp": 25, "time": 37, "domain": 53, "bootps": 67, "bootpc": 68, "tftp": 69,
    "http": 80, "www": 80, "kerberos": 88, "pop3": 110, "sunrpc": 111, "auth": 113, "ident": 113, "nntp": 119, "ntp": 123,
    "netbios-ns": 137, "netbios-dgm": 138, "netbios-ssn": 139, "imap": 143, "snmp": 161, "snmptrap": 162, "bgp": 179, "ldap": 389,
    "https": 443, "microsoft-ds": 445, "smtps": 465, "isakmp": 500, "syslog": 514, "printer": 515, "dhcpv6-client": 546,
    "dhcpv6-server": 547, "submission": 587, "ipp": 631, "ldaps": 636, "rsync": 873, "imaps": 993, "pop3s": 995, "openvpn": 1194,
    "nfsd": 2049, "nfs": 2049, "mysql": 3306, "rdp": 3389, "ipsec-nat-t": 4500, "sip": 5060, "postgresql": 5432, "x11": 6000,
    "http-alt": 8080,
}  # fmt: skip


def port_of(name: str, protocol: str) -> t.Optional[int]:
    """Return the port of a service name for ``tcp`` or ``udp``, or None when nobody knows it."""
    if name in _PORTS:
        return _PORTS[name]
    try:
        return socket.getservbyname(name, protocol)
    except (OSError, UnicodeError):
        return None
