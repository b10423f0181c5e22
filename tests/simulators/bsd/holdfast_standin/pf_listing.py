# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The normal form in which pfctl prints rules (``-sr``, ``-sn``, ``-nvf``).  Source: the printing order of pfctl, by system."""

from __future__ import annotations

from .flavour import Flavour
from .net_names import protocol_text, service_name
from .pf_names import TCP_FLAGS, TIMEOUTS, icmp_code_text, icmp_type_text
from .pf_rule import Address, Pool, Port, Rule

_ANCHOR_WORDS = {"nat": "nat-anchor", "rdr": "rdr-anchor", "binat": "binat-anchor", "scrub": "scrub-anchor", "dummynet": "dummynet-anchor"}
_NAT_PORTS = (50001, 65535)


def rule_text(rule: Rule, flavour: Flavour, numeric: bool | None = None, number: int | None = None) -> str:
    """One rule as one line.  ``numeric`` ports; by default names on FreeBSD and macOS, numbers on OpenBSD.  ``number`` for ``-vv``."""
    if numeric is None:
        numeric = flavour.name == "openbsd"
    parts = ["@%d" % number] if number is not None else []
    parts += _head(rule)
    if rule.route and flavour.name != "openbsd":
        parts.append("%s %s" % (rule.route, _route_text(rule)))
    if rule.family:
        parts.append("inet" if rule.family == 4 else "inet6")
    if rule.proto:
        parts.append("proto " + protocol_text(rule.proto))
    parts.append(_from_to(rule, numeric))
    parts += _matches(rule, flavour)
    parts += _state(rule, flavour)
    parts += _tail(rule, flavour)
    return " ".join(part for part in parts if part)


def _head(rule: Rule) -> list[str]:
    if rule.anchor is not None:
        word = _ANCHOR_WORDS.get(rule.action, "anchor")
        parts = [word if rule.anchor.startswith("_") else '%s "%s"' % (word, rule.anchor)]
    else:
        parts = [rule.action + (" pass" if rule.natpass else "")]
    if rule.action == "block":
        parts.append(_reply(rule))
    parts.append(rule.direction)
    if rule.log:
        words = list(rule.log_options) + (["to pflog%d" % rule.log_interface] if rule.log_interface else [])
        parts.append("log (%s)" % ", ".join(words) if words else "log")
    if rule.quick:
        parts.append("quick")
    if rule.interface:
        parts.append("on %s%s" % ("! " if rule.interface_negated else "", rule.interface))
    return parts


def _reply(rule: Rule) -> str:
    if rule.reply == "return-rst" and rule.reply_ttl:
        return "return-rst(ttl %d)" % rule.reply_ttl
    if rule.reply != "return-icmp":
        return rule.reply
    code4 = icmp_code_text(rule.reply_icmp[0], rule.reply_icmp[1], 4)
    code6 = icmp_code_text(rule.reply_icmp6[0], rule.reply_icmp6[1], 6)
    if rule.family == 4:
        return "return-icmp(%s)" % code4
    if rule.family == 6:
        return "return-icmp6(%s)" % code6
    return "return-icmp(%s, %s)" % (code4, code6)


def address_text(address: Address, family: int = 0) -> str:
    """An address without its sign."""
    if address.kind in ("any", "no-route", "urpf-failed"):
        return address.kind
    if address.kind == "table":
        return "<%s>" % address.text
    if address.kind == "range":
        return "%s - %s" % (address.text, address.last)
    width = 32 if (address.family or family) == 4 else 128
    if address.kind == "dynif":
        order = [word for word in ("network", "broadcast", "peer", "0") if word in address.modifiers]
        bits = min(address.bits, width)
        return "(%s)%s" % (":".join([address.text] + order), "" if bits == width else "/%d" % bits)
    return address.text if address.bits == width else "%s/%d" % (address.text, address.bits)


def _signed(address: Address, family: int) -> str:
    return ("! " if address.negated else "") + address_text(address, family)


