# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole policy as text of npf.conf: one marked part with a group of its own, which is asked first about every packet.

Pure: touches nothing. Every line is ``final``, down to the default of its direction, so no group behind ours is asked about the directions
that the policy manages.
"""

from __future__ import annotations

import re
import typing as t

from ...policy.errors import HoldfastError
from ...policy.policy import ANY_DIRECTION, NativeLines, Policy
from ...policy.rule import DIRECTIONS, Rule
from .policy_lines import default_lines, policy_lines
from .render import POLICY_PROCEDURE, procedure_line
from .tables import POLICY_PREFIX, TableBook, table_lines

NAME = "npf"
GROUP = "hfp_policy"
BEGIN = "# holdfast policy: begin (written from a policy; a change by hand is undone by its next run)"
END = "# holdfast policy: end"
#: What encloses raw lines of a policy.
SUBPARTS = ("native before", "native after")
SUB_BEGIN = "# holdfast policy: %s"
SUB_END = "# holdfast policy: %s ends"
#: How the default of forwarded packets is kept, which npf cannot tell from others.
FORWARDING = "# holdfast policy: forwarding: %s (this host forwards nothing while net.inet.ip.forwarding is 0)"
#: ICMP errors belong to the connections that they are about, for npf only with this.
ALG = 'alg "icmp"'
#: Without a default group npfctl takes no file.
DEFAULT_GROUP = "group default {\n\tpass all\n}\n"

_MARK = re.compile(r"^# holdfast policy: (begin|end)\b[^\n]*\n?", re.MULTILINE)


def render_part(policy: Policy, alg: bool = True, default_group: bool = False) -> str:
    """Return the part of the file that the policy is, with its marks; empty for one that manages nothing.

    :param alg: whether the part loads the helper for ICMP, which no file may do twice.
    :param default_group: whether the part has the default group, which a file must have once.
    """
    managed = [direction for direction in DIRECTIONS if policy.defaults[direction] != "unmanaged"]
    native = policy.native.get(NAME, NativeLines())
    if not managed and not native.before and not native.after:
        return ""
    book = TableBook(POLICY_PREFIX)
    inside: t.List[str] = []
    for rule in policy.guard:
        if not rule.established and rule.direction != "forward":
            inside += policy_lines(rule, book)
    inside += _native_lines(native, 0)
    for rule in policy.rules:
        inside += policy_lines(rule, book)
    inside += _native_lines(native, 1)
    for direction in managed:
        if direction != "forward":
            inside += default_lines(default_rule(policy, direction), book)
    lines = [BEGIN]
    if alg:
        lines.append(ALG)
    if any('apply "%s"' % POLICY_PROCEDURE in line for line in inside):
        lines.append(procedure_line(POLICY_PROCEDURE))
    if "forward" in managed:
        lines.append(FORWARDING % policy.defaults["forward"])
    for name, addresses in book.known.items():
        lines += table_lines(name, addresses)
    lines += ['group "%s" {' % GROUP, *("\t" + line for line in inside), "}"]
    return "\n".join(lines) + "\n" + (DEFAULT_GROUP if default_group else "") + END + "\n"


def default_rule(policy: Policy, direction: str) -> Rule:
    """Return the default of a direction as a rule."""
    action = policy.defaults[direction]
    return Rule(action, direction, protocol=None, log=policy.log_denied if action != "allow" else None)


def cut(text: str) -> t.Tuple[str, str]:
    """Return a file less our part, and the part with its marks (empty without one).

    :raises HoldfastError: when a mark is missing or stands twice.
    """
    marks = list(_MARK.finditer(text))
    if not marks:
        return text, ""
    if [one.group(1) for one in marks] != ["begin", "end"]:
        raise HoldfastError(
            "The marks '# holdfast policy: begin' and 'end' in npf.conf are not one of each, in this order, so it is not clear which lines "
            "are ours. Put them right, or remove all of them with the lines between them"
        )
    first, last = marks
    return text[: first.start()] + text[last.end() :], text[first.start() : last.end()]


def has_part(text: str) -> bool:
    """Return whether a file has marks of ours."""
    return _MARK.search(text) is not None


def _native_lines(native: NativeLines, number: int) -> t.List[str]:
    given = list((native.before, native.after)[number].get(ANY_DIRECTION, ()))
    return [SUB_BEGIN % SUBPARTS[number], *given, SUB_END % SUBPARTS[number]] if given else []
