# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a pf ruleset is made of after parsing: addresses, ports, rules, tables.  Plain values that turn into JSON and back."""

from __future__ import annotations

import ipaddress
from dataclasses import asdict, dataclass, field, fields, replace

__all__ = ["ANY", "Address", "Pool", "Port", "Rule", "Table", "replace", "rule_from_json", "rule_to_json"]


@dataclass(frozen=True)
class Address:
    """One source or destination.

    ``kind``: any, net, range, table, dynif, no-route, urpf-failed.  ``family``: 4, 6 or 0 when open.  ``text`` is the network address,
    the first address of a range, the table or the interface name; ``last`` ends a range; ``modifiers`` belong to an interface.
    """

    kind: str = "any"
    family: int = 0
    text: str = ""
    bits: int = 0
    last: str = ""
    modifiers: tuple = ()
    negated: bool = False


ANY = Address()


def network(family: int, text: str, bits: int) -> Address:
    """A network with the host bits masked away, as pfctl stores it."""
    net = ipaddress.ip_network("%s/%d" % (text, bits), strict=False)
    mapped = net.network_address.ipv4_mapped if net.version == 6 else None
    return Address("any" if bits == 0 else "net", family, "::ffff:%s" % mapped if mapped else str(net.network_address), bits)


@dataclass(frozen=True)
class Port:
    """A port condition: ``op`` is one of ``= != < <= > >= : >< <>``."""

    op: str
    low: int
    high: int = 0

    def matches(self, port: int) -> bool:
        """Whether a port number satisfies the condition."""
        low, high = self.low, self.high
        return {
            "=": port == low,
            "!=": port != low,
            "<": port < low,
            "<=": port <= low,
            ">": port > low,
            ">=": port >= low,
            ":": low <= port <= high,
            "><": low < port < high,
            "<>": port < low or port > high,
        }[self.op]


@dataclass(frozen=True)
class Pool:
    """Where a translation or a route goes: addresses with an optional interface each, ports, and how to choose."""

    hosts: tuple = ()
    interfaces: tuple = ()
    low: int = 0
    high: int = 0
    options: tuple = ()
    static_port: bool = False


@dataclass(frozen=True)
class Rule:
    """One expanded rule of any kind; ``action`` says which (pass, block, match, scrub, nat, rdr, binat, and these with ``no``)."""

    action: str
    line: int = 0
    anchor: str | None = None
    inline: bool = False
    reply: str = "drop"
    reply_ttl: int = 0
    reply_icmp: tuple = (3, 3)
    reply_icmp6: tuple = (1, 4)
    direction: str = ""
    log: bool = False
    log_options: tuple = ()
    log_interface: int = 0
    quick: bool = False
    interface: str = ""
    interface_negated: bool = False
    route: str = ""
    route_pool: Pool | None = None
    family: int = 0
    proto: int = 0
    src: Address = ANY
    src_port: Port | None = None
    dst: Address = ANY
    dst_port: Port | None = None
    received_on: str = ""
    received_on_negated: bool = False
    user: Port | None = None
    group: Port | None = None
    flags: int = 0
    flagset: int = 0
    icmp_type: int | None = None
    icmp_code: int | None = None
    tos: int = 0
    prio: int | None = None
    rate: tuple = ()
    set_prio: tuple = ()
    set_tos: int | None = None
    keep: str = ""
    probability: float = 0.0
    state: dict = field(default_factory=dict)
    fragment: bool = False
    scrub: dict = field(default_factory=dict)
    allow_opts: bool = False
    labels: tuple = ()
    ridentifier: int = 0
    once: bool = False
    tag: str = ""
    tagged: str = ""
    tagged_negated: bool = False
    rtable: int = -1
    translation: str = ""
    pool: Pool | None = None
    natpass: bool = False


@dataclass(frozen=True)
class Table:
    """A table: its flags as declared, and its entries as texts (``!`` in front of a negated one)."""

    name: str
    anchor: str = ""
    const: bool = False
    persist: bool = False
    counters: bool = False
    addresses: tuple = ()
    declared_addresses: bool = False
    active: bool = True


def rule_to_json(rule: Rule) -> dict:
    """Only the fields that differ from the default, as plain JSON values."""
    plain = {}
    for each in fields(Rule):
        value = getattr(rule, each.name)
        if each.name != "action" and value == getattr(_DEFAULT, each.name):
            continue
        plain[each.name] = asdict(value) if hasattr(value, "__dataclass_fields__") else value
    return plain


def _tuples(value: object) -> object:
    """Lists, which JSON knows, as tuples, all the way down."""
    return tuple(_tuples(each) for each in value) if isinstance(value, list) else value


def _address(plain: dict) -> Address:
    return Address(**{key: _tuples(value) for key, value in plain.items()})


def _pool(plain: dict) -> Pool:
    values = {key: _tuples(value) for key, value in plain.items() if key != "hosts"}
    return Pool(hosts=tuple(_address(host) for host in plain["hosts"]), **values)


def rule_from_json(plain: dict) -> Rule:
    """The opposite of ``rule_to_json``."""
    values = {}
    for key, value in plain.items():
        if key in ("src", "dst"):
            value = _address(value)
        elif key in ("src_port", "dst_port", "user", "group"):
            value = Port(**value)
        elif key in ("pool", "route_pool"):
            value = _pool(value)
        elif key not in ("state", "scrub"):
            value = _tuples(value)
        values[key] = value
    return Rule(**values)


_DEFAULT = Rule("pass")
