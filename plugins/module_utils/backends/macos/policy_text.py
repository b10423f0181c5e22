# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole policy as text of the application firewall, and back.

Pure: touches nothing. The first line has the defaults, which the tool cannot keep; a comment stands above its rule. What is set for every
policy (the firewall is on, and does not block everything) is written, and is no native line when it is read.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import replace

from ...policy.errors import HoldfastError
from ...policy.policy import ANY_DIRECTION, NativeLines, Policy
from ...policy.rule import DIRECTIONS, Rule
from ..base import Unsupported
from .rules import MANAGEMENT, normalise, program_of, rule_of, unsupported
from .state import NAME, SETTERS, Line, State, parse_line, program_lines, setting_line

#: What is set wherever a policy is in force.
IMPLIED = {"enabled": True, "block_all": False}
_HEAD = "# holdfast: "
_DEFAULT = re.compile(r"(in|out|forward) (allow|unmanaged)\Z")


def policy_unsupported(policy: Policy) -> t.Tuple[Unsupported, ...]:
    """Return everything in a policy that the application firewall cannot carry; each place starts with the rule's.

    The guard needs no rules: nothing but the named programs is denied, and those by which administrators come in are refused here.
    """
    found: t.List[Unsupported] = []
    for direction in DIRECTIONS:
        action = policy.defaults[direction]
        if action in ("deny", "reject"):
            found.append(Unsupported("defaults.%s" % direction, action, _about_default(direction)))
    for number, rule in enumerate(policy.rules):
        place = policy.label(number)
        refused = unsupported(rule)
        found += [Unsupported("%s.%s" % (place, one.field), one.value, one.reason) for one in refused]
        program = program_of(rule)
        if rule.action == "deny" and MANAGEMENT.match(program):
            found.append(Unsupported("%s.program" % place, program, "blocking it would end Remote Login (SSH), which every policy keeps"))
    if policy.nat:
        found.append(
            Unsupported("nat", "(%d translations)" % len(policy.nat), "the application firewall translates nothing; use backend: pf")
        )
    if policy.log_denied is not None:
        reason = "what is denied is logged for all programs or none; set --setloggingmode on in native.macos (up to macOS 14)"
        found.append(Unsupported("logging.denied", "true", reason))
    return tuple(found + _native_unsupported(policy))


def _about_default(direction: str) -> str:
    if direction == "in":
        return (
            "the application firewall can only block everything, allowed programs and Remote Login (SSH) too; say allow here, which leaves "
            "programs without a rule to the settings of macOS, and deny ports with backend: pf"
        )
    return "the application firewall only sees connections that come in; say unmanaged here, and use backend: pf for this direction"


def _native_unsupported(policy: Policy) -> t.List[Unsupported]:
    lines = policy.native.get(NAME)
    if lines is None:
        return []
    found = []
    if any(lines.after.values()):
        found.append(Unsupported("native.macos.after", "(lines)", "settings have no order; put them into before"))
    seen: t.Dict[str, bool] = {}
    for line in lines.before.get(ANY_DIRECTION, ()):
        try:
            read: t.Optional[Line] = parse_line(line)
        except HoldfastError as exc:
            read, reason = None, exc.msg
        else:
            reason = _about_line(read, seen)
        if reason:
            found.append(Unsupported("native.macos.before", line, reason))
    return found


def _about_line(line: t.Optional[Line], seen: t.Dict[str, bool]) -> str:
    """Return why a line is refused, and empty text where it is not."""
    if line is None or line.setting is None:
        return "only settings are native lines; write a rule with program for a program"
    if line.setting in IMPLIED and line.on != IMPLIED[line.setting]:
        if line.setting == "enabled":
            return "a policy is meant to be in force; use holdfast.firewall.backend to switch the firewall off"
        return "blocking everything overrules allowed programs and ends Remote Login (SSH)"
    if seen.setdefault(line.setting, line.on) != line.on:
        return "another line, of this document or of the policy that it is merged into, sets it the other way"
    return ""


def deciding(policy: Policy) -> t.List[Rule]:
    """Return the rules of a supported policy that decide: the first for each program, since no packet of it comes to a later one."""
    first: t.Dict[str, Rule] = {}
    for rule in policy.rules:
        first.setdefault(program_of(rule), rule)
    return list(first.values())


