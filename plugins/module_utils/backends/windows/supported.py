# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a rule Windows Defender Firewall cannot carry exactly, and why.

Pure: touches nothing.
"""

from __future__ import annotations

import re
import typing as t

from ...policy.protocols import TCP, UDP, protocol_name
from ...policy.rule import Rule
from ..base import GUARD_MARK, Unsupported

#: Characters of a program and a service together that leave room for the rest in a line of netsh.
MOST_NAMES = 300
#: Variables of a user. The service evaluates them, and as itself ("Firewall Rule Wizard: Program Page" of Microsoft), so such a rule is for
#: a program that nobody runs.
_OF_A_USER = re.compile(r"%(userprofile|username|userdomain|appdata|localappdata|temp|tmp|homepath|homedrive|onedrive)%", re.IGNORECASE)
_LOGGING = (
    "Windows logs for a whole profile, not for a rule: netsh advfirewall set allprofiles logging droppedconnections enable; leave log out"
)


def unsupported(rule: Rule) -> t.Tuple[Unsupported, ...]:
    """Return every field of a rule that Windows has no words for."""
    found: t.List[Unsupported] = []
    if rule.action == "reject":
        found.append(Unsupported("action", "reject", "Windows only drops packets, it never answers them; write deny"))
    if rule.direction == "forward":
        found.append(Unsupported("direction", "forward", "Windows Defender Firewall does not filter packets that a host forwards"))
    if rule.interface is not None:
        reason = "netsh knows kinds of interfaces only (lan, wireless, ras), not their names; name addresses or a profile instead"
        found.append(Unsupported("interface", rule.interface, reason))
    if rule.out_interface is not None:
        found.append(Unsupported("out_interface", rule.out_interface, "Windows does not filter packets that a host forwards"))
    if rule.protocol not in (TCP, UDP):
        reason = "Windows has ports for tcp and udp only, not for %s" % protocol_name(rule.protocol)
        for word, ports in (("port", rule.ports), ("source_port", rule.source_ports)):
            if ports:
                found.append(Unsupported(word, ",".join(str(one) for one in ports), reason))
    if rule.limit is not None:
        found.append(Unsupported("limit", str(rule.limit.rate), "Windows Defender Firewall does not count packets"))
    if rule.log is not None:
        found.append(Unsupported("log", rule.log.prefix or "true", _LOGGING))
    if rule.reply or rule.established:
        found.append(Unsupported("reply", "true", "Windows passes the packets of known connections by itself"))
    return tuple(found + _unsupported_scope(rule))


def _unsupported_scope(rule: Rule) -> t.List[Unsupported]:
    program = rule.scope.program if rule.scope is not None else None
    service = rule.scope.service if rule.scope is not None else None
    if len(program or "") + len(service or "") > MOST_NAMES:
        reason = "with its program the name is longer than a line of netsh has room for (%d characters); name one of both" % MOST_NAMES
        return [Unsupported("system_service", str(service), reason)]
    if program is None:
        return []
    if program.startswith("/"):
        return [Unsupported("program", program, "this is no path of Windows; write for example C:\\Program Files\\app\\app.exe")]
    if _OF_A_USER.search(program):
        reason = "the firewall's service fills in this variable as itself, not as the user who runs the program; write the whole path"
        return [Unsupported("program", program, reason)]
    if not program.isascii() or program.endswith("\\") or '"' in program or "|" in program:
        return [Unsupported("program", program, "netsh would not take this path as it is: plain ASCII, and no backslash at its end")]
    return []


def unsupported_comment(rule: Rule) -> t.List[Unsupported]:
    """Return the comment of a rule that poses as one of the guard."""
    if rule.comment is None or not rule.comment.startswith(GUARD_MARK):
        return []
    return [Unsupported("comment", rule.comment, "comments that begin with '%s' mark the rules that every host gets" % GUARD_MARK)]


def is_implied(rule: Rule) -> bool:
    """Return whether Windows does by itself what a rule of the guard says: it passes loopback and known connections."""
    plain = rule.action == "allow" and rule.protocol is None and rule.source.any and rule.destination.any and not rule.reply
    return plain and rule.scope is None and rule.limit is None and rule.log is None and (rule.established or rule.interface == "lo")
