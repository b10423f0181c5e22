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

from ...policy.protocols import TCP
from ...policy.rule import Rule
from ..states_first import LOOPBACK_COMMENT
from .render import POLICY_PROCEDURE, SYN, lines_of, marked, verb
from .tables import TableBook


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
