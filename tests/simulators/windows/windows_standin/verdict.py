# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Windows Defender Firewall does with the first packet of a connection: a block beats every allow, then the default of the profile.

Reads the texts of rules as they are in the registry, and shares nothing with what writes them.
"""

import ipaddress

from .fields import from_text, values


class Packet:
    """The first packet of a connection.

    :ivar local: address of this host, with ``local_port``; ``remote`` and ``remote_port`` are the other's.
    """

    def __init__(
        self, direction, protocol, local, remote, local_port=0, remote_port=0, kind=0, profile="public", program=None, service=None
    ):
        self.direction, self.protocol = direction, protocol
        self.local, self.remote = ipaddress.ip_address(local), ipaddress.ip_address(remote)
        self.local_port, self.remote_port, self.kind = local_port, remote_port, kind
        self.profile, self.program, self.service = profile, program, service


def verdict(texts, default, packet):
    """Return ``allow`` or ``block`` for a packet, given the texts of all rules and the profile's default for its direction."""
    found = {values(from_text(text), "Action")[0] for text in texts if matches(from_text(text), packet)}
    if "Block" in found:
        return "block"
    return "allow" if "Allow" in found else default


def matches(fields, packet):
    """Return whether an active rule matches a packet."""
    if values(fields, "Active") != ["TRUE"] or values(fields, "Dir") != [packet.direction.capitalize()]:
        return False
    if values(fields, "Protocol") not in ([], [str(packet.protocol)]):
        return False
    if values(fields, "Profile") and packet.profile.capitalize() not in values(fields, "Profile"):
        return False
    if values(fields, "App") not in ([], [packet.program]) or values(fields, "Svc") not in ([], [packet.service]):
        return False
    for key, number in (("LPort", packet.local_port), ("RPort", packet.remote_port)):
        spans = values(fields, key, key + "2_10")
        if spans and (packet.protocol not in (6, 17) or not any(_in_span(number, span) for span in spans)):
            return False
    kinds = values(fields, "ICMP4" if packet.protocol == 1 else "ICMP6")
    if kinds and packet.kind not in [int(one.split(":")[0]) for one in kinds]:
        return False
    return _meets(fields, "LA", packet.local) and _meets(fields, "RA", packet.remote)


def _in_span(number, span):
    first, _dash, last = span.partition("-")
    return int(first) <= number <= int(last or first)


def _meets(fields, key, host):
    listed = values(fields, key + "4", key + "6")
    return not listed or any(_holds(one, host) for one in listed)


def _holds(text, host):
    if "-" in text:
        first, last = (ipaddress.ip_address(one) for one in text.split("-"))
        return first.version == host.version and first <= host <= last
    network = ipaddress.ip_network(text)
    return network.version == host.version and host in network
