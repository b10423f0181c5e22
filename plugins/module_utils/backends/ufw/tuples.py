# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tuples: the lines of ``user.rules`` by which ufw knows its rules, and the lines of iptables that it writes below each.

Pure: touches nothing. Facts: ``backend_iptables.py`` and ``common.py`` of ufw 0.36. Only what our own rules need is written here; tuples of
the administrator (limits, logs, application profiles) are kept as ufw wrote them.
"""

from __future__ import annotations

import binascii
import re
import typing as t
from dataclasses import dataclass

from .files import CHAINS, PREFIX

MARK = "### tuple ###"
ANYWHERE = {4: "0.0.0.0/0", 6: "::/0"}
_TARGETS = {"allow": "ACCEPT", "deny": "DROP", "reject": "REJECT"}
_INTERFACES = re.compile(r"(?P<direction>in|out)(?:_(?P<first>[^!]+)(?:!out_(?P<second>.+))?)?\Z")


@dataclass(frozen=True)
class Tuple:
    """One rule of ufw.

    :ivar action: ``allow``, ``deny``, ``reject`` or ``limit``.
    :ivar log: empty, ``log`` or ``log-all``.
    :ivar ports: the destination ports as ufw writes them, or ``any``.
    :ivar applications: whether it stands for an application profile.
    """

    action: str
    direction: str
    protocol: str = "any"
    destination: str = ""
    ports: str = "any"
    source: str = ""
    source_ports: str = "any"
    arriving: t.Optional[str] = None
    leaving: t.Optional[str] = None
    log: str = ""
    applications: bool = False
    comment: t.Optional[str] = None

    def line(self, family: int) -> str:
        """Return the tuple line; profiles are never written here."""
        interfaces = "out" if self.direction == "out" else "in"
        if self.arriving is not None and self.leaving is not None:
            interfaces = "in_%s!out_%s" % (self.arriving, self.leaving)
        elif self.arriving is not None:
            interfaces = "in_" + self.arriving
        elif self.leaving is not None:
            interfaces = "out_" + self.leaving
        anywhere = ANYWHERE[family]
        words = [
            MARK, ("route:" if self.direction == "forward" else "") + self.action + ("_" + self.log if self.log else ""), self.protocol,
            self.ports, self.destination or anywhere, self.source_ports, self.source or anywhere, interfaces,
        ]  # fmt: skip
        if self.comment is not None:
            words.append("comment=" + binascii.hexlify(self.comment.encode("utf-8", "ignore")).decode("ascii"))
        return " ".join(words)

    def lines(self, family: int) -> t.List[str]:
        """Return the lines of iptables that ufw writes for an allow, a deny or a reject without a log, letter by letter."""
        words = ["-i " + self.arriving] if self.arriving is not None else []
        words += ["-o " + self.leaving] if self.leaving is not None else []
        words += ["-p " + self.protocol] if self.protocol != "any" else []
        several = any(mark in ports for ports in (self.ports, self.source_ports) for mark in ",:")
        if several:
            words += ["-m multiport --dports " + self.ports] if self.ports != "any" else []
            words += ["-m multiport --sports " + self.source_ports] if self.source_ports != "any" else []
        for option, network, port, ports in (
            ("-d", self.destination, "--dport", self.ports),
            ("-s", self.source, "--sport", self.source_ports),
        ):
            words += ["%s %s" % (option, network)] if network else []
            words += ["%s %s" % (port, ports)] if ports != "any" and not several else []
        words.append("-j " + _TARGETS[self.action])
        words += ["--reject-with tcp-reset"] if self.action == "reject" and self.protocol == "tcp" else []
        return ["-A %s-user-%s %s" % (PREFIX[family], CHAINS[self.direction], " ".join(words))]

    def text(self, family: int) -> str:
        """Return the piece of the file."""
        return "\n%s\n%s\n" % (self.line(family), "\n".join(self.lines(family)))


def parse_tuple(line: str) -> t.Optional[Tuple]:
    """Read a tuple line; None where ufw would skip it."""
    head, _mark, encoded = line.partition(" comment=")
    words = head.replace(MARK, "", 1).split()
    if len(words) not in (6, 7, 8, 9):
        return None
    comment = None
    try:
        comment = binascii.unhexlify(encoded.strip()).decode("utf-8") if encoded else None
    except (ValueError, binascii.Error):
        comment = encoded
    found = _INTERFACES.match(words[-1] if len(words) in (7, 9) else "in")
    routed, _colon, action = words[0].rpartition(":")
    action, _line, log = action.partition("_")
    if found is None or action not in ("allow", "deny", "reject", "limit"):
        return None
    first, second = found.group("first"), found.group("second")
    leaving = second or (first if found.group("direction") == "out" else None)
    arriving = first if found.group("direction") == "in" else None
    direction = "forward" if routed else found.group("direction")
    anywhere = (*ANYWHERE.values(), "any")
    return Tuple(
        action, direction, words[1], "" if words[3] in anywhere else words[3], words[2], "" if words[5] in anywhere else words[5], words[4],
        arriving, leaving, log, len(words) > 7, comment,
    )  # fmt: skip
