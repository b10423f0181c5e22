# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of a policy as lines of npf.conf.

Pure: touches nothing. Known connections pass by their states before any rule is asked, so every allow keeps state. A stateful line matches
of TCP only the packets that open a connection, whatever it says; so an allow that is not stateful has a second line, without states, for
the TCP packets that belong to no connection.
"""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ...policy.protocols import TCP
from ...policy.rule import Rule
from ..base import GUARD_MARK
from .render import LOOPBACK, LOOPBACK_NAME, POLICY_PROCEDURE, SYN, lines_of, marked, verb
from .tables import TableBook

LOOPBACK_COMMENT = GUARD_MARK + "loopback"
KNOWN_COMMENT = GUARD_MARK + "known connections"


def as_kept(rule: Rule) -> Rule:
    """Return a rule of a policy as npf keeps it: only TCP has packets that neither open a connection nor belong to one."""
    changes: t.Dict[str, t.Any] = {}
    if rule.stateful and rule.protocol not in (TCP, None):
        changes["stateful"] = False
    if rule.interface == LOOPBACK and rule.comment != LOOPBACK_COMMENT:
        changes["interface"] = LOOPBACK_NAME
    return replace(rule, **changes) if changes else rule


def policy_lines(rule: Rule, book: TableBook) -> t.List[str]:
    """Return the mark and the lines of a rule of a policy."""
    return marked("rule", plain_lines(rule, book), rule.comment)


def default_lines(rule: Rule, book: TableBook) -> t.List[str]:
    """Return the mark and the lines of a direction's default."""
    return marked("default", plain_lines(rule, book), rule.direction)


def plain_lines(rule: Rule, book: TableBook) -> t.List[str]:
    """Return the lines of a rule of a policy without a mark."""
    return lines_of(rule, _heads(rule), book, POLICY_PROCEDURE)


def _heads(rule: Rule) -> t.List[t.Tuple[str, str]]:
    flags = rule.protocol in (TCP, None)
    if rule.action != "allow":
        return [(verb(rule.action), SYN if rule.stateful and rule.protocol == TCP else "")]
    if rule.comment == LOOPBACK_COMMENT:
        # The host's talk with itself may be older than npf, and each of its packets is seen twice.
        return [("pass", "")]
    if flags and not rule.stateful:
        return [("pass stateful", ""), ("pass", "")]
    return [("pass stateful", "")]
