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
from .names import HOOK_OF, LIMIT_SET
from .policy_layout import lay_out
from .policy_lines import lines_of_rules
from .policy_nat import HOOKS, nat_hook, nat_line
from .policy_program import AFTER, BEFORE, DEFAULT_COMMENT, DENIED_COMMENT, LAID, Bundle, Hook, Program, ProgramChain
from .render import Statement, log_line

#: The name of this backend's native lines in a policy.
NATIVE = "nftables"

_VERDICTS = {"allow": "accept", "deny": "drop", "reject": "reject"}
_PRIORITY = {"prerouting": "dstnat", "postrouting": "srcnat"}
_NAME = re.compile(r'"[^"]*"|\b%s\w+' % LAID)


class Draft(t.NamedTuple):
    """A base chain and its bundle before the bundle has its names.

    ``lines`` are those of the base chain behind the jump; the main chain of the bundle is called LAID.
    """

    hook: Hook
    lines: t.Tuple[Statement, ...]
    bundle: Bundle
    digest: bytes

    def name(self, turn: int) -> str:
        """Return the name of the main chain: ``hf_input_1a2b3c4d``."""
        return "%s%s_%s" % (LAID, self.hook.hook, hashlib.sha256(self.digest + b"%d" % turn).hexdigest()[:8])


def draft_program(policy: Policy, layout: str = "auto") -> t.Tuple[Draft, ...]:
    """Return what the table holds for a supported policy, by base chain."""
    drafts = []
    for direction in DIRECTIONS:
        if policy.defaults[direction] != "unmanaged":
            hook, lines = _base(policy, direction)
            bundle = _filter_bundle(policy, direction, layout)
            drafts.append(Draft(hook, lines, bundle, _digest(bundle)))
    for name in HOOKS:
        translations = tuple(nat_line(rule) for rule in policy.nat if nat_hook(rule) == name)
        if translations:
            bundle = Bundle((ProgramChain(LAID, translations),))
            drafts.append(Draft(Hook("nat", name, _PRIORITY[name]), (), bundle, _digest(bundle)))
    return tuple(drafts)


def name_program(drafts: t.Sequence[Draft], turns: t.Mapping[str, int]) -> Program:
    """Return the program with all names.

    :param turns: by hook, which of its possible names a bundle has; 0 where nothing else has the first one.
    """
    bases, bundles = [], []
    for draft in drafts:
        turn = turns.get(draft.hook.hook, 0)
        bundles.append(_named(draft, turn))
        bases.append(ProgramChain(draft.hook.hook, (_plain("jump " + draft.name(turn)), *draft.lines), draft.hook))
    return Program(tuple(bases), tuple(bundles))


def build_program(policy: Policy, layout: str = "auto") -> Program:
    """Return what the table of a fresh host holds for a supported policy."""
    return name_program(draft_program(policy, layout), {})


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


def _base(policy: Policy, direction: str) -> t.Tuple[Hook, t.Tuple[Statement, ...]]:
    """Return the hook of a direction and what stands in its base chain behind the jump.

    The last line always decides, so that the policy of the chain, which the kernel does not change at the same instant as the lines,
    never has to.
    """
    default = policy.defaults[direction]
    lines = []
    if default != "allow" and policy.log_denied is not None:
        lines.append(log_line(policy.log_denied, DENIED_COMMENT))
    lines.append(_plain('%s comment "%s"' % (_VERDICTS[default], DEFAULT_COMMENT)))
    return Hook("filter", HOOK_OF[direction], "filter", "accept" if default == "allow" else "drop"), tuple(lines)


def _digest(bundle: Bundle) -> bytes:
    digest = hashlib.sha256()
    for chain in bundle.chains:
        digest.update(("\n".join([chain.name, *(line.typed for line in chain.lines)]) + "\n\n").encode("utf-8", "surrogateescape"))
    for one in bundle.sets:
        digest.update(("\n".join([one.name, *one.body, *(element.typed() for element in one.elements)]) + "\n\n").encode("utf-8"))
    return digest.digest()


def _named(draft: Draft, turn: int) -> Bundle:
    """Return a bundle with its final names, which its content decides: ``hf_input_1a2b3c4d``, ``hf_input_1a2b3c4d_before``."""
    stem = draft.name(turn)
    names = {one.name: "%s_%s" % (stem, one.name[len(LAID) :]) for one in draft.bundle.chains[1:]}
    for one in draft.bundle.sets:
        if not one.shared:
            names[one.name] = "%s_%s" % (stem, one.name[len(LAID) :])
        elif turn % 2:
            stem_of_set, family = one.name[:-3], one.name[-3:]
            names[one.name] = LIMIT_SET + hashlib.sha256(b"%s %d" % (stem_of_set.encode(), turn)).hexdigest()[:8] + family
    chains = [ProgramChain(names.get(one.name, stem), _renamed(one.lines, names)) for one in draft.bundle.chains]
    sets = []
    for one in draft.bundle.sets:
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
