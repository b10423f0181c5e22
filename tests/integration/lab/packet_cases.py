# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules whose packets are looked at one by one: every field of the language, alone and together. Data only.

Addresses are names in braces: ``{client2}`` is the second IPv4 address of the client, ``{client2_6}`` its second IPv6 address; so are
``host``, ``lan`` and ``far``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping

from .packet_bases import BASES, SERVICE
from .packet_testbed import Side

Words = Mapping[str, Any]


@dataclass(frozen=True)
class Case:
    """Tasks that are carried out one after another, each followed by packets.

    :ivar bases: the rulesets it is tried on.
    :ivar refused: kinds of hosts whose backend says that it cannot carry the rule.
    """

    name: str
    tasks: tuple[Words, ...]
    bases: tuple[str, ...] = ("open", "closed")
    refused: tuple[str, ...] = ()


def named(words: Words, sides: Mapping[str, Side]) -> dict[str, Any]:
    """Return a task with the addresses of a host put in."""
    names = {
        f"{name}{number}{'_6' if family == 6 else ''}": address
        for name, side in sides.items()
        for family in (4, 6)
        for number, address in enumerate(side.of(family), 1)
    }

    def fill(value: Any) -> Any:
        if isinstance(value, str):
            return value.format(**names)
        if isinstance(value, (list, tuple)):
            return [fill(one) for one in value]
        return {key: fill(one) for key, one in value.items()} if isinstance(value, dict) else value

    return {key: fill(value) for key, value in words.items()}


def case(name: str, *tasks: Words, bases: tuple[str, ...] = ("open", "closed"), refused: tuple[str, ...] = ()) -> Case:
    """One row of the table."""
    return Case(name, tasks, bases, refused)


CLIENTS = ["{client2}", "{client3}"]
CLIENTS_6 = ["{client2_6}", "{client3_6}"]

