# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One rule of the common language as a program's rule of the application firewall, and back.

Pure: touches nothing. Such a rule has a program and an action. Whatever else a rule says is refused, since dropping it would widen
the rule.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import replace

from ...policy.protocols import protocol_name
from ...policy.rule import FAMILY_NAMES, Rule
from ...policy.scope import Scope
from ..base import Unsupported
from ..ruleset import BOTH_FAMILIES, Chain, Entry, Ruleset
from .state import State, program_lines, setting_line

CHAIN = "application firewall"
#: The pointer of the entry that stands for blocking everything.
BLOCK_ALL = "block all"
_PF = "; use backend: pf for that"
#: Programs by which administrators come in: launchd holds the sockets, the others answer.
MANAGEMENT = re.compile(r"/sbin/launchd\Z|.*/sshd[^/]*\Z")
_PLAIN = re.compile(r"(/(?!\.{1,2}(/|\Z))[^/]+)+\Z")


def unsupported(rule: Rule) -> t.Tuple[Unsupported, ...]:
    """Return every field of the rule that is not a program, its action and nothing else."""
    found: t.List[Unsupported] = []

    def refuse(field: str, value: t.Any, reason: str) -> None:
        found.append(Unsupported(field, str(value), reason))

    program = rule.scope.program if rule.scope is not None else None
    if program is None:
        refuse("program", "(none)", "the application firewall decides about programs only; name one, or use backend: pf")
    elif _PLAIN.match(program.rstrip("/")) is None or program != program.strip():
        refuse("program", program, "macOS needs the absolute path of a program or of its .app folder, without . and .. in it")
    if rule.scope is not None and rule.scope.service is not None:
        refuse("system_service", rule.scope.service, "only Windows knows services; name the program")
    if rule.scope is not None and rule.scope.profiles:
        refuse("profile", ",".join(rule.scope.profiles), "only Windows knows network profiles")
    if rule.action == "reject":
        refuse("action", rule.action, "a blocked program does not answer in a way that can be chosen; use deny")
    if rule.direction != "in":
        refuse("direction", rule.direction, "the application firewall only sees connections that come in" + _PF)
    if rule.protocol is not None:
        refuse("protocol", protocol_name(rule.protocol), "its rules are for all protocols; say protocol: any, or use backend: pf")
    if rule.family is not None:
        refuse("family", FAMILY_NAMES[rule.family], "its rules are for IPv4 and IPv6" + _PF)
    if not rule.source.any:
        refuse("source", ",".join(rule.source.words()), "its rules have no addresses" + _PF)
    if not rule.destination.any:
        refuse("destination", ",".join(rule.destination.words()), "its rules have no addresses" + _PF)
    if rule.ports:
        refuse("port", ",".join(str(one) for one in rule.ports), "its rules have no ports" + _PF)
    if rule.source_ports:
        refuse("source_port", ",".join(str(one) for one in rule.source_ports), "its rules have no ports" + _PF)
    if rule.icmp_types:
        refuse("icmp_type", ",".join(str(one) for one in rule.icmp_types), "its rules have no ICMP types" + _PF)
    if rule.interface is not None:
        refuse("interface", rule.interface, "its rules are for all interfaces" + _PF)
    if rule.out_interface is not None:
        refuse("out_interface", rule.out_interface, "the application firewall does not see forwarded packets" + _PF)
    if rule.limit is not None:
        refuse("limit", rule.limit.rate, "its rules have no rates")
    if rule.log is not None:
        refuse("log", "true", "single rules are not logged; a policy can set --setloggingmode on in native.macos up to macOS 14")
    if rule.reply:
        refuse("reply", "true", "replies are never blocked")
    if rule.established:
        refuse("established", "true", "known connections are never blocked")
    return tuple(found)


def normalise(rule: Rule) -> Rule:
    """Return the rule less what makes no difference here; a comment has no place."""
    scope = rule.scope
    if scope is not None and scope.program is not None:
        scope = replace(scope, program=scope.program.rstrip("/") or "/")
    return replace(rule, stateful=False, comment=None, scope=scope)


def program_of(rule: Rule) -> str:
    """Return the program of a supported rule as the firewall lists it."""
    scope = normalise(rule).scope
    return (scope.program if scope is not None else None) or ""


def untouched(programs: t.Mapping[str, str]) -> t.Dict[str, str]:
    """Return the programs that stay when all others go: those by which administrators come in, and entries that are no path.

    The entries of sshd are macOS' own, and without built-in software allowed by itself they are what keeps Remote Login (SSH) open.
    """
    return {path: action for path, action in programs.items() if MANAGEMENT.match(path) or not path.startswith("/")}


def rule_of(path: str, action: str, comment: t.Optional[str] = None) -> Rule:
    """Return the rule that a program's state means."""
    return Rule(action, "in", protocol=None, scope=Scope(program=path), comment=comment)


def ruleset_of(state: State) -> Ruleset:
    """Return a state as one list; blocking all comes first, because it overrules every program."""
    entries = []
    if state.on("block_all"):
        entries.append(Entry((setting_line("block_all", True),), Rule("deny", "in", protocol=None), ref=BLOCK_ALL))
    for path in sorted(state.programs):
        action = state.programs[path]
        rule = rule_of(path, action) if action in ("allow", "deny") else None
        # A firewall that is off blocks nothing: such a rule is listed, and not in force.
        entries.append(Entry(program_lines(path, action), rule, ref=path, weak=action == "deny" and not state.on("enabled")))
    return Ruleset((Chain(CHAIN, frozenset({"in"}), BOTH_FAMILIES, "allow", tuple(entries), ref=state),), state.text())