def settings_of(policy: Policy) -> t.Dict[str, bool]:
    """Return the settings that a supported policy wants, in the order of the text."""
    lines = policy.native.get(NAME)
    wanted = dict(IMPLIED)
    for line in lines.before.get(ANY_DIRECTION, ()) if lines is not None else ():
        read = parse_line(line)
        if read.setting is not None:
            wanted[read.setting] = read.on
    return {name: wanted[name] for name in SETTERS if name in wanted}


def render_policy(policy: Policy) -> str:
    """Return the text of a supported policy."""
    lines = [_HEAD + ", ".join("%s %s" % (direction, policy.defaults[direction]) for direction in DIRECTIONS)]
    lines += [setting_line(name, on) for name, on in settings_of(policy).items()]
    for rule in deciding(policy):
        if rule.comment is not None:
            lines.append("# " + rule.comment)
        lines += program_lines(program_of(rule), rule.action)
    return "".join(line + "\n" for line in lines)


def parse_policy(text: str) -> Policy:
    """Read the text of a policy, or of a state.

    :raises HoldfastError: for what no policy of ours says.
    """
    defaults = {"in": "allow", "out": "allow", "forward": "unmanaged"}
    native: t.List[str] = []
    rules: t.Dict[str, Rule] = {}
    comment = None
    for number, line in enumerate(text.splitlines()):
        if number == 0 and line.startswith(_HEAD):
            defaults.update(_parse_defaults(line))
            continue
        if line.startswith("# "):
            comment = line[2:]
            continue
        if not line.strip():
            continue
        read = parse_line(line)
        if read.setting in IMPLIED and read.on != IMPLIED[read.setting]:
            raise HoldfastError("the line '%s' takes every rule out of force" % line.strip())
        if read.setting is not None and read.setting not in IMPLIED:
            native.append(setting_line(read.setting, read.on))
        if read.program is not None and not (read.added and read.program in rules):
            known = rules.get(read.program)
            rules[read.program] = rule_of(read.program, read.action, comment if known is None else known.comment)
        comment = None
    lines = {NAME: NativeLines({ANY_DIRECTION: tuple(native)}, {})} if native else {}
    return Policy(rules=tuple(rules.values()), defaults=defaults, native=lines)


def _parse_defaults(line: str) -> t.Dict[str, str]:
    found = {}
    for part in line[len(_HEAD) :].split(", "):
        match = _DEFAULT.match(part)
        if match is None:
            raise HoldfastError("The first line of this policy is not valid: %s" % line)
        found[match.group(1)] = match.group(2)
    return found


def as_kept(policy: Policy) -> Policy:
    """Return a supported policy as it is kept: plain paths, one rule a program, one line for each setting that is not implied.

    Without the guard: a program that is blocked is blocked on the management ports too, and sshd is blocked by nobody but a rule for it.
    """
    rules = tuple(replace(normalise(rule), comment=rule.comment) for rule in deciding(policy))
    kept = [setting_line(name, on) for name, on in settings_of(policy).items() if name not in IMPLIED]
    native = {name: lines for name, lines in policy.native.items() if name != NAME}
    if kept:
        native[NAME] = NativeLines({ANY_DIRECTION: tuple(kept)}, {})
    return replace(policy, rules=rules, native=native, guard=())


def as_found(policy: Policy, state: State) -> str:
    """Return the text of a policy of ours with what the host has now in the place of what it says."""
    rules = [
        replace(rule, action=state.programs[program_of(rule)])
        for rule in policy.rules
        if state.programs.get(program_of(rule)) in ("allow", "deny")
    ]
    wanted = settings_of(policy)
    found = {name: state.on(name) for name in wanted if name in state.settings}
    text = render_policy(replace(policy, rules=tuple(rules)))
    for name, on in wanted.items():
        if name in found:
            text = text.replace(setting_line(name, on) + "\n", setting_line(name, found[name]) + "\n", 1)
        else:
            text = text.replace(setting_line(name, on) + "\n", "", 1)
    return text
