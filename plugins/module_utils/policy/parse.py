# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading one rule from what a user wrote: YAML values or ad-hoc ``key=value`` text, where everything is a string.

Pure: touches nothing. Every refusal names the field, what was found, what is allowed and what to do next.
"""

from __future__ import annotations

import re
import typing as t

from .address_words import parse_addresses
from .errors import PolicyError, key_text, nearest
from .icmp import TYPES, parse_icmp_types
from .ports import ONE_PORT, PortRange, merge_ports, parse_port, parse_port_range
from .protocols import FAMILY_OF, WITH_PORTS, parse_protocol, protocol_name
from .rates import DEFAULT_BURST, Limit, parse_burst, parse_rate
from .rule import ACTIONS, DIRECTIONS, FAMILIES, FAMILY_NAMES, Log, Rule
from .scope import FIELDS as SCOPE_FIELDS
from .scope import parse_scope

FIELDS = (
    "action", "direction", "protocol", "port", "port_range", "source", "destination", "family", "interface", "stateful",
    "limit", "limit_burst", "limit_per", "log", "log_prefix", "log_limit", "comment", "source_port", "icmp_type", "out_interface",
    *SCOPE_FIELDS,
)  # fmt: skip
#: The fields that narrow what a rule matches. One that is written without a value is a mistake, or nothing at all.
CONDITIONS = (
    "port", "port_range", "source", "destination", "family", "interface", "limit", "source_port", "icmp_type", "out_interface",
    *SCOPE_FIELDS,
)  # fmt: skip
MAX_ITEMS = 262144
MAX_COMMENT = 255
MAX_PREFIX = 127
_INTERFACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@-]{0,14}\Z")
_TRUE = frozenset({"true", "yes", "on", "1", "y", "t"})
_FALSE = frozenset({"false", "no", "off", "0", "n", "f"})


def check_keys(data: t.Any, known: t.Sequence[str], place: str) -> None:
    """Refuse what is no mapping, and keys that are not known, with the nearest known one.

    :raises PolicyError: see above.
    """
    if not isinstance(data, t.Mapping):
        raise PolicyError(place, data, "a mapping with the keys " + ", ".join(known))
    for key in data:
        if key not in known:
            close = nearest(key, known) if isinstance(key, str) else None
            text = key_text(key)
            raise PolicyError(
                "%s.%s" % (place, text), "(unknown key %s)" % text, ", ".join(known), "did you mean %s?" % close if close else ""
            )


def parse_rule(data: t.Any, place: str = "rule", sets: t.Optional[t.Mapping[str, t.Sequence[t.Any]]] = None) -> Rule:
    """Read one rule.

    Absent keys and None take their defaults. ``sets`` are the address sets that ``@NAME`` may name.

    :raises PolicyError: at the first thing that is not valid.
    """
    check_keys(data, FIELDS, place)
    given = {key: value for key, value in data.items() if value is not None}
    sets = sets or {}

    def at(key: str) -> str:
        return "%s.%s" % (place, key)

    if "action" not in given:
        raise PolicyError(at("action"), "(nothing)", ", ".join(ACTIONS), "every rule needs an action")
    action = parse_choice(given["action"], ACTIONS, at("action"))
    direction = parse_choice(given.get("direction", "in"), DIRECTIONS, at("direction"))
    protocol = parse_protocol(given.get("protocol", "tcp"), at("protocol"))
    ports = _parse_ports(given, place)
    for key in ("port", "port_range", "source_port"):
        if key in given and protocol not in WITH_PORTS:
            raise no_ports(at(key), given[key], protocol)
    source, source_family = parse_addresses(parse_list(given.get("source"), at("source")), at("source"), sets)
    destination, destination_family = parse_addresses(parse_list(given.get("destination"), at("destination")), at("destination"), sets)
    family = _one_family(
        place,
        ("source", source_family),
        ("destination", destination_family),
        ("protocol", FAMILY_OF.get(protocol) if protocol is not None else None),
        ("family", FAMILIES[parse_choice(given.get("family", "any"), tuple(FAMILIES), at("family"))]),
    )
    return Rule(
        action=action,
        direction=direction,
        family=family,
        protocol=protocol,
        source=source,
        destination=destination,
        ports=ports,
        source_ports=parse_source_ports(given["source_port"], at("source_port")) if "source_port" in given else (),
        icmp_types=parse_types(given["icmp_type"], protocol, at("icmp_type")) if "icmp_type" in given else (),
        interface=parse_interface(given["interface"], at("interface")) if "interface" in given else None,
        out_interface=parse_out_interface(given["out_interface"], direction, at("out_interface")) if "out_interface" in given else None,
        stateful=parse_bool(given.get("stateful", False), at("stateful")),
        limit=parse_limit(given, place),
        log=parse_log(given, place),
        comment=parse_text(given["comment"], at("comment"), MAX_COMMENT) or None if "comment" in given else None,
        scope=parse_scope(given, place),
    )


def parse_list(value: t.Any, place: str) -> t.List[t.Any]:
    """Read a list, a single value, or comma-separated text as a list.

    :raises PolicyError: for an empty list, an empty item, a mapping or more than 4096 items.
    """
    if value is None:
        return []
    items: t.List[t.Any]
    if isinstance(value, str):
        items = [part.strip() for part in value.split(",")]
    elif isinstance(value, (list, tuple)):
        items = []
        for one in value:
            items.extend(part.strip() for part in one.split(",")) if isinstance(one, str) else items.append(one)
    else:
        items = [value]
    allowed = "a value or a list of values"
    if not items or any(one is None or one == "" for one in items):
        raise PolicyError(place, value, allowed, "an empty value matches nothing; leave the key out to match everything")
    if any(isinstance(one, (dict, list, tuple)) for one in items):
        raise PolicyError(place, value, allowed)
    if len(items) > MAX_ITEMS:
        raise PolicyError(place, "(%d items)" % len(items), "at most %d items in one rule" % MAX_ITEMS)
    return items


def parse_single_ports(value: t.Any, place: str) -> t.Tuple[int, ...]:
    """Read ports that something listens on, such as those of agents: a list that may be empty, without ranges.

    :raises PolicyError: for a range, or what is no port.
    """
    given = value if isinstance(value, (list, tuple)) else [value]
    if all(isinstance(one, str) and not one.strip() for one in given):
        return ()  # the answer of a survey that was left empty, too
    items = parse_list(value, place)
    found = []
    for number, one in enumerate(items):
        where = "%s[%d]" % (place, number) if len(items) > 1 else place
        if isinstance(one, str) and re.fullmatch(r"\s*\d+\s*[-:]\s*\d+\s*", one):
            raise PolicyError(where, one, ONE_PORT, "ranges have no place here; name each port")
        found.append(parse_port(one, where).first)
    return tuple(found)


def parse_choice(value: t.Any, choices: t.Sequence[str], place: str) -> str:
    """Read one of some words, in any case."""
    word = value.strip().lower() if isinstance(value, str) else value
    if isinstance(word, str) and word in choices:
        return word
    hint = ""
    if isinstance(word, str):
        close = {"accept": "allow", "pass": "allow", "permit": "allow", "drop": "deny", "block": "deny", "input": "in", "output": "out",
                 "ingress": "in", "egress": "out"}.get(word)  # fmt: skip
        close = close if close in choices else nearest(word, choices)
        hint = "did you mean %s?" % close if close else ""
    raise PolicyError(place, value, ", ".join(choices), hint)


def parse_bool(value: t.Any, place: str) -> bool:
    """Read a boolean, also as the text that ad-hoc arguments are."""
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower() if isinstance(value, (str, int)) else ""
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise PolicyError(place, value, "true or false")


def parse_interface(value: t.Any, place: str) -> str:
    """Read an interface's name: at most 15 characters (IFNAMSIZ of Linux and the BSDs less the closing NUL)."""
    name = value.strip() if isinstance(value, str) else value
    if not isinstance(name, str) or not _INTERFACE.match(name):
        hint = ""
        if isinstance(name, str) and name[-1:] in ("+", "*"):
            hint = "wildcards mean different things on different hosts; name one interface"
        elif isinstance(name, str) and len(name) > 15:
            hint = "it has %d characters" % len(name)
        raise PolicyError(place, value, "an interface name of 1 to 15 letters, digits, _ . : @ -, for example eth0", hint)
    return name


