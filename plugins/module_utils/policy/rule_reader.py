# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the rules of a policy document: each becomes one flat rule, or several that together match the same packets.

Pure: touches nothing. Values that many rules share are worked out once.
"""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from .address_words import AddressSets, parse_by_family
from .bounds import MAX_RULES, Budget
from .errors import PolicyError
from .families import flat_families, nothing_matches
from .icmp import TYPES
from .parse import (
    CONDITIONS,
    FIELDS,
    MAX_COMMENT,
    check_keys,
    no_ports,
    parse_bool,
    parse_choice,
    parse_interface,
    parse_limit,
    parse_list,
    parse_log,
    parse_text,
    parse_types,
)
from .port_words import PortSets
from .ports import PortRange, merge_ports, parse_port_range
from .protocols import WITH_PORTS
from .rule import ACTIONS, DIRECTIONS, FAMILIES, Rule
from .scope import FIELDS as SCOPE_FIELDS
from .scope import parse_scope
from .services import Service, ServiceEntry, Services, parse_protocols
from .zones import Sides, Zone, Zones

Fields = t.Mapping[str, t.Any]
_Interfaces = t.Sequence[t.Optional[str]]
#: Other names of a field, for rules that were written for other tools.
ALIASES = {"description": "comment", "source_cidr": "source", "source_ip": "source", "cidr": "source", "services": "service"}
DIRECTION_WORDS = {"inbound": "in", "ingress": "in", "outbound": "out", "egress": "out"}
KEYS = ("name", *FIELDS, "service", "zone", "from_zone", "to_zone", *ALIASES)
#: The comments of the rules that keep a host reachable start with it; see ``backends.base.GUARD_MARK``.
RESERVED_COMMENT = "holdfast: "

#: Those of these keys that narrow what a rule matches.
CONDITION_KEYS = frozenset({*CONDITIONS, "source_cidr", "source_ip", "cidr", "service", "services", "zone", "from_zone", "to_zone"})

_KNOWN_KEYS = frozenset(KEYS)
_ALIAS_KEYS = frozenset(ALIASES)
_PROTOCOL_KEYS = ("protocol", "port", "port_range", "source_port", "icmp_type")
_ZONE_KEYS = frozenset({"zone", "from_zone", "to_zone"})
_LOG_KEYS = frozenset({"log_prefix", "log_limit"})
_SCOPE_KEYS = frozenset(SCOPE_FIELDS)
_LIMIT_KEYS = frozenset({"limit", "limit_burst", "limit_per"})
_OFF = (None, False)
_ANY_INTERFACE: _Interfaces = (None,)
_ANY_ZONE = (Zone(),)
_Parse = t.Callable[[t.Any, str], t.Any]


class Memo:
    """A parser that remembers what it made of a text."""

    def __init__(self, parse: _Parse) -> None:
        self._parse = parse
        self._known: t.Dict[str, t.Any] = {}

    def __call__(self, value: t.Any, place: str) -> t.Any:
        kind = type(value)
        if kind is not str:
            return self._parse(value, place)
        found = self._known.get(value, self)
        if found is self:
            found = self._known[value] = self._parse(value, place)
        return found


class ListMemo:
    """A parser of a list of words that remembers what it made of a text, a number, or a list of one of these."""

    def __init__(self, parse: t.Callable[[t.Sequence[t.Any], str], t.Any]) -> None:
        self._parse = parse
        self._known: t.Dict[t.Union[str, int], t.Any] = {}

    def __call__(self, value: t.Any, place: str) -> t.Any:
        kind = type(value)
        one = value[0] if kind is list and len(value) == 1 else value
        # Exact types: True is equal to 1, and must not be taken for it.
        kind = type(one)
        if kind is not str and kind is not int:
            return self._parse(parse_list(value, place), place)
        found = self._known.get(one, self)
        if found is self:
            plain = kind is int or (one and "," not in one)
            found = self._known[one] = self._parse((one,) if plain else parse_list(value, place), place)
        return found


class RuleReader:
    """What the rules of one document are read with."""

    def __init__(
        self, sets: AddressSets, ports: PortSets, services: Services, zones: Zones, defaults: t.Mapping[str, str], budget: Budget
    ) -> None:
        self._budget = budget
        self._services = services
        self._zones = zones
        self._defaults = defaults
        self._names: t.Dict[str, str] = {}
        self._made = 0
        self.addresses = ListMemo(lambda values, place: parse_by_family(values, place, sets))
        self.ports = ListMemo(ports.parse)
        self._ranges = ListMemo(_parse_ranges)
        self.protocols = ListMemo(parse_protocols)
        self.interfaces = ListMemo(_parse_interfaces)
        self._action = Memo(lambda value, place: parse_choice(value, ACTIONS, place))
        self._direction = Memo(parse_direction)
        self.family = Memo(lambda value, place: FAMILIES[parse_choice(value, tuple(FAMILIES), place)])

    def read(self, data: t.Any, place: str) -> t.Tuple[t.List[Rule], t.Optional[str]]:
        """Read one rule; returns its flat rules (at least one) and its name.

        :raises PolicyError: at the first thing that is not valid.
        """
        renamed: t.Dict[str, str] = {}
        try:
            if not isinstance(data, Mapping):
                raise PolicyError("", data, "a rule: a mapping with the keys " + ", ".join(KEYS))
            if not data.keys() <= _KNOWN_KEYS:
                check_keys(data, KEYS, "")
            given = data if data.keys().isdisjoint(_ALIAS_KEYS) else less_aliases(data, ALIASES, renamed)
            name = self.take_name(given["name"], place) if given.get("name") is not None else None
            return self._read(given, name, place), name
        except PolicyError as exc:
            raise exc.within(place, renamed) from None

    def take_name(self, value: t.Any, place: str) -> str:
        """Read a rule's name, which nothing else in its list may have."""
        name = parse_text(value, "name", MAX_COMMENT)
        if not name:
            raise PolicyError("name", value, "a name, or no key at all")
        if name in self._names:
            raise PolicyError("name", name, "a name of its own for each rule", "it is the name of %s already" % self._names[name])
        self._names[name] = place.partition(".")[2] or place
        return name

    def _read(self, given: Fields, name: t.Optional[str], place: str) -> t.List[Rule]:
        get = given.get
        value = get("action")
        if value is None:
            raise PolicyError("action", "(nothing)", ", ".join(ACTIONS), "every rule needs an action")
        action = self._action(value, "action")
        value = get("direction")
        direction = "in" if value is None else self._direction(value, "direction")
        if self._defaults[direction] == "unmanaged":
            raise PolicyError(
                "direction", direction, "directions that this policy manages",
                "with defaults.%s unmanaged there is no list for this rule; set it to allow, deny or reject" % direction,
            )  # fmt: skip
        value = get("family")
        family = None if value is None else self.family(value, "family")
        value = get("source")
        source = None if value is None else self.addresses(value, "source")
        value = get("destination")
        destination = None if value is None else self.addresses(value, "destination")
        value = get("comment")
        comment = name if value is None else parse_comment(value, "comment")
        if comment is not None and comment.startswith(RESERVED_COMMENT):
            raise PolicyError("comment" if value is not None else "name", comment, "text that does not start with %r" % RESERVED_COMMENT)
        value = get("stateful")
        stateful = False if value is None else value if value is True or value is False else parse_bool(value, "stateful")
        value = get("interface")
        interfaces = _ANY_INTERFACE if value is None else self.interfaces(value, "interface")
        value = get("out_interface")
        out_interfaces = _ANY_INTERFACE if value is None else self._out_interfaces(value, direction)
        keys = given.keys()
        log = limit = scope = None
        if get("log") not in _OFF or not keys.isdisjoint(_LOG_KEYS):
            log = parse_log(_less_none(given), "")
        if not keys.isdisjoint(_LIMIT_KEYS):
            limit = parse_limit(_less_none(given), "")
        if not keys.isdisjoint(_SCOPE_KEYS):
            scope = parse_scope(given, "")
        entries = self._entries(given)
        if len(entries) == len(interfaces) == len(out_interfaces) == 1 and keys.isdisjoint(_ZONE_KEYS):
            entry = entries[0]
            flat = flat_families(entry, family, source, destination)
            if len(flat) == 1:
                self._check_number(1)
                self._made += 1
                fits, inner, outer = flat[0]
                return [
                    Rule(
                        action, direction, fits, entry.protocol, inner, outer, entry.ports, interfaces[0], stateful, limit, log, comment,
                        False, entry.source_ports, entry.icmp_types, out_interfaces[0], False, scope,
                    )
                ]  # fmt: skip
        arriving, leaving = self._sides(given, direction, interfaces, out_interfaces)
        self._budget.try_out(len(entries) * len(arriving) * len(leaving), "")
        flat_rules = []
        sources, destinations = self._zones.narrowed(source, arriving, "source"), self._zones.narrowed(destination, leaving, "destination")
        for interface, inner_by in sources:
            for out_interface, outer_by in destinations:
                for entry in entries:
                    for fits, inner, outer in flat_families(entry, family, inner_by, outer_by):
                        flat_rules.append(
                            Rule(
                                action, direction, fits, entry.protocol, inner, outer, entry.ports,
                                out_interface if direction == "out" else interface, stateful, limit, log, comment,
                                source_ports=entry.source_ports, icmp_types=entry.icmp_types,
                                out_interface=out_interface if direction == "forward" else None, scope=scope,
                            )
                        )  # fmt: skip
        self._check_number(len(flat_rules))
        if not flat_rules:
            raise nothing_matches(given, entries, family, source, destination)
        self._made += len(flat_rules)
        return flat_rules

    def _out_interfaces(self, value: t.Any, direction: str) -> _Interfaces:
        if direction != "forward":
            hint = "the interface a packet leaves by is interface in a rule of direction out" if direction == "out" else ""
            raise PolicyError("out_interface", value, "out_interface only with direction forward", hint)
        return t.cast("t.Tuple[str, ...]", self.interfaces(value, "out_interface"))

    def _check_number(self, more: int) -> None:
        if self._made + more > MAX_RULES:
            hint = "rules with several protocols, interfaces, zones or families are written out"
            raise PolicyError("", "(more than %d rules in all)" % MAX_RULES, "at most %d rules" % MAX_RULES, hint)

    def _entries(self, given: Fields) -> Service:
        """Return the protocols with their ports that the rule matches."""
        if given.get("service") is not None:
            for key in _PROTOCOL_KEYS:
                if given.get(key) is not None:
                    raise PolicyError(
                        key, given[key], "service, or protocol and port, not both", "the service says protocol and ports; write two rules"
                    )
            return self._services.entries(parse_list(given["service"], "service"), "service")
        value = given.get("protocol")
        protocols = (6,) if value is None else self.protocols(value, "protocol")
        ports: t.Tuple[PortRange, ...] = ()
        key = ""
        for name, parse in (("port", self.ports), ("port_range", self._ranges)):
            value = given.get(name)
            if value is not None:
                if key:
                    raise PolicyError("port_range", value, "port or port_range, not both", "port takes ranges, too")
                key, ports = name, parse(value, name)
        value = given.get("source_port")
        source_ports = self.ports(value, "source_port") if value is not None else ()
        for protocol in protocols:
            if protocol not in WITH_PORTS and (ports or source_ports):
                key = key or "source_port"
                raise no_ports(key, given[key], protocol)
        if given.get("icmp_type") is None:
            return tuple([ServiceEntry(one, ports, source_ports) for one in protocols])
        return self._icmp_entries(given["icmp_type"], protocols)

    def _icmp_entries(self, value: t.Any, protocols: t.Sequence[t.Optional[int]]) -> Service:
        values = parse_list(value, "icmp_type")
        if len(protocols) > 1 and all(one in TYPES for one in protocols):
            for number, one in enumerate(values):
                if not isinstance(one, str) or one.strip().isdigit():
                    place = "icmp_type[%d]" % number if len(values) > 1 else "icmp_type"
                    raise PolicyError(
                        place, one, "the name of a type beside several protocols", "a number means another type in each; write two rules"
                    )
        return tuple(ServiceEntry(one, icmp_types=parse_types(values, one, "icmp_type")) for one in protocols)

    def _sides(self, given: Fields, direction: str, interfaces: _Interfaces, out_interfaces: _Interfaces) -> t.Tuple[Sides, Sides]:
        """Return where packets arrive from and where they leave to: pairs of an interface and a zone whose networks count."""
        words = {key: given[key] for key in ("zone", "from_zone", "to_zone") if given.get(key) is not None}
        if "zone" in words:
            other = "to_zone" if direction == "out" else "from_zone"
            if other in words:
                raise PolicyError(other, words[other], "zone or %s, not both" % other, "they mean the same in this direction")
        zones = {key: self._zones.named(parse_list(value, key), key) for key, value in words.items()}
        if direction == "in" and "to_zone" in zones:
            raise PolicyError("to_zone", words["to_zone"], "zone or from_zone", "packets of direction in go to the host itself")
        if direction == "out" and "from_zone" in zones:
            raise PolicyError("from_zone", words["from_zone"], "zone or to_zone", "packets of direction out come from the host itself")
        if direction == "out":
            key = "zone" if "zone" in zones else "to_zone"
            return [(None, None)], _pairs(zones.get(key, _ANY_ZONE), interfaces, given, key, "interface")
        key = "zone" if "zone" in zones else "from_zone"
        arriving = _pairs(zones.get(key, _ANY_ZONE), interfaces, given, key, "interface")
        return arriving, _pairs(zones.get("to_zone", _ANY_ZONE), out_interfaces, given, "to_zone", "out_interface")


