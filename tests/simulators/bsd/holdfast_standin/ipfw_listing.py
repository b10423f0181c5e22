# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The normal form in which ipfw lists a rule (the printer of FreeBSD 12 and later)."""

from __future__ import annotations

import grp
import pwd

from .ipfw_rule import Insn, IpfwRule
from .ipfw_words import ICMP6_CODES, ICMP_CODES, TCP_FLAG_BITS
from .net_names import protocol_text

_SETUP = (0x02, 0x10)


class _Printer:
    """Prints one rule; every instruction once."""

    def __init__(self, rule: IpfwRule) -> None:
        self.rule = rule
        self.left = list(rule.body)
        self.text = ""
        self.in_block = False
        self.have_proto = self.have_src = self.have_dst = rule.options_only

    def show(self, insn: Insn) -> None:
        """One instruction with its sign and the braces of an ``or`` block."""
        self.left = [other for other in self.left if other is not insn]
        if insn.either and not self.in_block:
            self.text += " {"
        if insn.negated and insn.op != "in":
            self.text += " not"
        self.text += self._plain(insn)
        if insn.either:
            self.text += " or"
            self.in_block = True
        elif self.in_block:
            self.text += " }"
            self.in_block = False

    def _plain(self, insn: Insn) -> str:
        op, args = insn.op, insn.args
        if op in ("src", "dst"):
            option = self.have_src if op == "src" else self.have_dst
            six = args[0] == "me6" or (args[0] == "nets" and args[1] == 6)
            return (" %s-ip%s" % (op, "6" if six else "") if option else "") + " " + _address(args)
        if op in ("sport", "dport"):
            word = (" src-port" if op == "sport" else " dst-port") if self.have_src and self.have_dst else ""
            return word + " " + ",".join("%d" % low if low == high else "%d-%d" % (low, high) for low, high in args)
        if op == "proto":
            return (" proto" if self.have_proto else "") + " " + protocol_text(args[0])
        if op == "in":
            return " out" if insn.negated else " in"
        if op in ("via", "recv", "xmit"):
            return " %s %s" % (op, "table(%s)" % args[1] if args[0] == "table" else args[1])
        if op in ("icmptypes", "icmp6types"):
            return " %s %s" % (op, ",".join(str(number) for number in args))
        if op == "tcpflags":
            return " setup" if tuple(args) == _SETUP else " tcpflags " + _flags(*args)
        if op == "uid":
            return " uid " + _user(args[0])
        if op == "gid":
            return " gid " + _group(args[0])
        if op == "keep":
            return " %s :%s" % ("record-state" if self.rule.record_only else "keep-state", args[0])
        if op == "limit":
            return " %s %s %d :%s" % ("set-limit" if self.rule.record_only else "limit", ",".join(args[1]), args[2], args[0])
        if op == "flow":
            return " flow " + _address(args)
        if op == "tagged":
            return " tagged %d" % args[0]
        return " " + op

    def protocol(self) -> None:
        """The protocol part."""
        protocols = [insn for insn in self.left if insn.op == "proto"]
        families = [insn for insn in self.left if insn.op in ("ip4", "ip6")]
        if not protocols and not families:
            self.text += " ip"
            self.have_proto = True
            return
        last: Insn | None = None
        for insn in sorted(families, key=lambda each: not each.either):
            last = insn
            self.show(insn)
            if not insn.either:
                break
        if last is None or last.either:
            for insn in protocols:
                self.show(insn)
                if not insn.either:
                    break
        self.have_proto = True

    def address(self, side: str, port: str) -> None:
        """Source or destination with its ports, if it has exactly one port instruction."""
        found = [insn for insn in self.left if insn.op == side]
        ports = [insn for insn in self.left if insn.op == port]
        if not found:
            self.text += " any"
        for insn in found:
            self.show(insn)
            if not insn.either:
                break
        if len(ports) == 1:
            at = self.rule.body.index(ports[0])
            follows_or = at > 0 and self.rule.body[at - 1].either
            if not follows_or and not ports[0].either:
                self.show(ports[0])
        if side == "src":
            self.have_src = True
        else:
            self.have_dst = True

    def rest(self) -> None:
        """The options that have not been shown yet, in order."""
        while self.left:
            self.show(self.left[0])


def _address(args: tuple) -> str:
    if args[0] == "table":
        return "table(%s)" % ",".join(str(each) for each in args[1:])
    if args[0] in ("me", "me6"):
        return args[0]
    width = 32 if args[1] == 4 else 128
    return ",".join(text if bits == width else "%s/%d" % (text, bits) for text, bits in args[2])


def _flags(needed: int, forbidden: int) -> str:
    words = []
    for name, bit in TCP_FLAG_BITS.items():
        words += [name] if needed & bit else []
        words += ["!" + name] if forbidden & bit else []
    return ",".join(words)


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def _action(action: tuple) -> str:
    word = action[0]
    if word == "check-state":
        return "check-state :%s" % action[1]
    if word in ("unreach", "unreach6"):
        codes = ICMP_CODES if word == "unreach" else ICMP6_CODES
        if word == "unreach" and action[1] == ICMP_CODES["host"]:
            return "reject"
        return "%s %s" % (word, next((name for name, code in codes.items() if code == action[1]), action[1]))
    if word == "fwd":
        return "fwd %s%s" % (action[1], ",%d" % action[2] if action[2] else "")
    return " ".join(str(each) for each in action)


def rule_text(rule: IpfwRule, show_sets: bool = False, widths: tuple[int, int] | None = None) -> str:
    """One line of ``ipfw list``; ``widths`` of the packet and byte counters make it one of ``ipfw show``."""
    text = "%05d " % rule.number
    if widths is not None:
        text += "%*d %*d " % (widths[0], rule.packets, widths[1], rule.octets)
    if show_sets:
        text += "set %d " % rule.set
    if rule.probability != 1:
        text += "prob %f " % rule.probability
    text += _action(rule.action)
    if rule.log is not None:
        text += " log logamount %d" % rule.log if rule.log > 0 else " log"
    if rule.tag:
        text += " %s %d" % (rule.tag[0], rule.tag[1])
    if rule.action[0] != "check-state":
        printer = _Printer(rule)
        if not rule.options_only:
            printer.protocol()
            printer.text += " from"
            printer.address("src", "sport")
            printer.text += " to"
            printer.address("dst", "dport")
        printer.rest()
        text += printer.text
    if rule.comment is not None:
        text += " // %s" % rule.comment
    return text
