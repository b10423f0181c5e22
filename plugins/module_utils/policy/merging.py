# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Putting a document into the policy that a host has already, for state ``merged``.

Pure: touches nothing. Nothing that the host has is lost: a rule that is there stays where it stands and takes the log and the comment of
the document; a rule that is not there yet goes in front, so that it has its effect. A second merge of the same document changes nothing,
also when another document was merged in between.
"""

from __future__ import annotations

import typing as t
from dataclasses import replace

from .errors import PolicyError
from .nat import NatRule
from .policy import ManagementAccess, NativeLines, Policy
from .rule import DIRECTIONS, Rule


def merge(present: Policy, document: Policy, named_defaults: t.Container[str]) -> Policy:
    """Return the present policy with the document put into it.

    :param named_defaults: the directions whose default the document itself says; the others keep theirs.
    :raises PolicyError: when the document leaves a direction alone (``unmanaged``) for which the host has rules or lines of ours.
    """
    said = {rule.identity(): rule for rule in document.rules}
    known = {rule.identity() for rule in present.rules}
    rules = [rule for identity, rule in said.items() if identity not in known]
    rules += [_with_words(rule, said.get(rule.identity())) for rule in present.rules]
    native = _merge_native(present.native, document.native)
    defaults = dict(present.defaults)
    for direction in DIRECTIONS:
        used = any(rule.direction == direction for rule in rules) or any(
            side.get(direction) for lines in native.values() for side in (lines.before, lines.after)
        )
        if direction in named_defaults or (used and defaults[direction] == "unmanaged"):
            defaults[direction] = document.defaults[direction]
        if used and defaults[direction] == "unmanaged":
            hint = "the host has rules of this direction; a merge removes none, so use state replaced"
            raise PolicyError("policy.defaults.%s" % direction, "unmanaged", "allow, deny or reject", hint)
    return replace(
        present,
        rules=tuple(rules),
        labels=(),
        defaults=defaults,
        nat=_merge_nat(present.nat, document.nat),
        nat_labels=(),
        native=native,
        management=_merge_access(present.management, document.management),
        log_denied=document.log_denied or present.log_denied,
    )


def _with_words(rule: Rule, said: t.Optional[Rule]) -> Rule:
    return rule if said is None else replace(rule, log=said.log, comment=said.comment)


def _merge_nat(present: t.Sequence[NatRule], wanted: t.Sequence[NatRule]) -> t.Tuple[NatRule, ...]:
    known = {replace(one, comment=None) for one in present}
    return (*(one for one in wanted if replace(one, comment=None) not in known), *present)


def _merge_native(present: t.Mapping[str, NativeLines], wanted: t.Mapping[str, NativeLines]) -> t.Dict[str, NativeLines]:
    merged = dict(present)
    for name, lines in wanted.items():
        old = merged.get(name, NativeLines())
        merged[name] = NativeLines(_merge_lines(old.before, lines.before), _merge_lines(old.after, lines.after))
    return merged


def _merge_lines(present: t.Mapping[str, t.Tuple[str, ...]], wanted: t.Mapping[str, t.Tuple[str, ...]]) -> t.Dict[str, t.Tuple[str, ...]]:
    merged = dict(present)
    for direction, lines in wanted.items():
        old = merged.get(direction, ())
        merged[direction] = (*(line for line in lines if line not in old), *old)
    return merged


def _merge_access(present: ManagementAccess, wanted: ManagementAccess) -> ManagementAccess:
    return ManagementAccess(
        tuple(sorted({*present.ssh_ports, *wanted.ssh_ports})),
        tuple(sorted({*present.agent_ports, *wanted.agent_ports})),
        wanted.sources or present.sources,
    )