def _pairs(
    zones: t.Sequence[Zone], interfaces: _Interfaces, given: Fields, key: str, own: str
) -> t.List[t.Tuple[t.Optional[str], t.Optional[Zone]]]:
    pairs: t.Dict[t.Tuple[t.Optional[str], int], t.Tuple[t.Optional[str], t.Optional[Zone]]] = {}
    for zone in zones:
        if zone.interfaces != (None,) and interfaces[0] is not None:
            raise PolicyError(own, given[own], "%s or %s, not both" % (own, key), "the zone names its interfaces")
        if len(pairs) + len(zone.interfaces) * len(interfaces) > MAX_RULES:
            raise PolicyError(own, "(more than %d)" % MAX_RULES, "at most %d rules" % MAX_RULES)
        for interface in zone.interfaces if zone.interfaces != (None,) else interfaces:
            pairs[interface, id(zone.networks)] = (interface, zone)
    return list(pairs.values())


def less_aliases(data: Fields, aliases: t.Mapping[str, str], renamed: t.Dict[str, str]) -> t.Dict[str, t.Any]:
    """Return the fields under their own names; ``renamed`` is told which stand in the document under another.

    :raises PolicyError: when a field stands there under two names.
    """
    given: t.Dict[str, t.Any] = {}
    for key, value in data.items():
        if value is None:
            continue
        field = aliases.get(key, key)
        if field in given:
            raise PolicyError(key, value, "one of %s and %s" % (renamed.get(field, field), key), "both mean %s" % field)
        if field != key:
            renamed[field] = key
        given[field] = value
    return given


def parse_comment(value: t.Any, place: str) -> t.Optional[str]:
    """Read a comment; an empty one is none."""
    return parse_text(value, place, MAX_COMMENT) or None


def parse_direction(value: t.Any, place: str) -> str:
    """Read a direction, also in the words of other tools (``ingress``)."""
    word = value.strip().lower() if isinstance(value, str) else value
    return parse_choice(DIRECTION_WORDS.get(word, word) if isinstance(word, str) else value, DIRECTIONS, place)


def _parse_interfaces(values: t.Sequence[t.Any], place: str) -> t.Tuple[str, ...]:
    """Read interfaces; equal ones count once."""
    return tuple(dict.fromkeys(parse_interface(one, "%s[%d]" % (place, i) if len(values) > 1 else place) for i, one in enumerate(values)))


def _parse_ranges(values: t.Sequence[t.Any], place: str) -> t.Tuple[PortRange, ...]:
    return merge_ports(parse_port_range(one, "%s[%d]" % (place, i) if len(values) > 1 else place) for i, one in enumerate(values))


def _less_none(given: Fields) -> t.Dict[str, t.Any]:
    return {key: value for key, value in given.items() if value is not None}
