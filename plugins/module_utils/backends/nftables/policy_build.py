# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a policy to what stands in our table.

Pure: touches nothing.
"""

from __future__ import annotations

import hashlib
import re
import typing as t
from dataclasses import replace

from ...policy.policy import NativeLines, Policy
from ...policy.rule import DIRECTIONS
from ..base import GUARD_MARK
from .names import HOOK_OF
from .policy_layout import lay_out
from .policy_lines import lines_of_rules
from .policy_nat import HOOKS, nat_hook, nat_line
from .policy_program import LAID, Bundle, Hook, Program, ProgramChain
from .render import Statement, log_line

#: The name of this backend's native lines in a policy.
NATIVE = "nftables"
#: The comment of the line that says the default, and of the one that logs what it denies.
DEFAULT_COMMENT = GUARD_MARK + "default"
DENIED_COMMENT = GUARD_MARK + "denied"
BEFORE, AFTER = LAID + "before", LAID + "after"

_VERDICTS = {"allow": "accept", "deny": "drop", "reject": "reject"}
_PRIORITY = {"prerouting": "dstnat", "postrouting": "srcnat"}
_NAME = re.compile(r'"[^"]*"|\b%s\w+' % LAID)


def build_program(policy: Policy, layout: str = "auto", other: t.FrozenSet[str] = frozenset()) -> Program:
    """Return what the table holds for a supported policy.

    :param other: the hooks whose bundle takes its other name, because something else has the first one.
    """
    bases: t.List[ProgramChain] = []
    bundles: t.List[Bundle] = []
    for direction in DIRECTIONS:
        if policy.defaults[direction] == "unmanaged":
            continue
        hook = HOOK_OF[direction]
        bundle = _named(_filter_bundle(policy, direction, layout), hook, hook in other)
        bases.append(_base(policy, direction, bundle.name))
        bundles.append(bundle)
    for hook in HOOKS:
        lines = tuple(nat_line(rule) for rule in policy.nat if nat_hook(rule) == hook)
        if lines:
            bundle = _named(Bundle((ProgramChain(LAID, lines),)), hook, hook in other)
            bases.append(ProgramChain(hook, (_plain("jump " + bundle.name),), Hook("nat", hook, _PRIORITY[hook])))
            bundles.append(bundle)
    return Program(tuple(bases), tuple(bundles))


def native_lines(policy: Policy, direction: str) -> t.Tuple[t.Tuple[str, ...], t.Tuple[str, ...]]:
    """Return the raw lines before and after the rules of a direction."""
    native = policy.native.get(NATIVE, NativeLines())
    return tuple(native.before.get(direction, ())), tuple(native.after.get(direction, ()))


def _filter_bundle(policy: Policy, direction: str, layout: str) -> Bundle:
    """Return a bundle whose main chain is called LAID."""
    guard, counted = lines_of_rules([rule for rule in policy.guard if rule.direction == direction])
    laid = lay_out(direction, [rule for rule in policy.rules if rule.direction == direction], layout)
    before, after = native_lines(policy, direction)
    lines = [*guard]
    chains: t.List[ProgramChain] = []
    for name, found, rules in ((BEFORE, before, laid.lines), (AFTER, after, ())):
        if found:
            lines.append(_plain("jump " + name))
            chains.append(ProgramChain(name, tuple(Statement(text, " ".join(text.split())) for text in found)))
        lines += rules
    return Bundle((ProgramChain(LAID, tuple(lines)), *chains, *laid.chains), (*counted, *laid.sets))


def _base(policy: Policy, direction: str, bundle: str) -> ProgramChain:
    """Return the base chain of a direction.

    Its last line always decides, so that its policy, which the kernel does not change at the same instant as its lines, never has to.
    """
    default = policy.defaults[direction]
    lines = [_plain("jump " + bundle)]
    if default != "allow" and policy.log_denied is not None:
        lines.append(log_line(policy.log_denied, DENIED_COMMENT))
    lines.append(_plain('%s comment "%s"' % (_VERDICTS[default], DEFAULT_COMMENT)))
    hook = HOOK_OF[direction]
    return ProgramChain(hook, tuple(lines), Hook("filter", hook, "filter", "accept" if default == "allow" else "drop"))


def _named(bundle: Bundle, hook: str, other: bool) -> Bundle:
    """Return a bundle with its final names, which its content decides: ``hf_input_1a2b3c4d``, ``hf_input_1a2b3c4d_before``."""
    digest = hashlib.sha256(b"2" if other else b"1")
    for chain in bundle.chains:
        digest.update(("\n".join([chain.name, *(line.typed for line in chain.lines)]) + "\n\n").encode("utf-8", "surrogateescape"))
    for one in bundle.sets:
        digest.update(("\n".join([one.name, *one.body, *(element.typed() for element in one.elements)]) + "\n\n").encode("utf-8"))
    stem = "%s%s_%s" % (LAID, hook, digest.hexdigest()[:8])
    renamed = [one.name for one in bundle.chains[1:]] + [one.name for one in bundle.sets if not one.shared]
    names = {name: "%s_%s" % (stem, name[len(LAID) :]) for name in renamed}
    chains = [ProgramChain(names.get(one.name, stem), _renamed(one.lines, names)) for one in bundle.chains]
    sets = []
    for one in bundle.sets:
        elements = one.elements
        if one.kind == "map" and names:
            elements = tuple(
                element if element.verdict is None else element._replace(verdict=_rename(element.verdict, names)) for element in elements
            )
        sets.append(replace(one, name=names.get(one.name, one.name), elements=elements))
    return Bundle(tuple(chains), tuple(sets))


def _renamed(lines: t.Sequence[Statement], names: t.Mapping[str, str]) -> t.Tuple[Statement, ...]:
    if not names:
        return tuple(lines)
    return tuple(line if LAID not in line.typed else Statement(_rename(line.typed, names), _rename(line.listed, names)) for line in lines)


def _rename(text: str, names: t.Mapping[str, str]) -> str:
    return _NAME.sub(lambda found: names.get(found.group(), found.group()), text)


def _plain(line: str) -> Statement:
    return Statement(line, line)
