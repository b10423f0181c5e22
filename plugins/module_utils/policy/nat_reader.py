# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the address translations of a policy document; like rules, one becomes several for each family, protocol and interface.

Pure: touches nothing.
"""

from __future__ import annotations

import typing as t

from .address_words import ByFamily
from .addresses import ANY, parse_host
from .bounds import MAX_RULES, Budget
from .errors import PolicyError
from .families import nothing_matches
from .nat import DESTINATION_KINDS, KINDS, Address, NatRule
from .parse import MAX_COMMENT, check_keys, no_ports, parse_choice, parse_list, parse_text
from .ports import PortRange, parse_port
from .protocols import FAMILY_OF, WITH_PORTS
from .rule_reader import RESERVED_COMMENT, Fields, RuleReader, less_aliases, parse_comment
from .services import ServiceEntry
from .zones import Sides, Zones

ALIASES = {"description": "comment", "source_cidr": "source", "source_ip": "source", "cidr": "source"}
KEYS = (
    "name", "type", "interface", "zone", "source", "destination", "protocol", "port", "to", "to_port", "family", "comment", *ALIASES,
)  # fmt: skip
_OTHER_WORDS = {"masq": "masquerade", "port_forward": "dnat", "forward": "dnat", "rdr": "dnat", "nat": "masquerade"}
ONE_ADDRESS = "one IPv4 or IPv6 address, or one of each as a list"


class NatReader:
    """What the translations of one document are read with."""

    def __init__(self, rules: RuleReader, zones: Zones, budget: Budget) -> None:
        self._rules = rules
        self._zones = zones
        self._budget = budget
        self._names: t.Dict[str, str] = {}
        self._made = 0

    def read(self, data: t.Any, place: str) -> t.Tuple[t.List[NatRule], t.Optional[str]]:
        """Read one translation; returns its flat ones (at least one) and its name.

        :raises PolicyError: at the first thing that is not valid.
        """
        renamed: t.Dict[str, str] = {}
        try:
            if not isinstance(data, t.Mapping):
                raise PolicyError("", data, "a translation: a mapping with the keys " + ", ".join(KEYS))
            check_keys(data, KEYS, "")
            given = less_aliases(data, ALIASES, renamed)
            name = None
            if "name" in given:
                name = parse_text(given["name"], "name", MAX_COMMENT)
                if not name or name in self._names:
                    hint = "it is the name of %s already" % self._names[name] if name else ""
                    raise PolicyError("name", given["name"], "a name of its own for each translation", hint)
                self._names[name] = place.partition(".")[2] or place
            return self._read(given, name), name
        except PolicyError as exc:
            raise exc.within(place, renamed) from None

    def _read(self, given: Fields, name: t.Optional[str]) -> t.List[NatRule]:
        kind = _parse_kind(given)
        comment = parse_comment(given["comment"], "comment") if "comment" in given else name
        if comment is not None and comment.startswith(RESERVED_COMMENT):
            raise PolicyError("comment" if "comment" in given else "name", comment, "text that does not start with %r" % RESERVED_COMMENT)
        to_port = self._check_fields(given, kind)
        protocols = self._protocols(given)
        ports: t.Tuple[PortRange, ...] = self._rules.ports(given["port"], "port") if "port" in given else ()
        family = self._rules.family(given["family"], "family") if "family" in given else None
        source: t.Optional[ByFamily] = self._rules.addresses(given["source"], "source") if "source" in given else None
        destination: t.Optional[ByFamily] = self._rules.addresses(given["destination"], "destination") if "destination" in given else None
        targets = _parse_targets(given["to"], "to") if "to" in given else None
        found = []
        sides = self._sides(given, kind)
        nowhere: Sides = [(one, None) for one, zone in sides]
        arriving, leaving = (sides, nowhere) if kind in DESTINATION_KINDS else (nowhere, sides)
        self._budget.try_out(len(sides) * len(protocols), "")
        sources, destinations = self._zones.narrowed(source, arriving, "source"), self._zones.narrowed(destination, leaving, "destination")
        for (interface, inner), (_same, outer) in zip(sources, destinations):
            for protocol in protocols:
                for fits in _families(protocol, family, inner, outer, targets):
                    found.append(
                        NatRule(
                            kind, fits, protocol,
                            ANY if inner is None or fits is None else inner[fits],
                            ANY if outer is None or fits is None else outer[fits],
                            ports, interface, targets[fits] if targets is not None and fits is not None else None, to_port, comment,
                        )
                    )  # fmt: skip
        if not found:
            if targets is not None:
                _check_targets(given, targets, family, source, destination)
            raise nothing_matches(given, [ServiceEntry(one) for one in protocols], family, source, destination)
        self._made += len(found)
        if self._made > MAX_RULES:
            raise PolicyError("", "(more than %d translations in all)" % MAX_RULES, "at most %d" % MAX_RULES)
        return found

    def _check_fields(self, given: Fields, kind: str) -> t.Optional[int]:
        """Check what must stand beside a kind and what must not; returns ``to_port``."""
        if kind in ("snat", "dnat") and "to" not in given:
            raise PolicyError("to", "(nothing)", ONE_ADDRESS, "say the new address of this %s" % kind)
        if kind == "masquerade" and "to" in given:
            raise PolicyError(
                "to", given["to"], "no address with masquerade", "it takes the leaving interface's; for a fixed one use type: snat"
            )
        if kind == "redirect" and "to" in given:
            raise PolicyError("to", given["to"], "no address with redirect", "it goes to this host; for another one use type: dnat")
        if kind == "redirect" and "to_port" not in given:
            raise PolicyError("to_port", "(nothing)", "a port number from 1 to 65535", "say the port of this host")
        if kind not in DESTINATION_KINDS and "to_port" in given:
            raise PolicyError("to_port", given["to_port"], "no port with %s" % kind, "only dnat and redirect have to_port")
        if kind == "masquerade" and "interface" not in given and "zone" not in given:
            raise PolicyError("interface", "(nothing)", "the interface that packets leave by, or a zone", "masquerade takes its address")
        return parse_port(given["to_port"], "to_port").first if "to_port" in given else None

    def _protocols(self, given: Fields) -> t.Sequence[t.Optional[int]]:
        with_ports = [key for key in ("port", "to_port") if key in given]
        if "protocol" not in given:
            # As in a rule: a port without a protocol is a port of tcp.
            return (6,) if with_ports else (None,)
        protocols: t.Sequence[t.Optional[int]] = self._rules.protocols(given["protocol"], "protocol")
        for protocol in protocols:
            if with_ports and protocol not in WITH_PORTS:
                raise no_ports(with_ports[0], given[with_ports[0]], protocol)
        return protocols

    def _sides(self, given: Fields, kind: str) -> Sides:
        interfaces: t.Sequence[t.Optional[str]] = (
            self._rules.interfaces(given["interface"], "interface") if "interface" in given else (None,)
        )
        if "zone" not in given:
            return [(one, None) for one in interfaces]
        pairs: Sides = []
        for zone in self._zones.named(parse_list(given["zone"], "zone"), "zone"):
            if zone.interfaces != (None,) and interfaces[0] is not None:
                raise PolicyError("interface", given["interface"], "interface or zone, not both", "the zone names its interfaces")
            if kind == "masquerade" and zone.interfaces == (None,) and interfaces[0] is None:
                raise PolicyError("zone", given["zone"], "a zone with interfaces", "masquerade takes the address of the leaving interface")
            pairs += [(one, zone) for one in (zone.interfaces if zone.interfaces != (None,) else interfaces)]
            if len(pairs) > MAX_RULES:
                raise PolicyError("zone", "(more than %d translations)" % MAX_RULES, "at most %d" % MAX_RULES)
        return pairs


def _parse_kind(given: Fields) -> str:
    if "type" not in given:
        raise PolicyError("type", "(nothing)", ", ".join(KINDS), "every translation needs a type")
    value = given["type"]
    word = _OTHER_WORDS.get(value.strip().lower()) if isinstance(value, str) else None
    if word is not None:
        raise PolicyError("type", value, ", ".join(KINDS), "did you mean %s?" % word)
    return parse_choice(value, KINDS, "type")


def _parse_targets(value: t.Any, place: str) -> t.Dict[int, Address]:
    """Read the new address, one for each family at most."""
    values = parse_list(value, place)
    found: t.Dict[int, Address] = {}
    for number, one in enumerate(values):
        where = "%s[%d]" % (place, number) if len(values) > 1 else place
        address = _parse_target(one, where)
        if address.version in found:
            raise PolicyError(where, one, ONE_ADDRESS, "%s is IPv%d, too" % (found[address.version], address.version))
        found[address.version] = address
    return found


def _parse_target(value: t.Any, place: str) -> Address:
    word = value.strip() if isinstance(value, str) else ""
    try:
        if "%" in word:
            raise ValueError
        address = parse_host(word)
    except ValueError:
        hint = ""
        if "/" in word or ("-" in word and ":" not in word and not any(c.isalpha() for c in word)):
            hint = "a network or a range is spread in different ways by different hosts; name one address"
        elif word.count(":") == 1 or word.startswith("["):
            hint = "write the port as to_port"
        elif any(c.isalpha() for c in word) and ":" not in word:
            hint = "host names are not looked up; write the address"
        raise PolicyError(place, value, ONE_ADDRESS, hint) from None
    if address.is_unspecified or address.is_multicast or str(address) == "255.255.255.255":
        raise PolicyError(place, value, ONE_ADDRESS, "no single host has this address")
    if address.is_loopback:
        raise PolicyError(place, value, ONE_ADDRESS, "it never leaves a host; for a port of this host use type: redirect")
    return address


def _families(
    protocol: t.Optional[int],
    family: t.Optional[int],
    source: t.Optional[ByFamily],
    destination: t.Optional[ByFamily],
    targets: t.Optional[t.Mapping[int, Address]],
) -> t.List[t.Optional[int]]:
    """Return the family of each flat translation; None is both."""
    fixed = FAMILY_OF.get(protocol) if protocol is not None else None
    found = [
        version
        for version in (4, 6)
        if family in (None, version)
        and fixed in (None, version)
        and all(one is None or version in one for one in (source, destination, targets))
    ]
    if len(found) == 2 and source is None and destination is None and targets is None:
        return [None]
    return list(found)


def _check_targets(
    given: Fields,
    targets: t.Mapping[int, Address],
    family: t.Optional[int],
    source: t.Optional[ByFamily],
    destination: t.Optional[ByFamily],
) -> None:
    for key, found in (("source", source), ("destination", destination), ("family", None if family is None else {family: ANY})):
        if found is not None and not set(found) & set(targets):
            here, there = sorted(targets)[0], sorted(found)[0]
            hint = "the new address is IPv%d and %s is IPv%d; a translation stays in its family" % (here, key, there)
            raise PolicyError("to", given["to"], "an address of the same family", hint)
