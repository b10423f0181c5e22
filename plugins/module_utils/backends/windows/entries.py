# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host has as chains of entries: for each direction the blocks, then the allows, then the default of the profiles.

Pure: touches nothing. In this order the first match decides just as on Windows, where every block beats every allow.
"""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ...policy.errors import HoldfastError
from ...policy.rule import Rule
from ...policy.scope import PROFILES, Scope
from ..ruleset import BOTH_FAMILIES, Chain, Entry, Ruleset
from .naming import Group, groups_of, is_ours, key_of, named, title_of, words_of
from .native_rule import NativeRule
from .natives import natives_of, rules_of
from .netsh_line import add_line
from .regions import regions_of
from .rule_words import parse_rule_words, rule_words
from .state import State, is_of_app

DIRECTIONS = ("in", "out")
#: How the names of rules begin that let containers, WSL and Windows Sandbox ask the host for names
#: (github.com/microsoft/WSL/issues/8236).
_CONTAINERS = "HNS Container Networking - "


def normalise(rule: Rule) -> Rule:
    """Return a rule as Windows keeps it: stateful makes no difference there, and every port is any port."""
    found = replace(rule, stateful=False)
    for name in ("ports", "source_ports"):
        ports = getattr(rule, name)
        if len(ports) == 1 and (ports[0].first, ports[0].last) == (1, 65535):
            found = replace(found, ports=()) if name == "ports" else replace(found, source_ports=())
    return found


def single(rule: Rule) -> Group:
    """Return the rules of Windows of a single rule."""
    rule = normalise(rule)
    natives = natives_of(regions_of(rule), rule.direction, "allow" if rule.action == "allow" else "block")
    return named("", title_of(rule), rule_words(rule), natives, rule.direction)


def is_of_windows(native: NativeRule) -> bool:
    """Return whether a rule belongs to Windows or to an app from its store: its name or group is a resource, it names a package, or the
    Host Network Service of Windows wrote it, which writes such rules anew at every start of a container or of WSL.
    """
    return native.name.startswith(("@", _CONTAINERS)) or native.group.startswith("@") or is_of_app(native)


def ruleset_of(state: State) -> Ruleset:
    """Return a host's chains; the state itself is the ``ref`` of each chain."""
    chains = [
        Chain(
            "Windows Defender Firewall, %s" % ("inbound" if direction == "in" else "outbound"), frozenset({direction}), BOTH_FAMILIES,
            _default(state, direction), tuple(_entries(state, direction)), ref=state,
        ) for direction in DIRECTIONS
    ]  # fmt: skip
    return Ruleset(tuple(chains), state.listing())


def _default(state: State, direction: str) -> str:
    profiles = [one for one in state.profiles.values() if one.on]
    return "deny" if any(one.default(direction) == "deny" for one in profiles) else "allow"


def _entries(state: State, direction: str) -> t.List[Entry]:
    found: t.List[Entry] = []
    if direction == "in":
        shut = tuple(name for name in PROFILES if name in state.profiles and state.profiles[name].inbound == "blockinboundalways")
        if shut:
            scope = Scope(profiles=shut) if len(shut) < len(PROFILES) else None
            lines = tuple("advfirewall set %sprofile firewallpolicy blockinboundalways" % name for name in shut)
            found.append(Entry(lines, parts=(Rule("deny", "in", protocol=None, scope=scope),)))
    grouped = {name: natives for name, natives in groups_of(state.rules).items() if not key_of(natives[0])}
    whole = {name: entry for name, entry in ((name, _whole(natives)) for name, natives in grouped.items()) if entry is not None}
    for native in state.rules:
        counts = native.source == "gpo" or not state.profiles or any(one.local_rules for one in state.profiles.values())
        if native.direction != direction or not native.enabled or not counts or (native.name in whole and is_ours(native)):
            continue
        found.append(_entry(native))
    found += [entry for entry in whole.values() if entry.rule is not None and entry.rule.direction == direction]
    return sorted(_together(found), key=_blocks_first)


def _together(entries: t.Sequence[Entry]) -> t.List[Entry]:
    """Return entries of which those that say the same and can be removed are one: they have no order, and go together or not at all.

    Those of ours come first in it.
    """
    alike: t.Dict[t.Any, t.List[Entry]] = {}
    for number, entry in enumerate(entries):
        alike.setdefault(entry.rule.identity() if entry.rule is not None and entry.ref else number, []).append(entry)
    found = []
    for group in alike.values():
        group = sorted(group, key=lambda one: not (one.ref and is_ours(one.ref[0])))
        if len(group) > 1:
            lines = tuple(line for one in group for line in one.native)
            group = [replace(group[0], native=lines, ref=tuple(native for one in group for native in one.ref))]
        found += group
    return found


def _blocks_first(entry: Entry) -> int:
    meanings = entry.meanings()
    if meanings:
        return 0 if meanings[0].action == "deny" else 2
    return 1 if " action=block " in entry.native[0] else 2


def _whole(natives: t.Sequence[NativeRule]) -> t.Optional[Entry]:
    """Return the entry of a single rule of ours, or None when it is not as we wrote it."""
    try:
        rule = parse_rule_words(words_of(natives))
        lines = sorted(add_line(one) for one in natives)
        if lines != sorted(add_line(one) for one in single(rule).natives):
            return None
    except HoldfastError:
        return None
    return Entry(tuple(lines), rule=rule, ref=tuple(natives))


def _entry(native: NativeRule) -> Entry:
    """Return the entry of one rule of Windows; only an administrator's can be removed, so only they have a ``rule`` and a ``ref``."""
    meanings = rules_of(native)
    changeable = native.source == "local" and not is_of_windows(native) and not (is_ours(native) and key_of(native))
    if changeable and len(meanings) == 1:
        return Entry((add_line(native),), rule=normalise(meanings[0]), ref=(native,))
    return Entry((add_line(native),), parts=meanings, ref=(native,) if changeable else None)


def allows_beside(state: State, alone: bool) -> t.List[str]:
    """Return in sentences which allows of others let through what only the default of a policy denies."""
    found: t.Dict[str, t.List[str]] = {}
    for one in state.rules:
        if one.action == "block" or not one.enabled or (is_ours(one) and key_of(one)):
            continue
        whose = "a group policy" if one.source == "gpo" else "Windows and its apps" if is_of_windows(one) else "administrators and programs"
        found.setdefault(whose, []).append(one.name)
    if alone:
        found.pop("administrators and programs", None)
    return [
        "%d allow rules of %s also decide, for example %s%s"
        % (len(names), whose, min(names), " (state: overridden removes them)" if whose.startswith("admin") else "; they are left alone")
        for whose, names in sorted(found.items())
    ]