CASES = (
    # action, with and without states, on every ruleset
    *(
        case(f"{action} in{' stateful' if stateful else ''}", {"action": action, "port": 7001, "stateful": stateful}, bases=BASES)
        for action in ("allow", "deny", "reject")
        for stateful in (False, True)
    ),
    *(
        case(f"{action} out{' stateful' if stateful else ''}", {"action": action, "direction": "out", "port": 7001, "stateful": stateful})
        for action in ("allow", "deny", "reject")
        for stateful in (False, True)
    ),
    *(
        case(
            f"{action} forward{' stateful' if stateful else ''}",
            {"action": action, "direction": "forward", "port": 7001, "stateful": stateful},
        )
        for action in ("allow", "deny", "reject")
        for stateful in (False, True)
    ),
    case("the replies pass an output that denies", {"action": "allow", "port": [7001, 7003], "stateful": True}, bases=("strict",)),
    case(
        "the replies pass an input that denies",
        {"action": "allow", "direction": "out", "protocol": "udp", "port": 7001, "stateful": True},
        bases=("strict",),
    ),
    case(
        "the replies pass a router that denies",
        {"action": "allow", "direction": "forward", "port_range": "7001-7003", "interface": "host0", "stateful": True},
        bases=("strict",),
    ),
    case(
        "a reply rule is for its port only", {"action": "allow", "source": "{client2}", "port": 7001, "stateful": True}, bases=("strict",)
    ),
    case(
        "the replies pass a rule that denies",
        {"action": "deny", "direction": "out", "protocol": "tcp"},
        {"action": "allow", "port": 7001, "stateful": True},
    ),
    # what belongs to connections that were there before
    case("deny a service in use", {"action": "deny", "port": SERVICE}, bases=BASES),
    case("deny new connections to a service in use", {"action": "deny", "port": SERVICE, "stateful": True}, bases=("closed", "strict")),
    case("reject new connections to a service in use", {"action": "reject", "port": SERVICE, "stateful": True}, bases=("closed", "strict")),
    case(
        "deny the service and allow one client",
        {"action": "deny", "port": SERVICE},
        {"action": "allow", "port": SERVICE, "source": "{client2}"},
    ),
    # protocol
    case("udp", {"action": "deny", "protocol": "udp", "port": 7001}, bases=("open",)),
    case("udp allowed with its answers", {"action": "allow", "protocol": "udp", "port": 7001, "stateful": True}, bases=BASES),
    case("udp rejected", {"action": "reject", "protocol": "udp", "port": 7001}),
    case("all tcp", {"action": "deny"}, bases=("open",)),
    case("all tcp rejected", {"action": "reject", "source": "{client1}"}),
    case("icmp", {"action": "deny", "protocol": "icmp"}, bases=("open",)),
    case("icmp allowed", {"action": "allow", "protocol": "icmp", "stateful": True}, bases=("closed", "strict")),
    case("icmpv6", {"action": "deny", "protocol": "icmpv6"}, bases=("open",)),
    case("icmpv6 allowed", {"action": "allow", "protocol": "icmpv6"}, bases=("closed", "strict")),
    case("icmp rejected", {"action": "reject", "protocol": "icmp", "direction": "out"}, bases=("open",)),
    case("any protocol", {"action": "allow", "protocol": "any", "source": "{client3}"}, bases=("closed", "strict")),
    case("any protocol rejected", {"action": "reject", "protocol": "any", "source": "{client3_6}"}, bases=("open",)),
    case("any protocol with its answers", {"action": "allow", "protocol": "any", "family": "ipv4", "stateful": True}, bases=("strict",)),
    case("a protocol by number", {"action": "allow", "protocol": 253}, {"action": "allow", "protocol": 132}, bases=("closed",)),
    case("sctp", {"action": "allow", "protocol": "sctp", "port": 7001}, bases=("closed",)),
    case("sctp denied", {"action": "deny", "protocol": "sctp", "port": [7001, 7002]}, bases=("open",)),
    # port
    case("a list of ports", {"action": "allow", "port": [7001, 7003, 7443], "stateful": True}, bases=("closed",)),
    case("ports that touch", {"action": "reject", "port": [7001, 7002, 7003, 7005]}, bases=("open",)),
    case("a range", {"action": "allow", "port_range": "7002-7004"}, bases=("closed",)),
    case("several ranges", {"action": "deny", "port_range": ["7001-7002", "7005-7006", "7010-7010"]}, bases=("open",)),
    case("a range to the last port", {"action": "deny", "protocol": "udp", "port_range": "7004-65535"}, bases=("open",)),
    case(
        "twenty ranges",
        {"action": "allow", "port_range": ["7001-7001", "7003-7004", *(f"{8000 + 10 * n}-{8003 + 10 * n}" for n in range(18))]},
        bases=("closed",),
    ),
    # addresses
    case("one source", {"action": "allow", "port": 7001, "source": "{client2}"}, bases=("closed",)),
    case("a network", {"action": "deny", "protocol": "any", "source": "198.51.100.200/29"}, bases=("open",)),
    case("a range of addresses", {"action": "allow", "protocol": "udp", "source": "{client2}-{client3}"}, bases=("closed",)),
    case("a list of sources", {"action": "allow", "port": 7001, "source": ["{client1}", "{client3}"]}, bases=("closed",)),
    case("a list of IPv6 sources", {"action": "reject", "port": 7001, "source": ["{client1_6}", "{client4_6}"]}, bases=("open",)),
    case("every source but one", {"action": "deny", "port": 7001, "source": "!{client2}"}, bases=("open",)),
    case(
        "every source but a list",
        {"action": "allow", "port": 7001, "source": ["!{client2}", "!{client4}"], "stateful": True},
        bases=("closed", "strict"),
    ),
    case(
        "every IPv6 source but a list", {"action": "deny", "protocol": "any", "source": ["!{client1_6}", "!{client3_6}"]}, bases=("open",)
    ),
    case(
        "a network but one of its hosts",
        {"action": "allow", "protocol": "tcp", "source": ["198.51.100.0/24", "!{client3}"]},
        bases=("closed",),
    ),
    case("a named set", {"action": "allow", "port": 7001, "source": "@clients", "address_sets": {"clients": CLIENTS}}, bases=("closed",)),
    case(
        "every source but a named set",
        {
            "action": "reject",
            "port": 7001,
            "source": "!@clients",
            "address_sets": {"clients": [*CLIENTS_6, "@more"], "more": ["{client4_6}"]},
        },
        bases=("open",),
    ),
    case(
        "one of two addresses of the host",
        {"action": "allow", "port": 7001, "destination": "{host2}", "stateful": True},
        bases=("closed", "strict"),
    ),
    case(
        "source and destination",
        {"action": "deny", "protocol": "any", "source": "!{client1_6}", "destination": "{host1_6}"},
        bases=("open",),
    ),
    case(
        "where a host may go",
        {"action": "allow", "direction": "out", "protocol": "any", "destination": ["{client2}", "{far1}"]},
        bases=("closed",),
    ),
    case(
        "where a host may not go", {"action": "reject", "direction": "out", "protocol": "any", "destination": "!{client1}"}, bases=("open",)
    ),
    case(
        "many sources",
        {"action": "allow", "port": 7001, "source": ["{client2}", *(f"192.0.2.{2 * n}" for n in range(100))]},
        bases=("closed",),
    ),
    # family
    case("IPv4 only", {"action": "deny", "port": 7001, "family": "ipv4"}, bases=("open",)),
    case("IPv6 only", {"action": "allow", "port": 7001, "family": "ipv6", "stateful": True}, bases=("closed", "strict")),
    case("IPv6 only, any protocol", {"action": "reject", "protocol": "any", "family": "ipv6"}, bases=("open",)),
    case("all of IPv4 by its network", {"action": "deny", "protocol": "udp", "source": "0.0.0.0/0"}, bases=("open",)),
    # interface
    case(
        "an interface that packets arrive on",
        {"action": "allow", "port": 7001, "interface": "lan0", "stateful": True},
        bases=("closed", "strict"),
    ),
    case(
        "an interface that packets leave by",
        {"action": "deny", "protocol": "any", "direction": "out", "interface": "host0"},
        bases=("open",),
    ),
    case(
        "an interface in front of a router",
        {"action": "deny", "protocol": "any", "direction": "forward", "interface": "lan0"},
        bases=("open",),
    ),
    case("an interface that is not there", {"action": "deny", "protocol": "any", "interface": "wg-home"}, bases=("open",)),
    # log, comment
    case(
        "logged",
        {"action": "allow", "port": 7001, "log": True, "log_prefix": "web "},
        {"action": "deny", "port": 7002, "log": True},
        bases=("closed",),
    ),
    case("logged at a rate", {"action": "deny", "port": 7001, "log": True, "log_limit": "1/hour", "stateful": True}, bases=("open",)),
    case(
        "logged and rejected",
        {"action": "reject", "protocol": "any", "source": "{client2}", "log": True, "comment": "not this one"},
        bases=("open",),
    ),
    case(
        "logged, with its answers",
        {"action": "allow", "port": 7001, "stateful": True, "log": True, "log_limit": "2/minute"},
        bases=("strict",),
    ),
    # several rules
    case(
        "an exception that was there first",
        {"action": "allow", "port": 7001, "source": "{client2}"},
        {"action": "deny", "port": 7001},
        bases=("open",),
    ),
    case(
        "an exception that comes later",
        {"action": "deny", "port_range": "7001-7004"},
        {"action": "allow", "port": 7003, "source": "{client2}"},
    ),
    case("the last word", {"action": "allow", "port": 7001}, {"action": "deny", "port": 7001}, {"action": "reject", "port": 7001}),
    case(
        "taken away again",
        {"action": "allow", "port": 7001, "stateful": True},
        {"state": "absent", "action": "allow", "port": 7001, "stateful": True},
        bases=BASES,
    ),
    case(
        "one of two taken away",
        {"action": "reject", "protocol": "udp", "source": CLIENTS},
        {"action": "deny", "protocol": "udp"},
        {"state": "absent", "action": "reject", "protocol": "udp", "source": CLIENTS},
        bases=("open",),
    ),
    case(
        "the same rule twice",
        {"action": "deny", "port": 7001, "comment": "first"},
        {"action": "deny", "port": 7001, "comment": "second"},
        bases=("open",),
    ),
    case("allow more than the service", {"action": "allow", "protocol": "tcp", "stateful": True}, bases=("closed", "strict")),
)