def condition_text(condition: Port, names: dict[int, str] | None = None) -> str:
    """A port or id condition: ``= 22``, ``60000:61000``, ``1 >< 9``."""
    low = (names or {}).get(condition.low, str(condition.low))
    if condition.op == ":":
        return "%d:%d" % (condition.low, condition.high)
    if condition.op in ("><", "<>"):
        return "%d %s %d" % (condition.low, condition.op, condition.high)
    return "%s %s" % (condition.op, low if condition.op in ("=", "!=") else condition.low)


def _port_text(port: Port | None, proto: int, numeric: bool) -> str:
    if port is None:
        return ""
    name = None if numeric else service_name(port.low, "tcp" if proto == 6 else "udp")
    return " port " + condition_text(port, {port.low: name} if name else None)


def _from_to(rule: Rule, numeric: bool) -> str:
    plain = all(side.kind == "any" and not side.negated for side in (rule.src, rule.dst))
    if plain and not rule.src_port and not rule.dst_port:
        return "all"
    return "from %s%s to %s%s" % (
        _signed(rule.src, rule.family),
        _port_text(rule.src_port, rule.proto, numeric),
        _signed(rule.dst, rule.family),
        _port_text(rule.dst_port, rule.proto, numeric),
    )


def _flag_text(bits: int) -> str:
    return "".join(letter for index, letter in enumerate(TCP_FLAGS) if bits & (1 << index))


def _matches(rule: Rule, flavour: Flavour) -> list[str]:
    parts = []
    if rule.received_on:
        parts.append("%sreceived-on %s" % ("!" if rule.received_on_negated else "", rule.received_on))
    for word, condition in (("user", rule.user), ("group", rule.group)):
        if condition:
            parts.append("%s %s" % (word, condition_text(condition, {0xFFFFFFFF: "unknown"})))
    stateful = rule.keep not in ("", "no")
    if rule.flags or rule.flagset:
        parts.append("flags %s/%s" % (_flag_text(rule.flags), _flag_text(rule.flagset)))
    elif rule.action == "pass" and rule.proto in (0, 6) and not rule.fragment and rule.anchor is None and stateful:
        parts.append("flags any")
    if rule.icmp_type is not None:
        word = "icmp6-type" if rule.family == 6 else "icmp-type"
        parts.append("%s %s" % (word, icmp_type_text(rule.icmp_type, rule.family, flavour.has_listener_reports)))
        if rule.icmp_code is not None:
            parts.append("code " + icmp_code_text(rule.icmp_type, rule.icmp_code, rule.family))
    if rule.tos:
        parts.append("tos 0x%02x" % rule.tos)
    if rule.prio is not None:
        parts.append("prio %d" % rule.prio)
    if rule.rate:
        parts.append("max-pkt-rate %d/%d" % rule.rate)
    if rule.set_prio or rule.set_tos is not None:
        parts.append(_set_text(rule, flavour))
    return parts


def _set_text(rule: Rule, flavour: Flavour) -> str:
    inner = []
    if rule.set_prio:
        inner.append("prio %d" % rule.set_prio[0] if rule.set_prio[0] == rule.set_prio[1] else "prio(%d, %d)" % rule.set_prio)
    if rule.set_tos is not None:
        inner.append("tos 0x%02x" % rule.set_tos)
    return "set (%s)" % ", ".join(inner) if flavour.name == "openbsd" else "set ( %s )" % ", ".join(inner)


def _state(rule: Rule, flavour: Flavour) -> list[str]:
    options = state_options_text(rule.state)
    parts = []
    if rule.anchor is None:
        if rule.keep in ("", "no"):
            parts.append("no state" if rule.action == "pass" else "")
        elif rule.keep != "keep" or flavour.lists_state_always or options:
            parts.append(rule.keep + " state")
    if rule.probability:
        parts.append("probability %s%%" % ("%f" % (rule.probability * 100)).rstrip("0").rstrip("."))
    if options:
        parts.append("(%s)" % ", ".join(options))
    return parts


