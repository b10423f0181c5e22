# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of ``netsh advfirewall firewall`` as fields of the registry, and what netsh refuses.

Facts: the help of netsh, MS-GPFAS 2.2.2 (texts of rules), MS-FASP 2.2.4 to 2.2.10 (which addresses are valid), and captures of real hosts.
"""

import ipaddress
import re

ADD = ("name", "dir", "action", "program", "service", "description", "enable", "profile", "localip", "remoteip", "localport", "remoteport",
       "protocol", "interfacetype", "rmtcomputergrp", "rmtusrgrp", "edge", "security")  # fmt: skip
KEYWORDS = {"localsubnet": "LocalSubnet", "dns": "DNS", "dhcp": "DHCP", "wins": "WINS", "defaultgateway": "DefaultGateway"}
PORT_WORDS = {"rpc": "RPC", "rpc-epmap": "RPC-EPMap", "iphttps": "IPHTTPSIn", "teredo": "Teredo"}


class Refused(Exception):
    """netsh refuses; the argument is the word of the message."""


def parse_arguments(words, allowed):
    """Read tag=value words.

    :raises Refused: at a word that is none, or is not allowed, or comes twice.
    """
    found = {}
    for word in words:
        tag, equals, value = word.partition("=")
        tag = tag.strip().lower()
        if not equals or tag not in allowed or tag in found:
            raise Refused("argument")
        found[tag] = value.strip()
    return found


def to_fields(arguments):
    """Return the fields of the registry for the arguments of ``add rule``, as pairs.

    :raises Refused: for what netsh does not take.
    """
    if not arguments.get("name") or not arguments.get("dir") or not arguments.get("action"):
        raise Refused("argument")
    name = arguments["name"]
    if name.lower() == "all" or "|" in name or "|" in arguments.get("description", "") or len(name) > 10000:
        raise Refused("argument")
    fields = [("Action", choice(arguments["action"], {"allow": "Allow", "block": "Block", "bypass": "ByPass"}))]
    fields.append(("Active", choice(arguments.get("enable", "yes"), {"yes": "TRUE", "no": "FALSE"})))
    fields.append(("Dir", choice(arguments["dir"], {"in": "In", "out": "Out"})))
    number, icmp = protocol(arguments.get("protocol", "any"))
    if number is not None:
        fields.append(("Protocol", str(number)))
    fields += [("Profile", one) for one in profiles(arguments.get("profile", "any"))]
    for tag, key in (("localport", "LPort"), ("remoteport", "RPort")):
        text = arguments.get(tag, "any")
        if text.lower() != "any":
            if number not in (6, 17):
                raise Refused("port for protocol")
            fields += ports(text, key)
    fields += icmp
    for tag, key in (("localip", "LA"), ("remoteip", "RA")):
        found = addresses(arguments.get(tag, "any"), key)
        if number == 1 and any(one.startswith(key + "6") for one, _value in found):
            raise Refused("address family")
        if number == 58 and any(one.startswith(key + "4") for one, _value in found):
            raise Refused("address family")
        fields += found
    if arguments.get("interfacetype", "any").lower() != "any":
        kind = {"wireless": "Wireless", "lan": "Lan", "ras": "RemoteAccess"}
        fields.append(("IFType", choice(arguments["interfacetype"], kind)))
    for tag, key in (("program", "App"), ("service", "Svc")):
        value = arguments.get(tag, "")
        if value and value.lower() != "any":
            if any(one in value for one in '|<>"*?') and tag == "program":
                raise Refused("program")
            fields.append((key, value))
    fields.append(("Name", name))
    if arguments.get("description"):
        fields.append(("Desc", arguments["description"]))
    if arguments.get("edge", "no").lower() == "yes":
        fields.append(("Edge", "TRUE"))
    return fields


def to_text(fields):
    """Return the text of a rule."""
    return "v2.30|" + "".join("%s=%s|" % pair for pair in fields)


def from_text(text):
    """Return the fields of the text of a rule, as pairs."""
    return [tuple(one.split("=", 1)) for one in text.split("|")[1:] if "=" in one]


def values(fields, *keys):
    """Return the values of some keys, in order."""
    return [value for key, value in fields if key in keys]


def choice(word, known):
    """Return the word of the registry.

    :raises Refused: for an unknown word.
    """
    if word.lower() not in known:
        raise Refused("argument")
    return known[word.lower()]


def profiles(text):
    """Return the profiles of a rule, none for any."""
    words = [one.strip().lower() for one in text.split(",")]
    if words == ["any"]:
        return []
    known = {"domain": "Domain", "private": "Private", "public": "Public"}
    found = [choice(one, known) for one in words]
    return [one for one in known.values() if one in found]


def protocol(text):
    """Return the number of a protocol, or None for any, and the fields of its ICMP type."""
    word = text.strip().lower()
    named = {"any": None, "tcp": 6, "udp": 17, "icmpv4": 1, "icmpv6": 58}
    if word in named:
        return named[word], []
    if re.match(r"\d{1,3}\Z", word) and int(word) <= 255:
        return int(word), []
    match = re.match(r"icmpv([46]):(\d{1,3}|any),(\d{1,3}|any)\Z", word)
    if match is None:
        raise Refused("protocol")
    family, kind, code = match.groups()
    for one in (kind, code):
        if one != "any" and int(one) > 255:
            raise Refused("protocol")
    if kind == "any":
        if code != "any":
            raise Refused("protocol")
        return named["icmpv" + family], []
    return named["icmpv" + family], [("ICMP" + family, "%d:%s" % (int(kind), "*" if code == "any" else int(code)))]


def ports(text, key):
    """Return the fields of ports."""
    found = []
    for word in (one.strip() for one in text.split(",")):
        if word.lower() in PORT_WORDS and key == "LPort":
            found.append((key, PORT_WORDS[word.lower()]))
            continue
        match = re.match(r"(\d{1,5})(?:-(\d{1,5}))?\Z", word)
        if match is None:
            raise Refused("port")
        first, last = int(match.group(1)), int(match.group(2) or match.group(1))
        if first > last or last > 65535:
            raise Refused("port")
        found.append((key, str(first)) if match.group(2) is None else (key + "2_10", "%d-%d" % (first, last)))
    return found


def addresses(text, key):
    """Return the fields of addresses."""
    if text.strip().lower() == "any":
        return []
    found = []
    for word in (one.strip() for one in text.split(",")):
        if word.lower() in KEYWORDS:
            if key != "RA":
                raise Refused("address")
            found += [(key + "4", KEYWORDS[word.lower()]), (key + "6", KEYWORDS[word.lower()])]
            continue
        try:
            found.append(address(word, key))
        except ValueError:
            raise Refused("address") from None
    return found


def address(word, key):
    """Return the field of one address, network or range.

    :raises ValueError: when it is none.
    """
    if "-" in word:
        first, last = (ipaddress.ip_address(one) for one in word.split("-"))
        if first.version != last.version or first > last:
            raise ValueError(word)
        if first.version == 6 and any(one.is_unspecified or one.is_loopback for one in (first, last)):
            raise ValueError(word)  # MS-FASP 2.2.10: no range begins or ends at :: or ::1
        return "%s%d" % (key, first.version), "%s-%s" % (first, last)
    network = ipaddress.ip_network(word, strict=False)
    if "/" in word and network.prefixlen == 0:
        raise ValueError(word)
    if network.version == 6 and network.prefixlen == 128 and network.network_address.is_loopback:
        raise ValueError(word)  # MS-FASP 2.2.6; that the unspecified address is taken is known from rules of real hosts
    if network.prefixlen == network.max_prefixlen:
        return "%s%d" % (key, network.version), str(network.network_address)
    mask = network.netmask if network.version == 4 else network.prefixlen
    return "%s%d" % (key, network.version), "%s/%s" % (network.network_address, mask)
