# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compiling the words of ``ipfw add`` into a rule.  Source: ipfw(8), rule format, and the order in which the real tool reads it."""

from __future__ import annotations

import grp
import pwd
from collections.abc import Callable

from . import ipfw_words as words
from .ipfw_rule import DATAERR, RESERVED_SET, USAGE, Insn, IpfwError, IpfwRule
from .ipfw_sense import check_sense

_SETUP = (0x02, 0x10)


class RuleCompiler:
    """One rule: the words are consumed from the front."""

    def __init__(self, argv: list[str], strict: bool, verbose_limit: Callable[[], int]) -> None:
        """``argv`` without ``add``; ``verbose_limit`` gives the default of ``log``."""
        self._words = list(argv)
        self._strict = strict
        self._verbose_limit = verbose_limit
        self.warnings: list[str] = []
        self._negated = False
        self._open = False
        self._previous: Insn | None = None
        self._proto = 0
        self._state: Insn | None = None
        self.rule = IpfwRule()

    # words

    def _peek(self) -> str | None:
        return self._words[0] if self._words else None

    def _next(self, message: str) -> str:
        if not self._words:
            raise IpfwError(USAGE, message)
        return self._words.pop(0)

    def _last(self) -> Insn | None:
        """The instruction that an ``or`` would join with the next."""
        return self._previous

    def _is(self, full: str) -> bool:
        word = self._peek()
        return bool(word) and words.abbreviates(str(word), full, self.warnings)

    def _emit(self, insn: Insn | None) -> None:
        """Append an instruction; a sign without an instruction stays for the next one, as in the real tool."""
        if insn is None:
            return
        insn.negated = insn.negated != self._negated if insn.op == "in" else self._negated
        self._negated = False
        self._previous = insn
        self.rule.body.append(insn)

    # the rule

    def compile(self) -> IpfwRule:
        """Read the whole rule."""
        rule = self.rule
        if self._words and self._words[0][:1].isdigit():
            rule.number = words.c_number(self._words.pop(0))[0]
            if self._strict and not 0 < rule.number < 65535:
                raise IpfwError(DATAERR, "strict: rule number %d is not in 1-65534" % rule.number)
            rule.number &= 0xFFFF
        if len(self._words) > 1 and self._is("set"):
            self._words.pop(0)
            word = self._words.pop(0)
            rule.set = words.c_number(word)[0]
            if rule.set < 0 or rule.set > RESERVED_SET:
                raise IpfwError(DATAERR, "illegal set %s" % word)
        if len(self._words) > 1 and self._is("prob"):
            self._words.pop(0)
            word = self._words.pop(0)
            try:
                rule.probability = float(word)
            except ValueError:
                rule.probability = 0.0
            if rule.probability <= 0 or rule.probability > 1:
                raise IpfwError(DATAERR, "illegal match prob. %s" % word)
        self._action()
        self._parameters()
        if rule.action[0] == "check-state":
            if self._peek() == "//":
                self._words.pop(0)
                self._comment()
            elif self._words and self._strict:
                raise IpfwError(DATAERR, "strict: words after check-state are ignored: %s" % " ".join(self._words))
        elif self._head():
            self._source_and_destination()
            self._options()
        else:
            rule.options_only = True
            self._options()
        if self._state is not None:
            rule.body.remove(self._state)
            rule.body.append(self._state)
        if self._strict:
            check_sense(self.rule.body)
        return rule

    def _action(self) -> None:
        word = self._next("missing action")
        action = words.ACTIONS.get(word)
        if action is None and word in words.NOT_IMPLEMENTED_ACTIONS:
            raise IpfwError(USAGE, "stand-in: action %s is not implemented" % word)
        if action is None:
            raise IpfwError(DATAERR, "invalid action %s\n" % word)
        if action == "//":
            self._words.insert(0, word)
            self.rule.action = ("count",)
        elif action == "check-state":
            self.rule.action = (action, self._check_state_name())
        elif action in ("unreach", "unreach6"):
            code = self._next("missing reject code" if action == "unreach" else "missing unreach code")
            self.rule.action = (action, words.reply_code(code, 4 if action == "unreach" else 6))
        elif action == "nat" and self._is("global"):
            self._words.pop(0)
            self.rule.action = ("nat", "global")
        elif action in ("skipto", "nat"):
            self.rule.action = (action, words.argument(self._peek(), word))
            self._words.pop(0)
        elif action == "fwd":
            target, _comma, port = self._next("missing forward address[:port]").partition(",")
            address = words.address(target, 0, False, self.warnings, True)
            if address is None or address[0] != "nets":
                raise IpfwError(DATAERR, "illegal forwarding address ``%s''" % target)
            number = words.ports(port, 0, self.warnings, self._strict) if port else ((0, 0),)
            if number is None:
                raise IpfwError(DATAERR, "illegal forwarding port ``%s''" % port)
            self.rule.action = (action, target, number[0][0])
        else:
            self.rule.action = (action,)

    def _check_state_name(self) -> str:
        word = self._peek()
        if word is None or word == "//":
            return "default"
        if not word.startswith(":") or not words.good_name(word[1:]):
            raise IpfwError(DATAERR, "Invalid state name %s" % word)
        self._words.pop(0)
        return word[1:]

    def _parameters(self) -> None:
        """``log [logamount N]`` and ``tag N``, which come right after the action."""
        while self._peek() in ("log", "tag", "untag", "altq"):
            word = self._words.pop(0)
            if word == "altq":
                raise IpfwError(USAGE, "stand-in: altq is not implemented")
            if word != "log":
                if self.rule.tag:
                    raise IpfwError(USAGE, "tag and untag cannot be specified more than once")
                self.rule.tag = (word, words.argument(self._peek(), word))
                self._words.pop(0)
                continue
            if self.rule.log is not None:
                raise IpfwError(DATAERR, "log cannot be specified more than once")
            if self._is("logamount"):
                self._words.pop(0)
                amount = words.c_number(self._next("logamount requires argument"))[0]
                if amount < 0:
                    raise IpfwError(DATAERR, "logamount must be positive")
                self.rule.log = amount
            else:
                self.rule.log = self._verbose_limit()

    # protocol, addresses, ports

    def _start_block(self) -> None:
        word = self._peek()
        if word and word[0] in "({":
            if self._open:
                raise IpfwError(USAGE, 'nested "(" not allowed\n')
            self._previous, self._open = None, True
            self._words[0] = word[1:]
            if not self._words[0]:
                self._words.pop(0)

    def _continues(self) -> bool:
        """After one alternative: true if ``or`` follows, else the block, if any, must close here."""
        if self._is("or"):
            if self._previous is None or not self._open:
                raise IpfwError(DATAERR, "invalid OR block")
            self._previous.either = True
            self._words.pop(0)
            return True
        if self._open:
            if self._peek() not in (")", "}"):
                raise IpfwError(USAGE, 'missing ")"\n')
            self._words.pop(0)
            self._previous, self._open = None, False
        return False

    def _sign(self) -> None:
        if self._is("not"):
            if self._negated:
                raise IpfwError(USAGE, 'double "not" not allowed\n')
            self._negated = True
            self._words.pop(0)

    def _head(self) -> bool:
        """The protocol; false if the rule has only options."""
        self._start_block()
        while True:
            self._sign()
            if not self._words:
                raise IpfwError(USAGE, "missing protocol")
            found = words.protocol(self._words[0], self.warnings, compat=True)
            if found is None:
                if self.rule.body:
                    raise IpfwError(DATAERR, "invalid protocol ``%s''" % self._words[0])
                return False
            self._words.pop(0)
            insn, self._proto = found
            self._emit(insn)
            if not self._continues():
                return True

    def _source_and_destination(self) -> None:
        for word, side, port, missing in (
            ("from", "src", "sport", "missing source address"),
            ("to", "dst", "dport", "missing dst address"),
        ):
            if not self._words or not self._is(word):
                raise IpfwError(USAGE, "missing ``%s''" % word)
            self._words.pop(0)
            self._start_block()
            while True:
                self._sign()
                text = self._next(missing)
                args = words.address(text, self._proto, self._negated, self.warnings, self._strict)
                self._emit(Insn(side, args) if args is not None else None)
                if not self._continues():
                    break
            self._sign()
            if self._words and self._words[0] and "any".startswith(self._words[0]):
                self._words.pop(0)
            elif self._words:
                found = words.ports(self._words[0], self._proto, self.warnings, self._strict)
                if found is not None:
                    self._words.pop(0)
                    self._emit(Insn(port, found))

    # options

    def _options(self) -> None:
        self._previous = None
        while self._words:
            word = self._words.pop(0)
            if word.startswith("!") and len(word) > 1:
                self._set_sign()
                word = word[1:]
            if word in ("not", "!"):
                self._set_sign()
            elif word in ("or", "|"):
                previous = self._last()
                if not self._open or previous is None:
                    raise IpfwError(USAGE, 'invalid "or" block\n')
                previous.either = True
            elif word in ("{", "("):
                if self._open:
                    raise IpfwError(USAGE, '+nested "(" not allowed\n')
                self._open = True
            elif word in ("}", ")"):
                if not self._open:
                    raise IpfwError(USAGE, '+missing ")"\n')
                self._open, self._previous = False, None
            elif word == "//":
                self._comment()
            else:
                self._option(word)
        if self._strict and (self._open or self._negated):
            raise IpfwError(USAGE, "strict: the rule ends inside a block or after a sign")

    def _set_sign(self) -> None:
        if self._negated:
            raise IpfwError(USAGE, 'double "not" not allowed\n')
        self._negated = True

    def _comment(self) -> None:
        text = " ".join(self._words)
        if len(text) + 1 > 84:
            raise IpfwError(DATAERR, "comment too long (max 80 chars)")
        self.rule.comment = text
        self._words = []

    def _option(self, word: str) -> None:
        if word in ("in", "out"):
            self._emit(Insn("in", negated=word == "out"))
        elif word in words.FLAGS_ONLY:
            self._emit(Insn(words.FLAGS_ONLY[word]))
        elif word == "setup":
            self._emit(Insn("tcpflags", _SETUP))
        elif word in ("via", "recv", "xmit"):
            args = words.interface(self._next("recv, xmit, via require interface name or address"))
            self._emit(Insn(word, args) if args is not None else None)
        elif word in ("icmptypes", "icmptype", "icmp6types", "icmp6type"):
            family = 6 if "6" in word else 4
            types = words.icmp_types(self._next("icmptypes requires list of types"), family)
            if family == 6 and self._negated:
                # The real tool clears the instruction, its sign with it, when it fills in the types.
                if self._strict:
                    raise IpfwError(DATAERR, "strict: the sign before icmp6types is lost")
                self._negated = False
            self._emit(Insn("icmp6types" if family == 6 else "icmptypes", types))
        elif word in ("tcpflags", "tcpflgs"):
            self._emit(Insn("tcpflags", words.tcp_flags(self._next("missing argument for tcpflags"))))
        elif word == "flow":
            text = self._next("missing table name")
            if not text.startswith("table("):
                raise IpfwError(DATAERR, 'enclose table name into "table()"')
            self._emit(Insn("flow", words.table_reference(text)))
        elif word in ("uid", "gid"):
            self._emit(Insn(word, (self._id(word, self._next("%s requires argument" % word)),)))
        elif word in ("keep-state", "record-state", "limit", "set-limit"):
            self._stateful(word)
        elif word == "proto":
            name = self._next("missing protocol")
            found = words.protocol(name, self.warnings, compat=False)
            if found is None:
                raise IpfwError(DATAERR, "invalid protocol ``%s''" % name)
            insn, self._proto = found
            self._emit(insn)
        elif word in ("src-ip", "dst-ip", "src-ip6", "dst-ip6", "src-ipv6", "dst-ipv6"):
            text = self._next("missing %s IP%s" % ("source" if word.startswith("src") else "destination", "6" if "6" in word else ""))
            args = words.address(text, self._proto, self._negated, self.warnings, self._strict, 6 if "6" in word else 4)
            self._emit(Insn(word[:3], args) if args is not None else None)
        elif word in ("src-port", "dst-port"):
            self._port_option(word)
        elif word == "tagged":
            self._emit(Insn("tagged", (words.argument(self._peek(), "tagged"),)))
            self._words.pop(0)
        elif word in words.NOT_IMPLEMENTED_OPTIONS:
            raise IpfwError(USAGE, "stand-in: option %s is not implemented" % word)
        else:
            raise IpfwError(USAGE, "unrecognised option [-1] %s\n" % word)

    def _port_option(self, word: str) -> None:
        name = "source" if word == "src-port" else "destination"
        text = self._next("missing %s port" % name)
        if "any".startswith(text) and text:
            return
        found = words.ports(text, self._proto, self.warnings, self._strict)
        if found is None:
            raise IpfwError(DATAERR, "invalid %s port %s" % (name, text))
        self._emit(Insn("sport" if word == "src-port" else "dport", found))

    def _id(self, kind: str, text: str) -> int:
        number, rest = words.c_number(text, 0)
        try:
            if kind == "uid":
                return pwd.getpwuid(number).pw_uid if not rest else pwd.getpwnam(text).pw_uid
            return grp.getgrgid(number).gr_gid if not rest else grp.getgrnam(text).gr_gid
        except KeyError:
            raise IpfwError(DATAERR, '%s "%s" nonexistent' % (kind, text)) from None

    def _stateful(self, word: str) -> None:
        limit = word.endswith("limit")
        if self._open:
            raise IpfwError(USAGE, "%s cannot be part of an or block" % ("limit or set-limit" if limit else "keep-state or record-state"))
        if self._state is not None:
            raise IpfwError(USAGE, "only one of keep-state, record-state,  limit and set-limit is allowed")
        args: tuple = ()
        if limit:
            masks = []
            while self._peek() in words.LIMIT_MASKS:
                masks.append(self._words.pop(0))
            if not masks:
                raise IpfwError(USAGE, "limit: missing limit mask")
            args = (tuple(mask for mask in words.LIMIT_MASKS if mask in masks), words.argument(self._peek(), "limit"))
            self._words.pop(0)
        name = "default"
        following = self._peek()
        if following and following.startswith(":"):
            if not words.good_name(following[1:]) or following == ":any":
                raise IpfwError(DATAERR, "Invalid state name %s" % following)
            name = self._words.pop(0)[1:]
        self.rule.record_only = word in ("record-state", "set-limit")
        self._emit(Insn("limit" if limit else "keep", (name, *args)))
        self._state = self.rule.body[-1]