def state_options_text(state: dict) -> list[str]:
    """The options of a state in the order of the listing."""
    found = []
    for name in ("max", "no-sync", "source-track", "max-src-states", "max-src-conn", "max-src-conn-rate", "max-src-nodes"):
        if name in state:
            value = state[name]
            found.append(name if value is True else "%s %s" % (name, "%d/%d" % tuple(value) if isinstance(value, (list, tuple)) else value))
    if "overload" in state:
        table, flush = state["overload"]
        found.append(("overload <%s> %s" % (table, flush)).rstrip())
    if state.get("lock") == "if-bound":
        found.append("if-bound")
    found += [word for word in ("sloppy", "pflow") if word in state]
    found += ["%s %d" % (name, state["timeout " + name]) for name in TIMEOUTS if state.get("timeout " + name)]
    return found


def _scrub_text(rule: Rule, flavour: Flavour) -> list[str]:
    scrub = rule.scrub
    order = (
        ("no-df", "random-id", "min-ttl", "reassemble tcp", "max-mss")
        if rule.action in ("pass", "match")
        else ("no-df", "random-id", "min-ttl", "max-mss", "set-tos")
    )
    words = []
    for name in order:
        if name in scrub:
            value = scrub[name]
            words.append(name if value is True else "%s %s" % (name, "0x%02x" % value if name == "set-tos" else value))
    if rule.action in ("pass", "match"):
        return [("scrub( %s)" if flavour.name == "freebsd" else "scrub (%s)") % " ".join(words)] if words else []
    if rule.action == "scrub":
        if "reassemble tcp" in scrub:
            words.append("reassemble tcp")
        words.append("fragment %s" % scrub.get("fragment", "reassemble"))
    return words


def _tail(rule: Rule, flavour: Flavour) -> list[str]:
    parts = ["fragment"] if rule.fragment else []
    if rule.anchor is None or rule.action == "scrub":
        parts += _scrub_text(rule, flavour)
    if rule.allow_opts:
        parts.append("allow-opts")
    parts += ['label "%s"' % label for label in rule.labels if label]
    if rule.ridentifier:
        parts.append("ridentifier %d" % rule.ridentifier)
    if rule.once:
        parts.append("once")
    if rule.tag:
        parts.append("tag " + rule.tag)
    if rule.tagged:
        parts.append("%stagged %s" % ("! " if rule.tagged_negated else "", rule.tagged))
    if rule.rtable >= 0:
        parts.append("rtable %d" % rule.rtable)
    if rule.pool and rule.anchor is None:
        arrow = rule.translation or "->"
        kind = {"nat-to": "nat", "binat-to": "binat", "rdr-to": "rdr"}.get(rule.translation, rule.action)
        parts.append("%s %s" % (arrow, _pool_text(rule.pool, kind, rule.family)))
    if rule.route and flavour.name == "openbsd" and rule.route_pool:
        parts.append("%s %s" % (rule.route, _pool_text(rule.route_pool, "route", rule.family)))
    return parts


def _pool_text(pool: Pool, kind: str, family: int) -> str:
    hosts = [address_text(host, family) for host in pool.hosts]
    text = hosts[0] if len(hosts) == 1 else "{ %s }" % ", ".join(hosts)
    if kind == "nat" and (pool.low, pool.high) not in (_NAT_PORTS, (0, 0)):
        text += " port %d" % pool.low if pool.low == pool.high else " port %d:%d" % (pool.low, pool.high)
    elif kind == "rdr" and pool.low:
        text += " port %d" % pool.low + (":%d" % pool.high if pool.high and pool.high != pool.low else "")
    text += "".join(" " + option for option in pool.options)
    if kind == "nat" and pool.static_port:
        text += " static-port"
    return text


def _route_text(rule: Rule) -> str:
    pool = rule.route_pool or Pool()
    if pool.hosts:
        items = ["(%s %s)" % (name, address_text(host, rule.family)) for name, host in zip(pool.interfaces, pool.hosts)]
    else:
        items = list(pool.interfaces)
    text = items[0] if len(items) == 1 else "{ %s }" % ", ".join(items)
    return text + "".join(" " + option for option in pool.options)
