# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a whole policy document, or a plain list of rules.

Pure: touches nothing. First match decides; what no rule matches takes the default of its direction.
"""

from __future__ import annotations

import gc
import typing as t

from .address_words import AddressSets, parse_by_family
from .bounds import MAX_RULES, Budget, check_bounds
from .document_warnings import warnings_of
from .errors import PolicyError
from .names import parse_name
from .nat import NatRule
from .nat_reader import NatReader
from .native_lines import parse_native
from .parse import MAX_COMMENT, check_keys, parse_bool, parse_choice, parse_list, parse_prefix, parse_single_ports, parse_text
from .policy import DEFAULTS, ManagementAccess, Policy
from .port_words import PortSets
from .rates import parse_rate
from .rule import DIRECTIONS, Log, Rule
from .rule_reader import CONDITION_KEYS, RuleReader
from .services import Services
from .zones import Zones, parse_zones

KEYS = (
    "name", "description", "version", "defaults", "address_sets", "port_sets", "services", "zones", "rules", "nat", "logging", "management",
    "native",
)  # fmt: skip
DEFAULT_ACTIONS = ("allow", "deny", "reject", "unmanaged")
VERSION = 1


def parse_policy(data: t.Any, place: str = "policy") -> Policy:
    """Read a policy document.

    :raises PolicyError: at the first thing that is not valid, with its exact place (``policy.rules[3].port``).
    """
    return parse_policy_document(data, place)[0]


def parse_policy_document(data: t.Any, place: str = "policy") -> t.Tuple[Policy, t.List[str]]:
    """Read a policy document, or a plain list of rules; returns the policy and what a person should know about the document.

    :raises PolicyError: at the first thing that is not valid, with its exact place (``policy.rules[3].port``).
    """
    check_bounds(data, place)
    # Everything that is made here stays, so the collector would only walk it again and again; its share is more than the parser's.
    collects = gc.isenabled()
    gc.disable()
    try:
        return _parse_document(data, place)
    finally:
        if collects:
            gc.enable()


def _parse_document(data: t.Any, place: str) -> t.Tuple[Policy, t.List[str]]:
    plain = isinstance(data, (list, tuple))
    if not plain and not isinstance(data, t.Mapping):
        raise PolicyError(place, data, "a mapping with the keys %s, or a list of rules" % ", ".join(KEYS))
    document: t.Mapping[t.Any, t.Any] = {} if plain else data
    check_keys(document, KEYS, place)
    for key in ("name", "description"):
        if document.get(key) is not None:
            parse_text(document[key], "%s.%s" % (place, key), 4 * MAX_COMMENT)
    version = document.get("version")
    if version is not None and (isinstance(version, (bool, float)) or str(version).strip() != str(VERSION)):
        raise PolicyError(place + ".version", version, str(VERSION), "it is the version of the language; leave it out")
    budget = Budget()
    defaults = _parse_defaults(document.get("defaults"), place + ".defaults")
    sets = AddressSets(parse_address_sets(document.get("address_sets"), place + ".address_sets"), place + ".address_sets", budget)
    sets.check()
    ports = PortSets(_parse_named(document.get("port_sets"), place + ".port_sets", "port"), place + ".port_sets", budget)
    ports.check()
    services = Services(_parse_named(document.get("services"), place + ".services", None), place + ".services", ports)
    services.check()
    zones = Zones(parse_zones(document.get("zones"), place + ".zones", sets), sets)
    reader = RuleReader(sets, ports, services, zones, defaults, budget)
    rules, labels, warnings = _parse_rules(data if plain else document.get("rules"), place if plain else place + ".rules", plain, reader)
    nat, nat_labels = _parse_nat(document.get("nat"), place + ".nat", NatReader(reader, zones, budget))
    policy = Policy(
        rules=rules,
        defaults=defaults,
        labels=labels,
        nat=nat,
        nat_labels=nat_labels,
        native=parse_native(document.get("native"), place + ".native", defaults),
        management=_parse_management(document.get("management"), place + ".management", sets),
        log_denied=_parse_logging(document.get("logging"), place + ".logging"),
    )
    for section, names in (("address_sets", sets), ("port_sets", ports), ("services", services), ("zones", zones)):
        used = names.used()
        unused = [name for name in document.get(section) or () if name not in used]
        if unused:
            warnings.append("%s.%s: not used: %s." % (place, section, _first(unused)))
    warnings += _left_open(document if not plain else {"rules": data}, place, plain)
    return policy, warnings + warnings_of(policy, place)


def _left_open(document: t.Mapping[t.Any, t.Any], place: str, plain: bool) -> t.List[str]:
    """Return a warning that names the conditions which are there without a value: they match everything, as if they were left out."""
    found: t.List[str] = []
    for section in ("rules", "nat"):
        for number, data in enumerate(document.get(section) or ()):
            if None in data.values():
                where = "%s[%d]" % (place if plain else "%s.%s" % (place, section), number)
                found.extend("%s.%s" % (where, key) for key, value in data.items() if value is None and key in CONDITION_KEYS)
    management = document.get("management")
    if management and "sources" in management and management["sources"] is None:
        found.append(place + ".management.sources")
    if not found:
        return []
    return ["%s: without a value, so nothing is asked of packets there; leave the key out if that is meant." % _first(found)]


def parse_address_sets(value: t.Any, place: str) -> t.Dict[str, t.List[t.Any]]:
    """Read named address sets: a mapping of names to lists of addresses (their words are checked by ``AddressSets``).

    :raises PolicyError: when it is not such a mapping.
    """
    return t.cast("t.Dict[str, t.List[t.Any]]", _parse_named(value, place, "address"))


def _parse_named(value: t.Any, place: str, members: t.Optional[str]) -> t.Dict[str, t.Any]:
    """Read a mapping of names; where ``members`` says what they hold, its values are lists of at least one."""
    if value is None:
        return {}
    allowed = "a mapping of names to lists, each of at least one %s" % members if members else "a mapping of names to services"
    if not isinstance(value, t.Mapping):
        raise PolicyError(place, value, allowed)
    found: t.Dict[str, t.Any] = {}
    for key, given in value.items():
        name = parse_name(key, place)
        where = "%s.%s" % (place, name)
        if members:
            if isinstance(given, t.Mapping) or (not given and not isinstance(given, int)):
                raise PolicyError(where, given, "a list of at least one %s" % members, "an empty set matches nothing")
            given = parse_list(given, where)
        found[name] = given
    return found


def _parse_defaults(value: t.Any, place: str) -> t.Dict[str, str]:
    defaults = dict(DEFAULTS)
    if value is None:
        return defaults
    check_keys(value, DIRECTIONS, place)
    for direction, action in value.items():
        if action is not None:
            defaults[direction] = parse_choice(action, DEFAULT_ACTIONS, "%s.%s" % (place, direction))
    return defaults


def _parse_rules(value: t.Any, place: str, plain: bool, reader: RuleReader) -> t.Tuple[t.Tuple[Rule, ...], t.Tuple[str, ...], t.List[str]]:
    rules: t.List[Rule] = []
    labels: t.List[str] = []
    warnings: t.List[str] = []
    for number, data in enumerate(_items(value, place, "rules")):
        flat, name = reader.read(data, "%s[%d]" % (place, number))
        label = "rules[%d]" % number if name is None else "rules[%d] (%s)" % (number, name)
        rules.extend(flat)
        if len(flat) == 1:
            labels.append(label)
            continue
        labels.extend([label] * len(flat))
        if flat[0].limit is not None and len(warnings) < 20:
            said = "%s[%d]: the limit counts for each protocol, interface and address family by itself, so %d times."
            warnings.append(said % (place, number, len(flat)))
    return tuple(rules), tuple(labels), warnings


def _parse_nat(value: t.Any, place: str, reader: NatReader) -> t.Tuple[t.Tuple[NatRule, ...], t.Tuple[str, ...]]:
    found: t.List[NatRule] = []
    labels: t.List[str] = []
    for number, data in enumerate(_items(value, place, "translations")):
        flat, name = reader.read(data, "%s[%d]" % (place, number))
        found.extend(flat)
        labels.extend(["nat[%d]" % number if name is None else "nat[%d] (%s)" % (number, name)] * len(flat))
    return tuple(found), tuple(labels)


def _items(value: t.Any, place: str, what: str) -> t.Sequence[t.Any]:
    if value is None:
        return ()
    if not isinstance(value, (list, tuple)):
        raise PolicyError(place, value, "a list of %s" % what, "put a dash before each of them" if isinstance(value, t.Mapping) else "")
    if len(value) > MAX_RULES:
        raise PolicyError(place, "(%d %s)" % (len(value), what), "at most %d %s" % (MAX_RULES, what))
    return value


def _parse_management(value: t.Any, place: str, sets: AddressSets) -> ManagementAccess:
    if value is None:
        return ManagementAccess()
    check_keys(value, ("ssh_ports", "agent_ports", "sources"), place)
    ports = [set(parse_single_ports(value.get(key), "%s.%s" % (place, key))) for key in ("ssh_ports", "agent_ports")]
    where = place + ".sources"
    words = parse_list(value.get("sources"), where)
    if words and all(isinstance(one, str) and one.strip().startswith("!") for one in words):
        raise PolicyError(where, words, "the addresses that administrators come from", "say from where they come, not from where not")
    sources = parse_by_family(words, where, sets) or {}
    for version, addresses in sources.items():
        if addresses.any:
            hint = "this is every IPv%d address; name both families, or leave sources out" % version
            raise PolicyError(where, words, "the addresses that administrators come from", hint)
    return ManagementAccess(tuple(sorted(ports[0])), tuple(sorted(ports[1])), tuple(sources[version] for version in sorted(sources)))


def _parse_logging(value: t.Any, place: str) -> t.Optional[Log]:
    if value is None:
        return None
    check_keys(value, ("denied", "prefix", "limit"), place)
    denied = value.get("denied")
    if not (denied is not None and parse_bool(denied, place + ".denied")):
        for key in ("prefix", "limit"):
            if value.get(key) is not None:
                raise PolicyError("%s.%s" % (place, key), value[key], "this key only together with denied", "add denied: true")
        return None
    prefix, limit = value.get("prefix"), value.get("limit")
    return Log(
        None if prefix is None else parse_prefix(prefix, place + ".prefix"), None if limit is None else parse_rate(limit, place + ".limit")
    )


def _first(names: t.Sequence[t.Any], most: int = 20) -> str:
    return ", ".join(str(one) for one in names[:most]) + (" and %d more" % (len(names) - most) if len(names) > most else "")