@dataclass(frozen=True)
class LimitCase:
    """Rules with a rate so low that only the burst counts, and UDP datagrams in a row from each of some sources."""

    name: str
    tasks: tuple[Words, ...]
    base: str
    sources: tuple[str, ...] = ("{client1}", "{client2}")
    count: int = 9


LIMITS = (
    LimitCase("the usual burst", ({"action": "allow", "protocol": "udp", "port": 7001, "limit": "1/hour"},), "closed"),
    LimitCase("a burst of three", ({"action": "allow", "protocol": "udp", "port": 7001, "limit": "1/hour", "limit_burst": 3},), "closed"),
    LimitCase(
        "a limit for each source",
        ({"action": "allow", "protocol": "udp", "port": 7001, "limit": "1/hour", "limit_burst": 4, "limit_per": "source"},),
        "closed",
    ),
    LimitCase(
        "a limit for each IPv6 source",
        ({"action": "allow", "protocol": "udp", "port": 7001, "limit": "2/hour", "limit_burst": 2, "limit_per": "source"},),
        "closed",
        ("{client1_6}", "{client2_6}", "{client3_6}"),
    ),
    LimitCase(
        "a limit for some sources",
        ({"action": "allow", "protocol": "udp", "port": 7001, "source": "{client1}", "limit": "1/hour", "limit_burst": 2, "log": True},),
        "closed",
    ),
    LimitCase(
        "what is above falls to the next rule",
        (
            {"action": "allow", "protocol": "udp", "port": 7001, "limit": "1/hour", "limit_burst": 4},
            {"action": "deny", "protocol": "udp", "port": 7001},
        ),
        "open",
    ),
    LimitCase(
        "only so many are denied", ({"action": "deny", "protocol": "udp", "port": 7001, "limit": "1/hour", "limit_burst": 6},), "open"
    ),
)
