# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words after ``ipfw nat N config``."""

from __future__ import annotations

from .ipfw_rule import DATAERR, IpfwError


def nat_configuration(words: list[str]) -> str:
    """Check the configuration of a NAT instance; the text in which it is listed."""
    flags = ("same_ports", "log", "deny_in", "unreg_only", "unreg_cgn", "reset", "reverse", "proxy_only", "skip_global")
    given = []
    rest = list(words)
    if not rest:
        raise IpfwError(DATAERR, "missing option")
    while rest:
        word = rest.pop(0)
        count = {"ip": 1, "if": 1, "redirect_port": 3, "redirect_addr": 2}.get(word, 0)
        if word not in flags and not count:
            raise IpfwError(DATAERR, "unrecognised option ``%s''" % word)
        if len(rest) < count:
            raise IpfwError(DATAERR, "missing argument for %s" % word)
        given.append(" ".join([word] + rest[:count]))
        rest = rest[count:]
    return " ".join(given)
