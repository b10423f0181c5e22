# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``npfctl show`` and ``npfctl validate`` print: npfctl's own form of a configuration, which is no valid input.

What is live has a number behind every rule, group and translation (the kernel's npf_ruleset_insert), parameters only where they differ from
their default, procedures in the opposite order (npf_rprocset_insert), and no rules of dynamic rulesets (npf_ruleset_export).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from .npf_rule import Config, Group, Rule, Side

_NAMES = {6: "tcp", 17: "udp", 1: "icmp", 58: "ipv6-icmp"}
_ORDER = "FSRPAUEW"
#: Some of npf-params(7).
DEFAULTS = {
    "state.key.interface": 1, "state.key.direction": 1, "gc.step": 256, "ip4.reassembly": 1, "ip4.drop_options": 0,
    "state.generic.timeout.new": 30, "state.tcp.timeout.new": 30, "state.tcp.timeout.established": 86400,
}  # fmt: skip


def listing(config: Config, live: bool = False) -> list[str]:
    """The lines of a file, or of what is live."""
    params = ["set %s %d" % pair for pair in config.params.items() if not live or pair[1] != DEFAULTS.get(pair[0])]
    lines = [*params, ""] if params else []
    tables = ["table <%s> type %s" % (name, kind) for name, (kind, _store) in config.tables.items()]
    lines += [*tables, ""] if tables else []
    procedures = ['procedure "%s"' % name for name in config.procedures][:: -1 if live else 1]
    lines += [*procedures, ""] if procedures else []
    maps = [one.shown + " pass " + (_id(number) if live else "") for number, one in enumerate(config.maps, 1)]
    lines += [*maps, ""] if maps else []
    numbers = itertools.count(1) if live else None
    for group in config.asked:
        lines += _group(group, 0, numbers)
    return lines


def _id(number: int) -> str:
    return '# id="%x" ' % number


def _group(group: Group, level: int, numbers: Iterator[int] | None) -> list[str]:
    indent = "\t" * level
    words = ["ruleset" if group.dynamic else "group"]
    if group.name:
        words.append('"%s"' % group.name)
    if group.direction:
        words.append(group.direction)
    if group.interface:
        words.append("on " + group.interface)
    numbered = _id(next(numbers)) if numbers is not None else ""
    if group.dynamic:
        return [indent + " ".join(words) + " " + numbered]
    if not group.interface and not group.direction:
        words.append("default")
    lines = [indent + " ".join(words) + " { " + numbered]
    for one in group.items:
        if isinstance(one, Group):
            lines += _group(one, level + 1, numbers)
        else:
            lines.append(indent + "\t" + rule_line(one) + (_id(next(numbers)) if numbers is not None else ""))
    return [*lines, indent + "}", ""]


def rule_line(rule: Rule) -> str:
    """One rule; the line ends in a blank."""
    words = ["block" if rule.block else "pass"]
    words += [one for one in (rule.reply, rule.stateful, rule.direction, "final" if rule.final else "") if one]
    if rule.interface:
        words.append("on " + rule.interface)
    if rule.pcap is not None:
        words.append('pcap-filter "..."')
    else:
        words += _filter(rule)
    if rule.apply:
        words.append('apply "%s"' % rule.apply)
    return " ".join(words) + " "


def _filter(rule: Rule) -> list[str]:
    words = []
    family = rule.family or next((one.family for side in (rule.source, rule.destination) for one in side.addresses if one.family), None)
    if family:
        words.append("family inet%d" % family)
    ports = bool(rule.source.ports or rule.destination.ports)
    names = [_NAMES.get(one.number, str(one.number)) for one in rule.protocols]
    if ports and not names:
        names = ["tcp", "udp"]
    if names:
        words.append("proto %s" % _list(names))
    for one in rule.protocols:
        if one.number == 6 and (one.flags or rule.stateful):
            flags, mask = one.flags or ("S", "FSRA")
            words.append("flags %s" % flags if flags == mask else "flags %s/%s" % (flags, "".join(c for c in _ORDER if c in mask)))
        if one.icmp:
            words.append("icmp-type %d" % one.icmp[0] + ("" if one.icmp[1] is None else " code %d" % one.icmp[1]))
    sides = _side("from", rule.source) + _side("to", rule.destination)
    return words + (sides or ["all"])


def _side(keyword: str, side: Side) -> list[str]:
    """The negation is lost, as the real one loses it."""
    words = []
    shown = [_address(one) for one in side.addresses if not (one.kind == "net" and one.prefix == 0)]
    if shown:
        words += [keyword, _list(shown)]
    if side.ports:
        words += [] if words else [keyword, "any"]
        words += ["port", _list(["%d" % first if first == last else "%d-%d" % (first, last) for first, last in side.ports])]
    return words


def _address(one) -> str:
    if one.kind == "table":
        return "<%s>" % one.value
    if one.kind == "ifaddrs":
        return "ifaddrs(%s)" % one.value
    return one.value if one.prefix is None else "%s/%d" % (one.value, one.prefix)


def _list(words: list[str]) -> str:
    return words[0] if len(words) == 1 else "{ %s }" % ", ".join(words)
