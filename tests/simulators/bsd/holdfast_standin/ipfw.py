# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ``ipfw`` command: options, sub-commands, files of commands, messages and exit codes as in ipfw(8)."""

from __future__ import annotations

import getopt
import re
import sys

from . import ipfw_tables, sysctl_tree
from .ipfw_command_line import join_lists, lines_of_file, split_line
from .ipfw_kernel import IpfwKernel
from .ipfw_listing import rule_text
from .ipfw_nat import nat_configuration
from .ipfw_parser import RuleCompiler
from .ipfw_rule import DATAERR, DEFAULT_RULE, OSERR, RESERVED_SET, UNAVAILABLE, USAGE, IpfwError
from .ipfw_words import abbreviates, c_number
from .outcome import Outcome
from .store import Host

_ABSENT = "Protocol not available"
_NOT_IMPLEMENTED = frozenset(("-N", "-p", "-s", "-i", "-b", "-h", "-t", "-T"))
_USAGE_TEXT = 'usage: ipfw [options]\ndo "ipfw -h" or "man ipfw" for details'


class Ipfw:
    """Commands against one kernel; ``run`` takes the words after the program name."""

    def __init__(self, kernel: dict, strict: bool = False, interactive: bool = False) -> None:
        """``kernel`` is the whole state (see ``store``); it is changed in place."""
        self.kernel = kernel
        self.strict = strict
        self.loaded = "ipfw" in kernel["modules"]
        self.fw = IpfwKernel(kernel["ipfw"]) if self.loaded else None
        self.interactive = interactive
        self.out = Outcome()
        self.options: dict[str, bool] = {}

    def run(self, argv: list[str]) -> Outcome:
        """One command line; errors end up in the outcome."""
        try:
            self._line(argv)
        except IpfwError as error:
            self.out.fail("ipfw: %s" % error, error.rc)
        return self.out

    def run_file(self, argv: list[str], text: str) -> Outcome:
        """A file of commands, each in force before the next is read; the first bad line ends it."""
        try:
            pairs, rest = getopt.getopt(argv, "cfNnp:qS")
        except getopt.GetoptError:
            return self.out.fail("ipfw: bad arguments, for usage summary ``ipfw''", USAGE)
        if rest[1:]:
            return self.out.fail("ipfw: extraneous filename arguments %s" % rest[-1], USAGE)
        if any(name in ("-p", "-N") for name, _value in pairs):
            return self.out.fail("ipfw: stand-in: option -p and -N are not implemented", USAGE)
        self.options = {name: True for name, _value in pairs}
        for number, line in enumerate(lines_of_file(text, self.strict), 1):
            try:
                self._line([line])
            except IpfwError as error:
                return self.out.fail("Line %d: %s" % (number, error), error.rc)
        return self.out

    def _line(self, argv: list[str]) -> None:
        words = split_line(argv[0]) if len(argv) == 1 else join_lists(argv)
        if (not words and len(argv) == 1 and argv[0].strip() in ("",)) or not words:
            if len(argv) == 1:
                return
            raise IpfwError(USAGE, _USAGE_TEXT)
        try:
            pairs, words = getopt.getopt(words, "abcdefhinNp:qs:STtv")
        except getopt.GetoptError:
            raise IpfwError(USAGE, _USAGE_TEXT) from None
        given = {name for name, _value in pairs}
        if given & _NOT_IMPLEMENTED:
            raise IpfwError(USAGE, "stand-in: option %s is not implemented" % sorted(given & _NOT_IMPLEMENTED)[0])
        self.options.update(dict.fromkeys(given, True))
        if not words:
            raise IpfwError(USAGE, "bad arguments, for usage summary ``ipfw''")
        if len(words) > 1 and words[0][:1].isdigit():
            words[0], words[1] = words[1], words[0]
        self._command(words)

    @property
    def _quiet(self) -> bool:
        return "-q" in self.options

    @property
    def _dry(self) -> bool:
        return "-n" in self.options

    @property
    def _force(self) -> bool:
        return "-f" in self.options or not self.interactive

    def _needs_kernel(self, rc: int, message: str) -> IpfwKernel:
        if self.fw is None:
            raise IpfwError(rc, "%s: %s" % (message, _ABSENT))
        return self.fw

    def _command(self, words: list[str]) -> None:
        warnings: list[str] = []

        def named(full: str) -> bool:
            return abbreviates(words[0], full, warnings)

        only_set: int | None = None
        if words[0] and "set".startswith(words[0]) and len(words) > 1 and words[1][:1].isdigit():
            only_set = c_number(words[1])[0]
            if only_set > RESERVED_SET:
                raise IpfwError(DATAERR, "invalid set number %s\n" % words[1])
            words = words[2:]
        if not words or not words[0]:
            raise IpfwError(USAGE, "missing command")
        if words[0] in ("nat", "pipe", "queue", "sched"):
            self._nat(words)
        elif only_set is None and named("add"):
            self._add(words[1:])
        elif only_set is None and named("set"):
            self._sets(words[1:])
        elif only_set is None and named("table"):
            self._table(words[1:])
        elif only_set is None and (named("enable") or named("disable")):
            self._switch(words)
        elif named("delete"):
            self._delete(words[1:], only_set)
        elif named("flush"):
            self._flush(only_set)
        elif named("zero") or named("resetlog"):
            self._zero(words)
        elif named("list") or named("print"):
            self._list(words[1:], "-a" in self.options, only_set)
        elif named("show"):
            self._list(words[1:], True, only_set)
        else:
            raise IpfwError(USAGE, "bad command `%s'" % words[0])
        self.out.stderr += ["ipfw: " + warning for warning in warnings]

    # rules

    def _verbose_limit(self) -> int:
        if not self.loaded:
            if self._dry:
                return 0
            raise IpfwError(1, 'sysctlbyname("net.inet.ip.fw.verbose_limit")')
        return int(sysctl_tree.read(self.kernel, "net.inet.ip.fw.verbose_limit") or 0)

    def _add(self, words: list[str]) -> None:
        compiler = RuleCompiler(words, self.strict, self._verbose_limit)
        try:
            rule = compiler.compile()
        finally:
            self.out.stderr += ["ipfw: " + warning for warning in compiler.warnings]
        if not self._dry:
            fw = self._needs_kernel(UNAVAILABLE, "getsockopt(IP_FW_XADD)")
            if rule.action[0] == "nat" and "ipfw_nat" not in self.kernel["modules"]:
                raise IpfwError(UNAVAILABLE, "getsockopt(IP_FW_XADD): Invalid argument")
            step = int(sysctl_tree.read(self.kernel, "net.inet.ip.fw.autoinc_step") or 100)
            most = int(sysctl_tree.read(self.kernel, "net.inet.ip.fw.tables_max") or 128)
            rule = fw.add(rule, step, most)
        if not self._quiet:
            self.out.stdout.append(rule_text(rule, "-S" in self.options))

    def _list(self, words: list[str], counters: bool, only_set: int | None) -> None:
        if self._dry:
            self.out.stderr.append("Testing only, list disabled")
            return
        fw = self._needs_kernel(OSERR, "retrieving config failed")
        rules = [rule for rule in fw.rules() if only_set is None or rule.set == only_set]
        widths = None
        if counters and rules:
            widths = max(len(str(rule.packets)) for rule in rules), max(len(str(rule.octets)) for rule in rules)
        for word in words or ["0-%d" % DEFAULT_RULE]:
            low, rest = c_number(word)
            high, rest = c_number(rest[1:]) if rest.startswith("-") else (low, rest)
            if rest:
                self.out.fail("ipfw: invalid rule number: %s" % word, USAGE)
                continue
            found = [rule for rule in rules if low <= rule.number <= high]
            for rule in found:
                if fw.enabled(rule):
                    self.out.stdout.append(rule_text(rule, "-S" in self.options, widths))
                elif "-S" in self.options:
                    self.out.stdout.append("# DISABLED " + rule_text(rule, True, widths))
            if not found and words:
                missing = "rule %d does not exist" % low if low == high else "no rules in range %d-%d" % (low, high)
                self.out.stderr.append("ipfw: " + missing)
                self.out.rc = self.out.rc or UNAVAILABLE

    def _delete(self, words: list[str], only_set: int | None) -> None:
        if not words:
            raise IpfwError(USAGE, "missing rule specification")
        whole_set = words[0] == "set"
        if whole_set and only_set is not None:
            raise IpfwError(DATAERR, "invalid syntax")
        numbers = words[1:] if whole_set else words
        if self.strict and (not numbers or not all(re.fullmatch(r"\d+(-\d+)?", word) for word in numbers)):
            raise IpfwError(DATAERR, "strict: not all of these are rule numbers: %s" % " ".join(words))
        failed = False
        for word in numbers:
            if not word[:1].isdigit():
                break
            low, rest = c_number(word)
            high = c_number(rest[1:])[0] if rest.startswith("-") else low
            if self._dry:
                continue
            if self.fw is None:
                failed = True
                if not self._quiet:
                    self.out.stderr.append("ipfw: rule %d: setsockopt(IP_FW_XDEL): %s" % (0 if whole_set else low, _ABSENT))
            elif whole_set:
                self.fw.delete_set(low & 31)
            elif not self.fw.delete(low & 0xFFFF, high & 0xFFFF, only_set):
                failed = True
                if not self._quiet:
                    missing = "rule %d not found" % low if low == high else "no rules rules in %d-%d range" % (low, high)
                    self.out.stderr.append("ipfw: " + missing)
        if failed and not self._force:
            self.out.rc = UNAVAILABLE

    def _flush(self, only_set: int | None) -> None:
        if not self._force and not self._quiet:
            raise IpfwError(USAGE, "stand-in: flush would ask for confirmation; use -f")
        if not self._dry:
            fw = self._needs_kernel(UNAVAILABLE, "setsockopt(IP_FW_XDEL)")
            if only_set is not None:
                fw.delete_set(only_set)
            else:
                fw.delete(0, 0)
        if not self._quiet:
            self.out.stdout.append("Flushed all rules.")

    def _zero(self, words: list[str]) -> None:
        log = words[0].startswith("r")
        if self._dry:
            return
        fw = self._needs_kernel(UNAVAILABLE, "setsockopt(IP_FW_X%s)" % ("RESETLOG" if log else "ZERO"))
        for word in words[1:]:
            if not word.isdigit():
                raise IpfwError(USAGE, "invalid rule number ``%s''" % word)
            if not any(rule.number == int(word) for rule in fw.rules()):
                self.out.stdout.append("Entry %s not found" % word)
                self.out.rc = UNAVAILABLE
            elif not self._quiet:
                self.out.stdout.append("Entry %s %s." % (word, "logging count reset" if log else "cleared"))
        for plain in fw.state["rules"]:
            if not log and (not words[1:] or str(plain["number"]) in words[1:]):
                plain.update(packets=0, octets=0)
        if not words[1:] and not self._quiet:
            self.out.stdout.append("Logging counts reset." if log else "Accounting cleared.")

    # sets, tables, switches, nat

    def _sets(self, words: list[str]) -> None:
        if not words:
            raise IpfwError(USAGE, "set needs command")
        command, *rest = words
        if command == "show":
            fw = self._needs_kernel(OSERR, "requesting config failed")
            off = fw.state["disabled"]
            parts = ["disable"] + [str(number) for number in off] if off else []
            on = [str(number) for number in range(RESERVED_SET) if number not in off]
            self.out.stdout.append(" ".join(parts + ["enable"] + on))
        elif command == "swap":
            if len(rest) < 2:
                raise IpfwError(USAGE, "set swap needs 2 set numbers\n")
            numbers = [self._set_number(word) for word in rest[:2]]
            if self.fw is not None and not self._dry:
                self.fw.swap(*numbers)
            elif self.fw is None and self.strict:
                raise IpfwError(OSERR, "strict: the module is not loaded")
        elif command == "move":
            by_rule = bool(rest) and rest[0] == "rule"
            rest = rest[1:] if by_rule else rest
            if len(rest) != 3 or rest[1] != "to":
                raise IpfwError(USAGE, "syntax: set move [rule] X to Y\n")
            number = c_number(rest[0])[0] if by_rule else self._set_number(rest[0])
            target = self._set_number(rest[2])
            fw = self._needs_kernel(OSERR, "failed to move %s" % ("rule" if by_rule else "set"))
            if not self._dry:
                fw.move(None if by_rule else number, number if by_rule else None, target)
        elif command in ("disable", "enable"):
            self._enable_sets(command, rest)
        else:
            raise IpfwError(USAGE, "invalid set command %s\n" % command)

    def _enable_sets(self, command: str, rest: list[str]) -> None:
        masks: dict[str, set[int]] = {"disable": set(), "enable": set()}
        for word in rest:
            if word[:1].isdigit():
                masks[command].add(self._set_number(word))
            elif word in masks:
                command = word
            else:
                raise IpfwError(DATAERR, "invalid set command %s\n" % word)
        if masks["disable"] & masks["enable"]:
            raise IpfwError(DATAERR, "cannot enable and disable the same set\n")
        if self.fw is None:
            self.out.stderr.append("ipfw: set enable/disable: setsockopt(IP_FW_SET_ENABLE): %s" % _ABSENT)
        elif not self._dry:
            self.fw.enable(masks["disable"], masks["enable"])

    @staticmethod
    def _set_number(word: str) -> int:
        number = c_number(word)[0]
        if not word[:1].isdigit() or number > RESERVED_SET:
            raise IpfwError(DATAERR, "invalid set number %s\n" % word)
        return number

    def _table(self, words: list[str]) -> None:
        fw = self.fw if self.fw is not None else IpfwKernel({})
        if self.fw is None and not self._dry:
            raise IpfwError(OSERR, "%s: %s" % ("Table creation failed" if "create" in words else "failed to request table info", _ABSENT))
        most = int(sysctl_tree.read(self.kernel, "net.inet.ip.fw.tables_max") or 128)
        ipfw_tables.run(fw, list(words), self.out, self._quiet, self._dry, self.strict, most)

    def _switch(self, words: list[str]) -> None:
        names = {
            "firewall": ("net.inet.ip.fw.enable", "net.inet6.ip6.fw.enable"),
            "one_pass": ("net.inet.ip.fw.one_pass",),
            "debug": ("net.inet.ip.fw.debug",),
            "verbose": ("net.inet.ip.fw.verbose",),
            "dyn_keepalive": ("net.inet.ip.fw.dyn_keepalive",),
        }
        if len(words) < 2:
            self.out.stderr.append("ipfw: missing keyword to enable/disable\n")
        elif words[1] not in names:
            self.out.stderr.append("ipfw: unrecognize enable/disable keyword: %s\n" % words[1])
        elif self.loaded and not self._dry:
            for name in names[words[1]]:
                self.kernel["sysctl"][name] = "1" if words[0].startswith("e") else "0"

    def _nat(self, words: list[str]) -> None:
        if words[0] != "nat":
            raise IpfwError(USAGE, "stand-in: dummynet (%s) is not implemented" % words[0])
        rest = words[1:]
        number = rest.pop(0) if rest and rest[0].isdigit() else None
        if not rest:
            raise IpfwError(USAGE, "missing command")
        if rest[0] not in ("config", "show", "delete"):
            raise IpfwError(USAGE, "bad command `%s'" % rest[0])
        fw = self._needs_kernel(OSERR, "setsockopt(IP_FW_NAT44_XCONFIG)")
        if rest[0] == "show":
            self.out.stdout += ["ipfw nat %s config %s" % pair for pair in sorted(fw.state["nat"].items()) if number in (None, pair[0])]
            return
        if number is None:
            raise IpfwError(DATAERR, "invalid nat instance ID")
        if rest[0] == "delete":
            if fw.state["nat"].pop(number, None) is None:
                self.out.stderr.append("ipfw: nat %s not available" % number)
                self.out.rc = 0 if self._force else UNAVAILABLE
            return
        if "ipfw_nat" not in self.kernel["modules"]:
            raise IpfwError(UNAVAILABLE, "setsockopt(IP_FW_NAT44_XCONFIG): Invalid argument")
        text = nat_configuration(rest[1:])
        if not self._dry:
            fw.state["nat"][number] = text
        if not self._quiet:
            self.out.stdout.append("ipfw nat %s config %s" % (number, text))


def main(host: Host, argv: list[str]) -> int:
    """Entry of the command."""
    if not argv:
        return Outcome().fail("ipfw: " + _USAGE_TEXT, USAGE).emit()
    text: str | None = None
    if argv[-1] == "/dev/stdin":
        text = sys.stdin.read()
    elif argv[-1].startswith("/"):
        text = host.read_file(argv[-1])
        if text is None:
            return Outcome().fail("ipfw: pathname: %s: No such file or directory" % argv[-1], USAGE).emit()
    with host.kernel() as kernel:
        command = Ipfw(kernel, host.strict, interactive=bool(sys.stdin) and sys.stdin.isatty())
        outcome = command.run(argv) if text is None else command.run_file(argv, text)
    return outcome.emit()