def parse_text(value: t.Any, place: str, longest: int) -> str:
    """Read one line of printable text of at most ``longest`` bytes."""
    if isinstance(value, (dict, list, tuple, bool)):
        raise PolicyError(place, value, "one line of text")
    text = str(value).strip()
    if not text.isprintable():
        raise PolicyError(place, value, "one line of printable text", "line breaks and control characters are refused")
    if len(text.encode("utf-8")) > longest:
        raise PolicyError(place, value, "at most %d bytes of text" % longest, "it has %d" % len(text.encode("utf-8")))
    return text


def no_ports(place: str, found: t.Any, protocol: t.Optional[int]) -> PolicyError:
    """Return the error for ports beside a protocol that has none."""
    key = place.rpartition(".")[2]
    return PolicyError(
        place,
        found,
        "no port with protocol %s; ports belong to tcp, udp and sctp" % protocol_name(protocol),
        "remove %s or set protocol to tcp, udp or sctp" % key,
    )


def parse_source_ports(value: t.Any, place: str) -> t.Tuple[PortRange, ...]:
    """Read source ports: numbers and ranges side by side."""
    values = parse_list(value, place)
    found = []
    for number, one in enumerate(values):
        parse = parse_port_range if isinstance(one, str) and "-" in one.strip()[1:] else parse_port
        found.append(parse(one, "%s[%d]" % (place, number) if len(values) > 1 else place))
    return merge_ports(found)


