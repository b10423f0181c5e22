# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rule of the language as one line of plain words, for the description of the rules of Windows that it became.

Pure: touches nothing. The line has letters, digits and a few signs only; everything else of a comment or a path is written as ``~`` and two
hexadecimal digits for each byte of UTF-8, so that no quote, percent sign or line break ever comes into a script.
"""

from __future__ import annotations

import re
import typing as t

from ...policy.addresses import ANY, Addresses, make_addresses, parse_network
from ...policy.errors import HoldfastError
from ...policy.ports import PortRange
from ...policy.rule import FAMILIES, FAMILY_NAMES, Rule
from ...policy.scope import PROFILES, Scope

_PLAIN = re.compile(r"[A-Za-z0-9._-]")


def escaped(text: str) -> str:
    """Return text without a sign that means something to anybody."""
    return "".join(one if _PLAIN.match(one) else "".join("~%02x" % byte for byte in one.encode("utf-8", "surrogatepass")) for one in text)


def unescaped(text: str) -> str:
    """Return the text that was escaped."""
    found = re.sub(rb"~([0-9a-f]{2})", lambda match: bytes([int(match.group(1), 16)]), text.encode("ascii", "replace"))
    return found.decode("utf-8", "surrogatepass")


def rule_words(rule: Rule) -> str:
    """Return a rule as words; the fields that Windows cannot carry are not among them."""
    words = [rule.action, rule.direction, FAMILY_NAMES[rule.family], "any" if rule.protocol is None else str(rule.protocol)]
    for word, addresses in (("from", rule.source), ("to", rule.destination)):
        if not addresses.any:
            words += [word] + (["not"] if addresses.negated else [])
            words.append(",".join(str(one) for one in addresses.networks))
    for word, ports in (("port", rule.ports), ("sport", rule.source_ports)):
        if ports:
            words += [word, ",".join(str(one) for one in ports)]
    if rule.icmp_types:
        words += ["type", ",".join(str(one) for one in rule.icmp_types)]
    if rule.stateful:
        words.append("stateful")
    if rule.scope is not None:
        for word, text in (("program", rule.scope.program), ("service", rule.scope.service)):
            if text is not None:
                words += [word, escaped(text)]
        if rule.scope.profiles:
            words += ["profile", ",".join(rule.scope.profiles)]
    if rule.comment is not None:
        words += ["comment", escaped(rule.comment)]
    return " ".join(words)


def parse_rule_words(text: str) -> Rule:
    """Read what ``rule_words`` writes.

    :raises HoldfastError: when it is something else.
    """
    words = text.split(" ")
    try:
        fields: t.Dict[str, t.Any] = {
            "action": words[0], "direction": words[1], "family": FAMILIES[words[2]],
            "protocol": None if words[3] == "any" else int(words[3]),
        }  # fmt: skip
        scope: t.Dict[str, t.Any] = {}
        left = iter(words[4:])
        for word in left:
            if word in ("from", "to"):
                fields["source" if word == "from" else "destination"] = _parse_addresses(left)
            elif word in ("port", "sport"):
                fields["ports" if word == "port" else "source_ports"] = tuple(_parse_port(one) for one in _value(left).split(","))
            elif word == "type":
                fields["icmp_types"] = tuple(int(one) for one in _value(left).split(","))
            elif word == "stateful":
                fields["stateful"] = True
            elif word in ("program", "service"):
                scope[word] = unescaped(_value(left))
            elif word == "profile":
                scope["profiles"] = tuple(_value(left).split(","))
            elif word == "comment":
                fields["comment"] = unescaped(_value(left))
            else:
                raise ValueError(word)
    except (ValueError, IndexError, KeyError, UnicodeError, HoldfastError) as exc:
        raise HoldfastError("This is not the description of a rule of ours: %s" % text[:200]) from exc
    if scope:
        fields["scope"] = Scope(**scope)
    found = Rule(**fields)
    if rule_words(found) != text or not _is_valid(found):
        raise HoldfastError("This is not the description of a rule of ours: %s" % text[:200])
    return found


def _is_valid(rule: Rule) -> bool:
    """Return whether a rule has values of the language only."""
    numbers = (*rule.icmp_types, *([rule.protocol] if rule.protocol is not None else []))
    profiles = rule.scope.profiles if rule.scope is not None else ()
    return (
        rule.action in ("allow", "deny") and rule.direction in ("in", "out") and all(0 <= one <= 255 for one in numbers)
        and all(1 <= one.first <= one.last <= 65535 for one in (*rule.ports, *rule.source_ports))
        and profiles == tuple(one for one in PROFILES if one in profiles)
    )  # fmt: skip


def _value(left: t.Iterator[str]) -> str:
    for word in left:
        return word
    raise ValueError("a word is missing")


def _parse_addresses(left: t.Iterator[str]) -> Addresses:
    word = _value(left)
    negated = word == "not"
    if negated:
        word = _value(left)
    found = [network for one in word.split(",") for network in parse_network(one, "description")]
    return make_addresses(found, negated) if found else ANY


def _parse_port(text: str) -> PortRange:
    first, _dash, last = text.partition("-")
    return PortRange(int(first), int(last or first))