def parse_types(value: t.Any, protocol: t.Optional[int], place: str) -> t.Tuple[int, ...]:
    """Read ICMP types, which only stand beside ``protocol`` icmp or icmpv6."""
    if protocol not in TYPES:
        raise PolicyError(
            place, value, "no ICMP type with protocol %s" % protocol_name(protocol), "set protocol to icmp (IPv4) or icmpv6 (IPv6)"
        )
    return parse_icmp_types(parse_list(value, place), protocol, place)


def parse_out_interface(value: t.Any, direction: str, place: str) -> str:
    """Read the interface that a forwarded packet leaves by."""
    if direction != "forward":
        hint = "the interface a packet leaves by is interface in a rule of direction out" if direction == "out" else ""
        raise PolicyError(place, value, "out_interface only with direction forward", hint)
    return parse_interface(value, place)


def _parse_ports(given: t.Mapping[str, t.Any], place: str) -> t.Tuple[PortRange, ...]:
    if "port" in given and "port_range" in given:
        raise PolicyError(
            place + ".port_range",
            given["port_range"],
            "port or port_range, not both",
            "port_range takes several ranges, and N-N is a single port",
        )
    for key, parse in (("port", parse_port), ("port_range", parse_port_range)):
        if key in given:
            values = parse_list(given[key], "%s.%s" % (place, key))
            many = len(values) > 1
            return merge_ports(parse(one, "%s.%s%s" % (place, key, "[%d]" % i if many else "")) for i, one in enumerate(values))
    return ()


def _one_family(place: str, *votes: t.Tuple[str, t.Optional[int]]) -> t.Optional[int]:
    fixed = [(key, family) for key, family in votes if family is not None]
    for key, family in fixed[1:]:
        if family != fixed[0][1]:
            raise PolicyError(
                "%s.%s" % (place, key),
                "(%s)" % FAMILY_NAMES[family],
                "one address family in a rule",
                "%s is %s and %s is %s; write one rule for each family"
                % (fixed[0][0], FAMILY_NAMES[fixed[0][1]], key, FAMILY_NAMES[family]),
            )
    return fixed[0][1] if fixed else None


def parse_limit(given: t.Mapping[str, t.Any], place: str) -> t.Optional[Limit]:
    """Read ``limit``, ``limit_burst`` and ``limit_per``.

    :raises PolicyError: when one is not valid, or the others stand without ``limit``.
    """
    per = parse_choice(given.get("limit_per", "rule"), ("rule", "source"), place + ".limit_per")
    burst = parse_burst(given["limit_burst"], place + ".limit_burst") if "limit_burst" in given else DEFAULT_BURST
    if "limit" not in given:
        for key in ("limit_burst", "limit_per"):
            if key in given and (key != "limit_per" or per != "rule"):
                raise PolicyError(
                    "%s.%s" % (place, key), given[key], "this key only together with limit", "add limit, for example 6/minute"
                )
        return None
    return Limit(parse_rate(given["limit"], place + ".limit"), burst, per == "source")


def parse_log(given: t.Mapping[str, t.Any], place: str) -> t.Optional[Log]:
    """Read ``log``, ``log_prefix`` and ``log_limit``.

    :raises PolicyError: when one is not valid, or the others stand without ``log``.
    """
    wanted = parse_bool(given.get("log", False), place + ".log")
    if not wanted:
        for key in ("log_prefix", "log_limit"):
            if key in given:
                raise PolicyError("%s.%s" % (place, key), given[key], "this key only together with log", "add log: true")
        return None
    prefix = parse_prefix(given["log_prefix"], place + ".log_prefix") if "log_prefix" in given else None
    return Log(prefix, parse_rate(given["log_limit"], place + ".log_limit") if "log_limit" in given else None)


def parse_prefix(value: t.Any, place: str) -> str:
    """Read a log prefix: printable ASCII without quotes or backslashes; blanks at its end are kept."""
    text = value if isinstance(value, str) else str(value)
    if not text or not text.isascii() or not text.isprintable() or any(c in text for c in "\"'\\") or len(text) > MAX_PREFIX:
        raise PolicyError(place, value, "1 to %d printable ASCII characters without quotes or backslashes" % MAX_PREFIX)
    return text
